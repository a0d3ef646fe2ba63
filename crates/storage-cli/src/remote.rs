//! A place that is not of this machine: where it is, how it is opened, and how its user named it.

use storage_core::{Key, Location, Options, Result, Store};

use crate::backends::registry;
use crate::config::Session;

#[derive(Clone, Debug)]
pub(crate) struct Remote {
    location: Location,
    options: Options,
    /// The profile's name, and the part of the path that is the profile's own.
    profile: Option<(String, String)>,
}

impl Remote {
    /// A place named by a URL.
    pub(crate) fn new(location: Location) -> Result<Self> {
        let options = Session::options(&location, None)?;
        Ok(Self { location, options, profile: None })
    }

    /// A place named by a profile whose URL and options these are.
    pub(crate) fn of_profile(name: &str, path: &str, location: Location, options: &Options) -> Result<Self> {
        let options = Session::options(&location, Some((name, options)))?;
        // A profile without a bucket leaves that to the path.
        let whole = format!("{}/{}", location.authority(), location.path());
        let own = whole.strip_suffix(path).unwrap_or(&whole).to_owned();
        Ok(Self { location, options, profile: Some((name.to_owned(), own)) })
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The place as its user reads it.
    pub(crate) fn shown(&self) -> String {
        let whole = format!("{}/{}", self.location.authority(), self.location.path());
        match &self.profile {
            Some((name, own)) => format!("{name}:{}", whole.strip_prefix(own.as_str()).unwrap_or("")),
            None => self.location.to_string(),
        }
    }

    /// The place and the service that has it.
    pub(crate) fn identity(&self) -> String {
        format!("{} {}", self.location, self.options.get("endpoint").unwrap_or_default())
    }

    /// The same store, another path in it.
    pub(crate) fn at(&self, path: impl Into<String>) -> Self {
        let location = Location::new(self.location.scheme(), self.location.authority(), path);
        Self { location, ..self.clone() }
    }

    /// The same place, opened with an option where its backend has it.
    pub(crate) fn with_if_known(&self, name: &str, value: &str) -> Self {
        let registry = registry();
        let has = |p: &storage_core::Provider| p.options.iter().any(|option| option.name == name);
        let mut same = self.clone();
        if registry.provider(self.location.scheme()).is_ok_and(has) {
            same.options = same.options.set(name, value);
        }
        same
    }

    /// Whether two places lie in one store, opened alike.
    pub(crate) fn shares_store(&self, other: &Self) -> bool {
        let place = |r: &Self| (r.location.scheme().to_owned(), r.location.authority().to_owned());
        place(self) == place(other) && self.options == other.options
    }

    /// Whether two places have one name, however they are opened.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.shares_store(other) && self.location == other.location
    }

    pub(crate) async fn open(&self) -> Result<Store> {
        let store = registry().open_location(self.location.clone(), self.options.clone()).await?;
        Ok(Session::traffic().remote(&store))
    }

    pub(crate) async fn open_object(&self) -> Result<(Store, Key)> {
        let (parent, key) = self.location.clone().split_object()?;
        let store = registry().open_location(parent, self.options.clone()).await?;
        Ok((Session::traffic().remote(&store), key))
    }
}
