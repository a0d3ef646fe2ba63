//! The requests that every object needs, built, signed and sent without the machinery of the vendor's client, which
//! costs more processor time than the bytes of a small object (`docs/decisions/0019-lean-requests.md`). Connections,
//! credentials, endpoints and signatures are the vendor's all the same; what is rare goes through its client.

mod answer;
pub(crate) mod place;
mod request;
mod sign;
mod xml;

use aws_sdk_s3::config::http::HttpRequest;
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_types::body::SdkBody;
use http::Method;
use percent_encoding::utf8_percent_encode;
use storage_core::{Error, Key};

use crate::error::{self, Refused};
use crate::name::KEPT;

pub(crate) use answer::Answer;
pub(crate) use place::Place;
pub(crate) use request::{COPY_SOURCE, Request};
pub(crate) use sign::{Keys, Signer};
pub(crate) use xml::{Copied, Listed, Listing};

/// The way to one bucket.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) connector: SharedHttpConnector,
    /// Where the bucket is, without a slash at the end.
    pub(crate) base: String,
    pub(crate) signer: Signer,
    /// Who signs copies, where a session of the bucket is not enough for those.
    pub(crate) of_copies: Option<Signer>,
}

impl Wire {
    /// A request for an object.
    pub(crate) fn object(&self, method: Method, key: &Key) -> Request {
        let mut url = String::with_capacity(self.base.len() + key.as_str().len() + 64);
        url.push_str(&self.base);
        url.push('/');
        url.extend(utf8_percent_encode(key.as_str(), KEPT));
        Request::new(method, url)
    }

    /// A request for the bucket.
    pub(crate) fn bucket(&self, method: Method) -> Request {
        Request::new(method, format!("{}/", self.base))
    }

    /// Sends it. An answer is a success; everything else is told as what the service said, or as what happened to the
    /// connection.
    pub(crate) async fn send(&self, request: Request) -> Result<Answer, Refused> {
        let is_head = request.is_head();
        let signer = self.of_copies.as_ref().filter(|_| request.is_copy()).unwrap_or(&self.signer);
        let (mut http, body) = request.into_http()?;
        signer.sign(&mut http, body).await?;
        let sent = HttpRequest::try_from(http.map(SdkBody::from_body_1_x)).map_err(|e| not_built(&e))?;
        let response = self.connector.call(sent).await.map_err(|e| error::unanswered(&e))?;
        let answer = Answer::new(response);
        if answer.is_success() { Ok(answer) } else { Err(answer.into_refusal(is_head).await) }
    }
}

/// A request that cannot even be sent, such as one with a line break in a header.
fn not_built(why: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(storage_core::ErrorKind::InvalidInput, "the request cannot be built")
        .with_source(error::root(why))
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
    use aws_smithy_http_client::Connector;
    use aws_smithy_runtime_api::client::http::SharedHttpConnector;
    use aws_smithy_types::body::SdkBody;
    use http::Method;
    use storage_core::{Key, Payload};

    use super::{Keys, Signer, Wire};
    use crate::config::{Config, Encryption};
    use crate::headers;

    const SECRETS: [&str; 3] = ["hunter2", "tokentoken", "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="];

    /// Clause ERR-2.
    #[tokio::test]
    async fn debug_holds_no_secret() {
        let [secret, token, customer] = SECRETS;
        let keys = Credentials::new("AK", secret, Some(token.to_owned()), None, "test");
        let keys = Keys::Provider(SharedCredentialsProvider::new(keys));
        let wire = Wire {
            connector: SharedHttpConnector::new(Connector::builder().build_http()),
            base: "http://h/b".to_owned(),
            signer: Signer::new(keys, "eu-1".to_owned(), "s3".to_owned()),
            of_copies: None,
        };
        let config = Config::new("b").encryption(Encryption::Customer(customer.into()));
        let mut put = wire.object(Method::PUT, &Key::new("k").expect("a key"));
        put.headers(headers::of_customer(&config).expect("headers"));
        put.body(Payload::from("hunter2"), true);
        let mut shown = format!("{put:?} ");
        let (mut http, body) = put.into_http().expect("a request");
        wire.signer.sign(&mut http, body).await.expect("signed");
        // What the signer holds by now is shown as well.
        shown.push_str(&format!("{wire:?} {wire:#?} {:?}", http.map(SdkBody::from_body_1_x)));
        for secret in SECRETS {
            assert!(!shown.contains(secret), "`{secret}` in: {shown}");
        }
    }
}
