//! The requests that every object needs, built, signed and sent without the machinery of the vendor's client, which
//! costs more processor time than the bytes of a small object (`docs/decisions/0019-lean-requests.md`). Connections,
//! credentials, endpoints and signatures are the vendor's all the same; what is rare goes through its client.

mod answer;
mod place;
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
pub(crate) use request::Request;
pub(crate) use sign::{Keys, Signer};
pub(crate) use xml::{Listed, Listing};

/// The way to one bucket.
#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) connector: SharedHttpConnector,
    /// Where the bucket is, without a slash at the end.
    pub(crate) base: String,
    pub(crate) signer: Signer,
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
        let (mut http, body) = request.into_http()?;
        self.signer.sign(&mut http, body).await?;
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
