//! Haul's own library in the place of a peer's: `haul-library ACTION BUCKET ARGS...`.
//!
//! A program of its own, so that the bench itself links without the vendor's client.

use std::future::Future;
use std::process::ExitCode;

use storage_core::{Key, ReadOptions, Result, Secret, Store, WriteOptions};
use storage_s3::{Config, Credentials, S3};

/// How large a read by range is.
const RANGE: u64 = 1024;
/// Objects of a filling side by side.
const OBJECTS: u64 = 32;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match complete(run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "haul-library: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(words: &[&str]) -> Result<(), String> {
    let result = match words {
        ["reads", bucket, key, count] => reads(open(bucket).await?, key, number(count)?).await,
        ["ranges", bucket, key, count] => ranges(open(bucket).await?, key, number(count)?).await,
        ["fill", bucket, prefix, count, size] => {
            fill(open(bucket).await?, prefix, number(count)?, number(size)?).await
        }
        _ => return Err("does reads, ranges and fill".into()),
    };
    result.map_err(|e| e.to_string())
}

async fn reads(store: Store, key: &str, count: u64) -> Result<()> {
    let key = Key::new(key)?;
    for _ in 0..count {
        store.read(&key, ReadOptions::new()).await?;
    }
    Ok(())
}

async fn ranges(store: Store, key: &str, count: u64) -> Result<()> {
    let key = Key::new(key)?;
    for at in 0..count {
        store.read(&key, ReadOptions::new().range(at * RANGE..(at + 1) * RANGE)).await?;
    }
    Ok(())
}

/// Writes small objects by the names that sets have.
async fn fill(store: Store, prefix: &str, count: u64, size: u64) -> Result<()> {
    let body = vec![7u8; size as usize];
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..OBJECTS {
        let (store, body, prefix) = (store.clone(), body.clone(), prefix.to_owned());
        tasks.spawn(async move {
            for at in (worker..count).step_by(OBJECTS as usize) {
                let key = Key::new(format!("{prefix}/{:03}/{at:06}", at / 1000))?;
                store.write(&key, body.clone(), WriteOptions::new()).await?;
            }
            Ok(())
        });
    }
    tasks.join_all().await.into_iter().collect()
}

async fn open(bucket: &str) -> Result<Store, String> {
    let variable = |name: &str| std::env::var(name).map_err(|e| format!("{name}: {e}"));
    let secret = Secret::from(variable("AWS_SECRET_ACCESS_KEY")?);
    let keys = Credentials::Keys { id: variable("AWS_ACCESS_KEY_ID")?, secret, token: None };
    let config = Config::new(bucket).endpoint(variable("AWS_ENDPOINT_URL")?).credentials(keys);
    Ok(Store::new(S3::open(config).await.map_err(|e| e.to_string())?))
}

fn complete(work: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(work)
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|e| format!("{text}: {e}"))
}
