//! Columns into rows, each of which is a JSON object.

use arrow_array::RecordBatch;
use arrow_json::WriterBuilder;
use arrow_json::writer::LineDelimited;
use arrow_schema::ArrowError;
use bytes::Bytes;

/// One JSON object for each row, with all of its columns, `null` where there is nothing.
pub(crate) fn rows(batch: &RecordBatch) -> Result<Vec<Bytes>, ArrowError> {
    let mut lines = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut lines);
    writer.write(batch)?;
    writer.finish()?;
    drop(writer);
    let lines = Bytes::from(lines);
    let mut begin = 0;
    // JSON has no line ends inside of text.
    let row = |end| {
        let row = lines.slice(begin..end);
        begin = end + 1;
        row
    };
    Ok(memchr::memchr_iter(b'\n', &lines).map(row).collect())
}
