//! The whole manager as bytes, and back: for a driver that outlives its process.
//!
//! A snapshot is one line of text and a body. The line says `sched-snapshot`, the number of the format, the version of the
//! crate that wrote it, how many bytes the body has, and a checksum of everything else. The body is JSON, because that
//! names its fields: a later version can add one and still read what an earlier one wrote, and `tail -n +2 | jq` shows an
//! operator what the manager knew. It takes some 200 bytes for a task.
//!
//! What follows from the rest is not in the body: the nodes in order of preference, what each has left, who waits for whom.
//! So there is little that can contradict itself, and what could is refused. There is no journal in it either: between two
//! calls of a manager nobody has a change left to see.
//!
//! Each room saves its own part. It takes itself apart field by field, so that whoever adds a field is asked by the
//! compiler whether it belongs into a snapshot. If an older reader would go wrong without it, [`FORMAT`] rises.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{NodeId, Row, ServiceId, TaskId};

/// The number of the format that this version writes. It reads this one.
pub const FORMAT: u32 = 1;

/// The first word of a snapshot.
const NAME: &str = "sched-snapshot";

/// Why a snapshot was refused. Nothing was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are no snapshot, were cut off or changed since they were written, or contradict themselves.
    Damaged(String),
    /// A later version of the crate wrote it, in a format that this one does not know.
    Newer {
        /// The number of its format.
        format: u32,
        /// The version of the crate.
        version: String,
    },
    /// The manager had another configuration than the one that is given.
    Configuration(String),
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreError::Damaged(why) => write!(f, "the snapshot is damaged: {why}"),
            RestoreError::Newer { format, version } => write!(
                f,
                "the snapshot has format {format}, written by sched {version}: expected format {FORMAT} at most, which \
                 sched {} reads",
                env!("CARGO_PKG_VERSION")
            ),
            RestoreError::Configuration(why) => write!(f, "the snapshot is of another configuration: {why}"),
        }
    }
}

impl std::error::Error for RestoreError {}

pub(crate) fn damaged(why: impl Into<String>) -> RestoreError {
    RestoreError::Damaged(why.into())
}

/// Puts the line before the body.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    let head = format!("{NAME} {FORMAT} {} {} ", env!("CARGO_PKG_VERSION"), body.len());
    let checksum = checksum(&[head.as_bytes(), body]);
    [format!("{head}{checksum}\n").as_bytes(), body].concat()
}

/// The body, if the line before it says that it is whole and of a known format.
pub(crate) fn open(snapshot: &[u8]) -> Result<&[u8], RestoreError> {
    const LINE_MAX: usize = 200;
    let line = snapshot.iter().take(LINE_MAX).position(|byte| *byte == b'\n');
    let (line, body) = match line {
        Some(end) => (&snapshot[..end], &snapshot[end + 1..]),
        None => (snapshot, &[][..]),
    };
    let words: Vec<&str> = std::str::from_utf8(line).unwrap_or("").split(' ').collect();
    let [NAME, format, version, len, sum] = words[..] else {
        return Err(damaged(format!("expected a first line of five words, of which '{NAME}' is the first")));
    };
    match format.parse::<u32>() {
        Ok(FORMAT) => {}
        Ok(format) if format > FORMAT => return Err(RestoreError::Newer { format, version: version.into() }),
        _ => return Err(damaged(format!("there is no format '{format}'"))),
    }
    match len.parse::<usize>() {
        Ok(len) if len == body.len() => {}
        Ok(len) => return Err(damaged(format!("its body has {} bytes of {len}", body.len()))),
        Err(_) => return Err(damaged(format!("'{len}' is no number of bytes"))),
    }
    let head = &line[..line.len() - sum.len()];
    if sum != checksum(&[head, body]) {
        return Err(damaged("its checksum is wrong"));
    }
    Ok(body)
}

/// A number of 64 bits, written down. A change of up to eight neighbouring bytes always gives another one.
fn checksum(parts: &[&[u8]]) -> String {
    let mut sum = 0;
    for part in parts {
        for word in part.chunks(8) {
            let mut bytes = [0; 8];
            bytes[..word.len()].copy_from_slice(word);
            sum = crate::scheduler::mix(sum ^ u64::from_le_bytes(bytes));
        }
    }
    format!("{sum:016x}")
}

// Forms of values.

macro_rules! as_row {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                (self.index() as u32).serialize(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                u32::deserialize(deserializer).map(|row| $name::from_index(row as usize))
            }
        }
    };
}

as_row!(NodeId);
as_row!(ServiceId);

impl Serialize for TaskId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// No counter comes so far; one that was there would soon have no next number.
pub(crate) const COUNTER_MAX: u64 = u64::MAX / 2;

/// A number that only counts up by ones.
pub(crate) fn counter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number > COUNTER_MAX {
        return Err(serde::de::Error::custom(format!("nothing happened {number} times")));
    }
    Ok(number)
}

/// Maps whose keys JSON does not take: as a list of pairs.
pub(crate) mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<K, V, S>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
    where
        K: Serialize,
        V: Serialize,
        S: Serializer,
    {
        serializer.collect_seq(map)
    }

    pub(crate) fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}

/// Numbers that need not be finite: as text, which is exact.
pub(crate) mod text {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(|_| serde::de::Error::custom(format!("'{text}' is no number")))
    }
}

#[cfg(test)]
mod tests;
