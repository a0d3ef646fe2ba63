//! Ranges as a caller may ask for them, and what they mean, byte by byte.

use proptest::prelude::{Just, Strategy};
use proptest::prop_oneof;
use storage_core::{ByteRange, ErrorKind};

/// A range to ask for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    Full,
    Bounded(u64, u64),
    From(u64),
    Suffix(u64),
}

impl Asked {
    pub(super) fn range(self) -> ByteRange {
        match self {
            Self::Full => ByteRange::Full,
            Self::Bounded(start, end) => ByteRange::Bounded { start, end },
            Self::From(start) => ByteRange::From(start),
            Self::Suffix(length) => ByteRange::Suffix(length),
        }
    }

    /// The offsets it means in an object of `size` bytes, in numbers that cannot overflow.
    pub(super) fn expect(self, size: u64) -> Result<(u64, u64), ErrorKind> {
        let (start, end) = match self {
            Self::Full => return Ok((0, size)),
            Self::Suffix(length) => return Ok((size - length.min(size), size)),
            Self::From(start) => (start, u64::MAX),
            Self::Bounded(start, end) => (start, end),
        };
        if start > end {
            return Err(ErrorKind::InvalidInput);
        }
        if start == end && !matches!(self, Self::From(_)) {
            return Ok((start, end));
        }
        // Offset 0 of an empty object is the one start at the end that is taken.
        if start >= size && (start, size) != (0, 0) {
            return Err(ErrorKind::RangeNotSatisfiable);
        }
        Ok((start, if end > size { size } else { end }))
    }

    /// Whether it holds no byte of any object.
    pub(super) fn is_empty(self) -> bool {
        match self {
            Self::Bounded(start, end) => start >= end,
            Self::Suffix(length) => length == 0,
            Self::Full | Self::From(_) => false,
        }
    }
}

/// Small ranges around the sizes that are written, and the ends of the numbers.
pub(super) fn asked() -> impl Strategy<Value = Asked> {
    let offset = || prop_oneof![8 => 0..320u64, 1 => Just(u64::MAX), 1 => Just(u64::MAX - 1)];
    prop_oneof![
        2 => Just(Asked::Full),
        4 => (offset(), offset()).prop_map(|(start, end)| Asked::Bounded(start, end)),
        1 => offset().prop_map(Asked::From),
        2 => offset().prop_map(Asked::Suffix),
    ]
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::{ProptestConfig, Strategy, any};
    use proptest::{collection, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use storage_core::Payload;

    use super::asked;

    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![4 => 0..320u64, 1 => u64::MAX - 2..=u64::MAX, 1 => any::<u64>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn byte_range_resolves_as_the_model(asked in asked(), size in size()) {
            let resolved = asked.range().resolve(size).map(|r| (r.start, r.end)).map_err(|e| e.kind());
            prop_assert_eq!(resolved, asked.expect(size), "{:?} of {}", asked, size);
            prop_assert_eq!(asked.range().is_empty(), asked.is_empty(), "{:?}", asked);
        }

        #[test]
        fn payload_splits_without_loss(
            pieces in collection::vec(collection::vec(any::<u8>(), 0..9), 0..6),
            cuts in collection::vec(0..12u64, 0..6),
        ) {
            let whole: Vec<u8> = pieces.concat();
            let mut rest = Payload::new();
            pieces.into_iter().for_each(|piece| rest.push(Bytes::from(piece)));
            let mut seen = Vec::new();
            for cut in cuts {
                let before = rest.len();
                let head = rest.split_to(cut);
                prop_assert_eq!(head.len(), cut.min(before));
                prop_assert_eq!(rest.len(), before - head.len());
                prop_assert!(head.chunks().iter().all(|chunk| !chunk.is_empty()));
                seen.extend_from_slice(&head.into_bytes());
            }
            seen.extend_from_slice(&rest.into_bytes());
            prop_assert_eq!(seen, whole);
        }
    }
}
