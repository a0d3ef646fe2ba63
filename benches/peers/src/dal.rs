//! `opendal`.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use opendal::Operator;
use opendal::services::S3;

use crate::{OBJECTS, Outcome, PART, PARTS, RANGE, anonymous, files, variable};

pub fn open(bucket: &str) -> Outcome<Operator> {
    opendal::install_default();
    let service = S3::default()
        .endpoint(&variable("AWS_ENDPOINT_URL")?)
        .region("us-east-1")
        .bucket(bucket)
        .disable_config_load();
    let service = if anonymous() {
        service.skip_signature()
    } else {
        service
            .access_key_id(&variable("AWS_ACCESS_KEY_ID")?)
            .secret_access_key(&variable("AWS_SECRET_ACCESS_KEY")?)
    };
    Ok(Operator::new(service)?)
}

pub async fn up(store: Operator, source: &str, prefix: &str) -> Outcome {
    let store = &store;
    stream::iter(files::below(Path::new(source))?.into_iter().map(Ok))
        .try_for_each_concurrent(OBJECTS, |(path, name, size)| async move {
            let key = format!("{prefix}/{name}");
            let file = Arc::new(std::fs::File::open(path)?);
            if size <= PART as u64 {
                store.write(&key, files::read(file, 0, size as usize).await?).await?;
                return Ok(());
            }
            let mut writer = store.writer_with(&key).chunk(PART).concurrent(PARTS).await?;
            for offset in (0..size).step_by(PART) {
                let length = (size - offset).min(PART as u64) as usize;
                writer.write(files::read(file.clone(), offset, length).await?).await?;
            }
            writer.close().await?;
            Ok(())
        })
        .await
}

pub async fn down(store: Operator, prefix: &str, destination: &str) -> Outcome {
    keys(&store, prefix)
        .await?
        .try_for_each_concurrent(OBJECTS, |(key, size)| {
            let to = Path::new(destination).join(&key[prefix.len() + 1..]);
            get(store.clone(), key, size, to)
        })
        .await
}

pub async fn fetch(store: Operator, key: &str, file: PathBuf) -> Outcome {
    let size = store.stat(key).await?.content_length();
    get(store, key.to_owned(), size, file).await
}

async fn get(store: Operator, key: String, size: u64, to: PathBuf) -> Outcome {
    let file = files::create(&to)?;
    let (store, key) = (&store, &key);
    stream::iter((0..size).step_by(PART).map(Ok))
        .try_for_each_concurrent(PARTS, |offset| {
            let file = file.clone();
            async move {
                let range = offset..size.min(offset + PART as u64);
                let pieces = store.read_with(key).range(range).await?;
                files::write(file, offset, Iterator::collect(pieces)).await
            }
        })
        .await
}

pub async fn copy(store: Operator, from: &str, to: &str) -> Outcome {
    let store = &store;
    keys(store, from)
        .await?
        .try_for_each_concurrent(OBJECTS, |(key, _)| async move {
            store.copy(&key, &format!("{to}/{}", &key[from.len() + 1..])).await?;
            Ok(())
        })
        .await
}

pub async fn list(store: Operator, prefix: &str) -> Outcome {
    let mut keys = keys(&store, prefix).await?;
    let mut out = BufWriter::new(std::io::stdout());
    while let Some((key, _)) = keys.try_next().await? {
        writeln!(out, "{key}")?;
    }
    Ok(out.flush()?)
}

pub async fn delete(store: Operator, prefix: &str) -> Outcome {
    let mut deleter = store.deleter().await?;
    let mut keys = keys(&store, prefix).await?;
    while let Some((key, _)) = keys.try_next().await? {
        deleter.delete(key).await?;
    }
    Ok(deleter.close().await?)
}

pub async fn reads(store: Operator, key: &str, count: u64) -> Outcome {
    for _ in 0..count {
        store.read(key).await?;
    }
    Ok(())
}

pub async fn ranges(store: Operator, key: &str, count: u64) -> Outcome {
    for at in 0..count {
        store.read_with(key).range(at * RANGE..(at + 1) * RANGE).await?;
    }
    Ok(())
}

/// The objects below a prefix with their sizes.
async fn keys(store: &Operator, prefix: &str) -> Outcome<stream::BoxStream<'static, Outcome<(String, u64)>>> {
    let entries = store.lister_with(&format!("{prefix}/")).recursive(true).await?;
    let files = entries.try_filter(|entry| std::future::ready(entry.metadata().is_file()));
    Ok(files.map_ok(|e| (e.path().to_owned(), e.metadata().content_length())).map_err(Into::into).boxed())
}
