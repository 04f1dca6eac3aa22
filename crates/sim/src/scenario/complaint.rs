//! What is wrong with a scenario, said so that a person can mend it: the message, its place, the line, a hint.

use std::fmt;
use std::path::Path;

use crate::outside::{is_hidden, shown, shown_path};

/// More than this many are counted, not kept: nobody reads them, and their excerpts would not be free.
const SHOWN: usize = 100;
/// Longest excerpt of a line, and longest message, in characters.
const EXCERPT: usize = 100;
const LONGEST: usize = 500;

/// Everything that is wrong with a file, in order of the file. Its `Display` is plain text for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaints {
    /// The file, as the user named it.
    pub path: String,
    /// The first hundred; never empty.
    pub list: Vec<Complaint>,
    /// How many more there are.
    pub more: usize,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// What, and what was expected.
    pub message: String,
    /// Where, unless it is the file as a whole.
    pub position: Option<Position>,
    /// What would be right, if that can be guessed.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Position {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line, or the part of it around the place; no control characters.
    pub excerpt: String,
    /// First marked character of the excerpt and how many are marked.
    pub mark: (usize, usize),
}

/// Bytes of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub start: usize,
    pub end: usize,
}

/// A complaint that does not know its line yet.
pub(super) type Raw = (Option<Place>, String, Option<String>);

impl Complaints {
    /// One complaint about the file as a whole.
    pub(super) fn of_file(path: &Path, message: String) -> Complaints {
        Complaints::locate(path, "", vec![(None, message, None)])
    }

    /// Finds the lines, and sorts and thins the complaints.
    pub(super) fn locate(path: &Path, text: &str, mut raw: Vec<Raw>) -> Complaints {
        raw.sort_by_key(|(place, ..)| *place);
        raw.dedup();
        let more = raw.len().saturating_sub(SHOWN);
        raw.truncate(SHOWN);
        let complaint = |(place, message, help): Raw| Complaint {
            message: printable(&message),
            position: place.map(|place| Position::of(text, place)),
            help: help.map(|help| printable(&help)),
        };
        Complaints { path: shown_path(path), list: raw.into_iter().map(complaint).collect(), more }
    }

    /// The same text with ANSI colours, for a terminal.
    pub fn in_colour(&self) -> impl fmt::Display + '_ {
        struct InColour<'a>(&'a Complaints);
        impl fmt::Display for InColour<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.write(f, &Paint { error: "\x1b[1;31m", frame: "\x1b[34m", help: "\x1b[36m", end: "\x1b[0m" })
            }
        }
        InColour(self)
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, paint: &Paint) -> fmt::Result {
        let Paint { error, frame, help, end } = paint;
        for (number, complaint) in self.list.iter().enumerate() {
            if 0 < number {
                writeln!(f)?;
            }
            writeln!(f, "{error}error{end}: {}", complaint.message)?;
            match &complaint.position {
                None => writeln!(f, " {frame}-->{end} {}", self.path)?,
                Some(Position { line, column, excerpt, mark }) => {
                    let gutter = line.to_string().len();
                    writeln!(f, "{:gutter$}{frame}-->{end} {}:{line}:{column}", "", self.path)?;
                    writeln!(f, "{:gutter$} {frame}|{end}", "")?;
                    writeln!(f, "{frame}{line} |{end} {excerpt}")?;
                    let (before, marked) = (" ".repeat(mark.0), "^".repeat(mark.1));
                    writeln!(f, "{:gutter$} {frame}|{end} {before}{error}{marked}{end}", "")?;
                }
            }
            if let Some(text) = &complaint.help {
                writeln!(f, "{help}help{end}: {text}")?;
            }
        }
        if 0 < self.more {
            writeln!(f, "\n... and {} more", self.more)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Paint {
    error: &'static str,
    frame: &'static str,
    help: &'static str,
    end: &'static str,
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &Paint::default())
    }
}

impl std::error::Error for Complaints {}

impl Position {
    fn of(text: &str, place: Place) -> Position {
        let start = whole(text, place.start);
        let end = whole(text, place.end).max(start);
        let (before, after) = (&text[..start], &text[start..]);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let rest = after.split('\n').next().unwrap_or("").trim_end_matches('\r');
        let column = text[line_start..start].chars().count();
        let marked = text[start..end].split('\n').next().unwrap_or("").trim_end_matches('\r').chars().count().max(1);

        let skipped = if column + marked <= EXCERPT { 0 } else { column.saturating_sub(EXCERPT / 4) };
        let excerpt: String =
            text[line_start..start].chars().chain(rest.chars()).skip(skipped).take(EXCERPT).map(visible).collect();
        let before_mark = column - skipped;
        Position {
            line: before.matches('\n').count() + 1,
            column: column + 1,
            mark: (before_mark, marked.min(excerpt.chars().count().saturating_sub(before_mark)).max(1)),
            excerpt: excerpt.trim_end().to_string(),
        }
    }
}

/// The last boundary of characters that is not after a byte.
fn whole(text: &str, byte: usize) -> usize {
    (0..=byte.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// One character wide, so that the marks below it stay in place.
fn visible(c: char) -> char {
    match c {
        '\t' => ' ',
        c if is_hidden(c) => '\u{fffd}',
        c => c,
    }
}

/// A message on one line; books are cut.
fn printable(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => shown(&text[..end]) + "...",
        None => shown(text),
    }
}

/// "did you mean" the nearest of some names; all of them, if they are few and none is near.
pub(crate) fn suggest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    // Distances cost the product of the lengths: neither a book as a name nor a million names may stop the reader.
    const WORD: usize = 100;
    const MOST: usize = 10_000;
    const FEW: usize = 12;
    let names: Vec<&str> = names.take(MOST).collect();
    let distance = |name: &&str| strsim::damerau_levenshtein(&word.to_lowercase(), &name.to_lowercase());
    let near = |word: &str, distance: usize| distance <= (word.chars().count() / 3).max(1);
    let nearest = (word.len() <= WORD)
        .then(|| names.iter().copied().filter(|name| name.len() <= WORD).min_by_key(distance))
        .flatten()
        .filter(|name| near(word, distance(name)));
    match nearest {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None if names.is_empty() || FEW < names.len() => None,
        None => Some(format!("known: {}", names.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_shown_with_its_line() {
        let complaints = Complaints::locate(
            Path::new("a.toml"),
            "x = 1\r\n\tné = \"a\u{1b}[2J\"\r\n",
            vec![(Some(Place { start: 14, end: 21 }), "no \u{1b}".into(), Some("yes".into()))],
        );
        let wanted =
            "error: no \\u{1b}\n --> a.toml:2:7\n  |\n2 |  né = \"a\u{fffd}[2J\"\n  |       ^^^^^^^\nhelp: yes\n";
        assert_eq!(complaints.to_string(), wanted);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}here{}", "a".repeat(5000), "b".repeat(5000));
        let position = Position::of(&text, Place { start: 5000, end: 5004 });
        assert_eq!((position.column, position.mark), (5001, (25, 4)));
        assert_eq!(position.excerpt.chars().skip(25).take(4).collect::<String>(), "here");
        assert_eq!(position.excerpt.len(), 100);
    }

    #[test]
    fn suggestions_are_near_or_few() {
        let suggest = |word| suggest(word, ["spread", "binpack", "random"].into_iter());
        assert_eq!(suggest("bin-pack").as_deref(), Some("did you mean `binpack`?"));
        assert_eq!(suggest("zzz").as_deref(), Some("known: spread, binpack, random"));
        assert_eq!(super::suggest("x", std::iter::empty()), None);
    }
}
