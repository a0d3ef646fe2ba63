//! CRC-64/NVME, with which the service guards what it takes: of one request, eight bytes from the lowest on.

use crc_fast::CrcAlgorithm;
use storage_core::Payload;

/// The checksum of a request's body, as headers carry it before their base64.
pub(crate) fn crc64(body: &Payload) -> [u8; 8] {
    let mut digest = crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme);
    body.chunks().iter().for_each(|chunk| digest.update(chunk));
    digest.finalize().to_le_bytes()
}
