//! What JSON values are, as far as the type of a column goes.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use arrow_schema::{DataType, Field};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Up to here every integer is a float, too.
const EXACT: u64 = 1 << 53;
/// From here on a float may be what became of an integer.
const DOUBTFUL: f64 = 9_223_372_036_854_775_808.0;
/// The most fields of an object, and of all rows together: each of them is a column.
pub(crate) const FIELDS_MAX: usize = 10_000;

/// The values of a column, or of a place in one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    /// `null`, or not there.
    Nothing,
    Bool,
    Integer(Integer),
    Float,
    Text,
    List(Box<Shape>),
    Object(Object),
}

/// Integers, by what holds them all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Integer {
    /// One is less than zero.
    is_negative: bool,
    /// One is more than a signed number of 64 bits holds.
    is_large: bool,
    /// One is no float.
    is_inexact: bool,
}

/// Fields in the order in which they were met first.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Object(Vec<(String, Shape)>);

impl Shape {
    /// What a record is. Says what is wrong with one that is none, or that cannot be kept as it is.
    pub(crate) fn of(record: &[u8]) -> Result<Object, String> {
        let is_doubtful = Cell::new(false);
        let mut json = serde_json::Deserializer::from_slice(record);
        let shape = Look(&is_doubtful).deserialize(&mut json);
        let shape = shape.and_then(|shape| json.end().map(|()| shape)).map_err(|error| error.to_string())?;
        if is_doubtful.get()
            && let Some(number) = huge_integer(record)
        {
            return Err(format!("no number of 64 bits holds {number}; as text it can be kept"));
        }
        match shape {
            Shape::Object(object) => Ok(object),
            other => Err(format!("a row is an object, and this is {}", other.name())),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "null",
            Self::Bool => "true or false",
            Self::Integer(_) => "an integer",
            Self::Float => "a number",
            Self::Text => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// Whether a value of this shape has a place here, or could have one `while` types are still found out.
    fn check(&self, value: &Self, is_open: bool, path: &Path<'_>) -> Result<(), String> {
        match (self, value) {
            (_, Self::Nothing) | (Self::Bool, Self::Bool) | (Self::Text, Self::Text) => Ok(()),
            (Self::Float, Self::Float) => Ok(()),
            (Self::Nothing, _) if is_open => Ok(()),
            (Self::Nothing, other) => Err(format!(
                "`{path}` was null in all of the rows that told the types of columns, and here is {}",
                other.name()
            )),
            (Self::Integer(one), Self::Integer(other)) => {
                let both = one.with(*other);
                let fits = if is_open {
                    !(both.is_negative && both.is_large)
                } else if one.is_large {
                    !other.is_negative
                } else {
                    !other.is_large
                };
                let message = || format!("no integer of 64 bits holds all values of `{path}`");
                if fits { Ok(()) } else { Err(message()) }
            }
            (Self::Integer(integer), Self::Float) if is_open && !integer.is_inexact => Ok(()),
            (Self::Float, Self::Integer(integer)) if !integer.is_inexact => Ok(()),
            (Self::Integer(_), Self::Float) | (Self::Float, Self::Integer(_)) => {
                Err(format!("`{path}` has integers and other numbers, and not all of them are both"))
            }
            (Self::List(one), Self::List(other)) => one.check(other, is_open, &path.join("[]")),
            (Self::Object(one), Self::Object(other)) => one.check(other, is_open, path),
            (one, other) => Err(format!("`{path}` was {} before, and here is {}", one.name(), other.name())),
        }
    }

    /// Takes in what was checked.
    fn merge(&mut self, value: Self) {
        match (&mut *self, value) {
            (_, Self::Nothing) => {}
            (Self::Integer(one), Self::Integer(other)) => *one = one.with(other),
            (Self::List(one), Self::List(other)) => one.merge(*other),
            (Self::Object(one), Self::Object(other)) => one.merge(other),
            (Self::Float, Self::Integer(_)) => {}
            (_, value) => *self = value,
        }
    }

    fn lacks(&self, value: &Self) -> usize {
        match (self, value) {
            (Self::List(one), Self::List(other)) => one.lacks(other),
            (Self::Object(one), Self::Object(other)) => one.lacks(other),
            (_, Self::List(item)) => Self::Nothing.lacks(item),
            (_, Self::Object(object)) => Object::default().lacks(object),
            _ => 0,
        }
    }

    /// The type of a column. Says which one has none.
    fn data_type(&self, path: &Path<'_>) -> Result<DataType, String> {
        Ok(match self {
            Self::Nothing => DataType::Null,
            Self::Bool => DataType::Boolean,
            Self::Integer(integer) if integer.is_large => DataType::UInt64,
            Self::Integer(_) => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Text => DataType::Utf8,
            Self::List(item) => {
                let item = item.data_type(&path.join("[]"))?;
                DataType::List(Arc::new(Field::new("element", item, true)))
            }
            Self::Object(object) => DataType::Struct(object.fields(path)?.into()),
        })
    }
}

impl Object {
    /// Whether a row has its place, or could have one while types are still found out.
    pub(crate) fn admits(&self, row: &Self, is_open: bool) -> Result<(), String> {
        self.check(row, is_open, &Path { above: None, name: "" })
    }

    fn check(&self, value: &Self, is_open: bool, path: &Path<'_>) -> Result<(), String> {
        let mut last = 0;
        for (name, shape) in &value.0 {
            let path = path.join(name);
            match self.find(name, last) {
                Some(at) => {
                    self.0[at].1.check(shape, is_open, &path)?;
                    last = at + 1;
                }
                None if is_open => {}
                None => return Err(format!("`{path}` was in none of the rows that told the columns")),
            }
        }
        Ok(())
    }

    /// Takes in what was admitted.
    pub(crate) fn merge(&mut self, row: Self) {
        let mut last = 0;
        for (name, shape) in row.0 {
            match self.find(&name, last) {
                Some(at) => {
                    self.0[at].1.merge(shape);
                    last = at + 1;
                }
                None => self.0.push((name, shape)),
            }
        }
    }

    /// Most rows have the same fields in the same order: it is looked for from `begin` on.
    fn find(&self, name: &str, begin: usize) -> Option<usize> {
        let begin = begin.min(self.0.len());
        (begin..self.0.len()).chain(0..begin).find(|at| self.0[*at].0 == name)
    }

    /// How many fields a row has that are not here, those inside of others among them.
    pub(crate) fn lacks(&self, row: &Self) -> usize {
        let mut last = 0;
        let lacks = |(name, shape): &(String, Shape)| match self.find(name, last) {
            Some(at) => {
                last = at + 1;
                self.0[at].1.lacks(shape)
            }
            None => 1 + Shape::Nothing.lacks(shape),
        };
        row.0.iter().map(lacks).sum()
    }

    pub(crate) fn columns(&self) -> Result<Vec<Field>, String> {
        self.fields(&Path { above: None, name: "" })
    }

    fn fields(&self, path: &Path<'_>) -> Result<Vec<Field>, String> {
        if self.0.is_empty() {
            let which = if path.above.is_none() { "the rows have".into() } else { format!("`{path}` has") };
            return Err(format!("{which} no field in any row, and Parquet stores no objects without fields"));
        }
        let field =
            |(name, shape): &(String, Shape)| Ok(Field::new(name, shape.data_type(&path.join(name))?, true));
        self.0.iter().map(field).collect()
    }
}

impl Integer {
    fn of_unsigned(number: u64) -> Self {
        Self { is_negative: false, is_large: i64::try_from(number).is_err(), is_inexact: number > EXACT }
    }

    fn of_signed(number: i64) -> Self {
        Self { is_negative: number < 0, is_large: false, is_inexact: number.unsigned_abs() > EXACT }
    }

    fn with(self, other: Self) -> Self {
        Self {
            is_negative: self.is_negative || other.is_negative,
            is_large: self.is_large || other.is_large,
            is_inexact: self.is_inexact || other.is_inexact,
        }
    }
}

/// Where a value stands, for messages.
struct Path<'a> {
    above: Option<&'a Path<'a>>,
    name: &'a str,
}

impl<'a> Path<'a> {
    fn join(&'a self, name: &'a str) -> Path<'a> {
        Path { above: Some(self), name }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(above) = self.above else { return Ok(()) };
        fmt::Display::fmt(above, f)?;
        let is_first = above.above.is_none();
        let dot = if is_first || self.name == "[]" { "" } else { "." };
        write!(f, "{dot}{}", self.name)
    }
}

/// An integer that needs more than 64 bits, if there is one in this valid JSON.
fn huge_integer(json: &[u8]) -> Option<&str> {
    let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
    let mut at = 0;
    while at < json.len() {
        if json[at] == b'"' {
            at += 1;
            while at < json.len() && json[at] != b'"' {
                at += 1 + usize::from(json[at] == b'\\');
            }
            at += 1;
        } else if json[at] == b'-' || json[at].is_ascii_digit() {
            let length = json[at..].iter().take_while(|byte| is_number(byte)).count();
            let number = std::str::from_utf8(&json[at..at + length]).unwrap_or_default();
            let is_integer = !number.contains(['.', 'e', 'E']);
            if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                return Some(number);
            }
            at += length;
        } else {
            at += 1;
        }
    }
    None
}

/// Finds out the shape of a value, and whether there was a number in it that may have been an integer.
struct Look<'a>(&'a Cell<bool>);

impl<'de> DeserializeSeed<'de> for Look<'_> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Look<'_> {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Nothing)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Bool)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
        Ok(Shape::Integer(Integer::of_signed(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
        Ok(Shape::Integer(Integer::of_unsigned(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Shape, E> {
        if number.abs() >= DOUBTFUL {
            self.0.set(true);
        }
        Ok(Shape::Float)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut all = Shape::Nothing;
        while let Some(item) = items.next_element_seed(Look(self.0))? {
            all.check(&item, true, &Path { above: None, name: "" }.join("[]")).map_err(A::Error::custom)?;
            all.merge(item);
        }
        Ok(Shape::List(Box::new(all)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Shape, A::Error> {
        let mut object = Object::default();
        while let Some(name) = fields.next_key::<String>()? {
            object.0.push((name, fields.next_value_seed(Look(self.0))?));
            if object.0.len() > FIELDS_MAX {
                return Err(A::Error::custom(format!("an object has more than {FIELDS_MAX} fields")));
            }
        }
        let mut names: Vec<&str> = object.0.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|two| two[0] == two[1]) {
            Some(two) => Err(A::Error::custom(format!("the field `{}` is there twice", two[0]))),
            None => Ok(Shape::Object(object)),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::{Object, Shape, huge_integer};

    /// The columns of these rows, or what is wrong with the last of them.
    fn columns(rows: &[&str]) -> Result<Vec<(String, DataType)>, String> {
        let mut all = Object::default();
        for row in rows {
            let row = Shape::of(row.as_bytes())?;
            all.admits(&row, true)?;
            all.merge(row);
        }
        Ok(all.columns()?.iter().map(|field| (field.name().clone(), field.data_type().clone())).collect())
    }

    fn one(rows: &[&str]) -> DataType {
        columns(rows).expect("columns").remove(0).1
    }

    #[test]
    fn numbers_keep_their_value() {
        assert_eq!(one(&[r#"{"a":1}"#, r#"{"a":-1}"#, r#"{"a":null}"#, "{}"]), DataType::Int64);
        assert_eq!(one(&[r#"{"a":1}"#, r#"{"a":18446744073709551615}"#]), DataType::UInt64);
        assert_eq!(one(&[r#"{"a":1}"#, r#"{"a":0.5}"#, r#"{"a":9007199254740992}"#]), DataType::Float64);
        assert_eq!(one(&[r#"{"a":6.02e23}"#, r#"{"b":"123456789012345678901"}"#]), DataType::Float64);
        for (rows, why) in [
            (&[r#"{"a":-1}"#, r#"{"a":18446744073709551615}"#][..], "64 bits"),
            (&[r#"{"a":9007199254740993}"#, r#"{"a":0.5}"#], "integers and other numbers"),
            (&[r#"{"a":0.5}"#, r#"{"a":9007199254740993}"#], "integers and other numbers"),
            (&[r#"{"a":18446744073709551616}"#], "18446744073709551616"),
            (&[r#"{"a":[1e30],"x":"\"","b":{"c":-99999999999999999999}}"#], "64 bits"),
            (&[r#"{"a":"x","b":-99999999999999999999}"#], "-99999999999999999999"),
            (&[r#"{"a":1e999}"#], "out of range"),
        ] {
            let told = columns(rows).expect_err("refused");
            assert!(told.contains(why), "{rows:?}: {told}");
        }
        assert_eq!(
            huge_integer(br#"{"99999999999999999999":[1,2.5,-3e20,"\\\"99999999999999999999"]}"#),
            None
        );
    }

    #[test]
    fn what_does_not_fit_names_its_place() {
        for (rows, why) in [
            (
                &[r#"{"a":{"b":[1]}}"#, r#"{"a":{"b":["x"]}}"#][..],
                "`a.b[]` was an integer before, and here is text",
            ),
            (&[r#"{"a":1}"#, r#"{"a":true}"#], "`a` was an integer before, and here is true or false"),
            (&[r#"{"a":1,"a":2}"#], "`a` is there twice"),
            (&["[1]"], "a row is an object, and this is a list"),
            (&["1"], "this is an integer"),
            (&[r#"{"a":1} x"#], "trailing"),
            (&[r#"{"a":{}}"#], "`a` has no field"),
            (&["{}"], "the rows have no field"),
        ] {
            let told = columns(rows).expect_err("refused");
            assert!(told.contains(why), "{rows:?}: {told}");
        }
    }

    #[test]
    fn what_comes_later_has_to_fit() {
        let mut all = Object::default();
        all.merge(Shape::of(br#"{"a":1,"b":null,"c":1.5,"d":{"e":[true]}}"#).expect("a row"));
        let later = |row: &str| all.admits(&Shape::of(row.as_bytes()).expect("a row"), false);
        for fine in [r#"{"c":2}"#, r#"{"d":{"e":[]},"a":-5}"#, "{}", r#"{"b":null}"#] {
            assert_eq!(later(fine), Ok(()), "{fine}");
        }
        for (row, why) in [
            (r#"{"a":1.5}"#, "`a`"),
            (r#"{"a":18446744073709551615}"#, "`a`"),
            (r#"{"b":1}"#, "`b` was null"),
            (r#"{"d":{"f":1}}"#, "`d.f` was in none"),
            (r#"{"d":{"e":[1]}}"#, "`d.e[]`"),
        ] {
            let told = later(row).expect_err(row);
            assert!(told.contains(why), "{row}: {told}");
        }
    }
}
