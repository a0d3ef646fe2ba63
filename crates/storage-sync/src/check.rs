//! Comparing two trees by content.

use storage_core::{Entry, Error, Result, Store};
use tokio::task::JoinSet;

use crate::merge::{Merge, Next};
use crate::report::{Comparison, Difference};
use crate::transfer::same_content;

/// Objects compared side by side.
const CONCURRENCY: usize = 8;

/// Compares two trees by content, and tells `observe` of every entry: its difference, its name, and the error if it could
/// not be read. Objects come as they are done, not in key order. Nothing is changed.
///
/// Directories count where the destination has real ones. Times and permissions do not count.
///
/// # Errors
/// Whatever broke off a listing; then nothing is said about the rest.
pub async fn check(
    source: &Store,
    destination: &Store,
    observe: impl FnMut(Difference, &str, Option<&Error>) + Send,
) -> Result<Comparison> {
    let mut run = Run { found: Comparison::default(), observe, tasks: JoinSet::new() };
    let mut merge = Merge::new(source, destination).await?;
    loop {
        match merge.next().await {
            Next::Pair(pair) => match (pair.source, pair.destination) {
                (Some(left), Some(right)) => run.both(source, destination, left, right).await,
                (Some(left), None) => run.tell(Difference::OnlySource, left.name(), None),
                (None, Some(right)) => run.tell(Difference::OnlyDestination, right.name(), None),
                (None, None) => {}
            },
            Next::Entry(error) => {
                run.tell(Difference::Error, error.key().unwrap_or_default(), Some(&error));
            }
            Next::Broken(_, error) => return Err(error),
            Next::End => break,
        }
    }
    while !run.tasks.is_empty() {
        run.join_one().await;
    }
    Ok(run.found)
}

struct Run<F> {
    found: Comparison,
    observe: F,
    tasks: JoinSet<(String, u64, Result<bool>)>,
}

impl<F: FnMut(Difference, &str, Option<&Error>) + Send> Run<F> {
    async fn both(&mut self, source: &Store, destination: &Store, left: Entry, right: Entry) {
        let (left, right) = match (left, right) {
            (Entry::Object(left), Entry::Object(right)) => (left, right),
            (Entry::Prefix(_), Entry::Prefix(_)) => return,
            (left, _) => return self.tell(Difference::Different, left.name(), None),
        };
        while self.tasks.len() >= CONCURRENCY {
            self.join_one().await;
        }
        let (source, destination) = (source.clone(), destination.clone());
        self.tasks.spawn(async move {
            let metadata = (&left.metadata, &right.metadata);
            let same = same_content(&source, &destination, &left.key, metadata).await;
            (left.key.to_string(), left.metadata.size, same)
        });
    }

    async fn join_one(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok((name, size, same))) => {
                self.found.bytes += size;
                match same {
                    Ok(true) => self.tell(Difference::Equal, &name, None),
                    Ok(false) => self.tell(Difference::Different, &name, None),
                    Err(error) => self.tell(Difference::Error, &name, Some(&error)),
                }
            }
            Some(Err(gone)) => {
                let error =
                    Error::new(storage_core::ErrorKind::Other, "the task of a comparison ended early");
                self.tell(Difference::Error, "", Some(&error.with_source(gone)));
            }
            None => {}
        }
    }

    fn tell(&mut self, difference: Difference, name: &str, error: Option<&Error>) {
        self.found.count(difference);
        (self.observe)(difference, name, error);
    }
}
