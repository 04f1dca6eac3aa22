//! CSV files that a scenario names.

use std::fmt::Display;
use std::path::Path;

use csv::StringRecord;
use sched::Span;

use super::complaint::suggest;
use super::value::Value;
use crate::outside::{self, LARGEST_TEXT};

/// Complaints about a file after which the rest is not looked at.
const MISTAKES: usize = 100;

/// A CSV file with a header whose rows are read one after the other. Complaints stand at the value that names the file and
/// say where in it: `name:line:column`.
pub(super) struct Rows<'a> {
    value: &'a Value<'a>,
    name: &'a str,
    text: String,
    headers: StringRecord,
}

/// A row, and how many mistakes were found in it.
pub(super) struct Row<'a> {
    rows: &'a Rows<'a>,
    record: StringRecord,
    /// First byte in the text.
    start: usize,
    mistakes: usize,
}

impl<'a> Rows<'a> {
    /// Reads the file that a value names and makes sure of its columns; complains if it cannot.
    pub(super) fn read(value: &'a Value<'a>, folder: &Path, needed: &[&str], optional: &[&str]) -> Option<Rows<'a>> {
        let name = value.text()?;
        let text = outside::read_text(&folder.join(name), LARGEST_TEXT)
            .map_err(|error| value.complain(format!("cannot read {name}: {error}")));
        let mut rows = Rows { value, name, text: text.ok()?, headers: StringRecord::new() };
        rows.headers = rows.reader().headers().cloned().unwrap_or_default();
        let Some(missing) = needed.iter().find(|column| rows.column(column).is_none()) else { return Some(rows) };
        let quoted = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let maybe = if optional.is_empty() { String::new() } else { format!(", and maybe {}", quoted(optional)) };
        let unknown = rows.headers.iter().find(|header| !needed.contains(header) && !optional.contains(header));
        let help = unknown.and_then(|unknown| suggest(unknown, needed.iter().copied()));
        let found: Vec<&str> = rows.headers.iter().collect();
        value.complain_with(
            format!(
                "{name}:1:1: no column `{missing}`: expected a first line with {}{maybe}, found {}",
                quoted(needed),
                if found.is_empty() { "nothing".into() } else { quoted(&found) }
            ),
            help,
        );
        None
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(self.text.as_bytes())
    }

    /// The place of a column, if there is one of this name.
    fn column(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|header| header == name)
    }

    /// What `read` makes of every row; none if there was a mistake. `read` has complained where it gives none.
    pub(super) fn map<T>(&self, mut read: impl FnMut(&mut Row<'_>) -> Option<T>) -> Option<Vec<T>> {
        let (mut all, mut mistakes) = (Vec::new(), 0);
        for record in self.reader().into_records() {
            // Text in memory cannot fail to be read, and rows may have any number of fields.
            let Ok(record) = record else { continue };
            let start = record.position().map_or(0, |at| at.byte() as usize).min(self.text.len());
            let blank = self.text[start..].bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let mut row = Row { rows: self, record, start: start + blank, mistakes: 0 };
            let (found, wanted) = (row.record.len(), self.headers.len());
            if found != wanted {
                row.complain_at(0, format!("expected {wanted} fields as in the first line, found {found}"), None);
            } else {
                all.extend(read(&mut row));
            }
            mistakes += row.mistakes;
            if mistakes >= MISTAKES {
                break;
            }
        }
        (mistakes == 0).then_some(all)
    }
}

impl Row<'_> {
    /// The text of a column, if there is any.
    pub(super) fn text(&self, column: &str) -> Option<String> {
        let field = self.record.get(self.rows.column(column)?)?;
        (!field.is_empty()).then(|| field.to_string())
    }

    /// What a column says in words of `parse`; complains that it is not `expected`, or that it is empty.
    pub(super) fn need<T>(&mut self, column: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        match self.text(column) {
            Some(_) => self.read(column, expected, parse),
            None => self.complain(column, format!("`{column}` is empty: expected {expected}"), None),
        }
    }

    /// As [`Row::need`], but an empty field says nothing.
    pub(super) fn read<T>(&mut self, column: &str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(column)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.complain::<T>(column, format!("`{column}`: expected {expected}, found \"{text}\""), None);
        }
        parsed
    }

    /// Complains about a column, with what would be right if that can be guessed.
    pub(super) fn complain<T>(&mut self, column: &str, message: impl Display, help: Option<String>) -> Option<T> {
        self.complain_at(self.rows.column(column).unwrap_or(0), message, help);
        None
    }

    fn complain_at(&mut self, field: usize, message: impl Display, help: Option<String>) {
        self.mistakes += 1;
        let Rows { value, name, text, .. } = self.rows;
        let line = text[..self.start].matches('\n').count() + 1;
        let (down, column) = place(&text[self.start..], field);
        value.complain_with(format!("{name}:{}:{column}: {message}", line + down), help);
    }
}

/// Where a field begins in the text of a record: lines below its first, and column from 1 in characters.
fn place(record: &str, field: usize) -> (usize, usize) {
    let (mut fields, mut quoted, mut line, mut column) = (0, false, 0, 1);
    for c in record.chars() {
        if fields == field && (quoted || !matches!(c, ' ' | '\t')) {
            break;
        }
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields += 1,
            '\n' if !quoted => break,
            _ => {}
        }
        (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
    }
    (line, column)
}

/// Seconds, up to about three centuries.
pub(super) fn seconds(text: &str) -> Option<Span> {
    text.parse().ok().filter(|secs| (0.0..1e10).contains(secs)).map(Span::from_secs_f64)
}

/// What [`seconds`] takes.
pub(super) const SECONDS: &str = "seconds from 0";

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_field_is_found_behind_quotes_and_blanks() {
        assert_eq!(place("a,b,c\nd", 0), (0, 1));
        assert_eq!(place("a, b ,c\nd", 1), (0, 4));
        assert_eq!(place("\"a,\nb\",é,c", 2), (1, 6));
        assert_eq!(place("a,\n", 1), (0, 3));
    }
}
