//! CRC-64/NVME, with which the service guards what it takes: of one request, eight bytes from the lowest on.

use storage_core::{Algorithm, Checksum, Part, Payload};

/// The checksum of a request's body, as headers carry it before their base64.
pub(crate) fn crc64(body: &Payload) -> [u8; 8] {
    carried(&body.checksum(Algorithm::Crc64Nvme))
}

/// That of a part, which may be known already.
pub(crate) fn crc64_of(part: &Part) -> [u8; 8] {
    part.checksums.get(Algorithm::Crc64Nvme).map_or_else(|| crc64(&part.body), |known| carried(&known))
}

fn carried(checksum: &Checksum) -> [u8; 8] {
    let mut bytes: [u8; 8] = checksum.as_bytes().try_into().expect("because a CRC-64 has eight bytes");
    bytes.reverse();
    bytes
}
