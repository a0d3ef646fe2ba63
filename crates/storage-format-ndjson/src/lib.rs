#![doc = include_str!("../README.md")]

mod typed;

use bytes::BytesMut;
use storage_core::format::{About, Framing, Look, Resync};
use storage_core::{Flaw, FlawKind};

pub use typed::{check, from_record, to_record};

const ABOUT: About = About {
    name: NAME,
    extensions: &["ndjson", "jsonl"],
    has_checksum: false,
    // A number that was cut is a number.
    tells_length: false,
    recovers: true,
    shares: Some(0),
};
/// The name of the format in errors.
const NAME: &str = "ndjson";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Lines that are records, as they stand: nothing is parsed. A line ends with a line feed; a carriage return before it belongs to the
/// end as well, blank lines are no records, and the last line may lack its end.
#[allow(clippy::exhaustive_structs)] // it says which, and nothing more
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ndjson;

impl Framing for Ndjson {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn look(&self, data: &[u8], seen: usize, at_end: bool) -> Result<Look, Flaw> {
        let (end, next) = match memchr::memchr(b'\n', &data[seen..]) {
            Some(at) => (seen + at, seen + at + 1),
            None if at_end => (data.len(), data.len()),
            None => return Ok(Look::More(data.len() + 1)),
        };
        let end = if data[..end].ends_with(b"\r") { end - 1 } else { end };
        let blank = data[..end].iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
        Ok(if blank {
            Look::Nothing(next)
        } else {
            Look::Record { start: 0, end: end as u64, next: next as u64 }
        })
    }

    fn preamble(&self, data: &[u8], at_end: bool) -> Option<usize> {
        if data.starts_with(BYTE_ORDER_MARK) {
            return Some(BYTE_ORDER_MARK.len());
        }
        (at_end || !BYTE_ORDER_MARK.starts_with(data)).then_some(0)
    }

    fn resync(&self, data: &[u8], _: bool) -> Resync {
        memchr::memchr(b'\n', data).map_or(Resync::Beyond(data.len()), |at| Resync::Found(at + 1))
    }

    fn write(&self, record: &[u8], output: &mut BytesMut) -> Result<(), Flaw> {
        let refuse = |why: &str| Err(Flaw::new(FlawKind::Unsupported, NAME, why));
        if memchr::memchr(b'\n', record).is_some() {
            return refuse("a record with a line feed would be two");
        }
        if record.ends_with(b"\r") {
            return refuse("a record that ends with a carriage return would lose it");
        }
        if record.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            return refuse("a blank record would be none");
        }
        if record.starts_with(BYTE_ORDER_MARK) {
            return refuse("a record that begins with a byte order mark would lose it");
        }
        output.reserve(record.len() + 1);
        output.extend_from_slice(record);
        output.extend_from_slice(b"\n");
        Ok(())
    }
}
