//! Opening stores by URL: a provider describes a backend, a registry is a plain list of providers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::{Backend, BoxFuture};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{Key, Prefix};
use crate::location::Location;
use crate::secret::Secret;
use crate::store::Store;
use crate::transfer::Limit;

/// What a backend crate offers to programs: schemes, options and how to open. A `const` in the crate's root.
#[derive(Clone, Copy)]
#[allow(clippy::exhaustive_structs)] // a provider is written as a literal, out of tree too
pub struct Provider {
    /// The name, such as `fs`.
    pub name: &'static str,
    /// What it reaches, as a line of a table.
    pub description: &'static str,
    /// The URL schemes it answers to, the preferred one first.
    pub schemes: &'static [&'static str],
    /// The options it takes, besides those that [every store](Provider::COMMON) takes.
    pub options: &'static [OptionSpec],
    /// Opens the directory at a location. The options hold only names of `options`.
    pub open: fn(Location, Options) -> BoxFuture<'static, Result<Opened>>,
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider")
            .field("name", &self.name)
            .field("schemes", &self.schemes)
            .finish_non_exhaustive()
    }
}

impl Provider {
    /// What every store takes besides the options of its provider: limits of its own.
    pub const COMMON: [OptionSpec; 2] = [
        OptionSpec {
            name: "limit_rate",
            help: "the most bytes a second in and out, such as 10M; default none",
            secret: false,
        },
        OptionSpec {
            name: "limit_requests",
            help: "the most requests a second; default none",
            secret: false,
        },
    ];

    /// All options that a store of this provider takes.
    pub fn all_options(&self) -> impl Iterator<Item = &OptionSpec> {
        self.options.iter().chain(&Self::COMMON)
    }
}

/// One option of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)] // written as a literal, out of tree too
pub struct OptionSpec {
    /// The name, in lower case with `_`.
    pub name: &'static str,
    /// What it does, and its default.
    pub help: &'static str,
    /// Whether its value must never be shown.
    pub secret: bool,
}

/// What a provider opened.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs)] // what opening gives is these two
pub struct Opened {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// Where in it the location stands; the root if the backend itself was opened there.
    pub prefix: Prefix,
}

/// Option names and values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl fmt::Debug for Options {
    /// The names alone: any value may be a secret (clause ERR-2).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Options {
    /// No option.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an option.
    pub fn set(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(name.into(), value.into());
        self
    }

    /// The value of an option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of an option as `true` or `false`, or `default`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool> {
        self.choice(name, &[("true", true), ("false", false)], default)
    }

    /// The value of an option as one of `choices`, or `default`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] that names the choices.
    pub fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        let Some(value) = self.get(name) else { return Ok(default) };
        choices.iter().find(|(text, _)| *text == value).map(|(_, choice)| *choice).ok_or_else(|| {
            let texts: Vec<&str> = choices.iter().map(|(text, _)| *text).collect();
            let message = format!("option `{name}` is `{value}`; it takes {}", texts.join(", "));
            Error::new(ErrorKind::InvalidConfig, message)
        })
    }

    /// The value of an option that must never be shown.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.get(name).map(Secret::new)
    }

    /// The value of an option as a whole number.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text.
    pub fn number(&self, name: &str) -> Result<Option<u64>> {
        self.parsed(name, "a whole number", |text| text.parse().ok())
    }

    /// The value of an option as a size in bytes: a number, and `K`, `M`, `G` or `T` for powers of 1,024.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text.
    pub fn size(&self, name: &str) -> Result<Option<u64>> {
        self.parsed(name, "a size such as `64M`", size)
    }

    /// The value of an option as a time: a number and `s`, `m`, `h` or `d`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for any other text.
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.parsed(name, "a time such as `30s`", duration)
    }

    fn parsed<T>(&self, name: &str, what: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<Option<T>> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let wrong =
            || Error::new(ErrorKind::InvalidConfig, format!("option `{name}` is `{text}`; it takes {what}"));
        parse(text).map(Some).ok_or_else(wrong)
    }

    /// Takes the limit out that a store of any kind may have.
    fn take_limit(&mut self) -> Result<Option<Limit>> {
        let (bytes, requests) = (self.size("limit_rate")?, self.number("limit_requests")?);
        for common in Provider::COMMON {
            self.0.remove(common.name);
        }
        if bytes.is_none() && requests.is_none() {
            return Ok(None);
        }
        let limit = Limit::new();
        limit.set_bytes_per_second(bytes);
        limit.set_requests_per_second(requests);
        Ok(Some(limit))
    }

    fn check(&self, provider: &Provider) -> Result<()> {
        let Some(wrong) = self.0.keys().find(|k| !provider.all_options().any(|o| o.name == k.as_str()))
        else {
            return Ok(());
        };
        let names = provider.all_options().map(|o| o.name);
        Err(Error::new(
            ErrorKind::InvalidConfig,
            format!("`{}` has no option `{wrong}`{}", provider.name, suggest(wrong, names)),
        ))
    }
}

fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let power = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << power)
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let seconds = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return None,
    };
    Some(Duration::from_secs(digits.parse::<u64>().ok()?.checked_mul(seconds)?))
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Options {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(options: I) -> Self {
        Self(options.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

/// The providers that a program knows: a plain value, no global.
///
/// ```
/// use storage_core::{ErrorKind, Options, Registry};
/// use storage_memory::PROVIDER;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> storage_core::Result<()> {
/// let registry = Registry::new([PROVIDER]);
/// let store = registry.open("memory:///some/place", Options::new()).await?;
/// assert_eq!(store.prefix().as_str(), "some/place/");
///
/// let unknown = registry.open("memroy:///x", Options::new()).await.expect_err("a typing error");
/// assert_eq!(unknown.kind(), ErrorKind::InvalidConfig);
/// assert!(unknown.to_string().contains("did you mean `memory`?"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    providers: Vec<Provider>,
}

impl Registry {
    /// A registry of these providers.
    pub fn new(providers: impl IntoIterator<Item = Provider>) -> Self {
        Self { providers: providers.into_iter().collect() }
    }

    /// The providers, in the order given.
    pub fn providers(&self) -> &[Provider] {
        &self.providers
    }

    /// The provider of a scheme.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] that names what there is.
    pub fn provider(&self, scheme: &str) -> Result<&Provider> {
        self.providers.iter().find(|p| p.schemes.contains(&scheme)).ok_or_else(|| {
            let schemes = || self.providers.iter().flat_map(|p| p.schemes.iter().copied());
            let known: Vec<&str> = schemes().collect();
            let hint = suggest(scheme, schemes());
            let message = format!("nothing here opens `{scheme}://`{hint}; there is {}", known.join(", "));
            Error::new(ErrorKind::InvalidConfig, message).with_operation(Operation::Open)
        })
    }

    /// Opens the directory at a URL as a store: keys are relative to it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidConfig`] for a malformed URL, an unknown scheme or option; the provider's own.
    pub async fn open(&self, url: &str, options: Options) -> Result<Store> {
        self.open_location(Location::parse(url)?, options).await
    }

    /// Opens the store around the object at a URL, and gives its key in there.
    ///
    /// # Errors
    /// As [`open`](Registry::open), and [`ErrorKind::InvalidInput`] if the URL names no object.
    pub async fn open_object(&self, url: &str, options: Options) -> Result<(Store, Key)> {
        let (parent, name) = Location::parse(url)?.split_object()?;
        Ok((self.open_location(parent, options).await?, name))
    }

    /// Opens the directory at a location.
    ///
    /// # Errors
    /// As [`open`](Registry::open).
    pub async fn open_location(&self, location: Location, mut options: Options) -> Result<Store> {
        let provider = self.provider(location.scheme())?;
        options.check(provider).map_err(|e| e.with_operation(Operation::Open))?;
        let limit = options.take_limit().map_err(|e| e.with_operation(Operation::Open))?;
        let opened =
            (provider.open)(location, options).await.map_err(|e| e.with_operation(Operation::Open))?;
        let store = Store::from_arc(opened.backend).scoped(&opened.prefix)?;
        Ok(match limit {
            Some(limit) => store.with_limit(limit),
            None => store,
        })
    }
}

/// `, did you mean …?` for the nearest of `known`, or nothing if none is near: the end of a message about a name that
/// was mistyped.
pub fn suggest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min()
        .map_or_else(String::new, |(_, name)| format!(", did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Options, duration, size};

    #[test]
    fn sizes_and_times() {
        assert_eq!(
            (size("5"), size("64M"), size("1GiB"), size("2k")),
            (Some(5), Some(64 << 20), Some(1 << 30), Some(2048))
        );
        assert_eq!(
            (size(""), size("M"), size("1X"), size("-1"), size("99999999T")),
            (None, None, None, None, None)
        );
        assert_eq!(
            (duration("90"), duration("2h")),
            (Some(Duration::from_secs(90)), Some(Duration::from_secs(7200)))
        );
        assert_eq!((duration("h"), duration("1y")), (None, None));
    }

    #[test]
    fn values_stay_hidden() {
        assert!(!format!("{:?}", Options::new().set("secret_key", "hunter2")).contains("hunter2"));
    }
}
