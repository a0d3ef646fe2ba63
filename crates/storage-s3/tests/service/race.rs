//! Conditional writes that meet at one moment.

use libtest_mimic::Trial;
use storage_core::{ErrorKind, ReadOptions, WriteOptions};
use storage_s3::Conditions;

use crate::run::{Outcome, Place, key, on};
use crate::support::CEPH;

pub(crate) fn tests() -> Vec<Trial> {
    vec![on(CEPH, "race/one-of-many-creates-wins", creates)]
}

const ROUNDS: usize = 20;
const WRITERS: usize = 16;

/// In one request: release 16 of Ceph takes the condition nowhere else.
async fn creates(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    let conditions = Conditions { create: true, ..Conditions::NONE };
    let store = place.store(|c| c.conditions(conditions)).await?;
    for round in 0..ROUNDS {
        let name = key(&format!("round-{round}"));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let (store, name) = (store.clone(), name.clone());
            writers.spawn(async move {
                let content = format!("writer {writer}");
                (content.clone(), store.write(&name, content, WriteOptions::new().if_absent()).await)
            });
        }
        let mut winners = Vec::new();
        for (content, written) in writers.join_all().await {
            match written {
                Ok(_) => winners.push(content),
                Err(error) => assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}: {winners:?}");
        let stands = store.read(&name, ReadOptions::new()).await?.bytes;
        assert_eq!(&stands[..], winners[0].as_bytes(), "round {round}");
    }
    Ok(())
}
