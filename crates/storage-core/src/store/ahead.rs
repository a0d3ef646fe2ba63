//! Reading a large object as ranges side by side, given out in order, with bounded look-ahead.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::parts::Pace;
use super::reader::{Body, Proof};
use crate::error::{Error, ErrorKind, Result};
use crate::transfer::Held;

/// A stream holds no more ranges than this that its reader has not come to yet.
const AHEAD_MAX: usize = 8;

/// The ranges of an object that is being read.
pub(super) struct Ahead {
    /// The first range. Once it is through, what makes others like it.
    body: Body,
    front: Option<Fetch>,
    queue: VecDeque<Fetch>,
    /// Where the next range begins.
    next: u64,
    end: u64,
    /// The length of a range.
    step: u64,
    most: usize,
    pace: Pace,
    /// Nothing is fetched ahead before this byte: who only looks at the beginning should not pay for more.
    eager_from: u64,
}

/// A range on its way, or here already.
struct Fetch {
    chunks: mpsc::UnboundedReceiver<Result<Bytes>>,
    left: u64,
    task: tokio::task::JoinHandle<()>,
    _held: Option<Held>,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Ahead {
    /// Goes on behind `body`, the first range, up to `end`.
    pub(super) fn new(body: Body, end: u64, concurrency: Option<usize>) -> Self {
        let step = body.end - body.position();
        Self {
            front: None,
            queue: VecDeque::new(),
            next: body.end,
            end,
            step,
            most: concurrency.map_or(AHEAD_MAX, |asked| asked.saturating_sub(1)),
            pace: Pace::new(body.store(), concurrency),
            eager_from: body.position() + step / 4,
            body,
        }
    }

    pub(super) async fn next(
        (mut ahead, mut proof): (Self, Proof),
    ) -> Result<Option<(Bytes, (Self, Proof))>> {
        match ahead.chunk().await? {
            Some(chunk) => {
                proof.see(&chunk);
                Ok(Some((chunk, (ahead, proof))))
            }
            None => proof.verify().map(|()| None).map_err(|error| ahead.body.explain(error)),
        }
    }

    /// The next bytes.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.next_chunk().await;
        chunk.map_err(|error| self.body.explain(error))
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        if self.body.position() >= self.eager_from {
            self.top_up(1);
        }
        // The first range comes through here without a detour.
        if let Some(chunk) = self.body.chunk().await? {
            return Ok(Some(chunk));
        }
        loop {
            if let Some(front) = &mut self.front
                && let Some(chunk) = front.chunk().await?
            {
                return Ok(Some(chunk));
            }
            self.front = None;
            self.top_up(0);
            self.front = self.queue.pop_front();
            if self.front.is_none() {
                return Ok(None);
            }
            self.top_up(1);
        }
    }

    /// Sends for ranges while there is room. `busy` are on their way besides those in the queue.
    fn top_up(&mut self, busy: usize) {
        while self.next < self.end && self.queue.len() < self.most.max(1 - busy.min(1)) {
            let range = self.next..self.end.min(self.next.saturating_add(self.step));
            let Some(leave) = self.pace.next(self.queue.len() + busy, range.end - range.start) else {
                return;
            };
            self.next = range.end;
            let (slot, held) = leave.split();
            let (sender, chunks) = mpsc::unbounded_channel();
            let (left, body) = (range.end - range.start, self.body.another(range));
            let task = tokio::spawn(async move {
                if fetch(body, &sender).await {
                    slot.finished(left);
                }
            });
            self.queue.push_back(Fetch { chunks, left, task, _held: held });
        }
    }
}

impl Fetch {
    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        match self.chunks.recv().await.transpose()? {
            Some(chunk) => {
                self.left -= chunk.len() as u64;
                Ok(Some(chunk))
            }
            None if self.left == 0 => Ok(None),
            None => Err(Error::new(ErrorKind::Other, "the task of a range ended early")),
        }
    }
}

/// Fetches a whole range. Whether it came whole.
async fn fetch(mut body: Body, to: &mpsc::UnboundedSender<Result<Bytes>>) -> bool {
    loop {
        match body.chunk().await {
            Ok(None) => return true,
            Ok(Some(chunk)) => {
                if to.send(Ok(chunk)).is_err() {
                    return false;
                }
            }
            Err(error) => {
                let _ = to.send(Err(error));
                return false;
            }
        }
    }
}
