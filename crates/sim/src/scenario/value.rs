//! Values of a TOML file that know where they stand: every getter either gives what was asked for or complains.
//!
//! Nothing here stops at the first mistake. A getter that complained gives `None`, the caller goes on with a default,
//! and the scenario is refused at the end because there are complaints.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::complaint::{Place, Raw, suggest};

/// Where complaints are collected.
#[derive(Default)]
pub(super) struct Sink {
    complaints: RefCell<Vec<Raw>>,
    /// Files that the scenario names are looked for here.
    pub folder: PathBuf,
}

impl Sink {
    /// No complaint so far about a scenario in a folder.
    pub fn of(folder: &Path) -> Sink {
        Sink { complaints: RefCell::default(), folder: folder.to_path_buf() }
    }

    /// Complains about a place, or about the file as a whole.
    pub fn complain(&self, place: Option<Place>, message: impl Display, help: Option<String>) {
        self.complaints.borrow_mut().push((place, message.to_string(), help));
    }

    /// What was meant, as [`suggest`] has it. Names are compared for the first complaints only: nobody reads the hint of the
    /// thousandth, and with as many names as complaints all hints would take a product of both.
    pub fn suggest<'a>(&self, word: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
        const HINTS: usize = 200;
        if self.complaints.borrow().len() < HINTS { suggest(word, names) } else { None }
    }

    /// Whether there is a complaint so far.
    pub fn any(&self) -> bool {
        self.count() > 0
    }

    /// Complaints so far.
    pub fn count(&self) -> usize {
        self.complaints.borrow().len()
    }

    /// All complaints so far.
    pub fn into_list(self) -> Vec<Raw> {
        self.complaints.into_inner()
    }
}

/// A value and its place.
#[derive(Clone)]
pub(super) struct Value<'a> {
    pub sink: &'a Sink,
    /// Keys on the way to it, with dots.
    pub path: String,
    pub place: Place,
    value: &'a DeValue<'a>,
}

/// Keys of one kind and of another.
pub(super) const fn joined<const N: usize>(one: &[&'static str], other: &[&'static str]) -> [&'static str; N] {
    assert!(one.len() + other.len() == N);
    let mut keys = [""; N];
    let mut row = 0;
    while row < N {
        keys[row] = if row < one.len() { one[row] } else { other[row - one.len()] };
        row += 1;
    }
    keys
}

/// A table of known keys.
#[derive(Clone)]
pub(super) struct Table<'a> {
    pub sink: &'a Sink,
    pub path: String,
    /// The header, or the whole of an inline table.
    pub place: Place,
    table: &'a DeTable<'a>,
    keys: &'static [&'static str],
}

/// A key that the user chose, with its value.
pub(super) struct Entry<'a> {
    pub key: &'a str,
    pub place: Place,
    pub value: Value<'a>,
}

fn place<T>(spanned: &Spanned<T>) -> Place {
    let span = spanned.span();
    Place { start: span.start, end: span.end }
}

impl<'a> Table<'a> {
    /// A table; complains about keys that are not among `keys`.
    pub fn new(
        sink: &'a Sink,
        path: &str,
        place_of_table: Place,
        table: &'a DeTable<'a>,
        keys: &'static [&'static str],
    ) -> Table<'a> {
        let read = Table { sink, path: path.to_string(), place: place_of_table, table, keys };
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref();
            let message = format!("unknown key `{}`", read.path_of(name));
            sink.complain(Some(place(key)), message, sink.suggest(name, keys.iter().copied()));
        }
        read
    }

    /// The value of a key, if it is there.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        debug_assert!(self.keys.contains(&key), "`{key}` is not among the keys of `{}`", self.path);
        let value = self.table.get(key)?;
        Some(Value { sink: self.sink, path: self.path_of(key), place: place(value), value: value.get_ref() })
    }

    /// The value of a key, if it is there and right.
    pub fn read<T>(&self, key: &str, with: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        self.get(key).and_then(|value| with(&value))
    }

    /// The value of a key that must be there.
    pub fn need<T>(&self, key: &str, with: impl FnOnce(&Value<'a>) -> Option<T>) -> Option<T> {
        if !self.table.contains_key(key) {
            self.complain(format!("`{}` is missing", self.path_of(key)));
        }
        self.read(key, with)
    }

    /// The tables of `[[key]]`.
    pub fn tables(&self, key: &str, keys: &'static [&'static str]) -> Vec<Table<'a>> {
        let Some(value) = self.get(key) else { return Vec::new() };
        let DeValue::Array(array) = value.value else {
            let help = format!("write `[[{}]]`", value.path);
            value.complain_with(format!("expected a list of tables, found {}", value.what()), Some(help));
            return Vec::new();
        };
        value.items(array).iter().filter_map(|item| item.table(keys)).collect()
    }

    /// Whether it has keys that are not known, about which was complained.
    pub fn has_unknown_keys(&self) -> bool {
        self.table.keys().any(|key| !self.keys.contains(&key.get_ref().as_ref()))
    }

    /// Complains about the table; about the file, if it is the whole of it.
    pub fn complain(&self, message: impl Display) {
        self.sink.complain(Some(self.place).filter(|_| !self.path.is_empty()), message, None);
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) }
    }
}

impl<'a> Value<'a> {
    /// Complains about the value.
    pub fn complain(&self, message: impl Display) {
        self.complain_with(message, None);
    }

    /// Complains about the value and says what would be right.
    pub fn complain_with(&self, message: impl Display, help: Option<String>) {
        self.sink.complain(Some(self.place), format!("`{}`: {message}", self.path), help);
    }

    /// Complains that it is something else.
    pub fn expected<T>(&self, what: impl Display) -> Option<T> {
        self.complain(format!("expected {what}, found {}", self.what()));
        None
    }

    /// What it is, for messages.
    pub fn what(&self) -> String {
        match self.value {
            DeValue::String(text) if text.chars().count() <= 60 => format!("\"{text}\""),
            DeValue::String(_) => "a long text".into(),
            DeValue::Integer(integer) => format!("the integer {integer}"),
            DeValue::Float(float) => format!("the number {float}"),
            DeValue::Boolean(boolean) => boolean.to_string(),
            DeValue::Datetime(_) => "a date".into(),
            DeValue::Array(_) => "a list".into(),
            DeValue::Table(_) => "a table".into(),
        }
    }

    /// The text, if it is a text; no complaint otherwise.
    pub fn as_text(&self) -> Option<&'a str> {
        match self.value {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    /// A text.
    pub fn text(&self) -> Option<&'a str> {
        self.as_text().or_else(|| self.expected("a text"))
    }

    /// A text that says something.
    pub fn words(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() { self.expected("a text that says something") } else { Some(text) }
    }

    /// A text, or a number or truth value as a text: for labels and environments.
    pub fn scalar(&self) -> Option<String> {
        match self.value {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(integer) => Some(integer.to_string()),
            DeValue::Float(float) => Some(float.to_string()),
            DeValue::Boolean(boolean) => Some(boolean.to_string()),
            _ => self.expected("a text"),
        }
    }

    /// The digits of a number that is written without quotes, in decimal.
    pub fn as_decimal(&self) -> Option<&'a str> {
        match self.value {
            DeValue::Integer(integer) if integer.radix() == 10 => Some(integer.as_str()),
            DeValue::Float(float) => Some(float.as_str()),
            _ => None,
        }
    }

    /// An integer within bounds.
    pub fn integer(&self, range: RangeInclusive<i128>) -> Option<i128> {
        let expected = || {
            if *range.end() == i128::from(u64::MAX) {
                format!("an integer from {}", range.start())
            } else {
                format!("an integer from {} to {}", range.start(), range.end())
            }
        };
        let DeValue::Integer(integer) = self.value else { return self.expected(expected()) };
        let value = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
        value.filter(|value| range.contains(value)).or_else(|| self.expected(expected()))
    }

    /// An integer from 0 within a limit.
    pub fn count(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.integer(i128::from(*range.start())..=i128::from(*range.end()))?;
        u64::try_from(value).ok()
    }

    /// A number within bounds; never infinite.
    pub fn number(&self, range: RangeInclusive<f64>) -> Option<f64> {
        let text = match self.value {
            DeValue::Integer(_) | DeValue::Float(_) => self.as_decimal(),
            _ => None,
        };
        let value = text.and_then(|text| text.parse::<f64>().ok()).filter(|value| value.is_finite());
        let expected = || {
            if range.end().is_finite() {
                format!("a number from {} to {}", range.start(), range.end())
            } else {
                "a number".to_string()
            }
        };
        value.filter(|value| range.contains(value)).or_else(|| self.expected(expected()))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(boolean) => Some(*boolean),
            _ => self.expected("true or false"),
        }
    }

    /// One of some words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let word = self.text()?;
        if let Some((_, choice)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*choice);
        }
        let names = || choices.iter().map(|(name, _)| *name);
        let listed = names().collect::<Vec<_>>().join(", ");
        self.complain_with(
            format!("expected one of {listed}, found {}", self.what()),
            self.sink.suggest(word, names()).filter(|help| help.starts_with("did")),
        );
        None
    }

    /// A table of the user's keys, or a list, that must have something in it.
    pub fn not_empty(&self, of_what: &str) -> bool {
        let is_empty = match self.value {
            DeValue::Table(table) => table.is_empty(),
            DeValue::Array(array) => array.is_empty(),
            _ => false,
        };
        if is_empty {
            self.complain(format!("expected {of_what}, found nothing"));
        }
        !is_empty
    }

    /// The value of a key, if it is a table that has it, whatever keys may be in it.
    pub fn member(&self, key: &str) -> Option<Value<'a>> {
        let DeValue::Table(table) = self.value else { return None };
        let value = table.get(key)?;
        Some(Value {
            sink: self.sink,
            path: format!("{}.{key}", self.path),
            place: place(value),
            value: value.get_ref(),
        })
    }

    /// Whether it is a table.
    pub fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// The items of a list.
    pub fn list(&self) -> Vec<Value<'a>> {
        match self.value {
            DeValue::Array(array) => self.items(array),
            _ => self.expected("a list").unwrap_or_default(),
        }
    }

    /// The items of a list, or the value itself if it is none.
    pub fn list_or_one(&self) -> Vec<Value<'a>> {
        match self.value {
            DeValue::Array(array) => self.items(array),
            _ => vec![self.clone()],
        }
    }

    /// Texts of a list.
    pub fn texts(&self) -> Option<Vec<String>> {
        Some(self.list().iter().filter_map(Value::text).map(str::to_string).collect())
    }

    /// A table of known keys.
    pub fn table(&self, keys: &'static [&'static str]) -> Option<Table<'a>> {
        match self.value {
            DeValue::Table(table) => Some(Table::new(self.sink, &self.path, self.place, table, keys)),
            _ => self.expected("a table"),
        }
    }

    /// A table whose keys are the user's, in the order of the file.
    pub fn entries(&self) -> Vec<Entry<'a>> {
        let DeValue::Table(table) = self.value else { return self.expected("a table").unwrap_or_default() };
        let entry = |(key, value): (&'a Spanned<_>, &'a Spanned<DeValue<'a>>)| {
            let name: &'a std::borrow::Cow<'a, str> = key.get_ref();
            let path = format!("{}.{name}", self.path);
            let value = Value { sink: self.sink, path, place: place(value), value: value.get_ref() };
            Entry { key: name.as_ref(), place: place(key), value }
        };
        let mut entries: Vec<Entry<'a>> = table.iter().map(entry).collect();
        entries.sort_by_key(|entry| entry.place);
        entries
    }

    fn items(&self, array: &'a [Spanned<DeValue<'a>>]) -> Vec<Value<'a>> {
        let item = |item: &'a Spanned<DeValue<'a>>| Value {
            sink: self.sink,
            path: self.path.clone(),
            place: place(item),
            value: item.get_ref(),
        };
        array.iter().map(item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_for_the_first_complaints_only() {
        let sink = Sink::default();
        let mut compared = 0;
        for number in 0..1000 {
            let hint = sink.suggest("wbe", ["db", "web"].into_iter().inspect(|_| compared += 1));
            assert_eq!(hint.is_some(), number < 200);
            sink.complain(None, "no service `wbe`", hint);
        }
        assert_eq!(compared, 2 * 200);
    }
}
