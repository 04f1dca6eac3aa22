//! Filters of lists: which there are, and what they keep (moby `daemon/cluster/filters.go`, SwarmKit `manager/controlapi`).

use std::collections::BTreeMap;

use sched::spec::Labels;

use super::objects::ApiError;

/// Values by the name of their filter. Values of one filter are alternatives, but of labels all must be there; different
/// filters must all hold.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filters {
    values: BTreeMap<String, Vec<String>>,
}

impl Filters {
    /// Keeps everything.
    pub fn new() -> Filters {
        Filters::default()
    }

    /// One more value.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Filters {
        self.add(name, value);
        self
    }

    /// One more value.
    pub fn add(&mut self, name: &str, value: &str) {
        self.values.entry(name.to_string()).or_default().push(value.to_string());
    }

    /// Values of a filter.
    pub fn get(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// The values of a filter become others.
    pub fn set(&mut self, name: &str, values: Vec<String>) {
        self.values.insert(name.to_string(), values);
    }

    /// Refuses filters that a list does not have.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn check(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.values.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(ApiError { status: 400, message: format!("Invalid filter '{name}'") }),
            None => Ok(()),
        }
    }

    /// Refuses values that a filter does not have.
    ///
    /// # Errors
    ///
    /// In Docker's words.
    pub fn check_values(&self, name: &str, known: &[&str]) -> Result<(), ApiError> {
        let is_known = |value: &&String| value.is_empty() || known.contains(&value.to_lowercase().as_str());
        match self.get(name).iter().find(|value| !is_known(value)) {
            Some(value) => Err(ApiError { status: 500, message: format!("Invalid {name} filter: '{value}'") }),
            None => Ok(()),
        }
    }

    /// Whether a text is one of the values, or there are none.
    pub fn has(&self, name: &str, text: &str) -> bool {
        self.get(name).is_empty() || self.get(name).iter().any(|value| value.eq_ignore_ascii_case(text))
    }

    /// Whether a text begins with one of the values, or there are none.
    pub fn has_prefix(&self, name: &str, text: &str) -> bool {
        self.get(name).is_empty() || self.get(name).iter().any(|value| text.starts_with(value.as_str()))
    }

    /// Whether labels have every `key` and `key=value`.
    pub fn match_labels(&self, name: &str, labels: &Labels) -> bool {
        self.get(name).iter().all(|wanted| match wanted.split_once('=') {
            Some((key, value)) => labels.get(key).is_some_and(|found| value.is_empty() || found == value),
            None => labels.contains_key(wanted),
        })
    }
}
