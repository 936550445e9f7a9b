//! The object of a protocol's own in a record (`"sip": {...}`), from what its parser told, and what
//! stands beside it: the files of a transaction, and paths that begin with a slash.

use serde_json::{Map, Value, json};

use super::text::Text;
use crate::app_layer::message::{Fact, File, Transaction};
use crate::direction::Direction;
use crate::protocol::Protocol;

/// Bytes of one text.
const LONGEST_TEXT: usize = 1024;
/// Elements of one array.
const MOST_ELEMENTS: usize = 256;

/// A protocol's object under its name, and what stands beside it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(transparent)]
pub struct AppObject(pub Map<String, Value>);

impl AppObject {
    /// Of a transaction; `None` where its parser told nothing.
    pub fn of(tx: &Transaction) -> Option<Self> {
        let (mut own, mut all) = (Map::new(), Map::new());
        for (path, fact) in tx.facts() {
            let value = match fact {
                Fact::Text(bytes) => Text::from_bytes(bytes, LONGEST_TEXT).as_str().into(),
                Fact::Number(number) => number.into(),
                Fact::Flag(flag) => flag.into(),
            };
            match path.strip_prefix('/') {
                Some(path) => put(&mut all, path, value),
                None => put(&mut own, path, value),
            }
        }
        if !own.is_empty() {
            all.insert(name(tx.protocol()).to_owned(), own.into());
        }
        let files: Vec<Value> = Direction::BOTH
            .iter()
            .flat_map(|d| tx.files(*d))
            .take(MOST_ELEMENTS)
            .map(file)
            .collect();
        if !files.is_empty() {
            all.insert("files".to_owned(), files.into());
        }
        (!all.is_empty()).then_some(Self(all))
    }
}

/// As EVE shows a file beside an alert.
fn file(file: &File) -> Value {
    json!({
        "filename": Text::from_bytes(file.name(), LONGEST_TEXT).as_str(),
        "gaps": file.has_gap(),
        "state": if file.is_closed() { "CLOSED" } else { "UNKNOWN" },
        "stored": false,
        "size": file.size(),
    })
}

const fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::FtpData => "ftp_data",
        other => other.as_str(),
    }
}

/// Puts a value at a path, with the objects and arrays on the way there.
fn put(fields: &mut Map<String, Value>, path: &str, value: Value) {
    let (segment, rest) = match path.split_once('.') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    };
    let (name, element) = match (segment.strip_suffix("[]"), segment.strip_suffix("[-1]")) {
        (Some(name), _) => (name, Some(true)),
        (None, Some(name)) => (name, Some(false)),
        (None, None) => (segment, None),
    };
    let Some(new) = element else {
        match rest {
            None => {
                fields.insert(name.to_owned(), value);
            }
            Some(rest) => {
                let inner = fields.entry(name).or_insert_with(|| Map::new().into());
                if let Value::Object(inner) = inner {
                    put(inner, rest, value);
                }
            }
        }
        return;
    };
    let array = fields
        .entry(name)
        .or_insert_with(|| Value::Array(Vec::new()));
    let Value::Array(elements) = array else {
        return;
    };
    if new || elements.is_empty() {
        if elements.len() >= MOST_ELEMENTS {
            return;
        }
        elements.push(Value::Object(Map::new()));
    }
    match (rest, elements.last_mut()) {
        (Some(rest), Some(Value::Object(inner))) => put(inner, rest, value),
        (None, Some(last)) => *last = value,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_build_objects_and_arrays() {
        let mut fields = Map::new();
        for (path, value) in [
            ("type", json!("request")),
            ("queries[].rrname", json!("a")),
            ("queries[-1].rrtype", json!("A")),
            ("queries[].rrname", json!("b")),
            ("suback.codes[]", json!(1)),
            ("suback.codes[]", json!(2)),
            ("type.inner", json!("not an object")),
        ] {
            put(&mut fields, path, value);
        }
        assert_eq!(
            Value::Object(fields),
            json!({
                "type": "request",
                "queries": [{"rrname": "a", "rrtype": "A"}, {"rrname": "b"}],
                "suback": {"codes": [1, 2]},
            })
        );
    }

    #[test]
    fn files_and_paths_with_a_slash_stand_beside_the_object() {
        let mut tx = Transaction::new(0, Protocol::Smtp);
        tx.tell("helo", Fact::Text(b"a"));
        tx.tell("/email.to[]", Fact::Text(b"b"));
        tx.open_file(Direction::ToServer, b"x.txt");
        tx.add_to_file(Direction::ToServer, b"abc", 2);
        tx.finish(Direction::ToServer);
        let object = AppObject::of(&tx).unwrap();
        assert_eq!(
            serde_json::to_value(&object).unwrap(),
            json!({
                "smtp": {"helo": "a"},
                "email": {"to": ["b"]},
                "files": [{"filename": "x.txt", "gaps": false, "state": "CLOSED", "stored": false, "size": 3}],
            })
        );
    }

    #[test]
    fn an_array_is_bounded() {
        let mut fields = Map::new();
        for _ in 0..MOST_ELEMENTS + 5 {
            put(&mut fields, "a[]", json!(1));
        }
        assert_eq!(fields["a"].as_array().unwrap().len(), MOST_ELEMENTS);
    }
}
