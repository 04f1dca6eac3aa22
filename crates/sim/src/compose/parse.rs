//! The tokens of a YAML text become events, by the grammar of `yaml.v3`.

use super::scan::{Fault, Mark, Scanner, Token};

/// What a document is made of.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    Alias(String),
    Scalar {
        text: String,
        /// Neither quoted nor a block.
        is_plain: bool,
        about: About,
    },
    SequenceStart(About),
    SequenceEnd,
    MappingStart(About),
    MappingEnd,
}

/// What may stand before a node.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct About {
    pub anchor: Option<String>,
    pub tag: Option<String>,
}

#[derive(Clone, Copy)]
enum State {
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirst,
    BlockSequence,
    IndentlessSequence,
    BlockMappingFirst,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirst,
    FlowSequence,
    /// A pair within a list in brackets.
    PairKey,
    PairValue,
    PairEnd,
    FlowMappingFirst,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingNoValue,
    End,
}

/// The parser of a text.
pub struct Parser {
    scanner: Scanner,
    state: State,
    /// What comes after the nodes that are open.
    states: Vec<State>,
    /// Where the collections that are open began.
    marks: Vec<Mark>,
    tag_prefixes: Vec<(String, String)>,
}

type Step = Result<(Event, Mark), Fault>;

const YAML_TAGS: &str = "tag:yaml.org,2002:";

impl Parser {
    /// A parser of a text without a byte order mark.
    pub fn new(text: &str) -> Parser {
        Parser {
            scanner: Scanner::new(text),
            state: State::ImplicitDocumentStart,
            states: Vec::new(),
            marks: Vec::new(),
            tag_prefixes: Vec::new(),
        }
    }

    /// The next event and where it begins; at the end always [`Event::StreamEnd`].
    pub fn next(&mut self) -> Step {
        match self.state {
            State::ImplicitDocumentStart => {
                if *self.peek()? == Token::StreamStart {
                    self.scanner.take();
                }
                self.document_start(true)
            }
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirst => self.first(Self::block_sequence),
            State::BlockSequence => self.block_sequence(),
            State::IndentlessSequence => self.indentless_sequence(),
            State::BlockMappingFirst => self.first(Self::block_mapping_key),
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirst => self.first(|parser| parser.flow_sequence(true)),
            State::FlowSequence => self.flow_sequence(false),
            State::PairKey => self.pair_key(),
            State::PairValue => self.pair_value(),
            State::PairEnd => {
                self.state = State::FlowSequence;
                Ok((Event::MappingEnd, self.mark()?))
            }
            State::FlowMappingFirst => self.first(|parser| parser.flow_mapping_key(true)),
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(),
            State::FlowMappingNoValue => {
                let mark = self.mark()?;
                self.nothing(State::FlowMappingKey, mark)
            }
            State::End => Ok((Event::StreamEnd, self.mark()?)),
        }
    }

    fn peek(&mut self) -> Result<&Token, Fault> {
        self.scanner.peek().map(|(token, ..)| token)
    }

    /// Where the next token begins.
    fn mark(&mut self) -> Result<Mark, Fault> {
        self.scanner.peek().map(|(_, start, _)| *start)
    }

    /// Takes a token and says where it ends.
    fn take(&mut self) -> Result<Mark, Fault> {
        let end = self.scanner.peek().map(|(_, _, end)| *end)?;
        self.scanner.take();
        Ok(end)
    }

    /// Whether the next token is a certain one, which is taken then.
    fn take_if(&mut self, wanted: &Token) -> Result<bool, Fault> {
        let is_wanted = self.peek()? == wanted;
        if is_wanted {
            self.scanner.take();
        }
        Ok(is_wanted)
    }

    fn fault<T>(context: Mark, at: Mark, problem: &str) -> Result<T, Fault> {
        // The line before, which is the one that `yaml.v3` names.
        let line = [context.line, at.line].into_iter().find(|line| *line != 0);
        Err(Fault { problem: problem.to_string(), line, at: Some(at.place()) })
    }

    fn resume(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn first(&mut self, then: fn(&mut Parser) -> Step) -> Step {
        let mark = self.mark()?;
        self.marks.push(mark);
        self.scanner.take();
        then(self)
    }

    /// A node, after which the parser is in a state.
    fn node_then(&mut self, then: State, is_block: bool, may_be_indentless: bool) -> Step {
        self.states.push(then);
        self.node(is_block, may_be_indentless)
    }

    /// An empty scalar.
    fn nothing(&mut self, then: State, mark: Mark) -> Step {
        self.state = then;
        Ok((Event::Scalar { text: String::new(), is_plain: true, about: About::default() }, mark))
    }

    /// The end of a collection with a token of its own.
    fn close(&mut self, event: Event) -> Step {
        let mark = self.mark()?;
        self.scanner.take();
        self.marks.pop();
        self.resume();
        Ok((event, mark))
    }

    fn unclosed(&mut self, problem: &str) -> Step {
        let (context, at) = (self.marks.pop().unwrap_or_default(), self.mark()?);
        Self::fault(context, at, problem)
    }

    fn document_start(&mut self, is_implicit: bool) -> Step {
        while !is_implicit && self.take_if(&Token::DocumentEnd)? {}
        let start = self.mark()?;
        match self.peek()? {
            Token::StreamEnd => {
                self.state = State::End;
                Ok((Event::StreamEnd, start))
            }
            Token::Version(..) | Token::TagDirective(..) | Token::DocumentStart => self.explicit_document(start),
            _ if is_implicit => {
                self.directives()?;
                self.states.push(State::DocumentEnd);
                self.state = State::BlockNode;
                Ok((Event::DocumentStart, start))
            }
            _ => self.explicit_document(start),
        }
    }

    fn explicit_document(&mut self, start: Mark) -> Step {
        self.directives()?;
        let at = self.mark()?;
        if !self.take_if(&Token::DocumentStart)? {
            return Self::fault(Mark::default(), at, "did not find expected <document start>");
        }
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok((Event::DocumentStart, start))
    }

    fn directives(&mut self) -> Result<(), Fault> {
        let mut has_version = false;
        loop {
            let at = self.mark()?;
            let fault = |problem| Self::fault(Mark::default(), at, problem);
            match self.peek()?.clone() {
                Token::Version(..) if has_version => return fault("found duplicate %YAML directive"),
                Token::Version(1, 1) => has_version = true,
                Token::Version(..) => return fault("found incompatible YAML document"),
                Token::TagDirective(handle, prefix) => {
                    if self.tag_prefixes.iter().any(|(known, _)| *known == handle) {
                        return fault("found duplicate %TAG directive");
                    }
                    self.tag_prefixes.push((handle, prefix));
                }
                _ => break,
            }
            self.scanner.take();
        }
        for (handle, prefix) in [("!", "!"), ("!!", YAML_TAGS)] {
            if !self.tag_prefixes.iter().any(|(known, _)| known == handle) {
                self.tag_prefixes.push((handle.to_string(), prefix.to_string()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Step {
        match self.peek()? {
            Token::Version(..)
            | Token::TagDirective(..)
            | Token::DocumentStart
            | Token::DocumentEnd
            | Token::StreamEnd => {
                let mark = self.mark()?;
                let then = self.states.pop().unwrap_or(State::End);
                self.nothing(then, mark)
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Step {
        let mark = self.mark()?;
        self.take_if(&Token::DocumentEnd)?;
        self.tag_prefixes.clear();
        self.state = State::DocumentStart;
        Ok((Event::DocumentEnd, mark))
    }

    fn node(&mut self, is_block: bool, may_be_indentless: bool) -> Step {
        let start = self.mark()?;
        if let Token::Alias(name) = self.peek()?.clone() {
            self.scanner.take();
            self.resume();
            return Ok((Event::Alias(name), start));
        }
        let about = self.about(start)?;
        let is_described = about.anchor.is_some() || about.tag.is_some();
        match self.peek()?.clone() {
            Token::BlockEntry if may_be_indentless => {
                self.state = State::IndentlessSequence;
                Ok((Event::SequenceStart(about), start))
            }
            Token::Scalar(text, is_plain) => {
                self.scanner.take();
                self.resume();
                Ok((Event::Scalar { text, is_plain, about }, start))
            }
            Token::FlowSequenceStart => {
                self.state = State::FlowSequenceFirst;
                Ok((Event::SequenceStart(about), start))
            }
            Token::FlowMappingStart => {
                self.state = State::FlowMappingFirst;
                Ok((Event::MappingStart(about), start))
            }
            Token::BlockSequenceStart if is_block => {
                self.state = State::BlockSequenceFirst;
                Ok((Event::SequenceStart(about), start))
            }
            Token::BlockMappingStart if is_block => {
                self.state = State::BlockMappingFirst;
                Ok((Event::MappingStart(about), start))
            }
            _ if is_described => {
                self.resume();
                Ok((Event::Scalar { text: String::new(), is_plain: true, about }, start))
            }
            _ => {
                let at = self.mark()?;
                Self::fault(start, at, "did not find expected node content")
            }
        }
    }

    /// An anchor and a tag, in any order.
    fn about(&mut self, start: Mark) -> Result<About, Fault> {
        let mut about = About::default();
        for _ in 0..2 {
            let mark = self.mark()?;
            match self.peek()?.clone() {
                Token::Anchor(name) if about.anchor.is_none() => about.anchor = Some(name),
                Token::Tag(handle, suffix) if about.tag.is_none() => {
                    let prefix = self.tag_prefixes.iter().find(|(known, _)| *known == handle);
                    about.tag = Some(match prefix {
                        Some((_, prefix)) => format!("{prefix}{suffix}"),
                        None if handle.is_empty() => suffix,
                        None => return Self::fault(start, mark, "found undefined tag handle"),
                    });
                }
                _ => break,
            }
            self.scanner.take();
        }
        Ok(about)
    }

    fn block_sequence(&mut self) -> Step {
        match self.peek()? {
            Token::BlockEntry => {
                let end = self.take()?;
                match self.peek()? {
                    Token::BlockEntry | Token::BlockEnd => self.nothing(State::BlockSequence, end),
                    _ => self.node_then(State::BlockSequence, true, false),
                }
            }
            Token::BlockEnd => self.close(Event::SequenceEnd),
            _ => self.unclosed("did not find expected '-' indicator"),
        }
    }

    fn indentless_sequence(&mut self) -> Step {
        if *self.peek()? != Token::BlockEntry {
            self.resume();
            return Ok((Event::SequenceEnd, self.mark()?));
        }
        let end = self.take()?;
        match self.peek()? {
            Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd => {
                self.nothing(State::IndentlessSequence, end)
            }
            _ => self.node_then(State::IndentlessSequence, true, false),
        }
    }

    fn block_mapping_key(&mut self) -> Step {
        match self.peek()? {
            Token::Key => self.block_mapping_part(State::BlockMappingValue),
            Token::BlockEnd => self.close(Event::MappingEnd),
            _ => self.unclosed("did not find expected key"),
        }
    }

    fn block_mapping_value(&mut self) -> Step {
        match self.peek()? {
            Token::Value => self.block_mapping_part(State::BlockMappingKey),
            _ => {
                let mark = self.mark()?;
                self.nothing(State::BlockMappingKey, mark)
            }
        }
    }

    /// What follows the sign of a key or a value.
    fn block_mapping_part(&mut self, then: State) -> Step {
        let end = self.take()?;
        match self.peek()? {
            Token::Key | Token::Value | Token::BlockEnd => self.nothing(then, end),
            _ => self.node_then(then, true, true),
        }
    }

    fn flow_sequence(&mut self, is_first: bool) -> Step {
        if *self.peek()? != Token::FlowSequenceEnd {
            if !is_first && !self.take_if(&Token::FlowEntry)? {
                return self.unclosed("did not find expected ',' or ']'");
            }
            let mark = self.mark()?;
            if self.take_if(&Token::Key)? {
                self.state = State::PairKey;
                return Ok((Event::MappingStart(About::default()), mark));
            }
            if *self.peek()? != Token::FlowSequenceEnd {
                return self.node_then(State::FlowSequence, false, false);
            }
        }
        self.close(Event::SequenceEnd)
    }

    fn pair_key(&mut self) -> Step {
        match self.peek()? {
            Token::Value | Token::FlowEntry | Token::FlowSequenceEnd => {
                // The sign is swallowed, as in `yaml.v3`.
                let end = self.take()?;
                self.nothing(State::PairValue, end)
            }
            _ => self.node_then(State::PairValue, false, false),
        }
    }

    fn pair_value(&mut self) -> Step {
        let mark = self.mark()?;
        if self.take_if(&Token::Value)? && !matches!(self.peek()?, Token::FlowEntry | Token::FlowSequenceEnd) {
            return self.node_then(State::PairEnd, false, false);
        }
        self.nothing(State::PairEnd, mark)
    }

    fn flow_mapping_key(&mut self, is_first: bool) -> Step {
        if *self.peek()? != Token::FlowMappingEnd {
            if !is_first && !self.take_if(&Token::FlowEntry)? {
                return self.unclosed("did not find expected ',' or '}'");
            }
            if self.take_if(&Token::Key)? {
                return match self.peek()? {
                    Token::Value | Token::FlowEntry | Token::FlowMappingEnd => {
                        let mark = self.mark()?;
                        self.nothing(State::FlowMappingValue, mark)
                    }
                    _ => self.node_then(State::FlowMappingValue, false, false),
                };
            }
            if *self.peek()? != Token::FlowMappingEnd {
                return self.node_then(State::FlowMappingNoValue, false, false);
            }
        }
        self.close(Event::MappingEnd)
    }

    fn flow_mapping_value(&mut self) -> Step {
        if self.take_if(&Token::Value)? && !matches!(self.peek()?, Token::FlowEntry | Token::FlowMappingEnd) {
            return self.node_then(State::FlowMappingKey, false, false);
        }
        let mark = self.mark()?;
        self.nothing(State::FlowMappingKey, mark)
    }
}
