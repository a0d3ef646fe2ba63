//! `haul tree`

use futures_util::StreamExt;
use storage_core::{Entry, Prefix, Scope};

use crate::args::Tree;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};
use crate::show;

pub(crate) async fn tree(args: Tree, output: &mut Output) -> Result<(), Failure> {
    let store = Place::parse(&args.place)?.open(How::links(args.links)).await?;
    let mut walk = store.walk(&Prefix::root()).peekable();
    let mut canopy = Canopy::default();
    if !output.json {
        let root = output.shown(&args.place.to_string_lossy());
        output.line(&root)?;
    }
    while let Some(entry) = walk.next().await {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.scope() == Scope::Entry => {
                output.item_failed(&error);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let depth = depth(&entry);
        if args.depth.is_some_and(|most| depth > most) {
            continue;
        }
        canopy.count(&entry);
        if output.json {
            output.object(&show::entry(&entry))?;
        } else {
            canopy.hold(Line { depth, text: text(&entry, args.sizes, output) }, output)?;
        }
    }
    canopy.flush(output)?;
    if !output.json {
        let (directories, files) =
            (show::count(canopy.directories, "directory"), show::count(canopy.files, "file"));
        output.line(&format!("\n{directories}, {files}, {}", show::size(canopy.bytes, false)))?;
    }
    output.conclude()
}

/// How many levels below the root.
fn depth(entry: &Entry) -> usize {
    entry.name().trim_end_matches('/').matches('/').count() + 1
}

fn text(entry: &Entry, sizes: bool, output: &Output) -> String {
    let trimmed = entry.name().trim_end_matches('/');
    let name = output.shown(trimmed.rsplit('/').next().unwrap_or(trimmed));
    match entry {
        Entry::Prefix(_) => format!("{name}/"),
        Entry::Object(object) if sizes => format!("{name}  ({})", show::size(object.metadata.size, false)),
        _ => name,
    }
}

/// The lines that wait until it is known whether they are the last of their level: one directory's children at most.
#[derive(Default)]
struct Canopy {
    held: Vec<Line>,
    /// Per level whether more of it follows, for lines already printed.
    open: Vec<bool>,
    directories: u64,
    files: u64,
    bytes: u64,
}

struct Line {
    depth: usize,
    text: String,
}

impl Canopy {
    fn count(&mut self, entry: &Entry) {
        match entry {
            Entry::Object(object) => {
                self.files += 1;
                self.bytes += object.metadata.size;
            }
            _ => self.directories += 1,
        }
    }

    /// Takes a line, and prints those whose branch it decides.
    fn hold(&mut self, line: Line, output: &mut Output) -> std::io::Result<()> {
        self.held.push(line);
        // A top-level line decides all before it; deeper ones wait for it.
        if self.held.len() > 1 && self.held.last().is_some_and(|last| last.depth == 1) {
            let last = self.held.pop();
            self.print(true, output)?;
            self.held.extend(last);
        }
        Ok(())
    }

    fn flush(&mut self, output: &mut Output) -> std::io::Result<()> {
        self.print(false, output)
    }

    /// Prints what is held: a top-level line and all below it.
    fn print(&mut self, more_at_top: bool, output: &mut Output) -> std::io::Result<()> {
        let lines = std::mem::take(&mut self.held);
        // From the end: a line is the last of its level if no other of that level comes before a shallower one.
        let mut followed = vec![false; lines.len()];
        let mut seen: Vec<bool> = vec![more_at_top];
        for (at, line) in lines.iter().enumerate().rev() {
            seen.resize(line.depth, false);
            followed[at] = seen[line.depth - 1];
            seen[line.depth - 1] = true;
        }
        for (line, followed) in lines.iter().zip(followed) {
            self.open.resize(line.depth - 1, false);
            let trunk: String = self.open.iter().map(|open| if *open { "│   " } else { "    " }).collect();
            let branch = if followed { "├── " } else { "└── " };
            output.line(&format!("{trunk}{branch}{}", line.text))?;
            self.open.push(followed);
        }
        Ok(())
    }
}
