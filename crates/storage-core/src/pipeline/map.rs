//! Records into values, by several threads, in order.

use futures_core::Stream;
use futures_util::stream::{BoxStream, try_unfold};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::spawn_blocking;

use super::{Records, lost, ready};
use crate::error::Result;
use crate::format::Record;

/// Records are worked on together, up to so many and to so many bytes.
const BATCH_RECORDS: usize = 1024;
const BATCH_BYTES: usize = 1 << 20;

/// What `work` makes of each record, in their order, on `threads` threads beside the one that reads; at least one. No more than that many batches of
/// 1 MiB and one record are under way.
///
/// # Errors
/// The stream's are those of `records`, and of `work` where its record came. Nothing comes after one.
pub fn map<T: Send + 'static>(
    records: Records,
    threads: usize,
    work: impl Fn(Record) -> Result<T> + Clone + Send + 'static,
) -> impl Stream<Item = Result<T>> + Send {
    let batches = try_unfold(Batches { records: records.fuse().boxed(), failed: None }, Batches::next);
    let made = batches.map(move |batch| {
        let work = work.clone();
        async move {
            let batch = batch?;
            let all = move || batch.into_iter().map(work).collect::<Vec<Result<T>>>();
            spawn_blocking(all).await.map_err(lost)
        }
    });
    let made: BoxStream<'static, Result<Vec<Result<T>>>> = made.buffered(threads.max(1)).boxed();
    // What follows an error is not for anybody.
    let items = made.map_ok(stream::iter).try_flatten();
    try_unfold(items.boxed(), |mut items| async move {
        Ok(items.next().await.transpose()?.map(|item| (item, items)))
    })
}

struct Batches {
    records: Records,
    failed: Option<crate::error::Error>,
}

impl Batches {
    async fn next(mut self) -> Result<Option<(Vec<Record>, Self)>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
            // What is there goes on before anything is waited for.
            let next = if batch.is_empty() {
                self.records.next().await
            } else {
                let Some(next) = ready(&mut self.records) else { break };
                next
            };
            match next {
                Some(Ok(record)) => {
                    bytes += record.content.len();
                    batch.push(record);
                }
                Some(Err(error)) if batch.is_empty() => return Err(error),
                Some(Err(error)) => {
                    self.failed = Some(error);
                    break;
                }
                None => break,
            }
        }
        Ok((!batch.is_empty()).then_some((batch, self)))
    }
}
