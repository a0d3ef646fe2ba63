//! How a service speaks: what a request is for, and what refusals look like.

use std::fmt;
use std::sync::Arc;

use crate::fault::Call;
use crate::proxy::{Answer, Request};

type Classify = dyn Fn(&Request) -> Option<Call> + Send + Sync;

/// What the cases of mode `wire` have to know of a protocol on HTTP.
///
/// ```
/// use storage_conformance::Dialect;
/// use storage_conformance::fault::Call;
/// use storage_conformance::proxy::Answer;
///
/// let dialect = Dialect::new(|request| match request.method.as_str() {
///     "GET" if request.target.contains("list=") => Some(Call::Page),
///     "GET" => Some(Call::Read),
///     "HEAD" => Some(Call::Stat),
///     "PUT" => Some(Call::Write),
///     "DELETE" => Some(Call::Delete),
///     _ => None,
/// })
/// .expired(Answer::new(403).body("<Error><Code>ExpiredToken</Code></Error>"));
/// ```
#[derive(Clone)]
pub struct Dialect {
    classify: Arc<Classify>,
    pub(super) throttled: Answer,
    pub(super) expired: Answer,
    pub(super) error_in_success: Option<Answer>,
}

impl Dialect {
    /// A dialect in which `classify` tells what a request is for: the method of a backend that sends it. What it does
    /// not tell, such as a login, meets no fault.
    pub fn new(classify: impl Fn(&Request) -> Option<Call> + Send + Sync + 'static) -> Self {
        Self {
            classify: Arc::new(classify),
            throttled: Answer::new(503),
            expired: Answer::new(401),
            error_in_success: None,
        }
    }

    /// The answer to one request too many, without `Retry-After`: 503 unless set.
    pub fn throttled(mut self, answer: Answer) -> Self {
        self.throttled = answer;
        self
    }

    /// The answer to credentials that have run out: 401 unless set.
    pub fn expired(mut self, answer: Answer) -> Self {
        self.expired = answer;
        self
    }

    /// An answer with status 200 that tells of an error in its body, where the service gives such to the end of an
    /// upload or to a copy.
    pub fn error_in_success(mut self, answer: Answer) -> Self {
        self.error_in_success = Some(answer);
        self
    }

    /// What the request is for.
    pub(super) fn call(&self, request: &Request) -> Option<Call> {
        (self.classify)(request)
    }
}

impl fmt::Debug for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialect")
            .field("throttled", &self.throttled)
            .field("expired", &self.expired)
            .field("error_in_success", &self.error_in_success)
            .finish_non_exhaustive()
    }
}
