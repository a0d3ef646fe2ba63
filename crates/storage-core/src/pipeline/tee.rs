//! A stream that is looked at on its way.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;

use crate::backend::ByteStream;
use crate::checksum::{Algorithm, Checksums, Hashers};
use crate::error::Result;

/// What is known of the bytes that passed.
#[derive(Clone, Debug)]
pub struct Tee(Arc<Mutex<Passed>>);

#[derive(Debug)]
struct Passed {
    hashers: Option<Hashers>,
    bytes: u64,
    told: Option<(u64, Checksums)>,
}

impl Tee {
    /// How many bytes there were, and their checksums, once the stream has ended well; nothing before, and nothing of one that ended with an
    /// error.
    pub fn told(&self) -> Option<(u64, Checksums)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }

    /// How many bytes passed so far.
    pub fn bytes(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).bytes
    }
}

/// The same stream, and what tells the checksums of all of it at its end.
///
/// ```
/// use futures_util::{StreamExt, TryStreamExt, stream};
/// use storage_core::{Algorithm, pipeline::tee};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> storage_core::Result<()> {
/// let bytes = stream::iter([Ok("some ".into()), Ok("bytes".into())]).boxed();
/// let (bytes, tee) = tee(bytes, [Algorithm::Sha256]);
/// let _: Vec<bytes::Bytes> = bytes.try_collect().await?;
/// let (count, checksums) = tee.told().expect("because it has ended");
/// assert_eq!(count, 10);
/// assert_eq!(checksums.get(Algorithm::Sha256), Some(Algorithm::Sha256.digest(b"some bytes")));
/// # Ok(()) }
/// ```
pub fn tee(bytes: ByteStream, algorithms: impl IntoIterator<Item = Algorithm>) -> (ByteStream, Tee) {
    let hashers = Some(Hashers::new(algorithms));
    let tee = Tee(Arc::new(Mutex::new(Passed { hashers, bytes: 0, told: None })));
    let state = (bytes, tee.clone());
    let next = |(mut bytes, tee): (ByteStream, Tee)| async move {
        let next = bytes.next().await.transpose()?;
        {
            let mut passed = tee.0.lock().unwrap_or_else(PoisonError::into_inner);
            match &next {
                Some(chunk) => {
                    passed.bytes += chunk.len() as u64;
                    if let Some(hashers) = &mut passed.hashers {
                        hashers.update(chunk);
                    }
                }
                None => {
                    let count = passed.bytes;
                    passed.told = passed.hashers.take().map(|hashers| (count, hashers.finish()));
                }
            }
        }
        Result::Ok(next.map(|chunk| (chunk, (bytes, tee))))
    };
    (futures_util::stream::try_unfold(state, next).boxed(), tee)
}
