//! What a run of the program was told besides its places: options on the command line, the environment, profiles.

use std::env;
use std::path::PathBuf;
use std::sync::OnceLock;

use storage_core::{Error, ErrorKind, Journal, Location, Options, Result, Secret};

use super::file::{ConfigFile, unknown};
use super::traffic::Traffic;
use crate::args::Global;
use crate::backends::registry;

static SESSION: OnceLock<Session> = OnceLock::new();

/// What holds for every place of this run. It is set once, before the command starts.
#[derive(Debug, Default)]
pub(crate) struct Session {
    options: Vec<(String, Secret)>,
    traffic: Traffic,
}

impl Session {
    /// Begins the run with what the command line says of all places.
    ///
    /// # Errors
    /// An option that no backend has, or none at all.
    pub(crate) fn begin(global: &Global) -> Result<()> {
        let words = &global.option;
        let registry = registry();
        // What is no option is not shown: it may be the secret of one.
        let given = |word: &Secret| {
            let (name, value) = word.reveal().split_once('=')?;
            Some((name.to_owned(), Secret::new(value)))
        };
        let options: Option<Vec<(String, Secret)>> = words.iter().map(given).collect();
        let options = options.ok_or_else(|| {
            Error::new(ErrorKind::InvalidConfig, "an option looks like `--option NAME=VALUE`; one has no `=`")
        })?;
        let known = || registry.providers().iter().flat_map(|p| p.all_options().map(|o| o.name));
        if let Some((name, _)) = options.iter().find(|(name, _)| !known().any(|k| k == name)) {
            let hint = storage_core::suggest(name, known());
            let name = unknown(name, &hint);
            let message = format!("no backend has an option `{name}`{hint}; see `haul backends`");
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        // Flags say how places of this machine are opened; an option that did nothing would be a lie.
        let elsewhere = |name: &str| {
            let mut others = registry.providers().iter().filter(|p| !p.schemes.contains(&"file"));
            others.any(|p| p.all_options().any(|o| o.name == name))
        };
        if let Some((name, _)) = options.iter().find(|(name, _)| !elsewhere(name)) {
            let message = format!(
                "`{name}` is for places of this machine, which take flags instead: --links, --no-fsync, --sparse, --direct"
            );
            return Err(Error::new(ErrorKind::InvalidConfig, message));
        }
        let _ = SESSION.set(Self { options, traffic: Traffic::new(global)? });
        Ok(())
    }

    fn current() -> &'static Self {
        SESSION.get_or_init(Self::default)
    }

    /// What all stores of this run share.
    pub(crate) fn traffic() -> &'static Traffic {
        &Self::current().traffic
    }

    /// Where unfinished transfers are written down: `$XDG_STATE_HOME/haul/transfers`, by default below `~/.local/state`.
    pub(crate) fn journal() -> Option<Journal> {
        let home =
            || Some(PathBuf::from(env::var_os("HOME").filter(|home| !home.is_empty())?).join(".local/state"));
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|state| state.is_absolute());
        Some(Journal::new(state.or_else(home)?.join("haul/transfers")))
    }

    /// The options of the command line, for a command that keeps them.
    pub(crate) fn given() -> impl Iterator<Item = (&'static str, &'static str)> {
        Self::current().options.iter().map(|(name, value)| (name.as_str(), value.reveal()))
    }

    /// The options with which a place opens. The closest to the user wins: the command line, then the environment, then
    /// the profile.
    pub(crate) fn options(location: &Location, profile: Option<(&str, &Options)>) -> Result<Options> {
        let registry = registry();
        let provider = registry.provider(location.scheme())?;
        let mut options = profile.map_or_else(Options::new, |(_, options)| options.clone());
        for option in provider.all_options() {
            let of_profile = profile.and_then(|(name, _)| set(&variable("PROFILE_", name, option.name)));
            // For all of a kind, unless a profile knows better.
            let of_provider = || set(&variable("", provider.name, option.name));
            let of_provider = || if options.get(option.name).is_none() { of_provider() } else { None };
            if let Some(value) = of_profile.or_else(of_provider) {
                options = options.set(option.name, value);
            }
        }
        let taken = |name: &str| provider.all_options().any(|option| option.name == name);
        for (name, value) in Self::current().options.iter().filter(|(name, _)| taken(name)) {
            options = options.set(name, value.reveal());
        }
        Ok(options)
    }

    /// The URL and the options of `name:path`, if `name` is a profile.
    pub(crate) fn profile(name: &str, path: &str) -> Result<Option<(String, Options)>> {
        let file = ConfigFile::load()?;
        let Some(profile) = file.profile(name)? else { return Ok(None) };
        let (url, options) = profile.resolved()?;
        Ok(Some((below(&url, path), options)))
    }

    /// The nearest profile to a name that is none, as a hint.
    pub(crate) fn near(name: &str) -> Result<String> {
        let file = ConfigFile::load()?;
        Ok(storage_core::suggest(name, file.names()))
    }
}

/// A variable that is set; an empty one is as good as none.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `HAUL_S3_ENDPOINT`, or `HAUL_PROFILE_BACKUP_ENDPOINT`.
fn variable(kind: &str, name: &str, option: &str) -> String {
    format!("HAUL_{kind}{name}_{option}").to_uppercase().replace('-', "_")
}

/// A path below a profile's URL. A URL that names no bucket takes it from the path.
fn below(url: &str, path: &str) -> String {
    let path_begins = url.ends_with('/') || path.is_empty();
    if path_begins { format!("{url}{path}") } else { format!("{url}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::{below, variable};

    #[test]
    fn names() {
        assert_eq!(variable("", "s3", "endpoint"), "HAUL_S3_ENDPOINT");
        assert_eq!(variable("PROFILE_", "my-backup", "region"), "HAUL_PROFILE_MY_BACKUP_REGION");
        assert_eq!(below("s3://b", "k"), "s3://b/k");
        assert_eq!(below("s3://b/p/", "k"), "s3://b/p/k");
        assert_eq!(below("s3://", "b/k"), "s3://b/k");
        assert_eq!(below("s3://b/p", ""), "s3://b/p");
    }
}
