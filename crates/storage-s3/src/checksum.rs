//! CRC-64/NVME as the protocol carries it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{Algorithm, Checksum, Checksums, Error, ErrorKind, Result};

use crate::wire::Answer;

/// The header that carries it.
pub(crate) const CRC64: &str = "x-amz-checksum-crc64nvme";

/// As headers and XML carry it.
pub(crate) fn encode(checksum: &Checksum) -> String {
    BASE64.encode(checksum.as_bytes())
}

/// Holds what the service tells of what it took against what was sent (clause WRITE-8).
pub(crate) fn verify(sent: Option<Checksum>, told: Option<&str>) -> Result<()> {
    match (sent, told) {
        (Some(sent), Some(told)) if encode(&sent) != told => {
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
    use storage_core::Algorithm;

    use super::told;

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
