//! Rows as JSON objects: their fields in the order in which they stand, and as they stand.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object.
pub(crate) struct Row(pub(crate) Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object whose fields are the columns")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Row(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// The text that stands for a value.
pub(crate) fn text(value: &RawValue) -> Result<String, serde_json::Error> {
    match value.get() {
        "null" => Ok(String::new()),
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted),
        other => Ok(other.to_owned()),
    }
}

/// Appends text as JSON.
pub(crate) fn put_text(text: &str, output: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(output, text)
}
