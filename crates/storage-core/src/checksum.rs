//! Checksums: eight algorithms behind one streaming hasher, each from a well-kept crate.

mod combine;

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use crate::error::{Error, ErrorKind, Result};

/// A checksum algorithm.
///
/// The checksums of a service compare with ours byte for byte; CRCs and XXH3 are written big-endian, as the services
/// that use them do.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// CRC-32C (Castagnoli), RFC 3720: detects damage, not intent.
    Crc32c,
    /// CRC-64/NVME, the full-object checksum of S3: detects damage, not intent. What Haul verifies with.
    Crc64Nvme,
    /// XXH3 with 64 bits: the fastest, detects damage, not intent.
    Xxh3,
    /// MD5, RFC 1321: only to compare with services that report it.
    Md5,
    /// SHA-1, FIPS 180-4: only to compare with services that report it.
    Sha1,
    /// SHA-256, FIPS 180-4.
    Sha256,
    /// SHA-512, FIPS 180-4.
    Sha512,
    /// BLAKE3: cryptographic and fast.
    Blake3,
}

impl Algorithm {
    /// Every algorithm, in the order of their names' type.
    pub const ALL: [Self; 8] = [
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Xxh3,
        Self::Md5,
        Self::Sha1,
        Self::Sha256,
        Self::Sha512,
        Self::Blake3,
    ];

    /// The name in lower case, such as `sha256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Xxh3 => "xxh3",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// Whether the checksum of a whole follows from those of its parts, see [`Checksum::followed_by`].
    pub const fn combines(self) -> bool {
        matches!(self, Self::Crc32c | Self::Crc64Nvme)
    }

    /// The length of the checksum in bytes.
    pub const fn output_len(self) -> usize {
        match self {
            Self::Crc32c => 4,
            Self::Crc64Nvme | Self::Xxh3 => 8,
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha512 => 64,
        }
    }

    /// Starts a checksum.
    pub fn hasher(self) -> Hasher {
        Hasher { algorithm: self, state: State::new(self) }
    }

    /// The checksum of `data`.
    pub fn digest(self, data: &[u8]) -> Checksum {
        let mut hasher = self.hasher();
        hasher.update(data);
        hasher.finish()
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    /// Reads a name; case and hyphens do not matter (`SHA-256` is `sha256`).
    fn from_str(text: &str) -> Result<Self> {
        let plain = text.replace('-', "").to_ascii_lowercase();
        Self::ALL.into_iter().find(|a| a.name() == plain).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::new(
                ErrorKind::InvalidInput,
                format!("`{text}` is no checksum algorithm; there are {names}"),
            )
        })
    }
}

/// With less at a time BLAKE3 gains nothing by more threads, as its own documentation has it.
#[cfg(feature = "rayon")]
const PARALLEL_MIN: usize = 128 << 10;

/// A checksum in progress, in constant memory. With the feature `rayon` BLAKE3 takes large pieces on all processors.
///
/// ```
/// use storage_core::Algorithm;
///
/// let mut hasher = Algorithm::Crc32c.hasher();
/// hasher.update(b"1234");
/// hasher.update(b"56789");
/// assert_eq!(hasher.finish().to_string(), "crc32c:e3069283");
/// ```
pub struct Hasher {
    algorithm: Algorithm,
    state: State,
}

enum State {
    Crc(crc_fast::Digest),
    Xxh3(Box<xxhash_rust::xxh3::Xxh3>),
    Md5(md5::Md5),
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha512(Box<sha2::Sha512>),
    Blake3(Box<blake3::Hasher>),
}

impl State {
    fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32c => Self::Crc(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi)),
            Algorithm::Crc64Nvme => Self::Crc(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme)),
            Algorithm::Xxh3 => Self::Xxh3(Box::default()),
            Algorithm::Md5 => Self::Md5(md5::Md5::new()),
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(sha2::Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
            Algorithm::Blake3 => Self::Blake3(Box::default()),
        }
    }
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Crc(state) => state.update(data),
            State::Xxh3(state) => state.update(data),
            State::Md5(state) => state.update(data),
            State::Sha1(state) => state.update(data),
            State::Sha256(state) => state.update(data),
            State::Sha512(state) => state.update(data),
            #[cfg(feature = "rayon")]
            State::Blake3(state) if data.len() >= PARALLEL_MIN => {
                state.update_rayon(data);
            }
            State::Blake3(state) => {
                state.update(data);
            }
        }
    }

    /// The checksum of all bytes taken.
    pub fn finish(self) -> Checksum {
        let algorithm = self.algorithm;
        match self.state {
            State::Crc(state) => {
                let sum = state.finalize().to_be_bytes();
                Checksum::from_slice(algorithm, &sum[sum.len() - algorithm.output_len()..])
            }
            State::Xxh3(state) => Checksum::from_slice(algorithm, &state.digest().to_be_bytes()),
            State::Md5(state) => Checksum::from_slice(algorithm, &state.finalize()),
            State::Sha1(state) => Checksum::from_slice(algorithm, &state.finalize()),
            State::Sha256(state) => Checksum::from_slice(algorithm, &state.finalize()),
            State::Sha512(state) => Checksum::from_slice(algorithm, &state.finalize()),
            State::Blake3(state) => Checksum::from_slice(algorithm, state.finalize().as_bytes()),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.algorithm).finish()
    }
}

/// A checksum and its algorithm. Shown as `sha256:` and lower-case hex, and read back from that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

impl Checksum {
    /// The checksum of what this one is of, followed by what `next` is of, which is `length` bytes long. Only cyclic
    /// redundancy checks can be put together so; for others, and for two of different algorithms, `None`.
    ///
    /// ```
    /// use storage_core::Algorithm;
    ///
    /// let whole = Algorithm::Crc64Nvme.digest(b"hello, world");
    /// let (head, tail) = (Algorithm::Crc64Nvme.digest(b"hello, "), Algorithm::Crc64Nvme.digest(b"world"));
    /// assert_eq!(head.followed_by(&tail, 5), Some(whole));
    /// ```
    pub fn followed_by(&self, next: &Self, length: u64) -> Option<Self> {
        let field = match self.algorithm {
            Algorithm::Crc32c => &combine::CRC32C,
            Algorithm::Crc64Nvme => &combine::CRC64_NVME,
            _ => return None,
        };
        let value = |checksum: &Self| checksum.as_bytes().iter().fold(0, |all, b| all << 8 | u64::from(*b));
        let whole = field.followed_by(value(self), value(next), length).to_be_bytes();
        let digest = &whole[whole.len() - self.as_bytes().len()..];
        (self.algorithm == next.algorithm).then(|| Self::from_slice(self.algorithm, digest))
    }

    /// A checksum made elsewhere.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if `bytes` has another length than the algorithm's.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self> {
        if bytes.len() != algorithm.output_len() {
            let message =
                format!("a {algorithm} checksum has {} bytes, not {}", algorithm.output_len(), bytes.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(Self::from_slice(algorithm, bytes))
    }

    fn from_slice(algorithm: Algorithm, slice: &[u8]) -> Self {
        let mut bytes = [0; 64];
        bytes[..slice.len()].copy_from_slice(slice);
        Self { algorithm, bytes }
    }

    /// The algorithm.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.output_len()]
    }

    /// The bytes as lower-case hex.
    pub fn to_hex(&self) -> String {
        use fmt::Write as _;
        let mut hex = String::with_capacity(2 * self.algorithm.output_len());
        for byte in self.as_bytes() {
            write!(hex, "{byte:02x}").expect("because a String takes every write");
        }
        hex
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_hex())
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Checksum {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            let message = format!("`{text}` is no checksum; one looks like `sha256:` and hex");
            Error::new(ErrorKind::InvalidInput, message)
        };
        let (name, hex) = text.split_once(':').ok_or_else(wrong)?;
        let algorithm = Algorithm::from_str(name)?;
        if hex.len() % 2 != 0 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|i| {
                u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("because every byte is a hex digit")
            })
            .collect();
        Self::new(algorithm, &bytes)
    }
}

/// The known checksums of one object, at most one per algorithm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checksums(Vec<Checksum>);

impl Checksums {
    /// None known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one, in place of an older one of its algorithm.
    pub fn insert(&mut self, checksum: Checksum) {
        self.0.retain(|c| c.algorithm != checksum.algorithm);
        self.0.push(checksum);
        self.0.sort();
    }

    /// The checksum of `algorithm`.
    pub fn get(&self, algorithm: Algorithm) -> Option<Checksum> {
        self.0.iter().copied().find(|c| c.algorithm == algorithm)
    }

    /// All of them, in the order of [`Algorithm`].
    pub fn iter(&self) -> impl Iterator<Item = Checksum> + '_ {
        self.0.iter().copied()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares what both sides know: `None` if they share no algorithm, which is no proof of anything.
    pub fn agree(&self, other: &Self) -> Option<bool> {
        let mut shared = self.0.iter().filter_map(|c| other.get(c.algorithm).map(|o| o == *c)).peekable();
        shared.peek()?;
        Some(shared.all(|same| same))
    }
}

impl FromIterator<Checksum> for Checksums {
    fn from_iter<I: IntoIterator<Item = Checksum>>(checksums: I) -> Self {
        let mut all = Self::new();
        for checksum in checksums {
            all.insert(checksum);
        }
        all
    }
}

/// Several checksums in one pass.
#[derive(Debug, Default)]
pub struct Hashers(Vec<Hasher>);

impl Hashers {
    /// Starts one hasher per algorithm; doubles count once.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut algorithms: Vec<Algorithm> = algorithms.into_iter().collect();
        algorithms.sort();
        algorithms.dedup();
        Self(algorithms.into_iter().map(Algorithm::hasher).collect())
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        for hasher in &mut self.0 {
            hasher.update(data);
        }
    }

    /// The checksums of all bytes taken.
    pub fn finish(self) -> Checksums {
        self.0.into_iter().map(Hasher::finish).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Algorithm, Checksum, Checksums, Hashers};

    /// The check values are those of the algorithms' own specifications for `123456789` (CRCs) and `abc` (the rest).
    /// Whatever takes large pieces another way.
    #[test]
    fn pieces_of_any_length_give_the_same() {
        let data: Vec<u8> = (0..700_000u32).map(|i| (i * 31) as u8).collect();
        for algorithm in Algorithm::ALL {
            let mut hasher = algorithm.hasher();
            data.chunks(1000).for_each(|chunk| hasher.update(chunk));
            assert_eq!(hasher.finish(), algorithm.digest(&data), "{algorithm}");
        }
    }

    #[test]
    fn known_answers() {
        let check = |algorithm: Algorithm, data: &[u8], hex: &str| {
            assert_eq!(algorithm.digest(data).to_hex(), hex, "{algorithm}");
        };
        check(Algorithm::Crc32c, b"123456789", "e3069283");
        check(Algorithm::Crc64Nvme, b"123456789", "ae8b14860a799888");
        check(Algorithm::Xxh3, b"", "2d06800538d394c2");
        check(Algorithm::Md5, b"abc", "900150983cd24fb0d6963f7d28e17f72");
        check(Algorithm::Sha1, b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(Algorithm::Sha256, b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        check(
            Algorithm::Sha512,
            b"abc",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        );
        check(Algorithm::Blake3, b"abc", "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85");
    }

    #[test]
    fn chunking_does_not_matter() {
        let data: Vec<u8> = (0..10_000u32).map(|i| (i * 7) as u8).collect();
        let mut hashers = Hashers::new(Algorithm::ALL);
        for chunk in data.chunks(777) {
            hashers.update(chunk);
        }
        let sums = hashers.finish();
        for algorithm in Algorithm::ALL {
            assert_eq!(sums.get(algorithm), Some(algorithm.digest(&data)));
        }
    }

    #[test]
    fn text_round_trip_and_refusals() {
        for algorithm in Algorithm::ALL {
            let sum = algorithm.digest(b"x");
            assert_eq!(sum.to_string().parse::<Checksum>().expect("its own text"), sum);
        }
        for wrong in ["", "sha256", "sha256:12", "sha256:zz", "crc9:00", "crc32c:é3069283"] {
            assert!(wrong.parse::<Checksum>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_shared_algorithm_proves_nothing() {
        let of = |a: Algorithm, data: &[u8]| Checksums::from_iter([a.digest(data)]);
        assert_eq!(of(Algorithm::Md5, b"a").agree(&of(Algorithm::Sha1, b"a")), None);
        assert_eq!(of(Algorithm::Md5, b"a").agree(&of(Algorithm::Md5, b"a")), Some(true));
        assert_eq!(of(Algorithm::Md5, b"a").agree(&of(Algorithm::Md5, b"b")), Some(false));
    }
}
