//! The CRC of a whole from those of its parts, without their bytes.
//!
//! A CRC is the remainder of the message, read as a polynomial over GF(2), by a polynomial P. That of a message
//! followed by `n` more bytes is therefore the first remainder times x^(8n), plus the second; zlib's `crc32_combine`
//! is built so, too. What begins and ends the CRCs here, all ones both times, cancels out. Bits are reflected: the
//! highest one of a remainder is the coefficient of x^0.
//!
//! `crc-fast` has such a function as well, which takes 1 ms: a fifth of what a download in parts of 8 MiB costs.

/// Remainders by one polynomial.
pub(super) struct Field {
    /// The coefficient of x^0.
    one: u64,
    /// P without its highest power.
    polynomial: u64,
    /// x^(8·2^k) for every k.
    powers: [u64; 64],
}

/// CRC-32C: RFC 3720, 12.1.
pub(super) static CRC32C: Field = Field::new(32, 0x82f6_3b78);
/// CRC-64/NVME: NVM Express NVM Command Set Specification, "64b CRC".
pub(super) static CRC64_NVME: Field = Field::new(64, 0x9a6c_9329_ac4b_c9b5);

impl Field {
    const fn new(bits: u32, polynomial: u64) -> Self {
        let mut field = Self { one: 1 << (bits - 1), polynomial, powers: [0; 64] };
        // x^8
        let mut power = field.one >> 8;
        let mut k = 0;
        while k < field.powers.len() {
            field.powers[k] = power;
            power = field.product(power, power);
            k += 1;
        }
        field
    }

    /// The CRC of what `first` is of followed by the `length` bytes that `second` is of.
    pub(super) fn followed_by(&self, first: u64, second: u64, length: u64) -> u64 {
        let powers = self.powers.iter().enumerate().filter(|(k, _)| (length >> k) & 1 == 1);
        powers.fold(first, |shifted, (_, power)| self.product(shifted, *power)) ^ second
    }

    const fn product(&self, left: u64, mut right: u64) -> u64 {
        let (mut product, mut coefficient) = (0, self.one);
        while coefficient != 0 {
            if left & coefficient != 0 {
                product ^= right;
            }
            // Times x, modulo P.
            right = (right >> 1) ^ if right & 1 == 1 { self.polynomial } else { 0 };
            coefficient >>= 1;
        }
        product
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{CRC32C, CRC64_NVME, Field};
    use crate::checksum::Algorithm;

    fn value(algorithm: Algorithm, data: &[u8]) -> u64 {
        algorithm.digest(data).as_bytes().iter().fold(0, |all, byte| all << 8 | u64::from(*byte))
    }

    proptest! {
        #[test]
        fn a_whole_is_its_parts(data in prop::collection::vec(any::<u8>(), 0..3000), at in any::<prop::sample::Index>()) {
            let (head, tail) = data.split_at(at.index(data.len() + 1));
            for (algorithm, field) in [(Algorithm::Crc32c, &CRC32C), (Algorithm::Crc64Nvme, &CRC64_NVME)] {
                let of = |data| value(algorithm, data);
                let whole = field.followed_by(of(head), of(tail), tail.len() as u64);
                prop_assert_eq!(whole, of(&data), "{}", algorithm);
            }
        }
    }

    /// No buffer is as long as the lengths that the upper powers are for: two shifts are the shift of the sum.
    #[test]
    fn shifts_of_any_length_add_up() {
        let shifted = |field: &Field, first, length| field.followed_by(first, 0, length);
        for field in [&CRC32C, &CRC64_NVME] {
            for k in 0..63 {
                let (once, sum) = (1 << k, (1u64 << k) + (1 << k));
                assert_eq!(
                    shifted(field, shifted(field, 0x1234_5678, once), once),
                    shifted(field, 0x1234_5678, sum)
                );
            }
        }
    }
}
