//! A second request beside one that is late.

use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::time::Instant;

use super::Store;
use crate::backend::BoxFuture;
use crate::error::Result;
use crate::transfer::Allowed;

impl Store {
    /// Makes a request that changes nothing; if the answer is late, once more beside it. The first success counts, and the
    /// other request is dropped; a failure counts if nothing else can come of it.
    pub(super) async fn hedged<'a, T>(
        &self,
        mut request: impl FnMut() -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        let began = Instant::now();
        let answer = match self.late_after() {
            None => request().await,
            Some(late) => {
                let mut first = request();
                match tokio::time::timeout(late, &mut first).await {
                    Ok(answer) => answer,
                    Err(_) if self.may_ask_again() => first_success(first, request()).await,
                    Err(_) => first.await,
                }
            }
        };
        if answer.is_ok() {
            self.shared.hedge.answered(began.elapsed());
        }
        answer
    }

    /// After how long a request is worth a second one, if that is known.
    pub(super) fn late_after(&self) -> Option<Duration> {
        if self.may_hedge() { self.shared.hedge.late_after() } else { None }
    }

    /// Leave for one second request.
    pub(super) fn may_ask_again(&self) -> bool {
        // A limit may have been set since the first one went out.
        self.may_hedge() && self.shared.hedge.try_spend()
    }

    /// Who limits requests or bytes wants no more of them.
    pub(super) fn may_hedge(&self) -> bool {
        self.shared.limits.iter().all(|limit| limit.get() == Allowed::default())
    }
}

/// What the first of two to succeed gives. A failure that no other try would mend counts as soon as it comes.
pub(super) async fn first_success<T>(
    first: impl Future<Output = Result<T>> + Unpin,
    second: impl Future<Output = Result<T>> + Unpin,
) -> Result<T> {
    let (answer, other) = match select(first, second).await {
        Either::Left((answer, other)) => (answer, Either::Left(other)),
        Either::Right((answer, other)) => (answer, Either::Right(other)),
    };
    match answer {
        Err(error) if error.is_retryable() => match other.await {
            Err(later) if later.is_retryable() => Err(error),
            answer => answer,
        },
        answer => answer,
    }
}
