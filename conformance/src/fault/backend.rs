//! The backend that a [`FaultLayer`](super::FaultLayer) makes of a backend.

use std::sync::{Arc, Mutex};

use storage_core::{
    Algorithm, Backend, BoxFuture, ByteRange, Capabilities, Change, CleanupReport, Condition, CopyRequest,
    CopyTarget, DeleteTarget, Key, ListRequest, Lister, Metadata, Payload, Prefix, ReadRequest, ReadResponse,
    Result, Resumed, SignRequest, SignedRequest, StatRequest, TakenPart, Target, Upload, WriteRequest,
};

use super::body::{misfit, spoil};
use super::call::{Call, Seen};
use super::journal::Journal;
use super::kind::{Fault, Refusal};
use super::list::FaultLister;
use super::plan::Plan;
use super::upload::FaultUpload;

/// What is to happen and what happened.
#[derive(Debug)]
pub(super) struct Script {
    plan: Arc<Mutex<Plan>>,
    pub(super) journal: Journal,
}

impl Script {
    /// Notes the call and carries out what comes before the request. Gives back what is to come with it or after it.
    pub(super) async fn begin(&self, seen: Seen) -> Result<Option<Fault>> {
        let fault = self.plan.lock().expect("because no holder of the lock panics").next(&seen);
        self.journal.begin(seen);
        match fault {
            Some(Fault::Before(refusal)) => Err(refusal.error()),
            Some(Fault::Lost(refusal)) => Err(refusal.error().maybe_applied()),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Until(call, times)) => {
                self.journal.ended(call, times).await;
                Ok(None)
            }
            Some(Fault::Late(wait)) => {
                tokio::time::sleep(wait).await;
                Ok(None)
            }
            other => Ok(other),
        }
    }

    /// Runs `request` with the faults around it. Gives back the fault that is to be found in the answer.
    pub(super) async fn run<T>(
        &self,
        seen: Seen,
        request: impl Future<Output = Result<T>> + Send,
    ) -> Result<(T, Option<Fault>)> {
        self.send(seen, Payload::new(), |_| request).await
    }

    /// As `run`, for a request with a body that may be damaged on its way.
    pub(super) async fn send<T, R: Future<Output = Result<T>> + Send>(
        &self,
        seen: Seen,
        body: Payload,
        request: impl FnOnce(Payload) -> R + Send,
    ) -> Result<(T, Option<Fault>)> {
        let call = seen.call;
        let answer = async {
            match self.begin(seen).await? {
                Some(Fault::Damage) if !body.is_empty() => answer(None, request(damage(body))).await,
                fault => answer(fault, request(body)).await,
            }
        };
        let answer = answer.await;
        self.journal.end(call);
        answer
    }

    /// For calls in whose answer nothing can be wrong.
    pub(super) fn nothing_left(&self, call: Call, fault: Option<Fault>) -> Result<()> {
        fault.map_or(Ok(()), |fault| Err(misfit(&call.to_string(), &fault)))
    }
}

/// The answer to a request, and what is to be found in it.
async fn answer<T>(
    fault: Option<Fault>,
    request: impl Future<Output = Result<T>> + Send,
) -> Result<(T, Option<Fault>)> {
    let answer = request.await?;
    match fault {
        Some(Fault::After(refusal)) => Err(refusal.error().maybe_applied()),
        Some(Fault::HangAfter) => {
            drop(answer);
            std::future::pending().await
        }
        fault => Ok((answer, fault)),
    }
}

/// The same bytes but for the last bit.
fn damage(body: Payload) -> Payload {
    let mut bytes = body.into_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
    bytes.into()
}

/// Changes what an answer tells of an object.
pub(super) fn spoil_metadata(call: Call, mut metadata: Metadata, fault: Option<Fault>) -> Result<Metadata> {
    match fault {
        None => {}
        Some(Fault::WrongSize) => metadata.size += 1,
        Some(Fault::WrongChecksum) => {
            metadata.checksums.insert(Algorithm::Sha256.digest(b"a fault on purpose"));
        }
        Some(other) => return Err(misfit(&call.to_string(), &other)),
    }
    Ok(metadata)
}

#[derive(Debug)]
pub(super) struct FaultBackend {
    inner: Arc<dyn Backend>,
    capabilities: Capabilities,
    script: Arc<Script>,
    page: Option<usize>,
}

impl FaultBackend {
    pub(super) fn new(
        inner: Arc<dyn Backend>,
        capabilities: Capabilities,
        plan: Arc<Mutex<Plan>>,
        journal: Journal,
        page: Option<usize>,
    ) -> Self {
        Self { inner, capabilities, script: Arc::new(Script { plan, journal }), page }
    }

    /// A call whose answer is all or nothing.
    async fn plain<T>(&self, seen: Seen, request: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let call = seen.call;
        let (answer, fault) = self.script.run(seen, request).await?;
        self.script.nothing_left(call, fault)?;
        Ok(answer)
    }

    /// A call that tells of an object.
    async fn telling(
        &self,
        seen: Seen,
        request: impl Future<Output = Result<Metadata>> + Send,
    ) -> Result<Metadata> {
        let call = seen.call;
        let (metadata, fault) = self.script.run(seen, request).await?;
        spoil_metadata(call, metadata, fault)
    }

    async fn read_faulty(&self, key: &Key, request: &ReadRequest) -> Result<ReadResponse> {
        let mut seen = Seen::new(Call::Read, key.as_str());
        seen.range = Some(request.range);
        seen.pinned = request.version.is_some() || request.conditions.if_match.is_some();
        let fault = match self.script.begin(seen).await? {
            None => return self.inner.read(key, request).await,
            Some(fault) => fault,
        };
        let mut changed = request.clone();
        match fault {
            Fault::After(refusal) => Err(refusal.error()),
            Fault::HangAfter => std::future::pending().await,
            Fault::WholeObject => {
                changed.range = ByteRange::Full;
                spoil(self.inner.read(key, &changed).await?, request.range, fault)
            }
            fault => spoil(self.inner.read(key, request).await?, request.range, fault),
        }
    }

    /// Deletes all but the refused targets.
    async fn delete_others(
        &self,
        targets: &[DeleteTarget],
        refused: &[(usize, Refusal)],
    ) -> Result<Vec<Result<()>>> {
        let refusal = |at: usize| refused.iter().find(|(place, _)| *place == at).map(|(_, refusal)| refusal);
        let others: Vec<DeleteTarget> =
            (0..targets.len()).filter(|at| refusal(*at).is_none()).map(|at| targets[at].clone()).collect();
        let done = if others.is_empty() { Vec::new() } else { self.inner.delete(&others).await? };
        let mut done = done.into_iter();
        let result = |at| refusal(at).map_or_else(|| done.next(), |refusal| Some(Err(refusal.error())));
        Ok((0..targets.len()).map_while(result).collect())
    }
}

#[deny(clippy::missing_trait_methods)]
impl Backend for FaultBackend {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    fn stat<'a>(&'a self, key: &'a Key, request: &'a StatRequest) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            self.telling(Seen::new(Call::Stat, key.as_str()), self.inner.stat(key, request)).await
        })
    }

    fn read<'a>(&'a self, key: &'a Key, request: &'a ReadRequest) -> BoxFuture<'a, Result<ReadResponse>> {
        Box::pin(async move {
            let response = self.read_faulty(key, request).await;
            self.script.journal.end(Call::Read);
            // What is read from an object held open would come past the faults.
            response.map(|response| ReadResponse::new(response.metadata, response.range, response.body))
        })
    }

    fn write<'a>(
        &'a self,
        key: &'a Key,
        body: Payload,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let mut seen = Seen::new(Call::Write, key.as_str());
            seen.condition = request.condition.clone();
            seen.length = body.len();
            seen.content = Some(Algorithm::Crc64Nvme.digest(&body.clone().into_bytes()));
            seen.token = request.token.clone();
            let sent = self.script.send(seen, body, |body| self.inner.write(key, body, request)).await;
            let (metadata, fault) = sent?;
            spoil_metadata(Call::Write, metadata, fault)
        })
    }

    fn upload<'a>(
        &'a self,
        key: &'a Key,
        request: &'a WriteRequest,
    ) -> BoxFuture<'a, Result<Box<dyn Upload>>> {
        Box::pin(async move {
            let mut seen = Seen::new(Call::Upload, key.as_str());
            seen.condition = request.condition.clone();
            seen.token = request.token.clone();
            let inner = self.plain(seen, self.inner.upload(key, request)).await?;
            let (script, name) = (self.script.clone(), key.as_str().to_owned());
            let upload: Box<dyn Upload> = Box::new(FaultUpload { inner, script, name });
            Ok(upload)
        })
    }

    fn resume<'a>(
        &'a self,
        _: &'a Key,
        _: &'a WriteRequest,
        _: &'a str,
        _: &'a [TakenPart],
    ) -> BoxFuture<'a, Result<Option<Resumed>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn list(&self, request: ListRequest) -> Box<dyn Lister> {
        let name = request.prefix.as_str().to_owned();
        Box::new(FaultLister::new(self.inner.list(request), self.script.clone(), name, self.page))
    }

    fn delete<'a>(&'a self, targets: &'a [DeleteTarget]) -> BoxFuture<'a, Result<Vec<Result<()>>>> {
        Box::pin(async move {
            let keys: Vec<String> = targets.iter().map(|t| t.key.as_str().to_owned()).collect();
            let mut seen = Seen::new(Call::Delete, keys.join(" "));
            seen.targets = keys;
            let results = match self.script.begin(seen).await? {
                None => self.inner.delete(targets).await,
                Some(Fault::Targets(refused)) => self.delete_others(targets, &refused).await,
                Some(Fault::After(refusal)) => {
                    self.inner.delete(targets).await.and(Err(refusal.error().maybe_applied()))
                }
                Some(Fault::HangAfter) => {
                    let _ = self.inner.delete(targets).await;
                    std::future::pending().await
                }
                Some(other) => Err(misfit("a delete", &other)),
            };
            self.script.journal.end(Call::Delete);
            results
        })
    }

    fn copy<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        request: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Metadata>> {
        Box::pin(async move {
            let mut seen = Seen::new(Call::Copy, from.as_str());
            seen.condition = request.condition.clone();
            self.telling(seen, self.inner.copy(from, to, request)).await
        })
    }

    fn copy_from<'a>(
        &'a self,
        _: &'a dyn Backend,
        _: &'a [CopyTarget],
        _: &'a CopyRequest,
    ) -> BoxFuture<'a, Result<Option<Vec<Result<Metadata>>>>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn rename<'a>(
        &'a self,
        from: &'a Key,
        to: &'a Key,
        condition: &'a Condition,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let mut seen = Seen::new(Call::Rename, from.as_str());
            seen.condition = condition.clone();
            self.plain(seen, self.inner.rename(from, to, condition)).await
        })
    }

    fn update<'a>(&'a self, target: &'a Target, change: &'a Change) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.plain(Seen::new(Call::Update, target.name()), self.inner.update(target, change)).await
        })
    }

    fn create_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let seen = Seen::new(Call::CreateDir, directory.as_str());
            self.plain(seen, self.inner.create_dir(directory)).await
        })
    }

    fn remove_dir<'a>(&'a self, directory: &'a Prefix) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let seen = Seen::new(Call::RemoveDir, directory.as_str());
            self.plain(seen, self.inner.remove_dir(directory)).await
        })
    }

    fn cleanup<'a>(&'a self, prefix: &'a Prefix) -> BoxFuture<'a, Result<CleanupReport>> {
        Box::pin(async move {
            let seen = Seen::new(Call::Cleanup, prefix.as_str());
            self.plain(seen, self.inner.cleanup(prefix)).await
        })
    }

    fn presign<'a>(&'a self, key: &'a Key, request: &'a SignRequest) -> BoxFuture<'a, Result<SignedRequest>> {
        Box::pin(async move {
            let seen = Seen::new(Call::Presign, key.as_str());
            self.plain(seen, self.inner.presign(key, request)).await
        })
    }
}
