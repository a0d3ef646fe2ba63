//! `object_store`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt, WriteMultipart};

use crate::{OBJECTS, Outcome, PART, PARTS, RANGE, anonymous, files, variable};

type Store = Arc<AmazonS3>;

pub fn open(bucket: &str) -> Outcome<Store> {
    let builder = AmazonS3Builder::new()
        .with_endpoint(variable("AWS_ENDPOINT_URL")?)
        .with_region("us-east-1")
        .with_bucket_name(bucket)
        .with_client_options(ClientOptions::new().with_allow_http(true))
        .with_skip_signature(anonymous());
    let builder = if anonymous() {
        builder
    } else {
        builder
            .with_access_key_id(variable("AWS_ACCESS_KEY_ID")?)
            .with_secret_access_key(variable("AWS_SECRET_ACCESS_KEY")?)
    };
    Ok(Arc::new(builder.build()?))
}

pub async fn up(store: Store, source: &str, prefix: &str) -> Outcome {
    stream::iter(files::below(Path::new(source))?.into_iter().map(Ok))
        .try_for_each_concurrent(OBJECTS, |(path, name, size)| {
            let (store, key) = (store.clone(), Key::from(format!("{prefix}/{name}")));
            async move {
                let file = Arc::new(std::fs::File::open(path)?);
                if size <= PART as u64 {
                    store.put(&key, files::read(file, 0, size as usize).await?.into()).await?;
                    return Ok(());
                }
                let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(&key).await?, PART);
                for offset in (0..size).step_by(PART) {
                    upload.wait_for_capacity(PARTS).await?;
                    let length = (size - offset).min(PART as u64) as usize;
                    upload.put(files::read(file.clone(), offset, length).await?);
                }
                upload.finish().await?;
                Ok(())
            }
        })
        .await
}

pub async fn down(store: Store, prefix: &str, destination: &str) -> Outcome {
    let start = prefix.len() + 1;
    store
        .list(Some(&prefix.into()))
        .map_err(Into::into)
        .try_for_each_concurrent(OBJECTS, |object| {
            let to = Path::new(destination).join(&object.location.as_ref()[start..]);
            get(store.clone(), object.location, object.size, to)
        })
        .await
}

pub async fn fetch(store: Store, key: &str, file: PathBuf) -> Outcome {
    let (key, size) = (Key::from(key), store.head(&key.into()).await?.size);
    get(store, key, size, file).await
}

async fn get(store: Store, key: Key, size: u64, to: PathBuf) -> Outcome {
    let file = files::create(&to)?;
    let (store, key) = (&store, &key);
    stream::iter((0..size).step_by(PART).map(Ok))
        .try_for_each_concurrent(PARTS, |offset| {
            let file = file.clone();
            async move {
                let bytes = store.get_range(key, offset..size.min(offset + PART as u64)).await?;
                files::write(file, offset, vec![bytes]).await
            }
        })
        .await
}

pub async fn copy(store: Store, from: &str, to: &str) -> Outcome {
    let store = &store;
    store
        .list(Some(&from.into()))
        .map_err(Into::into)
        .try_for_each_concurrent(OBJECTS, |object| async move {
            let name = &object.location.as_ref()[from.len() + 1..];
            Ok(store.copy(&object.location, &Key::from(format!("{to}/{name}"))).await?)
        })
        .await
}

pub async fn list(store: Store, prefix: &str) -> Outcome {
    let mut objects = store.list(Some(&prefix.into()));
    let mut out = BufWriter::new(std::io::stdout());
    while let Some(object) = objects.try_next().await? {
        writeln!(out, "{}", object.location)?;
    }
    Ok(out.flush()?)
}

pub async fn delete(store: Store, prefix: &str) -> Outcome {
    let keys = store.list(Some(&prefix.into())).map_ok(|object| object.location).boxed();
    store.delete_stream(keys).try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}

pub async fn reads(store: Store, key: &str, count: u64) -> Outcome {
    let key = Key::from(key);
    for _ in 0..count {
        store.get(&key).await?.bytes().await?;
    }
    Ok(())
}

pub async fn ranges(store: Store, key: &str, count: u64) -> Outcome {
    let key = Key::from(key);
    for at in 0..count {
        store.get_range(&key, at * RANGE..(at + 1) * RANGE).await?;
    }
    Ok(())
}
