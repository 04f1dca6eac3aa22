//! The border to what others wrote: how files are opened, and how foreign text is shown.
//!
//! Every input is read through [`open_plain`], so that neither a pipe nor a device nor a file without end stops the program.
//! Every name, path or message that comes from outside is shown through [`shown`] (or kept whole by [`json`]), so that it
//! cannot steer a terminal or turn or hide the text around it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Bytes of a text that a person wrote: a longer one is a mistake.
pub const LARGEST_TEXT: u64 = 8 << 20;

/// Bytes of a line of a file that is read piece by piece.
const LONGEST_LINE: u64 = 8 << 20;

/// A plain file of bounded size, open for reading. Reading beyond the bound fails.
#[derive(Debug)]
pub struct Plain {
    file: File,
    largest: u64,
    read: u64,
    /// Bytes since the last line break.
    line: u64,
}

/// Opens a plain file of at most `largest` bytes, or a link to one.
///
/// # Errors
///
/// The operating system's, or [`io::ErrorKind::InvalidData`] if it is something else or too large. The message does not
/// name the file.
pub fn open_plain(path: &Path, largest: u64) -> io::Result<Plain> {
    // Looked at before it is opened: opening a pipe would wait for its other end.
    let metadata = fs::metadata(path).map_err(|error| plainly(&error))?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a file"));
    }
    if metadata.len() > largest {
        return Err(too_large(largest));
    }
    let file = File::open(path).map_err(|error| plainly(&error))?;
    Ok(Plain { file, largest, read: 0, line: 0 })
}

/// The bytes of a plain file of at most `largest` bytes.
///
/// # Errors
///
/// As [`open_plain`].
pub fn read_plain(path: &Path, largest: u64) -> io::Result<Vec<u8>> {
    let mut plain = open_plain(path, largest)?;
    let mut bytes = Vec::new();
    plain.line = u64::MAX;
    plain.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The text of a plain file of at most `largest` bytes, without a byte order mark.
///
/// # Errors
///
/// As [`open_plain`], and [`io::ErrorKind::InvalidData`] if it is not UTF-8 or contains a NUL.
pub fn read_text(path: &Path, largest: u64) -> io::Result<String> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_string());
    let text = String::from_utf8(read_plain(path, largest)?).map_err(|_| refused("it is not UTF-8 text"))?;
    if text.contains('\0') {
        return Err(refused("it is not text: it contains a NUL"));
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer).map_err(|error| plainly(&error))?;
        self.read += count as u64;
        if self.read > self.largest {
            return Err(too_large(self.largest));
        }
        if self.line != u64::MAX {
            let after = buffer[..count].iter().rev().position(|byte| *byte == b'\n');
            self.line = after.map_or(self.line + count as u64, |after| after as u64);
            if self.line > LONGEST_LINE {
                let why = format!("a line is longer than {} MiB", LONGEST_LINE >> 20);
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        Ok(count)
    }
}

fn too_large(largest: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {} MiB", largest >> 20))
}

/// The same error in plain words.
fn plainly(error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(error.kind(), "there is no such file"),
        io::ErrorKind::PermissionDenied => io::Error::new(error.kind(), "permission denied"),
        kind => io::Error::new(kind, error.to_string()),
    }
}

/// Whether a character steers a terminal, ends a line, turns the direction of the text around it, or cannot be seen:
/// control characters, the separators of lines and paragraphs, and what Unicode calls ignorable by default, without the
/// selectors of variants (U+FE00 to U+FE0F), which emoji need.
#[inline]
pub fn is_hidden(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Text on one line, fit for a terminal: hidden characters are written as `\u{..}`, line breaks and tabs as blanks.
pub fn shown(text: &str) -> String {
    // Nearly every cell of a table is like this.
    if text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return text.to_string();
    }
    let whole = |c: char| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c };
    escaped(text.chars().map(whole))
}

/// Text of several lines, fit for a terminal.
pub fn shown_lines(text: &str) -> String {
    text.split('\n').map(|line| escaped(line.chars())).collect::<Vec<_>>().join("\n")
}

/// A path, fit for a terminal.
pub fn shown_path(path: &Path) -> String {
    escaped(path.to_string_lossy().chars())
}

fn escaped(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for c in text {
        if is_hidden(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// A JSON document on lines of its own, fit for a terminal too: hidden characters are escaped, so every text is still itself.
pub fn json(document: &serde_json::Value) -> String {
    let mut out = String::new();
    for c in format!("{document:#}\n").chars() {
        if is_hidden(c) && c != '\n' {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that row 11 of the hostile inputs and its kind name.
    const HIDDEN: &str = "\u{0}\u{1b}\u{7f}\u{85}\u{9b}\u{ad}\u{61c}\u{180e}\u{200b}\u{200d}\u{200e}\u{200f}\u{2028}\
        \u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{feff}\u{fff9}\u{e0041}";

    #[test]
    fn nothing_hidden_is_shown_and_nothing_visible_is_changed() {
        for c in HIDDEN.chars() {
            let text = shown(&format!("a{c}b"));
            assert!(text.starts_with("a\\u{") && text.ends_with("}b"), "{c:?} became {text:?}");
        }
        let fine = "Größe „x“ 東京 e\u{301} ⚠\u{fe0f} \\u{1b} 'a' \"b\"";
        assert_eq!(shown(fine), fine);
        assert_eq!(shown("a\r\nb\tc"), "a  b c");
        assert_eq!(shown_lines("a\u{1b}[2J\nb"), "a\\u{1b}[2J\nb");
    }

    #[test]
    fn json_keeps_every_text() {
        let document = serde_json::json!({ "name": HIDDEN, "at\u{202e}": ["東京", 1] });
        let text = json(&document);
        assert!(!text.chars().any(|c| is_hidden(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), document);
    }

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let path = std::env::temp_dir().join(format!("simctl-outside-{}", std::process::id()));
        fs::write(&path, "\u{feff}twelve chars").unwrap();
        assert_eq!(read_text(&path, 15).unwrap(), "twelve chars");
        assert_eq!(read_plain(&path, 14).unwrap_err().to_string(), "it is larger than 0 MiB");
        // It grows after it was opened.
        let mut plain = open_plain(&path, 20).unwrap();
        fs::write(&path, [b'x'; 50]).unwrap();
        assert_eq!(plain.read_to_end(&mut Vec::new()).unwrap_err().kind(), io::ErrorKind::InvalidData);
        fs::write(&path, "a\0b").unwrap();
        assert!(read_text(&path, 20).unwrap_err().to_string().contains("NUL"));
        fs::remove_file(&path).unwrap();
        assert_eq!(read_plain(&path, 14).unwrap_err().to_string(), "there is no such file");
        let folder = read_plain(&std::env::temp_dir(), 14).unwrap_err().to_string();
        assert_eq!(folder, "it is not a file");
    }
}
