//! CRC-64/NVME as the protocol carries it, and whether the service knows it.

use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use storage_core::{Algorithm, Checksum, Checksums, Error, ErrorKind, Result};

use crate::error::Refused;
use crate::wire::Answer;

/// The header that carries it.
pub(crate) const CRC64: &str = "x-amz-checksum-crc64nvme";

/// Whether objects travel with their checksum: those of one request, and those in parts. Of the one nothing follows for the
/// other.
#[derive(Debug)]
pub(crate) struct Customs {
    pub(crate) puts: Custom,
    pub(crate) uploads: Custom,
}

impl Customs {
    pub(crate) fn new(each: fn() -> Custom) -> Self {
        Self { puts: each(), uploads: each() }
    }

    /// Whether any object is to travel with it.
    pub(crate) fn are_tried(&self) -> bool {
        self.puts.is_tried() || self.uploads.is_tried()
    }

    /// Whether the service is known to keep it of any object.
    pub(crate) fn are_known(&self) -> bool {
        self.puts.is_sure() || self.uploads.is_sure()
    }
}

/// Whether an object travels with its checksum.
///
/// Services other than AWS may know it, ignore it, or refuse what carries it. Where nobody says, the first write finds out.
#[derive(Debug)]
pub(crate) struct Custom(AtomicU8);

const NEVER: u8 = 0;
const PERHAPS: u8 = 1;
const ALWAYS: u8 = 2;

impl Custom {
    pub(crate) fn never() -> Self {
        Self(AtomicU8::new(NEVER))
    }

    pub(crate) fn perhaps() -> Self {
        Self(AtomicU8::new(PERHAPS))
    }

    pub(crate) fn always() -> Self {
        Self(AtomicU8::new(ALWAYS))
    }

    /// Whether the next object is to travel with it.
    pub(crate) fn is_tried(&self) -> bool {
        self.0.load(Ordering::Relaxed) != NEVER
    }

    /// Whether the service is known to know it.
    pub(crate) fn is_sure(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ALWAYS
    }

    /// Takes note of whether the service told the checksum of what travelled with one, or took what came without only.
    pub(crate) fn learn(&self, knows: bool) {
        let found = if knows { ALWAYS } else { NEVER };
        // What was known stays: a single answer without proves nothing.
        let _ = self.0.compare_exchange(PERHAPS, found, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether what was refused so may be taken without the checksum: not of a service that knows it, nor where the same
    /// request may be taken next time, as one that came damaged.
    pub(crate) fn may_be_why(&self, refused: &Refused) -> bool {
        !self.is_sure() && matches!(refused.status, Some(400 | 501)) && !refused.error.is_retryable()
    }
}

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
    use storage_core::{Algorithm, Error, ErrorKind};

    use super::{Custom, told};
    use crate::error::Refused;

    #[test]
    fn what_is_learned_first_stays() {
        for knows in [true, false] {
            let custom = Custom::perhaps();
            assert!(custom.is_tried() && !custom.is_sure());
            assert!(custom.may_be_why(&refused(501, ErrorKind::Unsupported)));
            custom.learn(knows);
            custom.learn(!knows);
            assert_eq!((custom.is_tried(), custom.is_sure()), (knows, knows));
        }
        let always = Custom::always();
        always.learn(false);
        assert!(always.is_sure() && !always.may_be_why(&refused(501, ErrorKind::Unsupported)));
        let never = Custom::never();
        never.learn(true);
        assert!(!never.is_tried());
        let perhaps = Custom::perhaps();
        assert!(!perhaps.may_be_why(&refused(403, ErrorKind::PermissionDenied)));
        assert!(!perhaps.may_be_why(&refused(400, ErrorKind::TimedOut)), "it came too slowly");
    }

    fn refused(status: u16, kind: ErrorKind) -> Refused {
        Refused { status: Some(status), error: Error::new(kind, "") }
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
