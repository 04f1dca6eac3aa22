//! Names of images (`distribution/reference`).

use std::fmt;

/// The registry of names that mention none.
const HUB: &str = "docker.io";
/// What that registry was called before.
const OLD_HUB: &str = "index.docker.io";
/// Where that registry keeps images of one word.
const OFFICIAL: &str = "library/";
/// Most bytes of a name without its tag.
const LONGEST_PATH: usize = 255;
/// Most bytes of a tag.
const LONGEST_TAG: usize = 128;
const INVALID: &str = "invalid reference format";

/// A reference to an image, which may be written in several ways: `nginx`, `nginx:latest` and
/// `docker.io/library/nginx` are equal.
///
/// ```
/// use sched::Reference;
/// let it = Reference::parse("index.docker.io/nginx:latest").unwrap();
/// assert_eq!(it, Reference::parse("nginx").unwrap());
/// assert_eq!(it.to_string(), "nginx");
/// assert!(Reference::parse("x..y").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reference {
    registry: String,
    path: String,
    tag: String,
    digest: Option<String>,
}

impl Reference {
    /// The image that a text names; the error is that of `distribution/reference`.
    pub fn parse(text: &str) -> Result<Reference, String> {
        if is_id(text) {
            return Err(format!("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings"));
        }
        let (registry, rest) = split_registry(text);
        let name = rest.split(':').next().unwrap_or_default();
        if name.chars().any(char::is_uppercase) {
            return Err(format!("{INVALID}: repository name ({name}) must be lowercase"));
        }
        let whole = format!("{registry}/{rest}");
        let Some((named, tag, digest)) = split(&whole) else {
            let is_case = split(&whole.to_lowercase()).is_some();
            return Err(if is_case { "repository name must be lowercase" } else { INVALID }.to_string());
        };
        // What is no name of a machine may still be a part of the path.
        let (registry, path) = match named.split_once('/') {
            Some((registry, path)) if is_registry(registry) => (registry, path),
            _ => ("", named),
        };
        if path.len() > LONGEST_PATH {
            return Err(format!("repository name must not be more than {LONGEST_PATH} characters"));
        }
        digest.map_or(Ok(()), check_digest)?;
        Ok(Reference {
            registry: registry.to_string(),
            path: path.to_string(),
            // A digest says more than a tag, which does not count beside it.
            tag: tag.filter(|_| digest.is_none()).unwrap_or("latest").to_string(),
            digest: digest.map(str::to_string),
        })
    }

    /// The image that a text names if it is the whole digest or the identity of one, which the command line takes too.
    pub fn is_digest(text: &str) -> bool {
        is_id(text) || check_digest(text).is_ok()
    }

    /// The one name of what a text names: equal for equal images. A text that names none is its own.
    pub fn name_of(text: &str) -> String {
        Reference::parse(text).map_or_else(|_| text.to_string(), |reference| reference.to_string())
    }
}

/// The shortest form.
impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_hub = self.registry == HUB;
        if !is_hub && !self.registry.is_empty() {
            write!(f, "{}/", self.registry)?;
        }
        // As `docker image ls`: without `library/`, unless another folder follows.
        let short = self.path.strip_prefix(OFFICIAL).filter(|path| is_hub && !path.contains('/'));
        f.write_str(short.unwrap_or(&self.path))?;
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None if self.tag == "latest" => Ok(()),
            None => write!(f, ":{}", self.tag),
        }
    }
}

/// The registry and the rest, as they are meant.
fn split_registry(text: &str) -> (&str, String) {
    let (registry, rest) = match text.split_once('/') {
        None => (HUB, text),
        Some((OLD_HUB, rest)) => (HUB, rest),
        Some((first, rest))
            if first == "localhost" || first.contains(['.', ':']) || first.chars().any(char::is_uppercase) =>
        {
            (first, rest)
        }
        Some(_) => (HUB, text),
    };
    let official = if registry == HUB && !rest.contains('/') { OFFICIAL } else { "" };
    (registry, format!("{official}{rest}"))
}

/// Name, tag and digest, if the text has the form of a reference.
fn split(text: &str) -> Option<(&str, Option<&str>, Option<&str>)> {
    let (tagged, digest) = match text.split_once('@') {
        Some((tagged, digest)) => (tagged, Some(digest)),
        None => (text, None),
    };
    let last = tagged.rfind('/').map_or(0, |at| at + 1);
    let (named, tag) = match tagged[last..].split_once(':') {
        Some((name, tag)) => (&tagged[..last + name.len()], Some(tag)),
        None => (tagged, None),
    };
    let is_named = match named.split_once('/') {
        Some((registry, path)) => (is_registry(registry) && is_path(path)) || is_path(named),
        None => is_path(named),
    };
    let fits = is_named && tag.is_none_or(is_tag) && digest.is_none_or(has_digest_form);
    fits.then_some((named, tag, digest))
}

/// Names of a machine, or an address in brackets, and perhaps a port.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())) {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        let inner = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        inner && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match address {
        Some(address) => !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
        None => host.split('.').all(is_label),
    };
    is_host && port != Some("")
}

fn is_path(path: &str) -> bool {
    path.split('/').all(is_component)
}

/// Lower-case letters and digits, with one `.`, one or two `_`, or any number of `-` between them.
fn is_component(component: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let has_ends = bytes.first().copied().is_some_and(is_word) && bytes.last().copied().is_some_and(is_word);
    let separators = component.split(|c: char| c.is_ascii() && is_word(c as u8)).filter(|part| !part.is_empty());
    has_ends
        && separators
            .into_iter()
            .all(|separator| matches!(separator, "." | "_" | "__") || separator.bytes().all(|b| b == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let inner = tag.bytes().all(|b| is_word(b) || matches!(b, b'.' | b'-'));
    inner && tag.bytes().next().is_some_and(is_word) && tag.len() <= LONGEST_TAG
}

/// `algorithm:hex`, where the algorithm is words that are joined by signs.
fn has_digest_form(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(is_word) && hex.len() >= 32 && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Whether a digest is one of an algorithm that is known (`opencontainers/go-digest`).
fn check_digest(digest: &str) -> Result<(), String> {
    const FORM: &str = "invalid checksum digest format";
    let Some((algorithm, hex)) =
        digest.split_once(':').filter(|(algorithm, hex)| !algorithm.is_empty() && !hex.is_empty())
    else {
        return Err(FORM.to_string());
    };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return Err("unsupported digest algorithm".to_string()),
    };
    if hex.len() != length {
        return Err("invalid checksum digest length".to_string());
    }
    if is_lower_hex(hex) { Ok(()) } else { Err(FORM.to_string()) }
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_one_name() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let groups = [
            vec!["nginx", "nginx:latest", "docker.io/nginx", "index.docker.io/library/nginx:latest", "library/nginx"],
            vec!["a/b:1", "docker.io/a/b:1", "index.docker.io/a/b:1"],
            vec!["localhost/a", "localhost/a:latest"],
            vec!["reg.io:5000/library/x:1"],
            vec!["library/x:1", "x:1"],
            vec!["library/a/b"],
        ];
        for (index, group) in groups.iter().enumerate() {
            for name in group {
                assert_eq!(Reference::name_of(name), Reference::name_of(group[0]), "{name}");
                let others = groups[..index].iter().flatten();
                assert!(
                    others.into_iter().all(|other| Reference::name_of(other) != Reference::name_of(name)),
                    "{name}"
                );
            }
        }
        assert_eq!(
            Reference::name_of(&format!("x:1@{digest}")),
            Reference::name_of(&format!("docker.io/library/x@{digest}"))
        );
        assert_eq!(Reference::name_of("docker.io/library/nginx:latest"), "nginx");
    }

    #[test]
    fn the_grammar_is_docker_s() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for good in [
            "redis",
            "redis:7.2-alpine",
            "a/b_c/d-e",
            "a__b",
            "a---b",
            "localhost:5000/a",
            "Reg.io/x",
            "LOCAL/x",
            "[::1]:5000/x",
            "x:LATEST",
            "x:_1",
            "a__b.c/x",
            &format!("x@{digest}"),
        ] {
            assert!(Reference::parse(good).is_ok(), "{good}");
        }
        let long_tag = format!("x:{}", "t".repeat(129));
        for bad in [
            "",
            "x..y",
            "x___y",
            "./x",
            "x@sha256:abc",
            "a b",
            "redis:",
            "x:-1",
            "redis:a:b",
            "/redis",
            "a//b",
            "-a",
            "a-",
            "x/",
            "x@",
            "é",
            "x:é",
            "host:x/y",
            "reg_.io/X",
            "-.io/x",
            &long_tag,
        ] {
            assert!(Reference::parse(bad).is_err(), "{bad}");
        }
        let refusal = |text: &str| Reference::parse(text).unwrap_err();
        assert_eq!(refusal("Redis"), "invalid reference format: repository name (library/Redis) must be lowercase");
        assert_eq!(refusal("reg.io/A/b:1"), "invalid reference format: repository name (A/b) must be lowercase");
        assert_eq!(refusal("x..y"), INVALID);
        assert_eq!(refusal(&format!("x@sha1:{}", "a".repeat(40))), "unsupported digest algorithm");
        assert_eq!(refusal(&format!("x@sha256:{}", "a".repeat(40))), "invalid checksum digest length");
        assert_eq!(refusal(&format!("x@sha256:{}", "A".repeat(64))), "invalid checksum digest format");
        assert!(refusal(&"a".repeat(64)).contains("cannot specify 64-byte hexadecimal strings"));
        assert!(refusal(&"a".repeat(250)).contains("255"));
    }
}
