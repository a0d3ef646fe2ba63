//! Requests signed ahead, made by somebody who has nothing but the URL.

use std::time::Duration;

use storage_core::{DeleteTarget, ErrorKind, Key, SignRequest, SignedMethod, SignedRequest, Version};

use crate::case::Case;
use crate::context::{Context, pattern};
use crate::expect::{fails, holds, same, same_bytes};
use crate::failure::Failure;
use crate::holder::{Answer, send};
use crate::needs;

pub(crate) const CASES: &[Case] = &[
    Case::new("sign", "SIGN-1", "a-get-gives-the-object", |c| Box::pin(get(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "a-head-tells-of-it", |c| Box::pin(head(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "a-put-writes-it", |c| Box::pin(put(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "a-put-is-bound-to-its-content-type", |c| Box::pin(content_type(c)))
        .needs(put_with_type),
    Case::new("sign", "SIGN-1", "a-delete-takes-it", |c| Box::pin(delete(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "odd-keys", |c| Box::pin(odd_keys(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "an-old-version", |c| Box::pin(version(c))).needs(versions),
    Case::new("sign", "SIGN-1", "no-other-key", |c| Box::pin(other_key(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "no-other-method", |c| Box::pin(other_method(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "nothing-of-the-query-can-be-changed", |c| Box::pin(other_query(c)))
        .needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "it-expires", |c| Box::pin(expired(c))).needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "what-cannot-be-signed-is-refused", |c| Box::pin(refused(c)))
        .needs(needs::signed_urls),
    Case::new("sign", "SIGN-1", "debug-hides-the-url", |c| Box::pin(debug(c))).needs(needs::signed_urls),
];

/// Long enough for any case.
const MINUTES: Duration = Duration::from_secs(600);
/// What is signed for.
const NAME: &str = "dir/signed-for.txt";

fn put_with_type(can: &storage_core::Capabilities) -> Option<String> {
    needs::signed_urls(can).or_else(|| needs::content_headers(can))
}

fn versions(can: &storage_core::Capabilities) -> Option<String> {
    needs::signed_urls(can).or_else(|| needs::versions(can))
}

async fn sign(c: &Context, name: &str, method: SignedMethod) -> Result<SignedRequest, Failure> {
    let signed = c.store.presign(&Key::new(name)?, SignRequest::new(method, MINUTES)).await?;
    same("the method of a signed request", signed.method, method)?;
    Ok(signed)
}

/// The holder makes the request as it was signed.
async fn used(signed: &SignedRequest, body: &[u8]) -> Result<Answer, Failure> {
    send(signed.method.as_str(), signed.url.reveal(), &signed.headers, body).await
}

fn succeeds(what: &str, answer: &Answer) -> Result<(), Failure> {
    holds((200..300).contains(&answer.status), format!("{what}: expected success, got {}", answer.status))
}

fn is_refused(what: &str, answer: &Answer) -> Result<(), Failure> {
    holds((400..500).contains(&answer.status), format!("{what}: expected a refusal, got {}", answer.status))
}

async fn get(c: Context) -> Result<(), Failure> {
    let body = pattern(1, 100_000);
    c.put(NAME, body.clone()).await?;
    let signed = sign(&c, NAME, SignedMethod::Get).await?;
    // As often as the holder likes.
    for _ in 0..2 {
        let answer = used(&signed, b"").await?;
        succeeds("a signed GET", &answer)?;
        same_bytes("its body", &answer.body, &body)?;
    }
    // Nothing was asked of the service: the object need not be there.
    let missing = used(&sign(&c, "missing", SignedMethod::Get).await?, b"").await?;
    is_refused("a signed GET of what is not there", &missing)
}

async fn head(c: Context) -> Result<(), Failure> {
    c.put(NAME, pattern(1, 1000)).await?;
    let answer = used(&sign(&c, NAME, SignedMethod::Head).await?, b"").await?;
    succeeds("a signed HEAD", &answer)?;
    same("its Content-Length", answer.header("content-length"), Some("1000"))?;
    same("its body", answer.body.len(), 0)
}

async fn put(c: Context) -> Result<(), Failure> {
    let signed = sign(&c, NAME, SignedMethod::Put).await?;
    c.lacks(NAME).await?;
    for body in [pattern(1, 100_000), pattern(2, 7), pattern(3, 0)] {
        succeeds("a signed PUT", &used(&signed, &body).await?)?;
        c.contains(NAME, &body).await?;
    }
    Ok(())
}

async fn content_type(c: Context) -> Result<(), Failure> {
    let request = SignRequest::new(SignedMethod::Put, MINUTES).content_type("text/x-signed");
    let signed = c.store.presign(&Key::new(NAME)?, request).await?;
    let mut other = signed.clone();
    other.headers.retain(|(name, _)| name != "content-type");
    other.headers.push(("content-type".to_owned(), "text/html".to_owned()));
    is_refused("a signed PUT of another content type", &used(&other, b"x").await?)?;
    c.lacks(NAME).await?;
    succeeds("a signed PUT of its content type", &used(&signed, b"x").await?)?;
    same("the content type", c.stat(NAME).await?.attributes.content_type.as_deref(), Some("text/x-signed"))
}

async fn delete(c: Context) -> Result<(), Failure> {
    c.fill(&[NAME, "dir/other"]).await?;
    let signed = sign(&c, NAME, SignedMethod::Delete).await?;
    c.contains(NAME, NAME.as_bytes()).await?;
    succeeds("a signed DELETE", &used(&signed, b"").await?)?;
    c.lacks(NAME).await?;
    c.contains("dir/other", b"dir/other").await
}

async fn odd_keys(c: Context) -> Result<(), Failure> {
    let names = ["a b", "a+b", "a%2Fb", "a&b=c?d#e", "käse/日本", "a'(b)*!~", "a:b;c,d@e$f", "\"<>|^`{}[]"];
    for name in c.fill_possible(&names).await? {
        let answer = used(&sign(&c, name, SignedMethod::Get).await?, b"").await?;
        succeeds(&format!("a signed GET of {name:?}"), &answer)?;
        same_bytes(format!("the body of {name:?}"), &answer.body, name.as_bytes())?;
    }
    Ok(())
}

async fn version(c: Context) -> Result<(), Failure> {
    let old = c.put(NAME, "old").await?.version;
    let old = old.ok_or_else(|| Failure::new("expected a version of a store that keeps versions"))?;
    c.put(NAME, "new").await?;
    let ask = |method| SignRequest::new(method, MINUTES).version(old.clone());
    let key = Key::new(NAME)?;
    let answer = used(&c.store.presign(&key, ask(SignedMethod::Get)).await?, b"").await?;
    succeeds("a signed GET of a version", &answer)?;
    same_bytes("the version", &answer.body, b"old")?;
    let delete = c.store.presign(&key, ask(SignedMethod::Delete)).await?;
    succeeds("a signed DELETE of a version", &used(&delete, b"").await?)?;
    c.contains(NAME, b"new").await?;
    // Without one it would have left a marker.
    c.store.delete(DeleteTarget::new(key)).await?;
    c.lacks(NAME).await
}

async fn other_key(c: Context) -> Result<(), Failure> {
    c.fill(&[NAME, "dir/somebody-s.txt"]).await?;
    for method in SignedMethod::ALL {
        let mut signed = sign(&c, NAME, method).await?;
        let url = signed.url.reveal();
        same("how often the key stands in the URL", url.matches("signed-for.txt").count(), 1)?;
        signed.url = url.replace("signed-for.txt", "somebody-s.txt").into();
        is_refused(&format!("a {} of another key", method.as_str()), &used(&signed, b"").await?)?;
    }
    c.contains("dir/somebody-s.txt", b"dir/somebody-s.txt").await?;
    c.contains(NAME, NAME.as_bytes()).await
}

/// Some services sign permissions: a `HEAD` is within that to read.
async fn other_method(c: Context) -> Result<(), Failure> {
    c.fill(&[NAME]).await?;
    for (signed, tried) in [
        (SignedMethod::Get, "PUT"),
        (SignedMethod::Get, "DELETE"),
        (SignedMethod::Head, "PUT"),
        (SignedMethod::Head, "DELETE"),
        (SignedMethod::Put, "GET"),
        (SignedMethod::Put, "DELETE"),
        (SignedMethod::Delete, "GET"),
        (SignedMethod::Delete, "PUT"),
    ] {
        let request = sign(&c, NAME, signed).await?;
        let answer = send(tried, request.url.reveal(), &request.headers, b"").await?;
        is_refused(&format!("a {tried} with a URL for {}", signed.as_str()), &answer)?;
    }
    c.contains(NAME, NAME.as_bytes()).await
}

/// The time is part of the query, and so is whatever else the service believes of it.
async fn other_query(c: Context) -> Result<(), Failure> {
    c.fill(&[NAME]).await?;
    let signed = sign(&c, NAME, SignedMethod::Get).await?;
    let url = signed.url.reveal();
    let (path, query) = url.split_once('?').ok_or_else(|| Failure::new("expected a query in the URL"))?;
    let refused =
        async |what: String, url: String| is_refused(&what, &send("GET", &url, &signed.headers, b"").await?);
    refused("a GET without the query".to_owned(), path.to_owned()).await?;
    let pairs: Vec<&str> = query.split('&').collect();
    for at in 0..pairs.len() {
        let Some((name, value)) = pairs[at].split_once('=') else { continue };
        let Some(other) = changed(value) else { continue };
        let other = format!("{name}={other}");
        let mut pairs = pairs.clone();
        pairs[at] = &other;
        refused(format!("a GET with another `{name}`"), format!("{path}?{}", pairs.join("&"))).await?;
    }
    Ok(())
}

/// The same with another last letter or digit.
fn changed(value: &str) -> Option<String> {
    let at = value.rfind(|c: char| c.is_ascii_alphanumeric())?;
    let other = if value.as_bytes()[at] == b'1' { "2" } else { "1" };
    Some(format!("{}{other}{}", &value[..at], &value[at + 1..]))
}

async fn expired(c: Context) -> Result<(), Failure> {
    c.fill(&[NAME]).await?;
    let request = SignRequest::new(SignedMethod::Get, Duration::from_secs(1));
    let signed = c.store.presign(&Key::new(NAME)?, request).await?;
    let left = signed.expires.duration_since(std::time::SystemTime::now()).unwrap_or_default();
    holds(left <= Duration::from_secs(1), format!("expected at most one second, got {left:?}"))?;
    // Services count in whole seconds.
    tokio::time::sleep(left + Duration::from_millis(2100)).await;
    is_refused("a GET after its time", &used(&signed, b"").await?)
}

async fn refused(c: Context) -> Result<(), Failure> {
    let key = Key::new(NAME)?;
    let longest = c.can.signed_urls.unwrap_or_default();
    let invalid = async |what: &str, request: SignRequest| {
        let signed = c.store.presign(&key, request).await;
        fails(what, signed, ErrorKind::InvalidInput).map(drop)
    };
    for method in SignedMethod::ALL {
        invalid("no time at all", SignRequest::new(method, Duration::ZERO)).await?;
        invalid("too long", SignRequest::new(method, longest + Duration::from_secs(1))).await?;
        invalid("for ever", SignRequest::new(method, Duration::MAX)).await?;
        c.store.presign(&key, SignRequest::new(method, longest)).await?;
        let typed = SignRequest::new(method, MINUTES).content_type("text/plain");
        if method != SignedMethod::Put {
            invalid("a content type without content", typed).await?;
        }
    }
    let version = SignRequest::new(SignedMethod::Put, MINUTES).version(Version::new("v"));
    invalid("a write of a version", version).await
}

async fn debug(c: Context) -> Result<(), Failure> {
    let signed = sign(&c, NAME, SignedMethod::Get).await?;
    let shown = format!("{signed:?} {signed:#?}");
    let url = signed.url.reveal();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    for secret in [url, query].into_iter().chain(query.split('&')).filter(|part| part.len() > 8) {
        holds(!shown.contains(secret), "expected Debug to hide the URL and its query")?;
    }
    Ok(())
}
