//! For codecs of blocks, which come in any pieces and go into what room there is.

/// Moves bytes off the front of `input` until `into` has `wanted` of them. Says whether it has.
///
/// ```
/// use storage_core::codec::gather;
///
/// let (mut head, mut input) = (b"a".to_vec(), &b"bcd"[..]);
/// assert!(gather(&mut head, 3, &mut input));
/// assert_eq!((&head[..], input), (&b"abc"[..], &b"d"[..]));
/// ```
pub fn gather(into: &mut Vec<u8>, wanted: usize, input: &mut &[u8]) -> bool {
    let missing = wanted.saturating_sub(into.len());
    let (taken, rest) = input.split_at(missing.min(input.len()));
    into.extend_from_slice(taken);
    *input = rest;
    into.len() >= wanted
}

/// Appends what `from` holds behind its first `given` bytes, as far as `output` has spare capacity, and counts it there. Says
/// whether that was all.
pub fn give(from: &[u8], given: &mut usize, output: &mut Vec<u8>) -> bool {
    let left = &from[*given..];
    let piece = &left[..left.len().min(output.capacity() - output.len())];
    output.extend_from_slice(piece);
    *given += piece.len();
    *given == from.len()
}
