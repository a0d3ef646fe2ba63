//! The way to the server: how a subject is opened through a proxy, and the proxy of one case.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use storage_core::{BoxFuture, Result, Store};

use super::dialect::Dialect;
use crate::failure::Failure;
use crate::proxy::Proxy;
use crate::subject::Fixture;

type Opener = Arc<dyn Fn(Place) -> BoxFuture<'static, Result<Fixture>> + Send + Sync>;

/// How a subject is opened through a proxy. See [`Subject::wire`](crate::Subject::wire).
#[derive(Clone)]
pub struct Wire {
    upstream: SocketAddr,
    dialect: Option<Dialect>,
    opener: Opener,
}

/// Where the store of a case is to be opened.
#[non_exhaustive]
#[derive(Clone, Debug)]
pub struct Place {
    /// Whom to connect to: the server, or the proxy in front of it.
    pub address: SocketAddr,
    /// A name for this case, of 16 hexadecimal digits: that of a bucket, a prefix or a directory.
    pub name: String,
}

impl Wire {
    /// The way to a server of HTTP/1.1 without TLS at `upstream`.
    ///
    /// The opener is called twice for a case, once for the server and once for the proxy, with one name: both open one
    /// store, made new by the first and left as it is by the second. The backend repeats nothing by itself, since
    /// `Store` does.
    pub fn http<F, O, T>(upstream: SocketAddr, dialect: Dialect, opener: F) -> Self
    where
        F: Fn(Place) -> O + Send + Sync + 'static,
        O: Future<Output = Result<T>> + Send + 'static,
        T: Into<Fixture>,
    {
        Self { dialect: Some(dialect), ..Self::tcp(upstream, opener) }
    }

    /// The way to any server: what is encrypted, and what is not HTTP. Only cases that cut connections run on it. The
    /// opener is that of [`http`](Wire::http).
    pub fn tcp<F, O, T>(upstream: SocketAddr, opener: F) -> Self
    where
        F: Fn(Place) -> O + Send + Sync + 'static,
        O: Future<Output = Result<T>> + Send + 'static,
        T: Into<Fixture>,
    {
        let opener = move |place: Place| -> BoxFuture<'static, Result<Fixture>> {
            let opening = opener(place);
            Box::pin(async move { opening.await.map(Into::into) })
        };
        Self { upstream, dialect: None, opener: Arc::new(opener) }
    }

    /// A store as a case sees it, and what has to outlive it: past the proxy, and through it.
    pub(crate) async fn open(&self) -> Result<(Fixture, Fixture, Line), Failure> {
        let name = format!("{:016x}", fastrand::u64(..));
        let open = |address| (self.opener)(Place { address, name: name.clone() });
        let proxy = match self.dialect {
            Some(_) => Proxy::http(self.upstream)?,
            None => Proxy::tcp(self.upstream)?,
        };
        let past = open(self.upstream).await?;
        let through = open(proxy.address()).await?;
        let line = Line { store: through.store()?, proxy: Arc::new(proxy), dialect: self.dialect.clone() };
        Ok((past, through, line))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("upstream", &self.upstream)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}

/// The proxy of one case, and the store behind it.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(super) proxy: Arc<Proxy>,
    pub(super) store: Store,
    /// None where the proxy sees bytes alone.
    pub(super) dialect: Option<Dialect>,
}
