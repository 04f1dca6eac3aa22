//! The characters of a YAML text become tokens.
//!
//! Docker reads YAML with Go's `yaml.v3`, whose scanner is that of libyaml with changes of its own: neither YAML 1.1 nor
//! 1.2, and what it refuses, in which words and of which line, no crate tells. The rules here are its rules, in its order:
//! which of two errors is found first depends on how far it looks ahead.

use std::collections::{BTreeMap, VecDeque};

use super::yaml::Place;

/// Deepest nesting of brackets or of indentation.
const MAX_DEPTH: usize = 10_000;
/// Farthest that a key on its own line may be from its colon, in characters.
const MAX_SIMPLE_KEY: usize = 1024;
/// How far a comment is looked for at a time.
const COMMENT_REACH: usize = 512;
/// Bytes that are decoded at a time: a character that may not be there is found when its piece is.
const PIECE: usize = 512;

/// The text of a file, whose byte order mark says how it is written; the error is that of `yaml.v3`.
pub fn decode(bytes: Vec<u8>) -> Result<String, &'static str> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = bytes[2..].as_chunks::<2>();
        if !units.1.is_empty() {
            return Err("incomplete UTF-16 character");
        }
        let decoded: Result<String, _> = char::decode_utf16(units.0.iter().map(|pair| unit(*pair))).collect();
        decoded.map_err(|error| match error.unpaired_surrogate() {
            0xdc00.. => "unexpected low surrogate area",
            _ => "expected low surrogate area",
        })
    };
    match bytes.as_slice() {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        _ => String::from_utf8(bytes).map_err(|error| {
            let rest = &error.as_bytes()[error.utf8_error().valid_up_to()..];
            match (rest[0], error.utf8_error().error_len()) {
                (0x80..0xc0 | 0xf8.., _) => "invalid leading UTF-8 octet",
                (_, None) => "incomplete UTF-8 octet sequence",
                (0xc0 | 0xc1, _) => "invalid length of a UTF-8 sequence",
                _ => "invalid trailing UTF-8 octet",
            }
        }),
    }
}

/// Where a token stands; all numbers begin with 0.
#[derive(Clone, Copy, Default, Debug)]
pub struct Mark {
    index: usize,
    pub line: usize,
    column: usize,
}

impl Mark {
    /// As people count.
    pub fn place(self) -> Place {
        Place { line: self.line + 1, column: self.column + 1 }
    }
}

/// Why a text is no YAML.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is wrong, in the words of `yaml.v3`.
    pub problem: String,
    /// The line that `yaml.v3` names, which is not always that of `at`; it names none for the first line.
    pub line: Option<usize>,
    /// Where, if known.
    pub at: Option<Place>,
}

/// What a text is made of.
#[derive(Clone, PartialEq, Debug)]
pub enum Token {
    StreamStart,
    StreamEnd,
    /// `%YAML major.minor`
    Version(u32, u32),
    /// `%TAG handle prefix`
    TagDirective(String, String),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    /// Handle and suffix.
    Tag(String, String),
    /// The text, and whether it is neither quoted nor a block.
    Scalar(String, bool),
}

/// A key of one line, which only its colon tells.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    is_possible: bool,
    is_required: bool,
    /// The number of its token since the beginning.
    token: usize,
    mark: Mark,
}

/// The scanner of a text.
pub struct Scanner {
    text: Vec<char>,
    /// How many characters can be read before one that may not be there, if there is one.
    readable: Option<usize>,
    mark: Mark,
    /// Line breaks since the last character that is not blank.
    newlines: usize,
    tokens: VecDeque<(Token, Mark, Mark)>,
    /// Tokens that were taken.
    taken: usize,
    has_started: bool,
    flow: usize,
    /// Columns; -1 is outside of everything.
    indent: isize,
    indents: Vec<isize>,
    allows_simple_key: bool,
    /// One for each open bracket, and one outside.
    simple_keys: Vec<SimpleKey>,
    /// Places in `simple_keys`, by the number of the token.
    simple_key_of: BTreeMap<usize, usize>,
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_break_or_end(c: char) -> bool {
    is_break(c) || c == '\0'
}

fn is_blank_or_end(c: char) -> bool {
    is_blank(c) || is_break_or_end(c)
}

fn is_alphabetic(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{7e}' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

/// The folding of line breaks within a scalar.
#[derive(Default)]
struct Folding {
    whitespace: String,
    leading_break: String,
    trailing_breaks: String,
}

impl Folding {
    /// What stands for the breaks between two lines.
    fn join(&mut self) -> String {
        let (leading, trailing) = (std::mem::take(&mut self.leading_break), std::mem::take(&mut self.trailing_breaks));
        match (leading.starts_with('\n'), trailing.is_empty()) {
            (true, true) => " ".to_string(),
            (true, false) => trailing,
            (false, _) => leading + &trailing,
        }
    }
}

impl Scanner {
    /// A scanner of a text without a byte order mark.
    pub fn new(text: &str) -> Scanner {
        let forbidden = text.char_indices().position(|(_, c)| !is_allowed(c));
        let readable = forbidden.map(|forbidden| {
            let byte = text.char_indices().nth(forbidden).map_or(0, |(byte, _)| byte);
            let piece = byte / PIECE * PIECE;
            text.char_indices().take_while(|(byte, _)| *byte < piece).count()
        });
        Scanner {
            text: text.chars().collect(),
            readable,
            mark: Mark::default(),
            newlines: 0,
            tokens: VecDeque::new(),
            taken: 0,
            has_started: false,
            flow: 0,
            indent: -1,
            indents: Vec::new(),
            allows_simple_key: false,
            simple_keys: Vec::new(),
            simple_key_of: BTreeMap::new(),
        }
    }

    /// The next token, where it begins and where it ends.
    pub fn peek(&mut self) -> Result<&(Token, Mark, Mark), Fault> {
        loop {
            // `yaml.v3` looks two tokens ahead for the sake of comments.
            if self.tokens.len() > 2 {
                match self.simple_key_of.get(&self.taken).copied() {
                    None => break,
                    Some(level) if !self.is_valid(level)? => break,
                    Some(_) => {}
                }
            }
            self.fetch()?;
        }
        Ok(&self.tokens[0])
    }

    /// Takes the token that was looked at.
    pub fn take(&mut self) -> Option<Token> {
        self.taken += 1;
        self.tokens.pop_front().map(|(token, ..)| token)
    }

    fn at(&self, offset: usize) -> char {
        self.text.get(self.mark.index + offset).copied().unwrap_or('\0')
    }

    fn here(&self) -> char {
        self.at(0)
    }

    /// Makes sure that so many characters may be looked at.
    fn need(&self, count: usize) -> Result<(), Fault> {
        if self.readable.is_some_and(|readable| self.mark.index + count > readable) {
            let index = self.text.iter().position(|c| !is_allowed(*c)).unwrap_or(0);
            let before = &self.text[..index];
            let line = before.iter().filter(|c| **c == '\n').count();
            let column = before.iter().rev().take_while(|c| **c != '\n').count();
            return Err(Fault {
                problem: "control characters are not allowed".to_string(),
                line: None,
                at: Some(Place { line: line + 1, column: column + 1 }),
            });
        }
        Ok(())
    }

    fn fault<T>(&self, context: Mark, problem: &str) -> Result<T, Fault> {
        let line = [context.line, self.mark.line].into_iter().find(|line| *line != 0).map(|line| line + 1);
        Err(Fault { problem: problem.to_string(), line, at: Some(self.mark.place()) })
    }

    fn skip(&mut self) {
        if !is_blank(self.here()) {
            self.newlines = 0;
        }
        self.mark.index += 1;
        self.mark.column += 1;
    }

    fn read(&mut self, into: &mut String) {
        into.push(self.here());
        self.skip();
    }

    fn skip_line(&mut self) {
        if is_break(self.here()) {
            self.mark.index += if self.here() == '\r' && self.at(1) == '\n' { 2 } else { 1 };
            self.mark.column = 0;
            self.mark.line += 1;
            self.newlines += 1;
        }
    }

    fn read_line(&mut self, into: &mut String) {
        match self.here() {
            c @ ('\u{2028}' | '\u{2029}') => into.push(c),
            c if is_break(c) => into.push('\n'),
            _ => return,
        }
        self.skip_line();
    }

    fn skip_blanks(&mut self) -> Result<(), Fault> {
        self.need(1)?;
        while is_blank(self.here()) {
            self.skip();
            self.need(1)?;
        }
        Ok(())
    }

    fn push(&mut self, token: Token, start: Mark) {
        self.tokens.push_back((token, start, self.mark));
    }

    /// A token of one character.
    fn push_sign(&mut self, token: Token) {
        let start = self.mark;
        self.skip();
        self.push(token, start);
    }

    fn fetch(&mut self) -> Result<(), Fault> {
        self.need(1)?;
        if !self.has_started {
            self.has_started = true;
            self.allows_simple_key = true;
            self.simple_keys.push(SimpleKey::default());
            self.push(Token::StreamStart, self.mark);
            return Ok(());
        }
        let before = self.mark;
        self.scan_to_next_token()?;
        self.unroll_indent(self.mark.column as isize, before);
        self.need(4)?;
        if self.here() == '\0' {
            return self.fetch_stream_end();
        }
        if self.mark.column == 0 && self.here() == '%' {
            self.end_blocks()?;
            let start = self.mark;
            let directive = self.scan_directive()?;
            self.push(directive, start);
            return Ok(());
        }
        if let Some(token) = self.document_indicator() {
            self.end_blocks()?;
            let start = self.mark;
            for _ in 0..3 {
                self.skip();
            }
            self.push(token, start);
            return Ok(());
        }
        self.fetch_content()?;
        if !matches!(self.tokens.back(), Some((Token::BlockEntry, ..))) {
            self.skip_line_comment()?;
        }
        Ok(())
    }

    fn document_indicator(&self) -> Option<Token> {
        let is_end = is_blank_or_end(self.at(3));
        match (self.mark.column, self.here(), self.at(1), self.at(2)) {
            (0, '-', '-', '-') if is_end => Some(Token::DocumentStart),
            (0, '.', '.', '.') if is_end => Some(Token::DocumentEnd),
            _ => None,
        }
    }

    fn fetch_content(&mut self) -> Result<(), Fault> {
        let (here, next) = (self.here(), self.at(1));
        let is_in_flow = self.flow > 0;
        match here {
            '[' => self.fetch_flow_start(Token::FlowSequenceStart),
            '{' => self.fetch_flow_start(Token::FlowMappingStart),
            ']' => self.fetch_flow_end(Token::FlowSequenceEnd),
            '}' => self.fetch_flow_end(Token::FlowMappingEnd),
            ',' => {
                self.remove_simple_key()?;
                self.allows_simple_key = true;
                self.push_sign(Token::FlowEntry);
                Ok(())
            }
            '-' if is_blank_or_end(next) => self.fetch_block_entry(),
            '?' if is_in_flow || is_blank_or_end(next) => self.fetch_key(),
            ':' if is_in_flow || is_blank_or_end(next) => self.fetch_value(),
            '*' | '&' => {
                self.save_simple_key()?;
                self.allows_simple_key = false;
                let start = self.mark;
                let token = self.scan_anchor(here == '*')?;
                self.push(token, start);
                Ok(())
            }
            '!' => {
                self.save_simple_key()?;
                self.allows_simple_key = false;
                let start = self.mark;
                let token = self.scan_tag()?;
                self.push(token, start);
                Ok(())
            }
            '|' | '>' if !is_in_flow => {
                self.remove_simple_key()?;
                self.allows_simple_key = true;
                let start = self.mark;
                let text = self.scan_block_scalar(here == '|')?;
                self.push(Token::Scalar(text, false), start);
                Ok(())
            }
            '\'' | '"' => {
                self.save_simple_key()?;
                self.allows_simple_key = false;
                let start = self.mark;
                let text = self.scan_quoted_scalar(here == '\'')?;
                self.push(Token::Scalar(text, false), start);
                Ok(())
            }
            _ => {
                const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`";
                let is_plain = !(is_blank_or_end(here) || INDICATORS.contains(here))
                    || (here == '-' && !is_blank(next))
                    || (!is_in_flow && matches!(here, '?' | ':') && !is_blank_or_end(next));
                if !is_plain {
                    return self.fault(self.mark, "found character that cannot start any token");
                }
                self.save_simple_key()?;
                self.allows_simple_key = false;
                let start = self.mark;
                let text = self.scan_plain_scalar()?;
                self.push(Token::Scalar(text, true), start);
                Ok(())
            }
        }
    }

    /// Whether a key of one line is still possible; an error if it would have to be there.
    fn is_valid(&mut self, level: usize) -> Result<bool, Fault> {
        let key = self.simple_keys[level];
        if !key.is_possible {
            return Ok(false);
        }
        if key.mark.line < self.mark.line || key.mark.index + MAX_SIMPLE_KEY < self.mark.index {
            if key.is_required {
                return self.fault(key.mark, "could not find expected ':'");
            }
            self.simple_keys[level].is_possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_simple_key(&mut self) -> Result<(), Fault> {
        let is_required = self.flow == 0 && self.indent == self.mark.column as isize;
        if self.allows_simple_key {
            let token = self.taken + self.tokens.len();
            self.remove_simple_key()?;
            let level = self.simple_keys.len() - 1;
            self.simple_keys[level] = SimpleKey { is_possible: true, is_required, token, mark: self.mark };
            self.simple_key_of.insert(token, level);
        }
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<(), Fault> {
        let level = self.simple_keys.len() - 1;
        let key = self.simple_keys[level];
        if key.is_possible {
            if key.is_required {
                return self.fault(key.mark, "could not find expected ':'");
            }
            self.simple_keys[level].is_possible = false;
            self.simple_key_of.remove(&key.token);
        }
        Ok(())
    }

    fn too_deep<T>(&self) -> Result<T, Fault> {
        let context = self.simple_keys.last().map(|key| key.mark).unwrap_or_default();
        self.fault(context, &format!("exceeded max depth of {MAX_DEPTH}"))
    }

    /// Begins a block at a column if it is deeper than the last. The token goes before that with a number, or to the end.
    fn roll_indent(&mut self, column: usize, before: Option<usize>, token: Token, mark: Mark) -> Result<(), Fault> {
        if self.flow > 0 || self.indent >= column as isize {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column as isize;
        if self.indents.len() > MAX_DEPTH {
            return self.too_deep();
        }
        self.insert(before.unwrap_or(usize::MAX), (token, mark, mark));
        Ok(())
    }

    /// Inserts a token before that with a number. Where that is gone already, it comes last, as in `yaml.v3`.
    fn insert(&mut self, number: usize, token: (Token, Mark, Mark)) {
        let last = self.tokens.len();
        let index = number.checked_sub(self.taken).filter(|index| *index < last);
        self.tokens.insert(index.unwrap_or(last), token);
    }

    /// Ends the blocks that are deeper than a column.
    fn unroll_indent(&mut self, column: isize, mark: Mark) {
        if self.flow > 0 {
            return;
        }
        while self.indent > column {
            self.tokens.push_back((Token::BlockEnd, mark, mark));
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn end_blocks(&mut self) -> Result<(), Fault> {
        self.unroll_indent(-1, self.mark);
        self.remove_simple_key()?;
        self.allows_simple_key = false;
        Ok(())
    }

    fn fetch_stream_end(&mut self) -> Result<(), Fault> {
        if self.mark.column != 0 {
            self.mark.column = 0;
            self.mark.line += 1;
        }
        self.end_blocks()?;
        self.push(Token::StreamEnd, self.mark);
        Ok(())
    }

    fn fetch_flow_start(&mut self, token: Token) -> Result<(), Fault> {
        self.save_simple_key()?;
        let number = self.taken + self.tokens.len();
        self.simple_keys.push(SimpleKey { token: number, mark: self.mark, ..SimpleKey::default() });
        self.flow += 1;
        if self.flow > MAX_DEPTH {
            return self.too_deep();
        }
        self.allows_simple_key = true;
        self.push_sign(token);
        Ok(())
    }

    fn fetch_flow_end(&mut self, token: Token) -> Result<(), Fault> {
        self.remove_simple_key()?;
        if self.flow > 0 {
            self.flow -= 1;
            if let Some(key) = self.simple_keys.pop() {
                self.simple_key_of.remove(&key.token);
            }
        }
        self.allows_simple_key = false;
        self.push_sign(token);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<(), Fault> {
        if self.flow == 0 {
            if !self.allows_simple_key {
                return self.fault(self.mark, "block sequence entries are not allowed in this context");
            }
            self.roll_indent(self.mark.column, None, Token::BlockSequenceStart, self.mark)?;
        }
        self.remove_simple_key()?;
        self.allows_simple_key = true;
        self.push_sign(Token::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Fault> {
        if self.flow == 0 {
            if !self.allows_simple_key {
                return self.fault(self.mark, "mapping keys are not allowed in this context");
            }
            self.roll_indent(self.mark.column, None, Token::BlockMappingStart, self.mark)?;
        }
        self.remove_simple_key()?;
        self.allows_simple_key = self.flow == 0;
        self.push_sign(Token::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Fault> {
        let level = self.simple_keys.len() - 1;
        if self.is_valid(level)? {
            let key = self.simple_keys[level];
            self.insert(key.token, (Token::Key, key.mark, key.mark));
            self.roll_indent(key.mark.column, Some(key.token), Token::BlockMappingStart, key.mark)?;
            self.simple_keys[level].is_possible = false;
            self.simple_key_of.remove(&key.token);
            self.allows_simple_key = false;
        } else {
            if self.flow == 0 {
                if !self.allows_simple_key {
                    return self.fault(self.mark, "mapping values are not allowed in this context");
                }
                self.roll_indent(self.mark.column, None, Token::BlockMappingStart, self.mark)?;
            }
            self.allows_simple_key = self.flow == 0;
        }
        self.push_sign(Token::Value);
        Ok(())
    }

    fn scan_to_next_token(&mut self) -> Result<(), Fault> {
        loop {
            self.need(1)?;
            // No tab at the beginning of a line, nor after what a key or an item could follow.
            while self.here() == ' ' || ((self.flow > 0 || !self.allows_simple_key) && self.here() == '\t') {
                self.skip();
                self.need(1)?;
            }
            if self.here() == '#' {
                self.skip_comments()?;
            }
            if !is_break(self.here()) {
                return Ok(());
            }
            self.need(2)?;
            self.skip_line();
            if self.flow == 0 {
                self.allows_simple_key = true;
            }
        }
    }

    /// Skips everything up to the end of the line on which a character is.
    fn skip_through(&mut self, index: usize) -> Result<(), Fault> {
        loop {
            self.need(1)?;
            if !is_break_or_end(self.here()) {
                self.skip();
            } else if self.mark.index >= index {
                return Ok(());
            } else {
                self.need(2)?;
                self.skip_line();
            }
        }
    }

    /// Skips a comment behind a token.
    fn skip_line_comment(&mut self) -> Result<(), Fault> {
        if self.newlines > 0 {
            return Ok(());
        }
        for offset in 0..COMMENT_REACH {
            self.need(offset + 1)?;
            if is_blank(self.at(offset)) {
                continue;
            }
            if self.at(offset) == '#' {
                self.skip_through(self.mark.index + offset)?;
            }
            break;
        }
        Ok(())
    }

    /// Skips lines of comments, with whatever blanks are between them.
    fn skip_comments(&mut self) -> Result<(), Fault> {
        let mut offset = 0;
        while offset < COMMENT_REACH {
            self.need(offset + 1)?;
            match self.at(offset) {
                '#' => {
                    self.skip_through(self.mark.index + offset)?;
                    offset = 1;
                }
                ' ' | '\t' | '\r' | '\n' => offset += 1,
                _ => break,
            }
        }
        Ok(())
    }

    fn scan_directive(&mut self) -> Result<Token, Fault> {
        let start = self.mark;
        self.skip();
        let mut name = String::new();
        self.need(1)?;
        while is_alphabetic(self.here()) {
            self.read(&mut name);
            self.need(1)?;
        }
        if name.is_empty() {
            return self.fault(start, "could not find expected directive name");
        }
        if !is_blank_or_end(self.here()) {
            return self.fault(start, "found unexpected non-alphabetical character");
        }
        let token = match name.as_str() {
            "YAML" => {
                self.skip_blanks()?;
                let major = self.scan_version_number(start)?;
                if self.here() != '.' {
                    return self.fault(start, "did not find expected digit or '.' character");
                }
                self.skip();
                Token::Version(major, self.scan_version_number(start)?)
            }
            "TAG" => {
                self.skip_blanks()?;
                let handle = self.scan_tag_handle(true, start)?;
                self.need(1)?;
                if !is_blank(self.here()) {
                    return self.fault(start, "did not find expected whitespace");
                }
                self.skip_blanks()?;
                let prefix = self.scan_tag_uri("", start)?;
                self.need(1)?;
                if !is_blank_or_end(self.here()) {
                    return self.fault(start, "did not find expected whitespace or line break");
                }
                Token::TagDirective(handle, prefix)
            }
            _ => return self.fault(start, "found unknown directive name"),
        };
        self.skip_blanks()?;
        self.end_line(start)?;
        Ok(token)
    }

    /// Skips a comment and a line break, and nothing else.
    fn end_line(&mut self, start: Mark) -> Result<(), Fault> {
        if self.here() == '#' {
            self.skip_through(self.mark.index)?;
        }
        if !is_break_or_end(self.here()) {
            return self.fault(start, "did not find expected comment or line break");
        }
        self.need(2)?;
        self.skip_line();
        Ok(())
    }

    fn scan_version_number(&mut self, start: Mark) -> Result<u32, Fault> {
        self.need(1)?;
        let (mut value, mut length) = (0, 0);
        while let Some(digit) = self.here().to_digit(10) {
            length += 1;
            if length > 2 {
                return self.fault(start, "found extremely long version number");
            }
            value = value * 10 + digit;
            self.skip();
            self.need(1)?;
        }
        if length == 0 {
            return self.fault(start, "did not find expected version number");
        }
        Ok(value)
    }

    fn scan_anchor(&mut self, is_alias: bool) -> Result<Token, Fault> {
        let start = self.mark;
        self.skip();
        let mut name = String::new();
        self.need(1)?;
        while is_alphabetic(self.here()) {
            self.read(&mut name);
            self.need(1)?;
        }
        let is_end =
            is_blank_or_end(self.here()) || matches!(self.here(), '?' | ':' | ',' | ']' | '}' | '%' | '@' | '`');
        if name.is_empty() || !is_end {
            return self.fault(start, "did not find expected alphabetic or numeric character");
        }
        Ok(if is_alias { Token::Alias(name) } else { Token::Anchor(name) })
    }

    fn scan_tag(&mut self) -> Result<Token, Fault> {
        let start = self.mark;
        self.need(2)?;
        let (handle, suffix) = if self.at(1) == '<' {
            self.skip();
            self.skip();
            let uri = self.scan_tag_uri("", start)?;
            if self.here() != '>' {
                return self.fault(start, "did not find the expected '>'");
            }
            self.skip();
            (String::new(), uri)
        } else {
            let handle = self.scan_tag_handle(false, start)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("", start)?;
                (handle, suffix)
            } else {
                let suffix = self.scan_tag_uri(&handle, start)?;
                if suffix.is_empty() { (String::new(), "!".to_string()) } else { ("!".to_string(), suffix) }
            }
        };
        self.need(1)?;
        if !is_blank_or_end(self.here()) {
            return self.fault(start, "did not find expected whitespace or line break");
        }
        Ok(Token::Tag(handle, suffix))
    }

    fn scan_tag_handle(&mut self, is_directive: bool, start: Mark) -> Result<String, Fault> {
        self.need(1)?;
        if self.here() != '!' {
            return self.fault(start, "did not find expected '!'");
        }
        let mut handle = String::new();
        self.read(&mut handle);
        self.need(1)?;
        while is_alphabetic(self.here()) {
            self.read(&mut handle);
            self.need(1)?;
        }
        if self.here() == '!' {
            self.read(&mut handle);
        } else if is_directive && handle != "!" {
            return self.fault(start, "did not find expected '!'");
        }
        Ok(handle)
    }

    /// The rest of a tag; `head` is what was taken for a handle.
    fn scan_tag_uri(&mut self, head: &str, start: Mark) -> Result<String, Fault> {
        let mut uri: Vec<u8> = head.as_bytes().get(1..).unwrap_or_default().to_vec();
        let mut is_empty = head.is_empty();
        self.need(1)?;
        while is_alphabetic(self.here()) || ";/?:@&=+$,.!~*'()[]%".contains(self.here()) {
            if self.here() == '%' {
                self.scan_uri_escapes(start, &mut uri)?;
            } else {
                uri.push(self.here() as u8);
                self.skip();
            }
            self.need(1)?;
            is_empty = false;
        }
        if is_empty {
            return self.fault(start, "did not find expected tag URI");
        }
        Ok(String::from_utf8_lossy(&uri).into_owned())
    }

    /// The octets of one character.
    fn scan_uri_escapes(&mut self, start: Mark, into: &mut Vec<u8>) -> Result<(), Fault> {
        let mut width = None;
        loop {
            self.need(3)?;
            let digits = (self.at(1).to_digit(16), self.at(2).to_digit(16));
            let ('%', (Some(high), Some(low))) = (self.here(), digits) else {
                return self.fault(start, "did not find URI escaped octet");
            };
            let octet = (high << 4 | low) as u8;
            let left = match width {
                None => match octet {
                    0..0x80 => 1,
                    0xc0..0xe0 => 2,
                    0xe0..0xf0 => 3,
                    0xf0..0xf8 => 4,
                    _ => return self.fault(start, "found an incorrect leading UTF-8 octet"),
                },
                Some(_) if octet & 0xc0 != 0x80 => {
                    return self.fault(start, "found an incorrect trailing UTF-8 octet");
                }
                Some(left) => left,
            };
            into.push(octet);
            for _ in 0..3 {
                self.skip();
            }
            if left == 1 {
                return Ok(());
            }
            width = Some(left - 1);
        }
    }

    fn scan_block_scalar(&mut self, is_literal: bool) -> Result<String, Fault> {
        let start = self.mark;
        self.skip();
        self.need(1)?;
        // The chomping and the indentation, in any order.
        let (mut chomping, mut increment) = (None, 0);
        for _ in 0..2 {
            match self.here() {
                c @ ('+' | '-') if chomping.is_none() => {
                    chomping = Some(c);
                    self.skip();
                }
                '0' if increment == 0 => return self.fault(start, "found an indentation indicator equal to 0"),
                c @ '1'..='9' if increment == 0 => {
                    increment = c as isize - '0' as isize;
                    self.skip();
                }
                _ => {}
            }
            self.need(1)?;
        }
        self.skip_blanks()?;
        self.end_line(start)?;
        let mut indent = if increment > 0 { self.indent.max(0) + increment } else { 0 };
        let (mut text, mut leading_break, mut trailing_breaks) = (String::new(), String::new(), String::new());
        self.scan_block_breaks(&mut indent, &mut trailing_breaks, start)?;
        self.need(1)?;
        let mut had_leading_blank = false;
        while self.mark.column as isize == indent && self.here() != '\0' {
            let has_leading_blank = is_blank(self.here());
            if !is_literal && !had_leading_blank && !has_leading_blank && leading_break.starts_with('\n') {
                if trailing_breaks.is_empty() {
                    text.push(' ');
                }
                leading_break.clear();
            } else {
                text.push_str(&std::mem::take(&mut leading_break));
            }
            text.push_str(&std::mem::take(&mut trailing_breaks));
            had_leading_blank = has_leading_blank;
            while !is_break_or_end(self.here()) {
                self.read(&mut text);
                self.need(1)?;
            }
            self.need(2)?;
            self.read_line(&mut leading_break);
            self.scan_block_breaks(&mut indent, &mut trailing_breaks, start)?;
        }
        if chomping != Some('-') {
            text.push_str(&leading_break);
        }
        if chomping == Some('+') {
            text.push_str(&trailing_breaks);
        }
        Ok(text)
    }

    /// The indentation and the empty lines before a line of a block. An indentation of 0 is not known yet.
    fn scan_block_breaks(&mut self, indent: &mut isize, breaks: &mut String, start: Mark) -> Result<(), Fault> {
        let mut deepest = 0;
        loop {
            self.need(1)?;
            let is_within = |column: usize| *indent == 0 || (column as isize) < *indent;
            while is_within(self.mark.column) && self.here() == ' ' {
                self.skip();
                self.need(1)?;
            }
            deepest = deepest.max(self.mark.column as isize);
            if is_within(self.mark.column) && self.here() == '\t' {
                return self.fault(start, "found a tab character where an indentation space is expected");
            }
            if !is_break(self.here()) {
                break;
            }
            self.need(2)?;
            self.read_line(breaks);
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }

    fn scan_quoted_scalar(&mut self, is_single: bool) -> Result<String, Fault> {
        let start = self.mark;
        let quote = if is_single { '\'' } else { '"' };
        self.skip();
        let (mut text, mut folding) = (String::new(), Folding::default());
        loop {
            self.need(4)?;
            if self.document_indicator().is_some() {
                return self.fault(start, "found unexpected document indicator");
            }
            if self.here() == '\0' {
                return self.fault(start, "found unexpected end of stream");
            }
            let mut has_leading_blanks = false;
            while !is_blank_or_end(self.here()) {
                match (self.here(), self.at(1)) {
                    ('\'', '\'') if is_single => {
                        text.push('\'');
                        self.skip();
                        self.skip();
                    }
                    (c, _) if c == quote => break,
                    ('\\', next) if !is_single && is_break(next) => {
                        self.need(3)?;
                        self.skip();
                        self.skip_line();
                        has_leading_blanks = true;
                        break;
                    }
                    ('\\', _) if !is_single => self.scan_escape(start, &mut text)?,
                    _ => self.read(&mut text),
                }
                self.need(2)?;
            }
            self.need(1)?;
            if self.here() == quote {
                break;
            }
            self.scan_blanks(&mut has_leading_blanks, &mut folding, None)?;
            if has_leading_blanks {
                text.push_str(&folding.join());
            } else {
                text.push_str(&std::mem::take(&mut folding.whitespace));
            }
        }
        self.skip();
        Ok(text)
    }

    fn scan_escape(&mut self, start: Mark, text: &mut String) -> Result<(), Fault> {
        let code_length = match self.at(1) {
            '0' => Err('\0'),
            'a' => Err('\u{7}'),
            'b' => Err('\u{8}'),
            't' | '\t' => Err('\t'),
            'n' => Err('\n'),
            'v' => Err('\u{b}'),
            'f' => Err('\u{c}'),
            'r' => Err('\r'),
            'e' => Err('\u{1b}'),
            c @ (' ' | '"' | '\'' | '\\') => Err(c),
            'N' => Err('\u{85}'),
            '_' => Err('\u{a0}'),
            'L' => Err('\u{2028}'),
            'P' => Err('\u{2029}'),
            'x' => Ok(2),
            'u' => Ok(4),
            'U' => Ok(8),
            _ => return self.fault(start, "found unknown escape character"),
        };
        self.skip();
        self.skip();
        let length = match code_length {
            Ok(length) => length,
            Err(c) => {
                text.push(c);
                return Ok(());
            }
        };
        self.need(length)?;
        let mut code = 0u32;
        for offset in 0..length {
            let Some(digit) = self.at(offset).to_digit(16) else {
                return self.fault(start, "did not find expected hexdecimal number");
            };
            code = code << 4 | digit;
        }
        match char::from_u32(code) {
            Some(c) => text.push(c),
            None => return self.fault(start, "found invalid Unicode character escape code"),
        }
        for _ in 0..length {
            self.skip();
        }
        Ok(())
    }

    /// The blanks and line breaks between two words of a scalar. A plain one began at a mark, and no tab may stand
    /// before its column.
    fn scan_blanks(
        &mut self,
        has_leading_blanks: &mut bool,
        folding: &mut Folding,
        plain: Option<(Mark, isize)>,
    ) -> Result<(), Fault> {
        while is_blank(self.here()) || is_break(self.here()) {
            if is_blank(self.here()) {
                if let Some((start, indent)) = plain.filter(|_| *has_leading_blanks && self.here() == '\t')
                    && (self.mark.column as isize) < indent
                {
                    return self.fault(start, "found a tab character that violates indentation");
                }
                if *has_leading_blanks {
                    self.skip();
                } else {
                    self.read(&mut folding.whitespace);
                }
            } else {
                self.need(2)?;
                if *has_leading_blanks {
                    self.read_line(&mut folding.trailing_breaks);
                } else {
                    folding.whitespace.clear();
                    self.read_line(&mut folding.leading_break);
                    *has_leading_blanks = true;
                }
            }
            self.need(1)?;
        }
        Ok(())
    }

    fn scan_plain_scalar(&mut self) -> Result<String, Fault> {
        let start = self.mark;
        let indent = self.indent + 1;
        let (mut text, mut folding, mut has_leading_blanks) = (String::new(), Folding::default(), false);
        loop {
            self.need(4)?;
            if self.document_indicator().is_some() || self.here() == '#' {
                break;
            }
            while !is_blank_or_end(self.here()) {
                let is_end = (self.here() == ':' && is_blank_or_end(self.at(1)))
                    || (self.flow > 0 && matches!(self.here(), ',' | '?' | '[' | ']' | '{' | '}'));
                if is_end {
                    break;
                }
                if has_leading_blanks {
                    text.push_str(&folding.join());
                    has_leading_blanks = false;
                } else {
                    text.push_str(&std::mem::take(&mut folding.whitespace));
                }
                self.read(&mut text);
                self.need(2)?;
            }
            if !(is_blank(self.here()) || is_break(self.here())) {
                break;
            }
            self.need(1)?;
            self.scan_blanks(&mut has_leading_blanks, &mut folding, Some((start, indent)))?;
            if self.flow == 0 && (self.mark.column as isize) < indent {
                break;
            }
        }
        if has_leading_blanks {
            self.allows_simple_key = true;
        }
        Ok(text)
    }
}
