//! Input and output past the page cache (`O_DIRECT`): what passes once need not push out what others read again and again.
//!
//! The kernel asks that place in memory, place in the file and length are multiples of a block. What is not, at the ends of
//! a file, goes through the cache; no page is ever written both ways.

use std::cell::RefCell;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use bytes::Bytes;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread, pwrite};
use storage_core::Payload;

/// The largest block that devices ask for.
const BLOCK: u64 = 4096;
/// Bytes moved in one step: without a cache each step waits for the device.
pub(crate) const STEP: usize = 1 << 20;
/// Files of less are not worth a second handle.
pub(crate) const FILE_MIN: u64 = 16 << 20;

thread_local! {
    static BUFFER: RefCell<Aligned> = RefCell::new(Aligned::new());
}

/// Room for a step that begins where a block may.
struct Aligned {
    bytes: Vec<u8>,
    start: usize,
}

impl Aligned {
    fn new() -> Self {
        let bytes = vec![0; STEP + BLOCK as usize];
        let start = bytes.as_ptr().align_offset(BLOCK as usize);
        Self { bytes, start }
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + STEP]
    }
}

/// A handle on an open file that goes past the cache, or none where the volume has no such.
pub(crate) fn reopen(file: impl AsFd, access: OFlags) -> Option<OwnedFd> {
    // By the kernel's own name for it: at its path something else may stand by now.
    let name = format!("/proc/self/fd/{}", file.as_fd().as_raw_fd());
    let file = open(name, access | OFlags::DIRECT | OFlags::CLOEXEC, Mode::empty()).ok()?;
    // Some volumes open it and refuse the first read.
    let works = BUFFER.with_borrow_mut(|buffer| pread(&file, &mut buffer.room()[..BLOCK as usize], 0));
    works.is_ok().then_some(file)
}

/// Up to `wanted` bytes at `at`; fewer only where the file ends.
pub(crate) fn read(file: &OwnedFd, at: u64, wanted: usize) -> Result<Bytes, Errno> {
    let start = at - at % BLOCK;
    let skip = (at - start) as usize;
    let wanted = wanted.min(STEP - skip);
    let mut buffer = Aligned::new();
    let room = (skip + wanted).next_multiple_of(BLOCK as usize);
    let got = fill(file, &mut buffer.room()[..room], start)?;
    let end = got.clamp(skip, skip + wanted);
    let (first, last) = (buffer.start + skip, buffer.start + end);
    Ok(Bytes::from(buffer.bytes).slice(first..last))
}

/// Fills `room` from `at` on, as far as the file goes.
fn fill(file: &OwnedFd, room: &mut [u8], at: u64) -> Result<usize, Errno> {
    let mut got = 0;
    while got < room.len() {
        match pread(file, &mut room[got..], at + got as u64) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno),
        }
        if !(got as u64).is_multiple_of(BLOCK) {
            // Less than a block is the end of the file.
            break;
        }
    }
    Ok(got)
}

/// The part of `len` bytes at `offset` that consists of whole blocks.
pub(crate) fn blocks(offset: u64, len: u64) -> std::ops::Range<u64> {
    let start = offset.next_multiple_of(BLOCK);
    let end = (offset + len) / BLOCK * BLOCK;
    start..end.max(start)
}

/// Writes `body`, which is whole blocks, at `at`; reads each step back from the device if `verify`. Whether it was the same.
pub(crate) fn write(file: &OwnedFd, body: &Payload, mut at: u64, verify: bool) -> Result<bool, Errno> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut filled = 0;
        let mut left = body.len();
        for chunk in body.chunks() {
            let mut chunk = &chunk[..];
            while !chunk.is_empty() {
                let count = chunk.len().min(STEP - filled);
                buffer.room()[filled..filled + count].copy_from_slice(&chunk[..count]);
                (filled, chunk) = (filled + count, &chunk[count..]);
                left -= count as u64;
                if filled == STEP || left == 0 {
                    write_step(file, &buffer.room()[..filled], at)?;
                    if verify && read(file, at, filled)? != buffer.room()[..filled] {
                        return Ok(false);
                    }
                    at += filled as u64;
                    filled = 0;
                }
            }
        }
        Ok(true)
    })
}

fn write_step(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match pwrite(file, bytes, at) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => (bytes, at) = (&bytes[written..], at + written as u64),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn whole_blocks() {
        assert_eq!(blocks(0, 8192), 0..8192);
        assert_eq!(blocks(1, 8192), 4096..8192);
        assert_eq!(blocks(4096, 100), 4096..4096);
        assert_eq!(blocks(5000, 10), 8192..8192);
    }
}
