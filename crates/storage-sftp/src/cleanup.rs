//! Unfinished files that nobody will finish.

use std::time::SystemTime;

use futures_util::StreamExt;
use storage_core::{CleanupReport, Prefix, Result, is_staged_name};

use crate::attributes::{is_directory, is_file};
use crate::backend::Shared;
use crate::error::is_missing;
use crate::names::is_no_text;

/// Removes unfinished files under `prefix` that are not of this process and were not written to for as long as the
/// configuration says.
pub(crate) async fn cleanup(shared: &Shared, prefix: &Prefix) -> Result<CleanupReport> {
    let mut report = CleanupReport::default();
    let session = shared.pool.session().await?;
    // What an unfinished write of a key with this prefix left lies in its directory.
    let start = prefix.as_str().rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut directories = vec![start.to_owned()];
    while let Some(directory) = directories.pop() {
        shared.root.confine(&session, &directory).await?;
        let mut fs = session.fs();
        let opened = match session.open_dir(&shared.root.at(&directory)).await {
            Err(error) if is_missing(&error) => continue,
            opened => session.check(opened)?,
        };
        let mut entries = std::pin::pin!(opened.read_dir());
        while let Some(entry) = entries.next().await {
            let entry = session.check(entry)?;
            let Some(name) = entry
                .filename()
                .to_str()
                .filter(|name| !matches!(*name, "." | "..") && !is_no_text(name.as_bytes()))
            else {
                continue;
            };
            let relative = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
            let found = entry.metadata();
            if is_directory(&found) {
                // A prefix may end in the middle of a name.
                let below = format!("{relative}/");
                if below.starts_with(prefix.as_str()) || prefix.as_str().starts_with(&below) {
                    directories.push(relative);
                }
            } else if is_staged_name(name.as_bytes()) && is_file(&found) {
                let path = shared.root.at(&relative);
                let ours =
                    shared.staged.lock().expect("because no holder of the lock panics").contains(&path);
                // A file gets its modification time before its place, and its time of access with it.
                let touched =
                    found.modified().into_iter().chain(found.accessed()).map(|at| at.as_system_time()).max();
                let age = touched.and_then(|at| SystemTime::now().duration_since(at).ok());
                if ours || age.unwrap_or_default() < shared.config.cleanup_age {
                    report.in_use += 1;
                    continue;
                }
                match fs.remove_file(&path).await {
                    Err(error) if is_missing(&error) => continue,
                    removed => session.check(removed)?,
                }
                report.removed += 1;
                report.bytes += found.len().unwrap_or(0);
            }
        }
    }
    Ok(report)
}
