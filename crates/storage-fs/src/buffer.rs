//! Buffers for large reads, used again: a new one is a megabyte of pages that the kernel has to clear first.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// What a buffer holds.
pub(crate) const SIZE: usize = 1 << 20;
/// Buffers of less are cheaper made than kept.
const LARGE: usize = SIZE / 2;
/// So many are kept for later.
const KEPT_MAX: usize = 32;

static KEPT: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Room for `size` bytes, which is at most [`SIZE`].
pub(crate) fn take(size: usize) -> Vec<u8> {
    if size < LARGE {
        return Vec::with_capacity(size);
    }
    let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// What was read into a buffer. The buffer is free again when the last of it is dropped.
pub(crate) fn share(filled: Vec<u8>) -> Bytes {
    if filled.capacity() == SIZE { Bytes::from_owner(Lent(filled)) } else { filled.into() }
}

struct Lent(Vec<u8>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            let mut buffer = std::mem::take(&mut self.0);
            buffer.clear();
            kept.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZE, share, take};

    #[test]
    fn a_buffer_is_used_again_once_nobody_looks_at_it() {
        let mut buffer = take(SIZE);
        let place = buffer.as_ptr();
        buffer.extend_from_slice(&[7; SIZE]);
        let bytes = share(buffer);
        let half = bytes.slice(..10);
        drop(bytes);
        let other = take(SIZE);
        assert!(other.as_ptr() != place && half.iter().all(|byte| *byte == 7));
        drop(half);
        assert!((0..64).any(|_| {
            let buffer = take(SIZE);
            let same = buffer.as_ptr() == place;
            assert!(buffer.is_empty() && buffer.capacity() == SIZE);
            // Kept by nobody, so that the next one is another.
            std::mem::forget(buffer);
            same
        }));
    }

    #[test]
    fn small_ones_are_plain() {
        let mut buffer = take(10);
        buffer.extend_from_slice(b"0123456789");
        assert_eq!(share(buffer), &b"0123456789"[..]);
    }
}
