//! Copies of large objects that were cut off, and go on in the next process, or begin anew where they may not.

use libtest_mimic::Trial;
use storage_conformance::fault::{FaultLayer, Plan as Faults};
use storage_conformance::proxy::{Answer, Fault, Plan, Proxy, Rule};
use storage_core::{ErrorKind, Journal, ReadOptions, Store, TransferOptions, WriteOptions};
use storage_s3::{ChecksumMode, Config};

use crate::run::{Outcome, Place, body, key, on};
use crate::support::SEAWEEDFS;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on(SEAWEEDFS, "resumed/by-another-process", goes_on),
        on(SEAWEEDFS, "resumed/as-it-was-begun", as_begun),
        on(SEAWEEDFS, "resumed/never-with-other-settings", other_settings),
    ]
}

const PART: u64 = 8 << 20;
const SIZE: usize = (40 << 20) + 5;

fn settings(config: Config) -> Config {
    config.part_size(PART)
}

/// A copy that was cut off behind its third part, and what it takes to go on.
struct Cut {
    place: Place,
    proxy: Proxy,
    journal: tempfile::TempDir,
    direct: Store,
    content: Vec<u8>,
}

impl Cut {
    async fn new(endpoint: &str, settings: fn(Config) -> Config) -> Result<Self, libtest_mimic::Failed> {
        let (place, content) = (Place::new(endpoint).await, body(SIZE));
        let direct = place.store(settings).await?;
        direct.write(&key("a"), content.clone(), WriteOptions::new()).await?;
        let (proxy, journal) = (place.proxy(), tempfile::tempdir()?);
        let denied = Rule::new(Fault::Answer(Answer::new(403))).target("partNumber=").nth(3..u64::MAX);
        proxy.set(Plan::new().rule(denied));
        let cut = Self { place, proxy, journal, direct, content };
        let failed = cut.copy(settings).await.expect_err("it is refused");
        assert_eq!(failed.kind(), ErrorKind::PermissionDenied, "{failed}");
        assert_eq!(cut.entries()?, 1);
        assert!(!cut.direct.exists(&key("b")).await?);
        cut.proxy.set(Plan::new());
        cut.proxy.forget();
        Ok(cut)
    }

    /// The same copy, by a process of its own.
    async fn copy(&self, settings: fn(Config) -> Config) -> storage_core::Result<()> {
        // As another service's, whose bytes are carried.
        let source = self.direct.layer(&FaultLayer::new(Faults::new()));
        let to = self.place.through(&self.proxy, settings).await?;
        let journal = Journal::new(self.journal.path());
        let options = TransferOptions::new().concurrency(1).resume(journal, "test");
        let copied = source.copy_to(&key("a"), &to, &key("b"), options).await?;
        assert!(copied.verified);
        Ok(())
    }

    /// How many parts the last copy sent, once it stands.
    async fn parts(&self) -> Result<usize, libtest_mimic::Failed> {
        assert!(self.direct.read(&key("b"), ReadOptions::new()).await?.bytes == self.content);
        assert_eq!(self.entries()?, 0);
        let is_part = |target: &str| target.contains("partNumber=");
        Ok(self.proxy.requests().iter().filter(|request| is_part(&request.target)).count())
    }

    fn entries(&self) -> std::io::Result<usize> {
        Ok(std::fs::read_dir(self.journal.path())?.count())
    }
}

async fn goes_on(endpoint: String) -> Outcome {
    let cut = Cut::new(&endpoint, settings).await?;
    cut.copy(settings).await?;
    assert_eq!(cut.parts().await?, 3, "three of six were there");
    Ok(())
}

/// Whether parts carry checksums was settled when the upload began, whatever this process would do.
async fn as_begun(endpoint: String) -> Outcome {
    let without: fn(Config) -> Config = |config| settings(config).checksums(ChecksumMode::Off);
    for (first, then) in [(settings as fn(Config) -> Config, without), (without, settings)] {
        let cut = Cut::new(&endpoint, first).await?;
        cut.copy(then).await?;
        assert_eq!(cut.parts().await?, 3);
    }
    Ok(())
}

/// The object is what was asked for now, and nothing of the first upload is left.
async fn other_settings(endpoint: String) -> Outcome {
    let cut = Cut::new(&endpoint, settings).await?;
    cut.copy(|config| settings(config).storage_class("STANDARD_IA")).await?;
    assert_eq!(cut.parts().await?, 6);
    let ended = cut.proxy.requests().iter().filter(|r| r.method == "DELETE").count();
    assert_eq!(ended, 1, "the first upload was left behind");
    Ok(())
}
