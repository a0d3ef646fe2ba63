//! CRC-32C, with which the service guards what it takes and puts together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use storage_core::Payload;

/// The checksum of some bytes, and how many they are: what it takes to tell that of bytes one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Crc {
    value: u64,
    len: u64,
}

impl Crc {
    pub(crate) fn of(body: &Payload) -> Self {
        let mut digest = crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi);
        body.chunks().iter().for_each(|chunk| digest.update(chunk));
        Self { value: digest.finalize(), len: body.len() }
    }

    /// Of what this one is of, followed by what `next` is of.
    pub(crate) fn then(self, next: Self) -> Self {
        let value = crc_fast::checksum_combine(CrcAlgorithm::Crc32Iscsi, self.value, next.value, next.len);
        Self { value, len: self.len + next.len }
    }

    /// As the service writes it.
    pub(crate) fn to_base64(self) -> String {
        BASE64.encode((self.value as u32).to_be_bytes())
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
}
