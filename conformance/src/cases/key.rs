//! Keys are byte-exact.

use crate::case::Case;
use crate::context::Context;
use crate::expect::same_bytes;
use crate::failure::Failure;

pub(crate) const CASES: &[Case] =
    &[Case::new("key", "KEY-1", "plain-key-round-trips", |c| Box::pin(plain(c)))];

async fn plain(c: Context) -> Result<(), Failure> {
    c.put("a", "one").await?;
    same_bytes("content", &c.get("a").await?, b"one")
}
