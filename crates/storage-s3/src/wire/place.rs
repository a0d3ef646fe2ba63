//! Where a bucket is and how requests to it are signed, by the vendor's own rules.

use aws_sdk_s3::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_smithy_types::Document;
use storage_core::{Error, ErrorKind, Result};

use crate::error::root;

/// A bucket's URL, and what a signature for it names.
#[derive(Debug)]
pub(crate) struct Place {
    /// Without a slash at the end.
    pub(crate) url: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// Whether it is a bucket of the kind that signs with keys of a session of its own.
    pub(crate) has_sessions: bool,
}

impl Place {
    /// # Errors
    /// `InvalidConfig` if these settings name no place.
    pub(crate) async fn resolve(params: &Params) -> Result<Self> {
        let wrong = |why: String| {
            Error::new(ErrorKind::InvalidConfig, "bucket, region and endpoint do not go together")
                .with_source(why)
        };
        let endpoint =
            DefaultResolver::new().resolve_endpoint(params).await.map_err(|e| wrong(root(e.as_ref())))?;
        let scheme = endpoint.auth_schemes().first().map(|scheme| scheme.as_document()).or_else(|| {
            let Document::Array(schemes) = endpoint.properties().get("authSchemes")? else { return None };
            schemes.first().cloned()
        });
        let text = |name: &str| {
            let Some(Document::Object(scheme)) = &scheme else { return None };
            scheme.get(name)?.as_string().map(str::to_owned)
        };
        let has_sessions = match text("name").as_deref() {
            None | Some("sigv4") => false,
            Some("sigv4-s3express") => true,
            Some(other) => return Err(wrong(format!("signatures of the kind `{other}` are unknown"))),
        };
        Ok(Self {
            url: endpoint.url().trim_end_matches('/').to_owned(),
            region: text("signingRegion").or_else(|| params.region().map(str::to_owned)).unwrap_or_default(),
            service: text("signingName").unwrap_or_else(|| "s3".to_owned()),
            has_sessions,
        })
    }
}

/// An endpoint to which a bucket can be added: the vendor's rules would add it to the last name of a path.
pub(crate) fn with_slash(mut endpoint: String) -> String {
    if !endpoint.ends_with('/') {
        endpoint.push('/');
    }
    endpoint
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::config::endpoint::Params;

    use super::{Place, with_slash};

    async fn place(bucket: &str, endpoint: Option<&str>, path_style: bool) -> Place {
        let params = Params::builder()
            .bucket(bucket)
            .region("eu-west-1")
            .force_path_style(path_style)
            .set_endpoint(endpoint.map(|url| with_slash(url.to_owned())))
            .build();
        Place::resolve(&params.expect("all that is needed")).await.expect("a place")
    }

    #[tokio::test]
    async fn places() {
        let aws = place("bucket", None, false).await;
        assert_eq!(aws.url, "https://bucket.s3.eu-west-1.amazonaws.com");
        assert_eq!((aws.region.as_str(), aws.service.as_str(), aws.has_sessions), ("eu-west-1", "s3", false));
        assert_eq!(place("b", Some("http://[::1]:9000/"), true).await.url, "http://[::1]:9000/b");
        assert_eq!(place("b", Some("https://h/base"), true).await.url, "https://h/base/b");
        assert_eq!(
            place("bucket", Some("https://s3.example.org"), false).await.url,
            "https://bucket.s3.example.org"
        );
        // No certificate is of two names below the service's.
        assert_eq!(place("my.bucket", None, false).await.url, "https://s3.eu-west-1.amazonaws.com/my.bucket");
        assert_eq!(place("b", Some("http://h:80"), true).await.url, "http://h:80/b");
        assert_eq!(place("My_Bucket", Some("http://h"), true).await.url, "http://h/My_Bucket");
    }

    #[tokio::test]
    async fn a_directory_bucket_has_sessions() {
        let directory = place("b--euw1-az1--x-s3", None, false).await;
        assert!(directory.has_sessions && directory.service == "s3express", "{directory:?}");
    }
}
