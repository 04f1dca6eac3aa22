//! Where the text of a scenario comes from: a file or standard input, and keys that are set otherwise on the command line.

use std::io::Read;
use std::path::Path;

use toml_edit::{DocumentMut, Item, Table, Value};

use super::complaint::{Complaints, suggest};
use super::{Scenario, parse};
use crate::outside::{self, LARGEST_TEXT, shown};

/// The name by which standard input is asked for.
pub const STANDARD_INPUT: &str = "-";

/// Reads a file, or standard input if it is called `-`. Stack files are recognised, because people try them.
///
/// # Errors
///
/// If it cannot be read, or is no scenario at first sight.
pub fn text_of(path: &Path) -> Result<String, Complaints> {
    let of_file = |why: String| Complaints::of_file(path, why);
    let text = if path == Path::new(STANDARD_INPUT) {
        let mut text = String::new();
        let most = std::io::stdin().lock().take(LARGEST_TEXT + 1).read_to_string(&mut text);
        most.map_err(|error| of_file(format!("cannot read the scenario: {error}")))?;
        if text.len() as u64 > LARGEST_TEXT {
            return Err(of_file("cannot read the scenario: it is too long".into()));
        }
        text
    } else {
        outside::read_text(path, LARGEST_TEXT).map_err(|error| of_file(format!("cannot read the scenario: {error}")))?
    };
    let is_yaml = path.extension().is_some_and(|end| end == "yml" || end == "yaml");
    let begins = |line: &str| ["services:", "version:"].iter().any(|key| line.starts_with(key));
    if is_yaml || text.lines().any(begins) && text.parse::<DocumentMut>().is_err() {
        let file = outside::shown_path(path);
        return Err(of_file(format!(
            "this is a stack file, not a scenario: `simctl init {file} > my.toml` writes a scenario that deploys it, \
             `simctl stack {file}` says what it asks for"
        )));
    }
    Ok(text)
}

/// Reads a scenario's text with keys set otherwise, each as `pool.worker.count=8`.
///
/// # Errors
///
/// As [`parse`], whose places are those of the text with the keys in it, and if a key leads nowhere.
pub fn parse_with(path: &Path, text: &str, set: &[String]) -> Result<Scenario, Complaints> {
    if set.is_empty() {
        return parse(path, text);
    }
    // What is wrong with the text itself is said with its own places.
    let Ok(mut document) = text.parse::<DocumentMut>() else { return parse(path, text) };
    for assignment in set {
        let of_file = |why: String| Complaints::of_file(path, format!("`--set {}`: {why}", shown(assignment)));
        let Some((key, value)) = assignment.split_once('=') else {
            return Err(of_file("expected KEY=VALUE, such as `pool.worker.count=8`".into()));
        };
        assign(document.as_table_mut(), key.trim(), value.trim()).map_err(of_file)?;
    }
    parse(path, &document.to_string())
}

/// Sets a key. In `[[pool]]` and the like the next word is a `name` or a number from 1.
fn assign(table: &mut Table, key: &str, value: &str) -> Result<(), String> {
    let words = toml_edit::Key::parse(key).map_err(|_| format!("`{}` is not a key", shown(key)))?;
    let words: Vec<&str> = words.iter().map(toml_edit::Key::get).collect();
    let Some((last, way)) = words.split_last() else { return Err("the key is empty".into()) };
    // What is no TOML value is a text: `duration=10m` needs no quotes.
    let value: Value = value.parse().unwrap_or_else(|_| Value::from(value));
    let mut at: &mut dyn toml_edit::TableLike = table;
    let mut way = way.iter();
    while let Some(word) = way.next() {
        let item = at.entry(word).or_insert_with(|| Item::Table(implicit()));
        at = match item {
            Item::ArrayOfTables(rows) => {
                let Some(wanted) = way.next() else {
                    return Err(format!(
                        "`{word}` has several tables: write `{word}.NAME.{last}` or `{word}.1.{last}`"
                    ));
                };
                let names: Vec<String> =
                    rows.iter().map(|row| row.get("name").and_then(Item::as_str).unwrap_or("").to_owned()).collect();
                let named = names.iter().position(|name| name == wanted);
                let numbered = || wanted.parse().ok().and_then(|number: usize| number.checked_sub(1));
                let row = named.or_else(numbered).and_then(|row| rows.get_mut(row));
                let Some(row) = row else {
                    let near = suggest(wanted, names.iter().map(String::as_str).filter(|name| !name.is_empty()));
                    let near = near.map_or(String::new(), |near| format!(": {near}"));
                    return Err(format!("no [[{word}]] `{}`{near}", shown(wanted)));
                };
                row
            }
            other => {
                let what = other.type_name();
                match other.as_table_like_mut() {
                    Some(table) => table,
                    None => return Err(format!("`{word}` is {what} and has no keys")),
                }
            }
        };
    }
    if at.get(last).is_some_and(Item::is_array_of_tables) {
        return Err(format!("`{last}` has several tables: write `{last}.NAME.KEY` or `{last}.1.KEY`"));
    }
    at.insert(last, Item::Value(value));
    Ok(())
}

/// A table that is written only with what is in it.
fn implicit() -> Table {
    let mut table = Table::new();
    table.set_implicit(true);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A comment stays.\nduration = \"1m\"\nstrategies = [\"spread\"]\n[[pool]]\nname = \"node\"\ncount = 2\n\
                        [[service]]\nname = \"web\"\nimage = \"web\"\nreserve = { cpus = 1 }\n";

    fn set(assignments: &[&str]) -> Result<Scenario, String> {
        let set: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
        parse_with(Path::new("x.toml"), TEXT, &set).map_err(|complaints| complaints.to_string())
    }

    #[test]
    fn any_key_can_be_set_or_added() {
        let scenario = set(&[
            "pool.node.count=5",
            "pool.1.cpus=8",
            "duration=10m",
            "service.web.reserve.cpus=0.5",
            "service.web.replicas = 3",
            "managers.history=2",
            "expect.availability.min=0.5",
            "strategies=[\"binpack\", \"random\"]",
        ]);
        let scenario = scenario.unwrap();
        assert_eq!((scenario.nodes.len(), scenario.duration), (5, sched::Span::from_secs(600)));
        assert_eq!(scenario.services[0].spec.task.reservations.nano_cpus, 500_000_000);
        assert_eq!((scenario.models.managers.history, scenario.expect.len()), (2, 1));
        assert_eq!(scenario.strategies, ["binpack", "random"]);
    }

    #[test]
    fn a_key_that_leads_nowhere_is_refused_with_what_was_meant() {
        for (assignment, says) in [
            ("pool.nod.count=5", "error: `--set pool.nod.count=5`: no [[pool]] `nod`: did you mean `node`?\n"),
            ("pool.count=5", "error: `--set pool.count=5`: `pool` has several tables: write `pool.NAME.count`"),
            ("pool=5", "error: `--set pool=5`: `pool` has several tables"),
            ("pool.node.cuont=5", "error: unknown key `pool.cuont`"),
            ("duration.x=5", "error: `--set duration.x=5`: `duration` is string and has no keys\n"),
            ("duration", "error: `--set duration`: expected KEY=VALUE"),
            ("duration=soon", "error: `duration`: expected a duration such as \"90s\""),
            ("=5", "error: `--set =5`: `` is not a key\n"),
        ] {
            let error = set(&[assignment]).unwrap_err();
            assert!(error.starts_with(says), "{assignment}: {error}");
        }
    }
}
