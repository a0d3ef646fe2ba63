//! How far a frame goes, by the lengths of its blocks (RFC 8878, 3.1.1).

use storage_core::codec::Walk;

use crate::{FRAME, SKIPPABLE};

/// Magic number and length of a frame that is skipped.
const SKIPPABLE_HEAD: usize = 8;
const BLOCK_HEAD: usize = 3;
const CHECKSUM: usize = 4;

pub(crate) fn walk(data: &[u8], from: usize) -> Walk {
    let Some(&[a, b, c, d, descriptor]) = data.first_chunk::<5>() else { return Walk::On(0) };
    let magic = u32::from_le_bytes([a, b, c, d]);
    if magic & !15 == SKIPPABLE {
        let Some(head) = data.first_chunk::<SKIPPABLE_HEAD>() else { return Walk::On(0) };
        let length = u32::from_le_bytes([4, 5, 6, 7].map(|at| head[at]));
        return Walk::End(SKIPPABLE_HEAD + length as usize);
    }
    if magic != FRAME {
        return Walk::Unknown;
    }
    if from == 0 {
        return Walk::On(header(descriptor));
    }
    let Some(&[a, b, c]) = data.get(from..).and_then(|rest| rest.first_chunk::<BLOCK_HEAD>()) else {
        return Walk::On(from);
    };
    let head = u32::from_le_bytes([a, b, c, 0]);
    let (is_last, kind, size) = (head & 1 == 1, head >> 1 & 3, (head >> 3) as usize);
    let content = match kind {
        // As it is, and compressed.
        0 | 2 => size,
        // One byte, again and again.
        1 => 1,
        _ => return Walk::Unknown,
    };
    let next = from + BLOCK_HEAD + content;
    let has_checksum = descriptor >> 2 & 1 == 1;
    if is_last { Walk::End(next + CHECKSUM * usize::from(has_checksum)) } else { Walk::On(next) }
}

/// How long the header of a frame is that describes itself so.
fn header(descriptor: u8) -> usize {
    let is_single = descriptor >> 5 & 1 == 1;
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = [usize::from(is_single), 2, 4, 8][usize::from(descriptor >> 6)];
    5 + usize::from(!is_single) + dictionary + content
}
