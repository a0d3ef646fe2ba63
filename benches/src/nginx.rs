//! nginx (Debian package `nginx-light`): a static server, and a counter of requests before any other.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::disk;

const READY_LIMIT: Duration = Duration::from_secs(10);

/// One nginx, in one process. It ends when this goes.
pub(crate) struct Nginx {
    child: Child,
    log: PathBuf,
    /// Files, as they are.
    pub(crate) plain: String,
    /// The same, counted.
    pub(crate) counted: String,
    /// The service behind it, counted.
    pub(crate) proxy: String,
}

impl Nginx {
    /// Serves the files below `files`; `behind` is the service whose requests it can count.
    pub(crate) fn start(
        program: &str,
        folder: &Path,
        files: &Path,
        behind: Option<&str>,
    ) -> Result<Self, String> {
        disk::make(folder)?;
        let ports = ports()?;
        let log = folder.join("requests");
        let config = folder.join("nginx.conf");
        let text = configuration(folder, files, behind.unwrap_or("http://127.0.0.1:9"), ports);
        std::fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        // It ends with the end of its input, which is ours, however that comes.
        let mut command = Command::new("sh");
        command
            .args(["-c", r#""$@" & read -r _; kill $!; wait"#, "sh", program])
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg(folder.join("errors"))
            .arg("-c")
            .arg(&config);
        let quiet = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().map_err(|e| format!("{program}: {e}"))?;
        let [plain, counted, proxy] = ports.map(|port| format!("http://127.0.0.1:{port}"));
        let mut nginx = Self { child, log, plain, counted, proxy };
        nginx.wait(ports[0]).map(|()| nginx)
    }

    fn wait(&mut self, port: u16) -> Result<(), String> {
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begun.elapsed() > READY_LIMIT || !matches!(self.child.try_wait(), Ok(None)) {
                return Err("nginx does not start".into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Counts from here on.
    pub(crate) fn reset(&self) {
        // Truncated, not replaced: nginx goes on writing to its end.
        let _ = std::fs::File::create(&self.log);
    }

    /// The requests since then, by method, and those that failed.
    pub(crate) fn requests(&self) -> String {
        tally(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn tally(log: &str) -> String {
    let (mut methods, mut failed) = (BTreeMap::new(), 0);
    for line in log.lines() {
        let (method, status) = line.split_once(' ').unwrap_or((line, ""));
        *methods.entry(method).or_insert(0u64) += 1;
        failed += u64::from(status >= "400");
    }
    let mut words: Vec<String> = methods.iter().map(|(method, count)| format!("{count} {method}")).collect();
    if failed > 0 {
        words.push(format!("({failed} failed)"));
    }
    words.join(" ")
}

fn ports() -> Result<[u16; 3], String> {
    let free = || TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr().map(|a| (l, a.port())));
    let fail = |e: std::io::Error| format!("no free port: {e}");
    let (a, b, c) = (free().map_err(fail)?, free().map_err(fail)?, free().map_err(fail)?);
    Ok([a.1, b.1, c.1])
}

fn configuration(folder: &Path, files: &Path, behind: &str, [plain, counted, proxy]: [u16; 3]) -> String {
    let (folder, files) = (folder.display(), files.display());
    format!(
        "daemon off; master_process off; pid {folder}/pid;
events {{ worker_connections 4096; }}
http {{
    log_format tally '$request_method $status';
    access_log off;
    sendfile on; tcp_nopush on; tcp_nodelay on;
    keepalive_requests 10000000; keepalive_timeout 600s;
    client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{plain}; root {files}; }}
    server {{ listen 127.0.0.1:{counted}; root {files}; access_log {folder}/requests tally; }}
    server {{
        listen 127.0.0.1:{proxy};
        access_log {folder}/requests tally;
        location / {{
            proxy_pass {behind};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header Connection \"\";
            proxy_buffering off; proxy_request_buffering off;
            proxy_read_timeout 1800s;
        }}
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::tally;

    #[test]
    fn requests_by_method() {
        assert_eq!(tally("PUT 200\nGET 200\nPUT 503\n"), "1 GET 2 PUT (1 failed)");
        assert_eq!(tally(""), "");
    }
}
