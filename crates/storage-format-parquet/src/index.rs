//! What the index at the end of a file says: its columns, and where its row groups are.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType, FieldRef, Fields, Schema, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type as Physical;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use storage_core::{Error, ErrorKind, Flaw, FlawKind, Result, suggest};

use crate::NAME;
use crate::reader::flaw;

/// The index of a file, and what is read by it.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) metadata: ArrowReaderMetadata,
    pub(crate) mask: ProjectionMask,
    size: u64,
}

impl Index {
    pub(crate) fn new(metadata: ParquetMetaData, size: u64, columns: Option<&[String]>) -> Result<Self> {
        let metadata = Arc::new(metadata);
        check_rows(&metadata)?;
        // What a writer says of types beside the format's own description is not needed for JSON.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::try_new(metadata.clone(), options).map_err(flaw)?;
        check_names(plain.schema().fields())?;
        let wanted = readable(&metadata, plain.schema())?;
        let options = ArrowReaderOptions::new().with_schema(Arc::new(wanted));
        let metadata = ArrowReaderMetadata::try_new(metadata, options).map_err(flaw)?;
        let mask =
            columns.map_or_else(|| Ok(ProjectionMask::all()), |columns| projection(&metadata, columns))?;
        Ok(Self { metadata, mask, size })
    }

    pub(crate) fn groups(&self) -> usize {
        self.metadata.metadata().num_row_groups()
    }

    pub(crate) fn group(&self, group: usize) -> &RowGroupMetaData {
        self.metadata.metadata().row_group(group)
    }

    pub(crate) fn rows(&self, group: usize) -> u64 {
        u64::try_from(self.group(group).num_rows()).unwrap_or(0)
    }

    /// Where a row group begins, as far as that is a place in the file.
    pub(crate) fn offset(&self, group: usize) -> u64 {
        let begins = self.group(group).columns().iter().map(|column| {
            let data = column.data_page_offset();
            column.dictionary_page_offset().map_or(data, |dictionary| dictionary.min(data))
        });
        begins.min().and_then(|begin| u64::try_from(begin).ok()).map_or(0, |begin| begin.min(self.size))
    }

    /// The bytes of a row group, as far as its numbers are any.
    pub(crate) fn bytes(&self, group: usize) -> u64 {
        let sizes = self.group(group).columns().iter().map(|column| u64::try_from(column.compressed_size()));
        sizes.fold(0, |sum: u64, size| sum.saturating_add(size.unwrap_or(0))).min(self.size)
    }

    /// That all columns of a row group lie in the file: the library takes that for granted.
    pub(crate) fn check(&self, group: usize) -> Result<(), Flaw> {
        let lies_within = |begin: i64, length: i64| {
            let (begin, length) = (u64::try_from(begin).ok(), u64::try_from(length).ok());
            begin
                .zip(length)
                .and_then(|(begin, length)| begin.checked_add(length))
                .is_some_and(|end| end <= self.size)
        };
        let lies = self.group(group).columns().iter().all(|column| {
            let begin = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            lies_within(begin, column.compressed_size()) && lies_within(column.data_page_offset(), 0)
        });
        let message = "a column lies outside of the file";
        if lies { Ok(()) } else { Err(Flaw::new(FlawKind::Damaged, NAME, message)) }
    }
}

fn check_rows(metadata: &ParquetMetaData) -> Result<(), Flaw> {
    let mut rows = metadata.row_groups().iter().map(|group| u64::try_from(group.num_rows()).ok());
    let sum = rows.try_fold(0_u64, |sum, rows| sum.checked_add(rows?));
    let told = u64::try_from(metadata.file_metadata().num_rows()).ok();
    let wrong = |message: String| Err(Flaw::new(FlawKind::Damaged, NAME, message));
    match (sum, told) {
        (Some(sum), Some(told)) if sum == told => {
            let columns = metadata.file_metadata().schema_descr().num_columns();
            if columns == 0 && sum > 0 { wrong("it has rows and no columns".into()) } else { Ok(()) }
        }
        _ => wrong("its index contradicts itself about the number of rows".into()),
    }
}

/// That no object would have a field twice.
fn check_names(fields: &Fields) -> Result<(), Flaw> {
    let mut names = BTreeSet::new();
    for field in fields {
        if !names.insert(field.name()) {
            let message = format!("two columns are called `{}`", field.name());
            return Err(Flaw::new(FlawKind::Unsupported, NAME, message));
        }
        if let DataType::Struct(fields) = item(field).data_type() {
            check_names(fields)?;
        }
    }
    Ok(())
}

/// What a list of lists is of.
fn item(field: &FieldRef) -> &FieldRef {
    match field.data_type() {
        DataType::List(inner) | DataType::LargeList(inner) | DataType::FixedSizeList(inner, _) => item(inner),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => item(&fields[1]),
            _ => entries,
        },
        _ => field,
    }
}

/// The columns in types that become JSON without copies of their text, by names of time zones that need no table.
fn readable(metadata: &ParquetMetaData, schema: &Schema) -> Result<Schema, Flaw> {
    let described = metadata.file_metadata().schema_descr();
    let old = described.columns().iter().filter(|column| column.physical_type() == Physical::INT96);
    if old.clone().any(|column| column.path().parts().len() > 1) {
        let message = "it has times of 96 bits inside of other columns";
        return Err(Flaw::new(FlawKind::Unsupported, NAME, message));
    }
    let old: BTreeSet<String> = old.map(|column| column.name().to_owned()).collect();
    let field = |field: &FieldRef| {
        if old.contains(field.name()) {
            // Nanoseconds would reach from 1677 to 2262 only.
            let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
            return Arc::new(field.as_ref().clone().with_data_type(micros));
        }
        in_json(field)
    };
    let fields: Vec<FieldRef> = schema.fields().iter().map(field).collect();
    Ok(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn in_json(field: &FieldRef) -> FieldRef {
    let inner = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("+00:00".into())),
        DataType::List(item) => DataType::List(in_json(item)),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(in_json).collect()),
        DataType::Map(entries, sorted) => DataType::Map(in_json(entries), *sorted),
        _ => return field.clone(),
    };
    Arc::new(field.as_ref().clone().with_data_type(inner))
}

fn projection(metadata: &ArrowReaderMetadata, columns: &[String]) -> Result<ProjectionMask> {
    let schema = metadata.parquet_schema();
    let names: Vec<&str> = schema.root_schema().get_fields().iter().map(|field| field.name()).collect();
    let mut all = ProjectionMask::none(schema.num_columns());
    for column in columns {
        // A column whose own name has a dot is that one.
        let mask = match names.iter().position(|name| name == column) {
            Some(root) => ProjectionMask::roots(schema, [root]),
            None => ProjectionMask::columns(schema, [column.as_str()]),
        };
        if !(0..schema.num_columns()).any(|leaf| mask.leaf_included(leaf)) {
            let near = suggest(column, names.iter().copied());
            let message = format!("no column is called `{column}`{near}; there are {}", names.join(", "));
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        all.union(&mask);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use arrow_schema::{DataType, Field, Fields};

    use super::check_names;

    #[test]
    fn a_field_twice_is_found_inside_of_lists_and_maps() {
        let field = |name: &str, of: DataType| Field::new(name, of, true);
        let object = |names: [&str; 2]| {
            DataType::Struct(names.map(|name| field(name, DataType::Int64)).to_vec().into())
        };
        let map = |value: DataType| {
            let entries = DataType::Struct(Fields::from(vec![field("k", DataType::Utf8), field("v", value)]));
            DataType::Map(field("entries", entries).into(), false)
        };
        for (names, is_fine) in [(["a", "b"], true), (["a", "a"], false)] {
            for of in
                [object(names), DataType::List(field("element", object(names)).into()), map(object(names))]
            {
                let fields = Fields::from(vec![field("x", of)]);
                assert_eq!(check_names(&fields).is_ok(), is_fine, "{fields:?}");
            }
        }
    }
}
