//! The short forms of a stack file: ports, volumes and command lines written as one text.

use super::yaml::Value;

/// A port mapping as Docker's command line understands it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortMapping {
    /// Port in the container.
    pub target: u16,
    /// Port outside; 0 is not given.
    pub published: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'static str,
}

/// Whether a text or a number is a port mapping.
pub fn is_port(value: &Value) -> bool {
    match value {
        Value::Int(n) => (0..=65_535).contains(n),
        Value::Float(n) => (0.0..=65_535.0).contains(n),
        Value::Text(text) => ports(text).is_ok(),
        _ => false,
    }
}

/// The mappings of `[address:][outside:]inside[/protocol]`, where both ports may be ranges, and a warning if there is an
/// address, which Swarm ignores.
pub fn ports(text: &str) -> Result<(Vec<PortMapping>, Option<String>), String> {
    let (outer, inner) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, outer) = outer.rsplit_once(':').unwrap_or(("", outer));
    let mut parts = inner.split('/');
    let (inner, protocol) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if inner.is_empty() {
        return Err(format!("no port specified: {text}<empty>"));
    }
    let address = address.strip_prefix('[').map_or(address, |bare| bare.strip_suffix(']').unwrap_or(bare));
    let parsed = if address.is_empty() { None } else { Some(address.parse::<std::net::IpAddr>()) };
    if let Some(Err(_)) = parsed {
        return Err(format!("invalid IP address: {address}"));
    }
    let (first, last) = port_range(inner).ok_or_else(|| format!("invalid containerPort: {inner}"))?;
    let published = match outer {
        "" => None,
        _ => Some(port_range(outer).ok_or_else(|| format!("invalid hostPort: {outer}"))?),
    };
    if let Some((from, to)) = published
        && to - from != last - first
        && last != first
    {
        return Err(format!("invalid ranges specified for container and host Ports: {inner} and {outer}"));
    }
    let protocol = match protocol.to_lowercase().as_str() {
        "" | "tcp" => "tcp",
        "udp" => "udp",
        "sctp" => "sctp",
        other => return Err(format!("invalid proto: {other}")),
    };
    let mut mappings = Vec::new();
    if first == last {
        let (from, to) = published.unwrap_or((0, 0));
        mappings.extend((from..=to).map(|published| PortMapping { target: first, published, protocol }));
    } else {
        let from = published.map(|(from, _)| from);
        for target in first..=last {
            let published = from.map_or(0, |from| from + (target - first));
            mappings.push(PortMapping { target, published, protocol });
        }
        // Docker keeps them in a map by name, so they come out in the order of text.
        mappings.sort_by_key(|mapping| format!("{}/{protocol}", mapping.target));
    }
    let warning = parsed.and_then(Result::ok).filter(|address| !address.is_unspecified()).map(|_| {
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_string() };
        format!("ignoring IP-address ({host}:{outer}:{inner}/{protocol}) service will listen on '0.0.0.0'")
    });
    Ok((mappings, warning))
}

fn port_range(text: &str) -> Option<(u16, u16)> {
    let port = |text: &str| {
        let is_whole = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if is_whole { text.parse::<u16>().ok() } else { None }
    };
    let mut parts = text.split('-');
    let first = port(parts.next()?)?;
    let last = match parts.next() {
        Some(last) => port(last)?,
        None => first,
    };
    (first <= last).then_some((first, last))
}

/// A mount of a service.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Volume {
    /// Whether the source is a path of the node and not the name of a volume.
    pub is_bind: bool,
    /// What is mounted; empty is a volume without a name.
    pub source: String,
    /// Where it is mounted.
    pub target: String,
    /// Whether it is mounted for reading only.
    pub read_only: bool,
    /// Whether the volume starts empty.
    pub no_copy: bool,
    /// How mounts below it propagate.
    pub propagation: Option<String>,
}

/// The mount that `[source:]target[:options]` means.
pub fn volume(spec: &str) -> Result<Volume, String> {
    let mut volume = Volume::default();
    match spec.len() {
        0 => return Err("invalid empty volume spec".to_string()),
        1 | 2 => {
            volume.target = spec.to_string();
            return Ok(volume);
        }
        _ => {}
    }
    let invalid = |why: &str| format!("invalid spec: {spec}: {why}");
    let mut section = String::new();
    for c in spec.chars().map(Some).chain([None]) {
        match c {
            // A letter and a colon are a drive of Windows.
            Some(':') if !is_drive(&section) => field(&mut volume, &section, false).map_err(invalid)?,
            None => field(&mut volume, &section, true).map_err(invalid)?,
            Some(c) => {
                section.push(c);
                continue;
            }
        }
        section.clear();
    }
    volume.is_bind = is_path(&volume.source);
    Ok(volume)
}

fn field(volume: &mut Volume, section: &str, is_last: bool) -> Result<(), &'static str> {
    if section.is_empty() {
        return Err("empty section between colons");
    }
    match (volume.source.is_empty(), volume.target.is_empty()) {
        (true, _) if is_last => volume.target = section.to_string(),
        (true, _) => volume.source = section.to_string(),
        (false, true) => volume.target = section.to_string(),
        _ if !is_last => return Err("too many colons"),
        _ => {
            for option in section.split(',') {
                match option {
                    "ro" => volume.read_only = true,
                    "rw" => volume.read_only = false,
                    "nocopy" => volume.no_copy = true,
                    "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                        volume.propagation = Some(option.to_string());
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn is_drive(section: &str) -> bool {
    let mut chars = section.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

fn is_path(source: &str) -> bool {
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some('.' | '/' | '~'), _) => true,
        (Some('\\'), Some('\\')) => true,
        (Some(first), Some(':')) => first.is_alphabetic(),
        _ => false,
    }
}

/// The words of a command line, quoted as in a shell.
pub fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = line.chars();
    let mut word: Option<String> = None;
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => words.extend(word.take()),
            '#' if word.is_none() => {
                chars.by_ref().find(|c| *c == '\n');
            }
            '\\' => {
                let next = chars.next().ok_or("EOF found after escape character")?;
                word.get_or_insert_default().push(next);
            }
            '\'' | '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next().ok_or("EOF found when expecting closing quote")? {
                        end if end == c => break,
                        '\\' if c == '"' => word.push(chars.next().ok_or("EOF found after escape character")?),
                        inside => word.push(inside),
                    }
                }
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(u16, u16, &'static str)> {
        ports(text).unwrap().0.iter().map(|port| (port.target, port.published, port.protocol)).collect()
    }

    #[test]
    fn ports_and_ranges() {
        assert_eq!(pairs("80"), [(80, 0, "tcp")]);
        assert_eq!(pairs("8080:80/UDP"), [(80, 8080, "udp")]);
        assert_eq!(pairs("1-2:9-10"), [(10, 2, "tcp"), (9, 1, "tcp")]);
        assert_eq!(pairs("80-82:80"), [(80, 80, "tcp"), (80, 81, "tcp"), (80, 82, "tcp")]);
        assert_eq!(pairs("8-9"), [(8, 0, "tcp"), (9, 0, "tcp")]);
        assert_eq!(pairs("[::1]:80:81"), [(81, 80, "tcp")]);
        assert_eq!(pairs(":81"), [(81, 0, "tcp")]);
        assert_eq!(
            ports("127.0.0.1:1:2").unwrap().1.unwrap(),
            "ignoring IP-address (127.0.0.1:1:2/tcp) service will listen on '0.0.0.0'"
        );
        assert_eq!(ports("0.0.0.0:1:2").unwrap().1, None);
        for text in ["", "80:", "abc", "70000", "1-3:5-6", "9-8", "80/xyz", "host:1:2", "+80", "1-", "::"] {
            assert!(ports(text).is_err(), "{text}");
        }
        assert_eq!(ports("0-65535").unwrap().0.len(), 65_536);
    }

    #[test]
    fn volumes() {
        let of = |spec: &str| {
            let volume = volume(spec).unwrap();
            (volume.is_bind, volume.source, volume.target, volume.read_only)
        };
        let expected = |is_bind, source: &str, target: &str, ro| (is_bind, source.to_string(), target.to_string(), ro);
        assert_eq!(of("/a"), expected(false, "", "/a", false));
        assert_eq!(of("data:/b:ro"), expected(false, "data", "/b", true));
        assert_eq!(of("./a:/b"), expected(true, "./a", "/b", false));
        assert_eq!(of("C:\\a:/d"), expected(true, "C:\\a", "/d", false));
        assert_eq!(of("a:/b"), expected(false, "", "a:/b", false));
        assert_eq!(volume("/x:/y:rshared,nocopy").unwrap().propagation.as_deref(), Some("rshared"));
        assert_eq!(volume("").unwrap_err(), "invalid empty volume spec");
        assert_eq!(volume("aa:bb:cc:dd").unwrap_err(), "invalid spec: aa:bb:cc:dd: too many colons");
        assert_eq!(volume("aa::bb").unwrap_err(), "invalid spec: aa::bb: empty section between colons");
    }

    #[test]
    fn command_lines() {
        assert_eq!(
            words("echo ${HOME} 'a b' \"c \\\"d\" e\\ f # g").unwrap(),
            ["echo", "${HOME}", "a b", "c \"d", "e f"]
        );
        assert_eq!(words("a#b ''").unwrap(), ["a#b", ""]);
        assert_eq!(words("  \n ").unwrap(), [""; 0]);
        assert_eq!(words("a \"b").unwrap_err(), "EOF found when expecting closing quote");
        assert_eq!(words("a\\").unwrap_err(), "EOF found after escape character");
    }
}
