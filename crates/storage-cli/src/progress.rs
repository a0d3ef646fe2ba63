//! Progress: bars on a terminal, lines of JSON for programs.

use std::collections::HashMap;
use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use storage_core::{Event, Operation, Progress, Store};

use crate::args::ProgressMode;
use crate::output::Output;
use crate::show;

/// Files this large have a bar of their own.
const LARGE: u64 = 64 << 20;
/// More bars than this are no help.
const BARS: usize = 6;
/// How often a line of JSON is written.
const EVERY: Duration = Duration::from_secs(1);

/// Follows the work on stderr. A clone follows the same.
#[derive(Clone, Debug)]
pub(crate) struct Meter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    counts: Counts,
    view: View,
}

#[derive(Debug)]
struct Counts {
    begun: Instant,
    bytes: AtomicU64,
    total: AtomicU64,
    planned: AtomicU64,
    done: AtomicU64,
    unchanged: AtomicU64,
}

/// What the user sees.
enum View {
    Nothing,
    Bars { screen: MultiProgress, whole: ProgressBar, large: Mutex<HashMap<String, ProgressBar>> },
    Json { last: Mutex<Instant> },
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Bars { .. } => "Bars",
            Self::Json { .. } => "Json",
        })
    }
}

impl Meter {
    pub(crate) fn new(output: &Output, verb: &'static str) -> Self {
        let view = match output.progress {
            ProgressMode::Json => View::Json { last: Mutex::new(Instant::now()) },
            ProgressMode::Auto if std::io::stderr().is_terminal() && !output.quiet => View::bars(verb),
            _ => View::Nothing,
        };
        let counts = Counts {
            begun: Instant::now(),
            bytes: AtomicU64::new(0),
            total: AtomicU64::new(0),
            planned: AtomicU64::new(0),
            done: AtomicU64::new(0),
            unchanged: AtomicU64::new(0),
        };
        Self(Arc::new(Shared { counts, view }))
    }

    /// The store, whose bytes of `operation` this meter counts.
    pub(crate) fn watch(&self, store: &Store, operation: Operation) -> Store {
        store.with_progress(Arc::new(Watcher { meter: self.clone(), operation }))
    }

    /// One more object is to be copied.
    pub(crate) fn planned(&self, name: &str, size: u64) {
        let counts = &self.0.counts;
        counts.planned.fetch_add(1, Ordering::Relaxed);
        let total = counts.total.fetch_add(size, Ordering::Relaxed) + size;
        let View::Bars { screen, whole, large } = &self.0.view else { return };
        whole.set_length(total);
        let mut large = large.lock().unwrap_or_else(PoisonError::into_inner);
        if size >= LARGE && large.len() < BARS {
            let bar = screen.insert_before(whole, ProgressBar::new(size).with_style(of_file()));
            bar.set_prefix(shortened(name));
            large.insert(name.to_owned(), bar);
        }
    }

    /// The object of this name is there, or is not to be.
    pub(crate) fn copied(&self, name: &str) {
        self.0.counts.done.fetch_add(1, Ordering::Relaxed);
        self.over(name);
        self.show();
    }

    /// Nothing more happens to the object of this name.
    pub(crate) fn over(&self, name: &str) {
        if let View::Bars { screen, large, .. } = &self.0.view
            && let Some(bar) = large.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
        {
            bar.finish_and_clear();
            screen.remove(&bar);
        }
    }

    pub(crate) fn unchanged(&self) {
        self.0.counts.unchanged.fetch_add(1, Ordering::Relaxed);
        self.show();
    }

    fn moved(&self, name: &str, count: u64) {
        self.0.counts.bytes.fetch_add(count, Ordering::Relaxed);
        match &self.0.view {
            View::Nothing => {}
            View::Bars { whole, large, .. } => {
                whole.inc(count);
                if let Some(bar) = large.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
                    bar.inc(count);
                }
            }
            View::Json { last } => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    self.0.counts.print("progress");
                }
            }
        }
    }

    fn show(&self) {
        if let View::Bars { whole, .. } = &self.0.view {
            let counts = &self.0.counts;
            let done = counts.done.load(Ordering::Relaxed);
            let unchanged = counts.unchanged.load(Ordering::Relaxed);
            whole.set_message(format!("{} done, {unchanged} unchanged", show::count(done, "file")));
        }
    }

    /// Prints above the bars, so that the two do not mix.
    pub(crate) fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.0.view {
            View::Bars { screen, .. } => screen.suspend(print),
            _ => print(),
        }
    }

    pub(crate) fn finish(&self) {
        match &self.0.view {
            View::Nothing => {}
            View::Bars { screen, whole, large } => {
                for (_, bar) in large.lock().unwrap_or_else(PoisonError::into_inner).drain() {
                    bar.finish_and_clear();
                }
                whole.finish_and_clear();
                let _ = screen.clear();
            }
            View::Json { .. } => self.0.counts.print("finished"),
        }
    }
}

impl View {
    fn bars(verb: &'static str) -> Self {
        let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let whole = screen.add(ProgressBar::new(0).with_style(of_all()));
        whole.set_prefix(verb);
        whole.enable_steady_tick(Duration::from_millis(100));
        Self::Bars { screen, whole, large: Mutex::default() }
    }
}

impl Counts {
    fn print(&self, event: &str) {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (bytes, total) = (of(&self.bytes), of(&self.total));
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
        let left = (rate > 0.0 && total > bytes).then(|| ((total - bytes) as f64 / rate).ceil());
        let line = json!({
            "event": event, "seconds": (seconds * 1000.0).round() / 1000.0,
            "bytes": bytes, "bytes_planned": total, "bytes_per_second": rate.round(),
            "files": of(&self.done), "files_planned": of(&self.planned), "files_unchanged": of(&self.unchanged),
            "seconds_left": left,
        });
        // Who closed stderr does not want to hear.
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn of_all() -> ProgressStyle {
    let template = "{spinner} {prefix} {bar:24} {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left  {msg}";
    styled(template)
}

fn of_file() -> ProgressStyle {
    styled("  {prefix:32} {bar:24} {percent:>3} %  {binary_bytes_per_sec}  {eta} left")
}

fn styled(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.expect("because the templates are constants that a test renders").progress_chars("━╸─")
}

/// The end of a long name, which tells more than its beginning.
fn shortened(name: &str) -> String {
    let name = show::escaped(name);
    let length = name.chars().count();
    if length <= 32 { name } else { format!("…{}", name.chars().skip(length - 31).collect::<String>()) }
}

#[derive(Debug)]
struct Watcher {
    meter: Meter,
    operation: Operation,
}

impl Progress for Watcher {
    fn event(&self, event: Event<'_>) {
        match event {
            Event::Bytes { operation, key, count, .. } if operation == self.operation => {
                self.meter.moved(key.as_str(), count);
            }
            Event::Retry { error, wait, .. } => {
                let text = format!("haul: {error}; trying again in {:.1} s", wait.as_secs_f64());
                self.meter.above(|| {
                    let _ = writeln!(std::io::stderr(), "{}", show::escaped(&text));
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Meter, of_all, of_file, shortened};
    use crate::args::Global;
    use crate::output::Output;

    #[test]
    fn the_templates_are_valid() {
        let _ = (of_all(), of_file());
        Meter::new(&Output::new(&Global::default()), "test").finish();
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shortened("a/b"), "a/b");
        let long = shortened(&format!("{}/the-end", "x".repeat(100)));
        assert!(long.starts_with('…') && long.ends_with("/the-end") && long.chars().count() == 32);
    }
}
