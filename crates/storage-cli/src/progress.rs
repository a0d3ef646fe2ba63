//! Progress on a terminal: what moved, how fast.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use storage_core::{Event, Operation, Progress, Store};

use crate::output::Output;
use crate::show;

/// A line on stderr that follows the work; on anything but a terminal, nothing.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    bar: ProgressBar,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    copied: AtomicU64,
    unchanged: AtomicU64,
}

impl Meter {
    pub(crate) fn new(output: &Output, verb: &'static str) -> Self {
        let wanted = std::io::stderr().is_terminal() && !output.quiet;
        let target =
            if wanted { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        let style =
            ProgressStyle::with_template("{spinner} {prefix} {binary_bytes}  {binary_bytes_per_sec}  {msg}")
                .expect("because the template is a constant that a test renders");
        bar.set_style(style);
        bar.set_prefix(verb);
        if wanted {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self { bar, counts: Arc::default() }
    }

    /// The store, whose bytes of `operation` this meter counts.
    pub(crate) fn watch(&self, store: &Store, operation: Operation) -> Store {
        store.with_progress(Arc::new(Watcher { bar: self.bar.clone(), operation }))
    }

    pub(crate) fn copied(&self) {
        self.counts.copied.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    pub(crate) fn unchanged(&self) {
        self.counts.unchanged.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        let (copied, unchanged) =
            (self.counts.copied.load(Ordering::Relaxed), self.counts.unchanged.load(Ordering::Relaxed));
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("{} done, {unchanged} unchanged", show::count(copied, "file")));
        }
    }

    /// Prints above the line, so that the two do not mix.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

#[derive(Debug)]
struct Watcher {
    bar: ProgressBar,
    operation: Operation,
}

impl Progress for Watcher {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Bytes { operation, count, .. } if operation == self.operation => self.bar.inc(count),
            Event::Retry { error, wait, .. } => {
                let text = format!("haul: {error}; trying again in {:.1} s", wait.as_secs_f64());
                self.bar.suspend(|| {
                    use std::io::Write;
                    let _ = writeln!(std::io::stderr(), "{}", show::escaped(&text));
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Meter;
    use crate::args::Global;
    use crate::output::Output;

    #[test]
    fn the_template_is_valid() {
        Meter::new(&Output::new(&Global::default()), "test").finish();
    }
}
