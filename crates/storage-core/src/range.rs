//! Byte ranges: what a caller asks for, resolved once against the size of the object (clause READ-3).

use std::ops::{Bound, Range, RangeBounds};

use crate::error::{Error, ErrorKind, Result, Retry};

/// Which bytes of an object to read. Offsets and lengths are in bytes.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ByteRange {
    /// The whole object.
    #[default]
    Full,
    /// From `start` up to, not with, `end`; an end past the object is clipped to it.
    Bounded {
        /// First byte.
        start: u64,
        /// The byte after the last.
        end: u64,
    },
    /// From this offset to the end.
    From(u64),
    /// The last bytes; a suffix longer than the object is the object.
    Suffix(u64),
}

impl ByteRange {
    /// The range as a Rust range: `0..10`, `5..`, `..=9`, `..`. Bounds beyond `u64::MAX` saturate.
    pub fn new(range: impl RangeBounds<u64>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        match range.end_bound() {
            Bound::Included(&end) => Self::Bounded { start, end: end.saturating_add(1) },
            Bound::Excluded(&end) => Self::Bounded { start, end },
            Bound::Unbounded if start == 0 => Self::Full,
            Bound::Unbounded => Self::From(start),
        }
    }

    /// Whether the range holds no byte of any object, so that no request for data is needed.
    pub fn is_empty(&self) -> bool {
        match *self {
            Self::Bounded { start, end } => start >= end,
            Self::Suffix(length) => length == 0,
            Self::Full | Self::From(_) => false,
        }
    }

    /// The range as the value of an HTTP `Range` header, or nothing for the whole object (RFC 9110, section 14). Offsets
    /// beyond `i64::MAX` are written as that: services count with a sign, and no object is as large.
    ///
    /// For a range that is not [empty](ByteRange::is_empty): the header has no words for one.
    ///
    /// ```
    /// use storage_core::ByteRange;
    ///
    /// assert_eq!(ByteRange::new(5..10).to_header().as_deref(), Some("bytes=5-9"));
    /// ```
    pub fn to_header(&self) -> Option<String> {
        let within = |number: u64| number.min(i64::MAX as u64);
        match *self {
            Self::Full => None,
            Self::From(start) => Some(format!("bytes={}-", within(start))),
            Self::Suffix(length) => Some(format!("bytes=-{}", within(length))),
            Self::Bounded { start, end } => {
                Some(format!("bytes={}-{}", within(start), within(end.saturating_sub(1))))
            }
        }
    }

    /// Reads an HTTP `Content-Range` header: the range that an answer holds, and the size of the whole object.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidData`], worth another try, for a value that contradicts itself or tells no size.
    ///
    /// ```
    /// use storage_core::ByteRange;
    ///
    /// # fn main() -> storage_core::Result<()> {
    /// assert_eq!(ByteRange::of_content_range("bytes 5-9/100")?, (5..10, 100));
    /// # Ok(()) }
    /// ```
    pub fn of_content_range(told: &str) -> Result<(Range<u64>, u64)> {
        let parsed = || {
            let (range, size) = told.strip_prefix("bytes ")?.split_once('/')?;
            let (first, last) = range.split_once('-')?;
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            let size = size.parse().ok()?;
            (first <= last && last < size).then(|| (first..last + 1, size))
        };
        parsed().ok_or_else(|| {
            Error::new(ErrorKind::InvalidData, "the answer's Content-Range makes no sense")
                .with_retry(Retry::Backoff)
        })
    }

    /// The offsets that the range means in an object of `size` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::RangeNotSatisfiable`] if it starts at or past the end, except that offset 0 of an empty object is
    /// the empty range. [`ErrorKind::InvalidInput`] if it ends before it starts.
    ///
    /// ```
    /// use storage_core::ByteRange;
    ///
    /// # fn main() -> storage_core::Result<()> {
    /// assert_eq!(ByteRange::new(2..100).resolve(10)?, 2..10);
    /// assert_eq!(ByteRange::Suffix(100).resolve(10)?, 0..10);
    /// assert!(ByteRange::new(10..).resolve(10).is_err());
    /// # Ok(()) }
    /// ```
    pub fn resolve(&self, size: u64) -> Result<Range<u64>> {
        match *self {
            Self::Full => Ok(0..size),
            Self::Suffix(length) => Ok(size.saturating_sub(length)..size),
            Self::From(start) => within(start, size, size),
            Self::Bounded { start, end } if start > end => Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the range {start}..{end} ends before it starts"),
            )),
            Self::Bounded { start, end } if start == end => Ok(start..end),
            Self::Bounded { start, end } => within(start, end.min(size), size),
        }
    }
}

impl<R: RangeBounds<u64>> From<R> for ByteRange {
    fn from(range: R) -> Self {
        Self::new(range)
    }
}

fn within(start: u64, end: u64, size: u64) -> Result<Range<u64>> {
    if start < size || (start == 0 && size == 0) {
        return Ok(start..end);
    }
    Err(Error::new(
        ErrorKind::RangeNotSatisfiable,
        format!("the range starts at byte {start} of an object of {size} bytes"),
    ))
}

#[cfg(test)]
mod tests {
    use super::ByteRange;
    use crate::error::ErrorKind;

    #[test]
    fn resolve() {
        let check = |range: ByteRange, size, expect: Result<std::ops::Range<u64>, ErrorKind>| {
            assert_eq!(range.resolve(size).map_err(|e| e.kind()), expect, "{range:?} of {size}");
        };
        let max = u64::MAX;
        check(ByteRange::Full, 0, Ok(0..0));
        check(ByteRange::new(0..10), 0, Ok(0..0));
        check(ByteRange::new(0..), 0, Ok(0..0));
        check(ByteRange::new(3..10), 5, Ok(3..5));
        check(ByteRange::new(5..10), 5, Err(ErrorKind::RangeNotSatisfiable));
        check(ByteRange::new(1..), 0, Err(ErrorKind::RangeNotSatisfiable));
        check(ByteRange::Suffix(3), 10, Ok(7..10));
        check(ByteRange::Suffix(max), 10, Ok(0..10));
        check(ByteRange::Suffix(0), 10, Ok(10..10));
        check(ByteRange::new(7..7), 5, Ok(7..7));
        check(ByteRange::Bounded { start: 7, end: 3 }, 10, Err(ErrorKind::InvalidInput));
        check(ByteRange::new(max - 1..=max), 10, Err(ErrorKind::RangeNotSatisfiable));
        check(ByteRange::new(0..=max), 10, Ok(0..10));
        check(ByteRange::new(0..=max), max, Ok(0..max));
    }

    #[test]
    fn headers() {
        let check = |range: ByteRange, expected: Option<&str>| {
            assert_eq!(range.to_header().as_deref(), expected, "{range:?}");
        };
        check(ByteRange::new(5..10), Some("bytes=5-9"));
        check(ByteRange::new(5..), Some("bytes=5-"));
        check(ByteRange::Suffix(5), Some("bytes=-5"));
        check(ByteRange::new(0..u64::MAX), Some("bytes=0-9223372036854775807"));
        check(ByteRange::Full, None);
        assert_eq!(ByteRange::of_content_range("bytes 5-9/100").expect("fine"), (5..10, 100));
        for wrong in ["", "bytes */100", "bytes 9-5/100", "bytes 5-100/100", "bytes 5-9/*", "items 5-9/100"] {
            assert!(ByteRange::of_content_range(wrong).is_err(), "{wrong}");
        }
    }
}
