//! One byte budget for all transfers that share it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The default is at most this, however much memory there is.
const DEFAULT_MAX: u64 = 2 << 30;
/// The default where nothing tells how much memory there is.
const DEFAULT_UNKNOWN: u64 = 256 << 20;

/// Bytes that transfers may hold in memory ahead of what they need to go on. A clone is the same budget; give one to all
/// stores of a program with [`Store::with_budget`](crate::Store::with_budget).
///
/// Nobody waits for it: what does not fit is not begun ahead, and every transfer may hold one part beyond the budget, so
/// that none can block another. The most memory is the budget and one part for each transfer that runs.
///
/// ```
/// use storage_core::Budget;
///
/// let budget = Budget::new(64 << 20);
/// assert_eq!(budget.bytes(), 64 << 20);
/// ```
#[derive(Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

struct Shared {
    bytes: u64,
    free: AtomicU64,
}

impl Budget {
    /// A budget of this many bytes.
    pub fn new(bytes: u64) -> Self {
        Self { shared: Arc::new(Shared { bytes, free: AtomicU64::new(bytes) }) }
    }

    /// The size of the whole.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes
    }

    /// Takes `bytes` if that many are free. They are free again when what is returned is dropped.
    pub(crate) fn try_take(&self, bytes: u64) -> Option<Held> {
        let taken = self
            .shared
            .free
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(bytes));
        taken.ok().map(|_| Held { shared: self.shared.clone(), bytes })
    }
}

impl Default for Budget {
    /// A quarter of the memory that this process may use, and at most 2 GiB.
    fn default() -> Self {
        static QUARTER: OnceLock<u64> = OnceLock::new();
        let bytes = QUARTER.get_or_init(|| memory().map_or(DEFAULT_UNKNOWN, |m| (m / 4).min(DEFAULT_MAX)));
        Self::new(*bytes)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let free = self.shared.free.load(Ordering::Relaxed);
        f.debug_struct("Budget").field("bytes", &self.shared.bytes).field("free", &free).finish()
    }
}

/// A share of the budget.
#[derive(Debug)]
pub(crate) struct Held {
    shared: Arc<Shared>,
    bytes: u64,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.free.fetch_add(self.bytes, Ordering::AcqRel);
    }
}

/// The memory that this process may use: of the machine, of its control group and of its own limit, the least.
fn memory() -> Option<u64> {
    let text = |path: &str| std::fs::read_to_string(path).ok();
    let machine = text("/proc/meminfo").and_then(|told| machine_memory(&told));
    let process = text("/proc/self/limits").and_then(|told| address_space(&told));
    let groups = text("/proc/self/cgroup").unwrap_or_default();
    let group = group_files(&groups).iter().filter_map(|path| text(path)?.trim().parse().ok()).min();
    [machine, process, group].into_iter().flatten().min()
}

fn machine_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

fn address_space(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The files that may hold a limit of the groups that this process is in: of its own and of all above it, in both versions
/// of the kernel's interface.
fn group_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|c| c == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        loop {
            files.push(format!("{root}{path}/{name}"));
            let Some((parent, _)) = path.rsplit_once('/') else { break };
            path = parent;
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::{Budget, address_space, group_files, machine_memory};

    #[test]
    fn gives_what_it_has_and_takes_it_back() {
        let budget = Budget::new(10);
        let first = budget.try_take(7).expect("there is enough");
        assert!(budget.try_take(4).is_none());
        let second = budget.try_take(3).expect("just enough");
        drop(first);
        assert!(budget.try_take(7).is_some());
        drop(second);
        assert!(budget.try_take(11).is_none() && budget.try_take(10).is_some());
    }

    #[test]
    fn a_default_is_some_memory_and_not_all() {
        let bytes = Budget::default().bytes();
        assert!((1 << 20..=2 << 30).contains(&bytes), "{bytes}");
    }

    #[test]
    fn reads_what_the_kernel_tells() {
        assert_eq!(machine_memory("MemTotal:       24564112 kB\nMemFree: 1 kB\n"), Some(24_564_112 * 1024));
        let limits = |value: &str| format!("Limit Soft Hard Units\nMax address space   {value} bytes\n");
        assert_eq!(address_space(&limits("unlimited unlimited")), None);
        assert_eq!(address_space(&limits("1073741824 unlimited")), Some(1 << 30));
        assert_eq!(
            group_files("0::/a/b\n"),
            ["/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max", "/sys/fs/cgroup/memory.max"]
        );
        assert_eq!(
            group_files("5:cpu,memory:/x\n3:cpuset:/y\n"),
            ["/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        );
    }
}
