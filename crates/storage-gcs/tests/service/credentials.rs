//! Who asks, and what is said to those who may not.

use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use storage_core::{ErrorKind, ReadOptions, SignRequest, SignedMethod, Store, WriteOptions};
use storage_gcs::{Config, Credentials, Gcs};

use crate::errors::{SECRET, check, fails, full_queue, open};
use crate::run::{NOWHERE, Outcome, Place, alone, key, on, open_endpoint, test};
use crate::support::{KEY, config};

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        on("credentials/of-a-file-and-of-text", both),
        on("credentials/of-the-environment", environment),
        on("credentials/the-key-of-somebody-else", wrong_key),
        on("credentials/a-key-that-is-none", broken_key),
        on("credentials/emulator-host", emulator),
        on("credentials/emulator-host-with-a-scheme", emulator_url),
        test("credentials/file-that-is-none", files),
        test("credentials/nobody", nobody),
        test("credentials/nobody-answers", nobody_answers),
        test("credentials/named-by-the-environment-and-missing", missing),
    ]
}

/// The key file that the emulator knows.
fn account() -> Result<Value, Failed> {
    Ok(serde_json::from_slice(&std::fs::read(std::env::var(KEY)?)?)?)
}

async fn works(store: &Store, name: &str) -> Outcome {
    store.write(&key(name), "x", WriteOptions::new()).await?;
    assert_eq!(&store.read(&key(name), ReadOptions::new()).await?.bytes[..], b"x");
    Ok(())
}

async fn both(endpoint: String) -> Outcome {
    let place = Place::new(&endpoint).await;
    works(&place.store(|c| c).await?, "file").await?;
    let text = account()?.to_string();
    let store = place.store(|c| c.credentials(Credentials::Json(text.as_str().into()))).await?;
    works(&store, "text").await?;
    let shown = format!("{store:?}");
    assert!(!shown.contains("PRIVATE KEY") && !shown.contains("0123456789abcdef"), "{shown}");
    Ok(())
}

async fn environment(endpoint: String) -> Outcome {
    let home = tempfile::tempdir()?;
    let file = [("GOOGLE_APPLICATION_CREDENTIALS", std::env::var(KEY)?)];
    if alone("credentials/of-the-environment", home.path(), &file)? {
        return Ok(());
    }
    let place = Place::new(&endpoint).await;
    let store = place.store(|c| c.credentials(Credentials::Chain)).await?;
    works(&store, "k").await?;
    assert!(store.capabilities().signed_urls.is_some());
    Ok(())
}

fn openssl(folder: &Path, arguments: &[&str]) -> Result<String, Failed> {
    let output = std::process::Command::new("openssl").args(arguments).current_dir(folder).output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// A store with the emulator's account and another key.
async fn with_key(endpoint: &str, pem: &str) -> Result<Store, Failed> {
    Place::new(endpoint).await;
    let mut account = account()?;
    account["private_key"] = pem.into();
    let text = account.to_string();
    Ok(open(config("haul", endpoint).credentials(Credentials::Json(text.as_str().into()))).await)
}

async fn wrong_key(endpoint: String) -> Outcome {
    let folder = tempfile::tempdir()?;
    let pem = openssl(folder.path(), &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])?;
    let store = with_key(&endpoint, &pem).await?;
    fails(&store, ErrorKind::Unauthenticated, &["takes no such credentials", "key"]).await;
    // What it signs looks like a signature, and only the service knows better.
    let signed =
        store.presign(&key("k"), SignRequest::new(SignedMethod::Get, Duration::from_secs(60))).await?;
    assert!(signed.url.reveal().contains("X-Goog-Signature="));
    Ok(())
}

async fn broken_key(endpoint: String) -> Outcome {
    let folder = tempfile::tempdir()?;
    openssl(
        folder.path(),
        &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "k"],
    )?;
    let old = openssl(folder.path(), &["rsa", "-in", "k", "-traditional"])?;
    let nonsense = format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n");
    for pem in [SECRET, "", &nonsense, &old] {
        let store = with_key(&endpoint, pem).await?;
        let words = ["no usable credentials", "`credentials_file`"];
        let write = fails(&store, ErrorKind::Unauthenticated, &words).await;
        assert!(!write.may_have_been_applied(), "{write}");
    }
    Ok(())
}

async fn emulator(_: String) -> Outcome {
    let host = open_endpoint().trim_start_matches("http://").to_owned();
    at_emulator("credentials/emulator-host", host).await
}

async fn emulator_url(_: String) -> Outcome {
    at_emulator("credentials/emulator-host-with-a-scheme", format!("{}/", open_endpoint())).await
}

/// Nobody is asked for a token there, not even where one is to be had.
async fn at_emulator(test: &str, host: String) -> Outcome {
    let home = tempfile::tempdir()?;
    let variables = [("STORAGE_EMULATOR_HOST", host), ("GOOGLE_APPLICATION_CREDENTIALS", "/none".to_owned())];
    if alone(test, home.path(), &variables)? {
        return Ok(());
    }
    Place::new("").await;
    let store = open(Config::new("haul")).await;
    works(&store, &format!("emulated-{:016x}", fastrand::u64(..))).await?;
    assert_eq!(store.capabilities().signed_urls, None);
    Ok(())
}

async fn files() -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("key.json");
    let with_file = || {
        let credentials = Credentials::File(file.clone());
        Gcs::open(Config::new("bucket").endpoint(format!("http://{NOWHERE}")).credentials(credentials))
    };
    let error = with_file().await.map(drop).expect_err("no file");
    let words = ["`credentials_file`", "key.json", "cannot be read"];
    check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &words);
    for (text, words) in [
        (String::new(), ["no JSON", "key file"]),
        (SECRET.to_owned(), ["no JSON", "key file"]),
        (format!("{{\"private_key\":\"{SECRET}"), ["no JSON", "key file"]),
        (json!({ "private_key": SECRET }).to_string(), ["no known `type`", "service_account"]),
        (json!([SECRET]).to_string(), ["no known `type`", "service_account"]),
        (json!({ "type": SECRET }).to_string(), ["no known `type`", "service_account"]),
        (json!({ "type": 7 }).to_string(), ["no known `type`", "service_account"]),
    ] {
        std::fs::write(&file, text)?;
        let error = with_file().await.map(drop).expect_err("no credentials");
        check(&error, Duration::ZERO, ErrorKind::InvalidConfig, &words);
    }
    for kind in ["service_account", "authorized_user", "external_account", "impersonated_service_account"] {
        for text in [
            json!({ "type": kind }),
            json!({ "type": kind, "private_key": [SECRET], "refresh_token": [SECRET] }),
        ] {
            std::fs::write(&file, text.to_string())?;
            let error = with_file().await.map(drop).expect_err("not all there");
            check(&error, Duration::ZERO, ErrorKind::Unauthenticated, &["no usable credentials"]);
        }
    }
    Ok(())
}

/// The last that is asked is the metadata server of a machine in Google's cloud, which mostly is not there.
async fn nobody() -> Outcome {
    let home = tempfile::tempdir()?;
    let nobody = [("GCE_METADATA_HOST", NOWHERE.to_string())];
    if alone("credentials/nobody", home.path(), &nobody)? {
        return Ok(());
    }
    no_credentials().await
}

async fn nobody_answers() -> Outcome {
    let home = tempfile::tempdir()?;
    let (_listener, _queue, address) = full_queue().await?;
    let nobody = [("GCE_METADATA_HOST", address.to_string())];
    if alone("credentials/nobody-answers", home.path(), &nobody)? {
        return Ok(());
    }
    no_credentials().await
}

async fn no_credentials() -> Outcome {
    let begun = Instant::now();
    let store = open(Config::new("bucket").endpoint(format!("http://{NOWHERE}"))).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "opening took {:?}", begun.elapsed());
    let begun = Instant::now();
    let failed = store.read(&key("k"), ReadOptions::new()).await.expect_err("no success");
    let words = ["gcloud auth application-default login", "`anonymous=true`"];
    check(&failed, begun.elapsed(), failed.kind(), &words);
    assert!(matches!(failed.kind(), ErrorKind::Unauthenticated | ErrorKind::Unavailable), "{failed}");
    Ok(())
}

async fn missing() -> Outcome {
    let home = tempfile::tempdir()?;
    let file = [("GOOGLE_APPLICATION_CREDENTIALS", "/none/there.json".to_owned())];
    if alone("credentials/named-by-the-environment-and-missing", home.path(), &file)? {
        return Ok(());
    }
    let error = Gcs::open(Config::new("bucket")).await.map(drop).expect_err("no file");
    let words = ["no usable credentials", "GOOGLE_APPLICATION_CREDENTIALS"];
    check(&error, Duration::ZERO, ErrorKind::Unauthenticated, &words);
    Ok(())
}
