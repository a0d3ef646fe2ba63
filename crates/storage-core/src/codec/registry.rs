//! Which codec data is in: by its first bytes, else by its name.

use std::sync::Arc;

use super::{Codec, HEAD, Next};

/// Codecs to choose from, as a plain value.
#[derive(Clone, Debug, Default)]
pub struct Codecs(Vec<Arc<dyn Codec>>);

impl Codecs {
    /// These.
    pub fn new(codecs: impl IntoIterator<Item = Arc<dyn Codec>>) -> Self {
        Self(codecs.into_iter().collect())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Codec>> {
        self.0.iter()
    }

    /// The codec of this name, or of this ending of names.
    pub fn named(&self, name: &str) -> Option<&Arc<dyn Codec>> {
        let name = name.to_ascii_lowercase();
        let fits = |codec: &&Arc<dyn Codec>| {
            let about = codec.about();
            about.name == name || about.extensions.contains(&&*name)
        };
        self.0.iter().find(fits)
    }

    /// The codec that the ending of a name tells, and the name without that ending: `a.csv` and gzip of `a.csv.gz`.
    pub fn of_name<'a>(&self, name: &'a str) -> Option<(&'a str, &Arc<dyn Codec>)> {
        let (stem, extension) = name.rsplit_once('.')?;
        let extension = extension.to_ascii_lowercase();
        let codec = self.0.iter().find(|codec| codec.about().extensions.contains(&&*extension))?;
        (!stem.is_empty() && !stem.ends_with('/')).then_some((stem, codec))
    }

    /// The codec of data that begins with `head`, of which [`HEAD`] bytes are enough, and that has this name: the one that the
    /// name tells, if the data may be in it, else the one whose mark it begins with, else the one that the name tells, so that
    /// what is empty or damaged is found out.
    pub fn detect(&self, head: &[u8], name: &str) -> Option<&Arc<dyn Codec>> {
        let head = &head[..head.len().min(HEAD)];
        let fits = |codec: &&Arc<dyn Codec>| !head.is_empty() && codec.next(head, true) == Next::Member;
        let named = self.of_name(name).map(|(_, codec)| codec);
        let marked = || self.0.iter().find(|codec| codec.is_marked(head));
        named.filter(fits).or_else(marked).or(named)
    }
}
