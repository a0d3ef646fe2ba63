//! Haul's own library in the place of a peer's: `storage-benches library ACTION ARGS...`.

use std::future::Future;

use storage_core::{Key, ReadOptions, Secret, Store, WriteOptions};
use storage_s3::{Config, Credentials, S3};

use crate::s3::{ACCESS_KEY, REGION, SECRET_KEY};
use crate::sets::Set;

/// How large a read by range is.
const RANGE: u64 = 1024;
/// Objects of a filling side by side.
const OBJECTS: u64 = 32;

pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let endpoint = std::env::var("AWS_ENDPOINT_URL").map_err(|e| format!("AWS_ENDPOINT_URL: {e}"))?;
    match words {
        ["reads", bucket, key, count] => {
            let (key, count) = (name(key)?, number(count)?);
            complete(async {
                let store = open(&endpoint, bucket).await?;
                for _ in 0..count {
                    store.read(&key, ReadOptions::new()).await?;
                }
                Ok(())
            })
        }
        ["ranges", bucket, key, count] => {
            let (key, count) = (name(key)?, number(count)?);
            complete(async {
                let store = open(&endpoint, bucket).await?;
                for at in 0..count {
                    store.read(&key, ReadOptions::new().range(at * RANGE..(at + 1) * RANGE)).await?;
                }
                Ok(())
            })
        }
        _ => Err("does reads and ranges".into()),
    }
}

/// Writes a set without files.
pub(crate) fn fill(endpoint: &str, bucket: &str, prefix: &str, set: Set) -> Result<(), String> {
    let length = usize::try_from(set.size).map_err(|e| e.to_string())?;
    complete(async {
        let store = open(endpoint, bucket).await?;
        let body = vec![7u8; length];
        let mut tasks = tokio::task::JoinSet::new();
        for worker in 0..OBJECTS {
            let (store, body, prefix) = (store.clone(), body.clone(), prefix.to_owned());
            tasks.spawn(async move {
                for at in (worker..set.objects).step_by(OBJECTS as usize) {
                    let key = Key::new(format!("{prefix}/{}", set.file(at)))?;
                    store.write(&key, body.clone(), WriteOptions::new()).await?;
                }
                storage_core::Result::Ok(())
            });
        }
        tasks.join_all().await.into_iter().collect()
    })
}

async fn open(endpoint: &str, bucket: &str) -> storage_core::Result<Store> {
    let keys = Credentials::Keys { id: ACCESS_KEY.into(), secret: Secret::from(SECRET_KEY), token: None };
    let config = Config::new(bucket).endpoint(endpoint).region(REGION).credentials(keys);
    Ok(Store::new(S3::open(config).await?))
}

fn complete(work: impl Future<Output = storage_core::Result<()>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| e.to_string())?.block_on(work).map_err(|e| e.to_string())
}

fn name(key: &str) -> Result<Key, String> {
    Key::new(key).map_err(|e| e.to_string())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|e| format!("{text}: {e}"))
}
