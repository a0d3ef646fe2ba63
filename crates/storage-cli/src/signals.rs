//! Ctrl-C and its like. The first asks the command to stop, a second one does not wait for it.

use std::io;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::exit::INTERRUPTED;

/// The first signal, when it comes.
pub(crate) struct Signals(oneshot::Receiver<&'static str>);

impl Signals {
    pub(crate) async fn first(&mut self) -> &'static str {
        match (&mut self.0).await {
            Ok(name) => name,
            Err(_) => std::future::pending().await,
        }
    }

    /// The first signal, if it has come by now.
    pub(crate) fn come(&mut self) -> Option<&'static str> {
        self.0.try_recv().ok()
    }
}

/// Starts to listen, on a thread of its own: the others may wait for a pipe that nobody reads.
pub(crate) fn listen() -> io::Result<Signals> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (mut terminate, mut interrupt) = {
        let _context = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("signals".into()).spawn(move || {
        runtime.block_on(async {
            // Nobody listens any more once the command has ended.
            let _ = tell.send(next(&mut terminate, &mut interrupt).await);
            next(&mut terminate, &mut interrupt).await;
            std::process::exit(INTERRUPTED.into());
        });
    })?;
    Ok(Signals(told))
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "terminated",
        _ = interrupt.recv() => "interrupted",
    }
}
