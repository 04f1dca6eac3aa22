//! CSV files that a scenario names.

use std::path::Path;

use csv::StringRecord;
use sched::Span;

use super::reader::Value;
use super::stack::read_text;

/// The rows of a CSV file with a header. A row that cannot be read has no fields.
pub(super) struct Rows {
    headers: StringRecord,
    pub(super) records: Vec<Option<StringRecord>>,
}

impl Rows {
    /// Reads the file that a value names; complains if it cannot.
    pub(super) fn read(value: &Value<'_>, folder: &Path) -> Option<Rows> {
        let name = value.text()?;
        let text =
            read_text(&folder.join(name)).map_err(|error| value.complain(format!("cannot read {name}: {error}")));
        let text = text.ok()?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let headers = reader.headers().cloned().unwrap_or_default();
        let records = reader.into_records().map(Result::ok).collect();
        Some(Rows { headers, records })
    }

    /// The place of a column, if there is one of this name.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.headers.iter().position(|it| it == name)
    }
}

/// The text of a field, if there is any.
pub(super) fn field(record: &Option<StringRecord>, column: usize) -> Option<&str> {
    record.as_ref()?.get(column).filter(|text| !text.is_empty())
}

/// Seconds, up to about three centuries.
pub(super) fn seconds(text: &str) -> Option<Span> {
    text.parse().ok().filter(|it| (0.0..1e10).contains(it)).map(Span::from_secs_f64)
}
