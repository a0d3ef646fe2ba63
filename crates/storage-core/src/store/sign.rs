//! Signing requests ahead.

use super::Store;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::Key;
use crate::retry::Repeat;
use crate::sign::{SignRequest, SignedMethod, SignedRequest};

impl Store {
    /// Signs a request ahead: whoever gets the URL may make that one request on that one object until it expires. The
    /// object need not exist; nothing is asked of the service but, where its credentials need it, a key to sign with.
    ///
    /// # Errors
    /// `Unsupported` where the store cannot sign; `InvalidInput` for a time that is none or longer than
    /// [`Capabilities::signed_urls`](crate::Capabilities::signed_urls), and for a version or content type that does not
    /// go with the method.
    pub async fn presign(&self, key: &Key, request: SignRequest) -> Result<SignedRequest> {
        let sign = async {
            self.admit_sign(&request)?;
            let full = self.full(key)?;
            self.attempt(Operation::Presign, Repeat::Idempotent, self.silence(), || {
                self.backend().presign(&full, &request)
            })
            .await
        };
        sign.await.map_err(|error| self.explain(error, Operation::Presign, key.as_str()))
    }

    fn admit_sign(&self, request: &SignRequest) -> Result<()> {
        let Some(longest) = self.declared().signed_urls else {
            return Err(Error::unsupported("this store signs no URLs"));
        };
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        // Services count in seconds.
        if request.expires_in.as_secs() == 0 || request.expires_in > longest {
            return invalid(format!("a URL can be signed for 1 to {} seconds", longest.as_secs()));
        }
        let method = request.method;
        if request.content_type.is_some() && method != SignedMethod::Put {
            return invalid(format!("a content type goes with PUT, not with {}", method.as_str()));
        }
        if request.version.is_some() && method == SignedMethod::Put {
            return invalid("a version that exists cannot be written".to_owned());
        }
        self.admit_version(request.version.as_ref())
    }
}
