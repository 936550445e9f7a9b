//! Sets of values that rules name: what their files hold.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::base64::{self, Base64Mode};

/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// What a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SetKind {
    String,
    Md5,
    Sha1,
    Sha256,
    Ipv4,
    /// Of either version; an IPv4 address is one with its IPv6-mapped form (RFC 4291 section 2.5.5.2).
    Ip,
}

impl SetKind {
    pub const ALL: [Self; 6] = [
        Self::String,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Ipv4,
        Self::Ip,
    ];

    /// As rules write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Ipv4 => "ipv4",
            Self::Ip => "ip",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        let name = if name == "ipv6" { "ip" } else { name };
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The value that the bytes of a buffer stand for; `None` where they cannot be one.
    pub fn of_buffer<'a>(self, bytes: &'a [u8], room: &'a mut [u8; 16]) -> Option<&'a [u8]> {
        match (self, bytes.len()) {
            (Self::String, 0..=MAX_VALUE_BYTES)
            | (Self::Md5, 16)
            | (Self::Sha1, 20)
            | (Self::Sha256, 32)
            | (Self::Ipv4, 4)
            | (Self::Ip, 16) => Some(bytes),
            (Self::Ip, 4) => {
                let address = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
                *room = address.to_ipv6_mapped().octets();
                Some(room)
            }
            _ => None,
        }
    }

    /// Reads a value as files of this kind write it.
    fn of_line(self, text: &str) -> Option<Box<[u8]>> {
        match self {
            Self::String => {
                let mut value = Vec::new();
                base64::decode(text.as_bytes(), Base64Mode::Strict, &mut value);
                let written = !value.is_empty() || text.is_empty();
                (written && value.len() <= MAX_VALUE_BYTES).then(|| value.into())
            }
            Self::Md5 => hex(text, 16),
            Self::Sha1 => hex(text, 20),
            Self::Sha256 => hex(text, 32),
            Self::Ipv4 => text.parse::<Ipv4Addr>().ok().map(|a| a.octets().into()),
            Self::Ip => {
                let address: IpAddr = text.parse().ok()?;
                Some(mapped(address).octets().into())
            }
        }
    }

    /// Reads a value as JSON has it: texts of kind `string` stand for themselves.
    fn of_json(self, text: &str) -> Option<Box<[u8]>> {
        match self {
            Self::String => (text.len() <= MAX_VALUE_BYTES).then(|| text.as_bytes().into()),
            kind => kind.of_line(text),
        }
    }

    /// Writes a value as files of this kind have it.
    pub fn line_of(self, value: &[u8]) -> String {
        match self {
            Self::String => base64::encode(value),
            Self::Md5 | Self::Sha1 | Self::Sha256 => {
                value.iter().map(|b| format!("{b:02x}")).collect()
            }
            Self::Ipv4 | Self::Ip => {
                match (<[u8; 4]>::try_from(value), <[u8; 16]>::try_from(value)) {
                    (Ok(v4), _) => Ipv4Addr::from(v4).to_string(),
                    (_, Ok(v6)) => {
                        let address = Ipv6Addr::from(v6);
                        match address.to_ipv4_mapped() {
                            Some(v4) => v4.to_string(),
                            None => address.to_string(),
                        }
                    }
                    _ => String::new(),
                }
            }
        }
    }
}

fn mapped(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn hex(text: &str, bytes: usize) -> Option<Box<[u8]>> {
    if text.len() != 2 * bytes || !text.is_ascii() {
        return None;
    }
    let pair = |at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..bytes).map(|n| pair(2 * n)).collect()
}

/// What a set knows of a value besides that it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetFact {
    Nothing,
    /// `datarep`
    Score(u16),
    /// One JSON object, to be shown in the alert.
    Json(Arc<str>),
}

/// How a file of a set is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SetFormat {
    /// A value a line.
    #[default]
    Lines,
    /// A value, a comma and a score a line.
    Scores,
    Json(JsonFormat),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JsonFormat {
    /// An object a line, else one document.
    pub lines: bool,
    /// The member that is the value.
    pub value_key: String,
    /// The way to the array, by its members' names.
    pub array_key: Vec<String>,
    /// Leave the value out of what is shown.
    pub remove_key: bool,
}

/// A value, and what is known of it.
pub type SetEntry = (Box<[u8]>, SetFact);

/// What the file of a set holds.
#[derive(Debug, PartialEq, Eq)]
pub struct SetContent {
    pub entries: Vec<SetEntry>,
}

impl SetContent {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The line at fault, and why; for one JSON document, the document.
    pub fn parse(kind: SetKind, format: &SetFormat, text: &str) -> Result<Self, String> {
        let entries = match format {
            SetFormat::Json(json) if !json.lines => document(kind, json, text)?,
            SetFormat::Lines | SetFormat::Scores | SetFormat::Json(_) => {
                let mut entries = Vec::new();
                for (number, line) in text.lines().enumerate() {
                    let line = line.trim();
                    if line.is_empty() || (line.starts_with('#') && kind != SetKind::String) {
                        continue;
                    }
                    let entry = entry(kind, format, line)
                        .map_err(|why| format!("line {}: {why}", number + 1))?;
                    entries.push(entry);
                }
                entries
            }
        };
        Ok(Self { entries })
    }

    /// About what it takes in memory.
    pub fn bytes(&self) -> usize {
        self.entries.iter().map(|(v, f)| entry_bytes(v, f)).sum()
    }
}

/// About what one entry takes in a set's memory.
pub fn entry_bytes(value: &[u8], fact: &SetFact) -> usize {
    const OVERHEAD: usize = 64;
    let json = match fact {
        SetFact::Json(text) => text.len(),
        SetFact::Nothing | SetFact::Score(_) => 0,
    };
    OVERHEAD + value.len() + json
}

fn entry(kind: SetKind, format: &SetFormat, line: &str) -> Result<SetEntry, String> {
    let no_value = |text: &str| format!("`{text}` is no {} here", kind.as_str());
    match format {
        SetFormat::Lines => {
            // What follows a comma is another kind of set's; behind a hash there may be a file's name.
            let ends = |c: char| c == ',' || (kind != SetKind::String && c.is_whitespace());
            let text = line.split(ends).next().unwrap_or(line).trim();
            let value = kind.of_line(text).ok_or_else(|| no_value(text))?;
            Ok((value, SetFact::Nothing))
        }
        SetFormat::Scores => {
            let (text, score) = line.split_once(',').ok_or("a score is missing")?;
            let text = text.trim();
            let value = kind.of_line(text).ok_or_else(|| no_value(text))?;
            let score = score.trim();
            let score = score
                .parse()
                .map_err(|_| format!("`{score}` is no score from 0 to 65535"))?;
            Ok((value, SetFact::Score(score)))
        }
        SetFormat::Json(json) => {
            let object = serde_json::from_str(line).map_err(|e| e.to_string())?;
            object_entry(kind, json, object)
        }
    }
}

fn object_entry(
    kind: SetKind,
    format: &JsonFormat,
    mut object: serde_json::Value,
) -> Result<SetEntry, String> {
    let key = &format.value_key;
    let missing = || format!("no text `{key}`");
    let member = object.get(key).ok_or_else(missing)?;
    let text = member.as_str().ok_or_else(missing)?;
    let value = kind
        .of_json(text)
        .ok_or_else(|| format!("`{text}` is no {}", kind.as_str()))?;
    if format.remove_key
        && let Some(members) = object.as_object_mut()
    {
        members.remove(key);
    }
    Ok((value, SetFact::Json(object.to_string().into())))
}

fn document(kind: SetKind, format: &JsonFormat, text: &str) -> Result<Vec<SetEntry>, String> {
    let mut document: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    for key in &format.array_key {
        let inner = document.get_mut(key).map(serde_json::Value::take);
        document = inner.ok_or_else(|| format!("no member `{key}`"))?;
    }
    let serde_json::Value::Array(objects) = document else {
        return Err("no array of objects: `array_key` leads to it".to_owned());
    };
    objects
        .into_iter()
        .map(|object| object_entry(kind, format, object))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(kind: SetKind, format: SetFormat, text: &str) -> Result<Vec<Vec<u8>>, String> {
        let content = SetContent::parse(kind, &format, text)?;
        Ok(content.entries.iter().map(|(v, _)| v.to_vec()).collect())
    }

    #[test]
    fn each_kind_reads_what_it_writes() {
        for (kind, text, value) in [
            (SetKind::String, "R09PRA==", &b"GOOD"[..]),
            (
                SetKind::Md5,
                "000102030405060708090a0b0c0d0e0f",
                &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
            ),
            (
                SetKind::Sha1,
                "000102030405060708090a0b0c0d0e0f10111213",
                &[
                    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
                ],
            ),
            (SetKind::Ipv4, "192.0.2.1", &[192, 0, 2, 1]),
            (
                SetKind::Ip,
                "192.0.2.1",
                &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1],
            ),
            (
                SetKind::Ip,
                "2001:db8::1",
                &[32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
            ),
        ] {
            assert_eq!(parse(kind, SetFormat::Lines, text).unwrap(), [value]);
            assert_eq!(kind.line_of(value), text);
            assert_eq!(SetKind::from_name(kind.as_str()), Some(kind));
        }
        let mut room = [0; 16];
        let v4 = SetKind::Ip.of_buffer(&[192, 0, 2, 1], &mut room).unwrap();
        assert_eq!(
            v4,
            parse(SetKind::Ip, SetFormat::Lines, "::ffff:192.0.2.1").unwrap()[0]
        );
    }

    #[test]
    fn a_name_may_follow_a_hash() {
        let text = "000102030405060708090a0b0c0d0e0f  ./bad.exe\n# old\n";
        let read = parse(SetKind::Md5, SetFormat::Lines, text).unwrap();
        assert_eq!(read.len(), 1);
    }

    #[test]
    fn lines_at_fault_are_named() {
        for (kind, text) in [
            (SetKind::String, "R09PRA==\nR09"),
            (SetKind::Md5, "\n00"),
            (SetKind::Ip, "::1\n300.0.0.1"),
        ] {
            let error = parse(kind, SetFormat::Lines, text).unwrap_err();
            assert!(error.starts_with("line 2"), "{error}");
        }
        assert!(parse(SetKind::Ip, SetFormat::Scores, "::1,70000").is_err());
        assert!(parse(SetKind::Ip, SetFormat::Scores, "::1").is_err());
        assert!(parse(SetKind::Ip, SetFormat::Scores, "::1, 7").is_ok());
    }

    #[test]
    fn json_objects_are_kept_for_the_alert() {
        let format = |lines| {
            SetFormat::Json(JsonFormat {
                lines,
                value_key: "host".into(),
                array_key: if lines {
                    vec![]
                } else {
                    vec!["a".into(), "b".into()]
                },
                remove_key: lines,
            })
        };
        let text = r#"{"host": "x.example", "n": 1}"#;
        let content = SetContent::parse(SetKind::String, &format(true), text).unwrap();
        assert_eq!(
            content.entries[..],
            [(b"x.example"[..].into(), SetFact::Json(r#"{"n":1}"#.into()))]
        );
        let text = r#"{"a": {"b": [{"host": "x"}, {"host": "y"}]}}"#;
        assert_eq!(
            parse(SetKind::String, format(false), text).unwrap(),
            [b"x", b"y"]
        );
        for bad in [
            "",
            "{}",
            r#"{"a": {"b": {}}}"#,
            r#"{"a": {"b": [{"host": 1}]}}"#,
        ] {
            assert!(parse(SetKind::String, format(false), bad).is_err(), "{bad}");
        }
    }
}
