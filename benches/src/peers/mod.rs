//! Where the tools are, and how they get there: Debian packages, a Python environment, a Rust program of the peers' own.

mod debian;
mod python;
mod rust;

use std::cell::OnceCell;
use std::path::PathBuf;

use crate::machine::first_line;
use crate::tools::{Flags, Tool};

/// What there is, or why not. Nothing is installed before it is asked for.
pub(crate) struct Peers {
    haul: String,
    cache: Result<PathBuf, String>,
    python: OnceCell<Result<PathBuf, String>>,
    rust: OnceCell<Result<PathBuf, String>>,
}

impl Peers {
    pub(crate) fn new(haul: &str) -> Self {
        Self { haul: haul.into(), cache: cache(), python: OnceCell::new(), rust: OnceCell::new() }
    }

    /// The words that call a tool.
    pub(crate) fn program(&self, tool: Tool) -> Result<Vec<String>, String> {
        Ok(match tool {
            Tool::Haul(_) => vec![self.haul.clone()],
            Tool::Library => vec![beside("haul-library")?],
            Tool::Memcpy => vec![beside("storage-benches")?],
            Tool::Rclone => vec![self.python("rclone")?],
            Tool::S5cmd => vec![self.python("s5cmd")?],
            Tool::Aws => vec![self.python("aws")?],
            Tool::S3dlio => vec![self.python("python")?, python::script("s3dlio_peer.py")],
            Tool::Obstore => vec![self.python("python")?, python::script("obstore_peer.py")],
            Tool::ObjectStore => vec![self.rust()?, "object_store".into()],
            Tool::Opendal => vec![self.rust()?, "opendal".into()],
            Tool::Rsync => vec![debian::program("rsync", "rsync")?],
            Tool::Cp => vec![debian::program("cp", "coreutils")?],
            Tool::True => vec![debian::program("true", "coreutils")?],
            Tool::Gzip => vec![debian::program("gzip", "gzip")?],
            Tool::Pigz => vec![debian::program("pigz", "pigz")?],
            Tool::Bgzip => vec![debian::program("bgzip", "tabix")?],
            Tool::Zstd => vec![debian::program("zstd", "zstd")?],
            Tool::Jq => vec![debian::program("jq", "jq")?],
            Tool::Wc => vec![debian::program("wc", "coreutils")?],
            Tool::Duckdb => self.frames("duckdb")?,
            Tool::Polars => self.frames("polars")?,
            Tool::Curl => vec![debian::program("curl", "curl")?],
            Tool::Curls => debian::program("curl", "curl").map(|_| vec!["sh".into()])?,
        })
    }

    pub(crate) fn nginx(&self) -> Result<String, String> {
        debian::program("nginx", "nginx-light")
    }

    /// What a tool says of its version.
    pub(crate) fn version(&self, tool: Tool) -> String {
        let Ok(program) = self.program(tool) else { return "-".into() };
        let ask = |args: &[&str]| first_line(&program[0], args);
        match tool {
            Tool::Haul(Flags::Default) | Tool::Rsync | Tool::Cp | Tool::Curl => ask(&["--version"]),
            Tool::Memcpy | Tool::True | Tool::Library | Tool::Curls | Tool::Haul(_) => String::new(),
            Tool::Gzip | Tool::Pigz | Tool::Bgzip | Tool::Zstd | Tool::Jq | Tool::Wc => ask(&["--version"]),
            Tool::Duckdb => format!("DuckDB {}", python::version("duckdb")),
            Tool::Polars => format!("Polars {}", python::version("polars")),
            Tool::S5cmd => format!("s5cmd {}", ask(&["version"])),
            Tool::Rclone => ask(&["version"]),
            Tool::S3dlio | Tool::Obstore => format!("{} {}", tool.name(), python::version(tool.name())),
            Tool::ObjectStore | Tool::Opendal => format!("{} {}", tool.name(), rust::version(tool.name())),
            Tool::Aws => format!("{}, awscrt {}", ask(&["--version"]), python::version("awscrt")),
        }
    }

    /// Paths of this machine as a reader would write them.
    pub(crate) fn shorten(&self, command: &[String]) -> String {
        let command = command.join(" ");
        let mut paths = vec![(self.haul.clone(), "haul".to_owned())];
        for name in ["haul-library", "storage-benches"] {
            paths.extend(beside(name).map(|path| (path, name.to_owned())));
        }
        paths.push((format!("{}/", python::folder().display()), String::new()));
        if let Some(Ok(bin)) = self.python.get() {
            paths.push((format!("{}/", bin.display()), String::new()));
        }
        if let Some(Ok(program)) = self.rust.get() {
            paths.push((program.display().to_string(), "haul-bench-peers".into()));
        }
        for place in ["/usr/bin/", "/bin/", "/usr/sbin/"] {
            paths.push((place.into(), String::new()));
        }
        paths.iter().fold(command, |text, (path, short)| text.replace(path, short))
    }

    fn frames(&self, engine: &str) -> Result<Vec<String>, String> {
        Ok(vec![self.python("python")?, python::script("frames_peer.py"), engine.into()])
    }

    fn python(&self, name: &str) -> Result<String, String> {
        let bin = self.python.get_or_init(|| python::install(&self.cache.clone()?));
        Ok(bin.clone()?.join(name).to_string_lossy().into_owned())
    }

    fn rust(&self) -> Result<String, String> {
        let program = self.rust.get_or_init(|| rust::build(&self.cache.clone()?));
        Ok(program.clone()?.to_string_lossy().into_owned())
    }
}

/// A program that was built with this one.
fn beside(name: &str) -> Result<String, String> {
    let own = std::env::current_exe().map_err(|e| format!("this program: {e}"))?;
    let path = own.with_file_name(name);
    if path.exists() { Ok(path.to_string_lossy().into_owned()) } else { Err(format!("{name} was not built")) }
}

/// Where peers are installed. It outlives builds.
fn cache() -> Result<PathBuf, String> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HAUL_BENCH_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|caches| caches.join("haul-bench")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/haul-bench")))
        .ok_or_else(|| "neither HAUL_BENCH_CACHE nor HOME says where peers may be installed".into())
}

/// Runs an installer to its end.
fn install(command: &mut std::process::Command) -> Result<(), String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    // Our stdout is for figures.
    let done = command.output().map_err(|e| format!("{shown}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().lines().last().unwrap_or_default().to_owned();
    Err(format!("`{shown}` ended with {}: {said}", done.status))
}
