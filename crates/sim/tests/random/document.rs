//! A TOML document as a tree, from which parts can be taken away.

use std::collections::BTreeSet;

/// A value, or all of a document.
#[derive(Clone, Debug)]
pub enum Item {
    /// As it is written.
    Word(String),
    List(Vec<Item>),
    Table(Table),
}

/// Keys with their values, in the order of writing.
#[derive(Clone, Default, Debug)]
pub struct Table(pub Vec<(String, Item)>);

impl Table {
    pub fn set(&mut self, key: &str, value: impl Into<Item>) {
        self.0.push((key.to_string(), value.into()));
    }

    pub fn with(mut self, key: &str, value: impl Into<Item>) -> Table {
        self.set(key, value);
        self
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|entry| entry.0 == key)
    }

    /// The document of which this is the root: plain values first, then a header for each table.
    pub fn text(&self) -> String {
        let (mut head, mut body) = (String::new(), String::new());
        for (key, value) in &self.0 {
            let key = written_key(key);
            match value {
                Item::Table(table) => body.push_str(&format!("\n[{key}]\n{}", table.lines())),
                Item::List(items) if !items.is_empty() && items.iter().all(|item| matches!(item, Item::Table(_))) => {
                    for item in items {
                        let Item::Table(table) = item else { continue };
                        body.push_str(&format!("\n[[{key}]]\n{}", table.lines()));
                    }
                }
                _ => head.push_str(&format!("{key} = {}\n", value.inline())),
            }
        }
        head + &body
    }

    fn lines(&self) -> String {
        self.0.iter().map(|(key, value)| format!("{} = {}\n", written_key(key), value.inline())).collect()
    }

    /// Every key with those on the way to it, with dots; lists do not show.
    pub fn paths(&self, prefix: &str, paths: &mut BTreeSet<String>) {
        for (key, value) in &self.0 {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            value.paths(&path, paths);
            paths.insert(path);
        }
    }

    /// The document without its `number`th part, counted from the top as it is written, unless that is one of the keys to
    /// `keep`; none if it has fewer parts.
    pub fn without(&self, number: usize, keep: &[&str]) -> Option<Table> {
        let mut smaller = self.clone();
        smaller.take(&mut { number }, keep).then_some(smaller)
    }

    fn take(&mut self, number: &mut usize, keep: &[&str]) -> bool {
        for at in 0..self.0.len() {
            if *number == 0 {
                if !keep.contains(&self.0[at].0.as_str()) {
                    self.0.remove(at);
                }
                return true;
            }
            *number -= 1;
            if self.0[at].1.take(number, keep) {
                return true;
            }
        }
        false
    }
}

impl Item {
    pub fn inline(&self) -> String {
        match self {
            Item::Word(word) => word.clone(),
            Item::List(items) => format!("[{}]", items.iter().map(Item::inline).collect::<Vec<_>>().join(", ")),
            Item::Table(table) => {
                let entry = |(key, value): &(String, Item)| format!("{} = {}", written_key(key), value.inline());
                format!("{{ {} }}", table.0.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    fn paths(&self, prefix: &str, paths: &mut BTreeSet<String>) {
        match self {
            Item::Word(_) => {}
            Item::List(items) => items.iter().for_each(|item| item.paths(prefix, paths)),
            Item::Table(table) => table.paths(prefix, paths),
        }
    }

    fn take(&mut self, number: &mut usize, keep: &[&str]) -> bool {
        match self {
            Item::Word(_) => false,
            Item::Table(table) => table.take(number, keep),
            Item::List(items) => {
                for at in 0..items.len() {
                    if *number == 0 {
                        items.remove(at);
                        return true;
                    }
                    *number -= 1;
                    if items[at].take(number, keep) {
                        return true;
                    }
                }
                false
            }
        }
    }
}

fn written_key(key: &str) -> String {
    let is_bare = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_bare { key.to_string() } else { format!("{key:?}") }
}

impl From<&str> for Item {
    fn from(text: &str) -> Item {
        Item::Word(format!("{text:?}"))
    }
}

impl From<String> for Item {
    fn from(text: String) -> Item {
        text.as_str().into()
    }
}

impl From<u64> for Item {
    fn from(number: u64) -> Item {
        Item::Word(number.to_string())
    }
}

impl From<f64> for Item {
    fn from(number: f64) -> Item {
        Item::Word(format!("{number:?}"))
    }
}

impl From<bool> for Item {
    fn from(truth: bool) -> Item {
        Item::Word(truth.to_string())
    }
}

impl From<Table> for Item {
    fn from(table: Table) -> Item {
        Item::Table(table)
    }
}

impl<T: Into<Item>> From<Vec<T>> for Item {
    fn from(items: Vec<T>) -> Item {
        Item::List(items.into_iter().map(Into::into).collect())
    }
}
