//! The proxy: a thread of its own, so that no client that blocks its runtime can hold it up.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::select;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use super::exchange;
use super::fault::{Close, ConnectionFault};
use super::journal::Request;
use super::plan::Plan;
use super::script::Script;
use super::{socket, tcp};

/// How long to wait after a connection that could not be taken.
const AGAIN: Duration = Duration::from_millis(5);

/// A proxy on a free port of the loopback interface. It ends when dropped, and with it every connection.
pub struct Proxy {
    address: SocketAddr,
    upstream: SocketAddr,
    script: Script,
    cuts: watch::Sender<()>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a proxy knows of what it passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Http,
    Tcp,
}

impl Proxy {
    /// A proxy in front of a server of HTTP/1.1 without TLS.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn http(upstream: SocketAddr) -> io::Result<Self> {
        Self::start(upstream, Kind::Http)
    }

    /// A proxy in front of any server; it knows connections and bytes alone.
    ///
    /// # Errors
    /// No port or no thread is to be had.
    pub fn tcp(upstream: SocketAddr) -> io::Result<Self> {
        Self::start(upstream, Kind::Tcp)
    }

    fn start(upstream: SocketAddr, kind: Kind) -> io::Result<Self> {
        // Bound here, so that clients can come as soon as this returns.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (script, cuts) = (Script::default(), watch::Sender::new(()));
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let door = Door { upstream, kind, script: script.clone(), cuts: cuts.clone() };
        let serve = move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                select(pin!(door.open(listener)), stopped).await;
            });
            // With the runtime all connections go.
        };
        let thread = thread::Builder::new().name("proxy".to_owned()).spawn(serve)?;
        Ok(Self { address, upstream, script, cuts, stop: Some(stop), thread: Some(thread) })
    }

    /// Where clients find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server behind it.
    pub fn upstream(&self) -> SocketAddr {
        self.upstream
    }

    /// Replaces the plan. What is under way keeps the fault it has.
    pub fn set(&self, plan: Plan) {
        self.script.set(plan);
    }

    /// The rules that nothing met so far. A test that ends with any of them tested less than it says.
    pub fn unmet(&self) -> Vec<String> {
        self.script.unmet()
    }

    /// The requests so far, in the order in which they came. None of a proxy of TCP.
    pub fn requests(&self) -> Vec<Request> {
        self.script.journal.requests()
    }

    /// Forgets the requests so far, mostly the preparation of a test. Rules count on.
    pub fn forget(&self) {
        self.script.journal.clear();
    }

    /// Resets every connection that is open now. Those that come later are none of them.
    pub fn cut_all(&self) {
        self.cuts.send_replace(());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked, or it ended; either way it is gone.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .field("upstream", &self.upstream)
            .field("script", &self.script)
            .finish_non_exhaustive()
    }
}

/// Lets clients in.
struct Door {
    upstream: SocketAddr,
    kind: Kind,
    script: Script,
    cuts: watch::Sender<()>,
}

impl Door {
    async fn open(&self, listener: TcpListener) {
        let mut number = 0;
        loop {
            let Ok((client, _)) = listener.accept().await else {
                // A client that left before it was let in, or no file descriptor for a while.
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            let _ = client.set_nodelay(true);
            let fault = self.script.connection();
            let visit =
                Visit { upstream: self.upstream, kind: self.kind, script: self.script.clone(), number };
            number += 1;
            let cut = self.cuts.subscribe();
            tokio::spawn(visit.until_cut(client, fault, cut));
        }
    }
}

/// One connection of a client.
struct Visit {
    upstream: SocketAddr,
    kind: Kind,
    script: Script,
    number: u64,
}

impl Visit {
    async fn until_cut(
        self,
        mut client: TcpStream,
        fault: Option<ConnectionFault>,
        mut cut: watch::Receiver<()>,
    ) {
        let close = {
            let (serve, cut) = (pin!(self.serve(&mut client, fault)), pin!(cut.changed()));
            match select(serve, cut).await {
                futures_util::future::Either::Left((close, _)) => close,
                futures_util::future::Either::Right(_) => Close::Reset,
            }
        };
        socket::end(client, close).await;
    }

    async fn serve(&self, client: &mut TcpStream, fault: Option<ConnectionFault>) -> Close {
        match (self.kind, fault) {
            (Kind::Http, None) => exchange::serve(client, self.upstream, &self.script, self.number).await,
            (_, fault) => tcp::serve(client, self.upstream, fault).await,
        }
    }
}
