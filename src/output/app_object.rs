//! The object of a protocol's own in a record (`"sip": {...}`), from what its parser told.

use serde_json::{Map, Value};

use super::text::Text;
use crate::app_layer::message::{Fact, Transaction};
use crate::protocol::Protocol;

/// Bytes of one text.
const LONGEST_TEXT: usize = 1024;
/// Elements of one array.
const MOST_ELEMENTS: usize = 256;

/// A protocol's object under its name.
#[derive(Clone, Debug, PartialEq)]
pub struct AppObject {
    pub name: &'static str,
    pub fields: Map<String, Value>,
}

impl serde::Serialize for AppObject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(self.name, &self.fields)])
    }
}

impl AppObject {
    /// Of a transaction; `None` where its parser told nothing.
    pub fn of(tx: &Transaction) -> Option<Self> {
        let mut fields = Map::new();
        for (path, fact) in tx.facts() {
            let value = match fact {
                Fact::Text(bytes) => Text::from_bytes(bytes, LONGEST_TEXT).as_str().into(),
                Fact::Number(number) => number.into(),
                Fact::Flag(flag) => flag.into(),
            };
            put(&mut fields, path, value);
        }
        let name = name(tx.protocol());
        (!fields.is_empty()).then_some(Self { name, fields })
    }
}

const fn name(protocol: Protocol) -> &'static str {
    protocol.as_str()
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
    use serde_json::json;

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
    fn an_array_is_bounded() {
        let mut fields = Map::new();
        for _ in 0..MOST_ELEMENTS + 5 {
            put(&mut fields, "a[]", json!(1));
        }
        assert_eq!(fields["a"].as_array().unwrap().len(), MOST_ELEMENTS);
    }
}
