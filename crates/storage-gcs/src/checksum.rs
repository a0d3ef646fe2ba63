//! CRC-32C, with which the service guards what it takes and puts together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{Algorithm, Checksum, Payload};

/// The checksum of some bytes, and how many they are: what it takes to tell that of bytes one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crc {
    sum: Checksum,
    len: u64,
}

impl Default for Crc {
    fn default() -> Self {
        Self::of(&Payload::new())
    }
}

impl Crc {
    pub(crate) fn of(body: &Payload) -> Self {
        Self { sum: body.checksum(Algorithm::Crc32c), len: body.len() }
    }

    /// Of what this one is of, followed by what `next` is of.
    pub(crate) fn then(self, next: Self) -> Self {
        let sum = self.sum.followed_by(&next.sum, next.len).expect("because both are CRC-32C");
        Self { sum, len: self.len + next.len }
    }

    /// Of `len` bytes, as the service writes it.
    pub(crate) fn from_base64(text: &str, len: u64) -> Option<Self> {
        let sum = Checksum::new(Algorithm::Crc32c, &BASE64.decode(text).ok()?).ok()?;
        Some(Self { sum, len })
    }

    /// As the service writes it.
    pub(crate) fn to_base64(self) -> String {
        BASE64.encode(self.sum.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::Crc;
    use storage_core::Payload;

    #[test]
    fn parts_combine_to_the_whole() {
        assert_eq!(Crc::of(&Payload::from("123456789")).to_base64(), "4waSgw==");
        let data: Vec<u8> = (0..100_000u32).map(|i| (i * 31) as u8).collect();
        let whole = Crc::of(&Payload::from(data.clone()));
        for cut in [0, 1, 4096, 99_999, 100_000] {
            let (a, b) = data.split_at(cut);
            let of = |part: &[u8]| Crc::of(&Payload::from(part.to_vec()));
            assert_eq!(Crc::default().then(of(a)).then(of(b)), whole, "{cut}");
        }
    }

    #[test]
    fn reads_what_it_writes() {
        let crc = Crc::of(&Payload::from("123456789"));
        assert_eq!(Crc::from_base64(&crc.to_base64(), 9), Some(crc));
        for other in ["", "4waSgw", "4waSgwA=", "????????"] {
            assert_eq!(Crc::from_base64(other, 9), None, "{other}");
        }
    }
}
