//! Several sorted streams as one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use futures_util::StreamExt;
use futures_util::stream::try_unfold;

use super::Records;
use crate::error::Result;
use crate::format::Record;

/// The records of all streams, smallest key first, if each stream is so itself. Of equal keys those of an earlier stream come first. One record of each
/// stream is held.
///
/// # Errors
/// The stream's are those of `streams`; nothing comes after one.
pub fn merge_by_key<K: Ord + Send + 'static>(
    streams: impl IntoIterator<Item = Records>,
    key: impl Fn(&Record) -> K + Send + 'static,
) -> Records {
    let streams: Vec<Records> = streams.into_iter().collect();
    let waiting = (0..streams.len()).collect();
    let heads = streams.iter().map(|_| None).collect();
    let merge = Merge { streams, heads, order: BinaryHeap::new(), waiting, key };
    try_unfold(merge, Merge::next).boxed()
}

struct Merge<K, F> {
    streams: Vec<Records>,
    /// The next record of each stream.
    heads: Vec<Option<Record>>,
    /// Their keys, and whose they are.
    order: BinaryHeap<Reverse<(K, usize)>>,
    /// The streams whose next record has to be asked for.
    waiting: Vec<usize>,
    key: F,
}

impl<K: Ord, F: Fn(&Record) -> K> Merge<K, F> {
    async fn next(mut self) -> Result<Option<(Record, Self)>> {
        while let Some(at) = self.waiting.pop() {
            if let Some(record) = self.streams[at].next().await.transpose()? {
                self.order.push(Reverse(((self.key)(&record), at)));
                self.heads[at] = Some(record);
            }
        }
        let Some(Reverse((_, at))) = self.order.pop() else { return Ok(None) };
        self.waiting.push(at);
        Ok(self.heads[at].take().map(|record| (record, self)))
    }
}
