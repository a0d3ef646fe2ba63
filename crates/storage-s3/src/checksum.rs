//! CRC-64/NVME as the protocol carries it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use storage_core::{Algorithm, Checksum, Checksums, Error, ErrorKind, Payload, Result};

use crate::wire::Answer;

/// The header that carries it.
pub(crate) const CRC64: &str = "x-amz-checksum-crc64nvme";

/// The checksum of one part or of a whole object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crc64(u64);

impl Crc64 {
    pub(crate) fn of(body: &Payload) -> Self {
        let mut digest = crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme);
        body.chunks().iter().for_each(|chunk| digest.update(chunk));
        Self(digest.finalize())
    }

    /// The same as `Store` has it, if it is one.
    pub(crate) fn of_checksum(checksum: &Checksum) -> Option<Self> {
        let bytes = checksum.as_bytes().try_into().ok().map(u64::from_be_bytes);
        bytes.filter(|_| checksum.algorithm() == Algorithm::Crc64Nvme).map(Self)
    }

    /// The checksum of what this one is of, followed by what `next` is of, `len` bytes long.
    pub(crate) fn then(self, next: Self, len: u64) -> Self {
        Self(crc_fast::checksum_combine(CrcAlgorithm::Crc64Nvme, self.0, next.0, len))
    }

    pub(crate) fn to_base64(self) -> String {
        BASE64.encode(self.0.to_be_bytes())
    }
}

/// Holds what the service tells of what it took against what was sent (clause WRITE-8).
pub(crate) fn verify(sent: Option<Crc64>, told: Option<&str>) -> Result<()> {
    match (sent, told) {
        (Some(sent), Some(told)) if sent.to_base64() != told => {
            let message = "the service tells another checksum than that of what was sent";
            Err(Error::new(ErrorKind::InvalidData, message).maybe_applied())
        }
        _ => Ok(()),
    }
}

/// The checksums of the whole object among those a service tells. A checksum of checksums, marked by the number of
/// parts behind a `-`, is of no use to anybody else.
pub(crate) fn told(values: [(Algorithm, Option<&str>); 4]) -> Checksums {
    let known = values.into_iter().filter_map(|(algorithm, value)| {
        let bytes = BASE64.decode(value?).ok()?;
        Checksum::new(algorithm, &bytes).ok()
    });
    known.collect()
}

/// The checksums that the headers of an answer tell.
pub(crate) fn told_by(answer: &Answer) -> Checksums {
    told([
        (Algorithm::Crc64Nvme, answer.header(CRC64)),
        (Algorithm::Crc32c, answer.header("x-amz-checksum-crc32c")),
        (Algorithm::Sha1, answer.header("x-amz-checksum-sha1")),
        (Algorithm::Sha256, answer.header("x-amz-checksum-sha256")),
    ])
}

#[cfg(test)]
mod tests {
    use super::{Crc64, told};
    use storage_core::{Algorithm, Payload};

    #[test]
    fn parts_combine_to_the_whole() {
        let data: Vec<u8> = (0..100_000u32).map(|i| (i * 31) as u8).collect();
        let whole = Crc64::of(&Payload::from(data.clone()));
        for cut in [0, 1, 4096, 99_999, 100_000] {
            let (a, b) = data.split_at(cut);
            let of = |part: &[u8]| Crc64::of(&Payload::from(part.to_vec()));
            assert_eq!(of(a).then(of(b), b.len() as u64), whole, "{cut}");
        }
    }

    #[test]
    fn only_whole_checksums_count() {
        let sums = told([
            (Algorithm::Crc64Nvme, Some("AAAAAAAAAAA=")),
            (Algorithm::Crc32c, Some("AAAAAA==-3")),
            (Algorithm::Sha1, None),
            (Algorithm::Sha256, Some("not base64")),
        ]);
        assert_eq!(sums.iter().count(), 1);
    }
}
