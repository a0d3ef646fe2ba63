//! The configuration file: read, and changed without losing what people wrote around it.

use std::env;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use storage_core::{Error, ErrorKind, Location, Options, Provider, Result, suggest};
use toml_edit::{DocumentMut, Item, Table, Value, value};

use super::expand::expand;
use crate::backends::registry;

/// The configuration file, which need not exist.
pub(crate) struct ConfigFile {
    path: PathBuf,
    document: DocumentMut,
}

/// A name for a place.
#[derive(Clone)]
pub(crate) struct Profile {
    pub(crate) name: String,
    /// Where it leads, as written.
    pub(crate) url: String,
    /// Whether `${VAR}` stands for a variable of the environment.
    pub(crate) expand: bool,
    /// The options, as written.
    pub(crate) options: Options,
    /// Their names in the order written.
    pub(crate) names: Vec<String>,
}

impl ConfigFile {
    /// Reads `$HAUL_CONFIG`, else `haul/config.toml` in the user's configuration directory.
    pub(crate) fn load() -> Result<Self> {
        let path = path()?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(invalid(&path, "cannot be read").with_source(error)),
        };
        let document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| {
            // The library quotes the line, which may hold a secret: only where and why.
            let line =
                e.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            invalid(&path, &format!("is no TOML: line {line}: {}", e.message().lines().next().unwrap_or("")))
        })?;
        let known = ["profile"];
        if let Some((name, _)) = document.iter().find(|(name, _)| !known.contains(name)) {
            let hint = suggest(name, known.into_iter());
            return Err(invalid(&path, &format!("has an unknown key `{}`{hint}", unknown(name, &hint))));
        }
        if document.get("profile").is_some_and(|profiles| profiles.as_table_like().is_none()) {
            return Err(invalid(&path, "`profile` is no table; a profile begins with `[profile.NAME]`"));
        }
        Ok(Self { path, document })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether others than its owner can read the file.
    pub(crate) fn is_open_to_others(&self) -> bool {
        self.path.metadata().is_ok_and(|found| found.mode() & 0o077 != 0)
    }

    /// The names of all profiles.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let profiles = self.document.get("profile").and_then(Item::as_table_like);
        profiles.into_iter().flat_map(|table| table.iter().map(|(name, _)| name))
    }

    /// A profile by its name.
    pub(crate) fn profile(&self, name: &str) -> Result<Option<Profile>> {
        let Some(item) = self.document.get("profile").and_then(|profiles| profiles.get(name)) else {
            return Ok(None);
        };
        let wrong = |key: &str, what: &str| invalid(&self.path, &format!("`profile.{name}{key}` {what}"));
        check_name(name).map_err(|e| e.with_name(self.path.display().to_string()))?;
        let table = item.as_table_like().ok_or_else(|| wrong("", "is no table"))?;
        let mut profile = Profile {
            name: name.to_owned(),
            url: String::new(),
            expand: false,
            options: Options::new(),
            names: Vec::new(),
        };
        for (key, item) in table.iter() {
            let at = format!(".{}", unknown(key, ""));
            let scalar = item.as_value().ok_or_else(|| wrong(&at, "is no text, number or truth value"))?;
            match (key, scalar) {
                ("url", Value::String(url)) => profile.url = url.value().clone(),
                ("expand", Value::Boolean(expand)) => profile.expand = *expand.value(),
                ("url", _) => return Err(wrong(&at, "is no text")),
                ("expand", _) => return Err(wrong(&at, "is neither true nor false")),
                (_, scalar) => {
                    let text = text(scalar).ok_or_else(|| wrong(&at, "is no text, number or truth value"))?;
                    profile.options = profile.options.set(key, text);
                    profile.names.push(key.to_owned());
                }
            }
        }
        if profile.url.is_empty() {
            return Err(wrong(".url", "is missing; a profile is a name for a URL"));
        }
        profile.check(&self.path)?;
        Ok(Some(profile))
    }

    /// Sets a profile, in place of one of the same name, if the next run can read it. The file is not written yet.
    pub(crate) fn try_set(&mut self, profile: &Profile) -> Result<()> {
        let before = self.document.clone();
        self.set(profile);
        let read = self.profile(&profile.name);
        if read.is_err() {
            self.document = before;
        }
        read.map(drop)
    }

    fn set(&mut self, profile: &Profile) {
        let mut table = Table::new();
        table["url"] = value(&profile.url);
        if profile.expand {
            table["expand"] = value(true);
        }
        for name in &profile.names {
            if let Some(text) = profile.options.get(name) {
                table[name.as_str()] = value(text);
            }
        }
        let profiles = self.document.entry("profile").or_insert_with(|| {
            let mut profiles = Table::new();
            profiles.set_implicit(true);
            Item::Table(profiles)
        });
        profiles[profile.name.as_str()] = Item::Table(table);
    }

    /// Removes a profile, and says whether there was one.
    pub(crate) fn remove(&mut self, name: &str) -> bool {
        let profiles = self.document.get_mut("profile").and_then(Item::as_table_like_mut);
        profiles.is_some_and(|profiles| profiles.remove(name).is_some())
    }

    /// Writes the file in one step, readable by its owner alone.
    pub(crate) fn save(&self) -> Result<()> {
        // A link to the file stays a link.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let parent = path.parent().unwrap_or(Path::new("."));
        let write = || -> io::Result<()> {
            fs::create_dir_all(parent)?;
            let staged = parent.join(format!(".haul-config-{}.tmp", std::process::id()));
            let mut file =
                fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(self.document.to_string().as_bytes())?;
            file.sync_all()?;
            fs::rename(&staged, &path)
        };
        write().map_err(|e| invalid(&self.path, "cannot be written").with_source(e))
    }
}

impl Profile {
    /// The backend that it leads to; a path of this machine has none of its own.
    pub(crate) fn provider(&self) -> Result<Option<Provider>> {
        if !Location::is_url(&self.url) {
            return Ok(None);
        }
        registry().provider(Location::parse(&self.url)?.scheme()).map(|p| Some(*p))
    }

    /// The URL and the options, with variables put in.
    pub(crate) fn resolved(&self) -> Result<(String, Options)> {
        if !self.expand {
            return Ok((self.url.clone(), self.options.clone()));
        }
        let at = |key: &str| format!("profile.{}.{key}", self.name);
        let variable = |name: &str| env::var(name).ok();
        let url = expand(&self.url, &at("url"), variable)?;
        check_url(&url).map_err(|what| {
            Error::new(ErrorKind::InvalidConfig, format!("`{}`, with its variables, {what}", at("url")))
        })?;
        let mut options = Options::new();
        for name in &self.names {
            let written = self.options.get(name).unwrap_or_default();
            options = options.set(name, expand(written, &at(name), variable)?);
        }
        Ok((url, options))
    }

    /// Refuses what no backend of this scheme takes, before anything is opened.
    fn check(&self, path: &Path) -> Result<()> {
        let url_is = |what: &str| invalid(path, &format!("`profile.{}.url` {what}", self.name));
        // What a variable holds is looked at once it is put in.
        if !(self.expand && self.url.contains("${")) {
            check_url(&self.url).map_err(url_is)?;
        }
        let Some(provider) = self.provider().map_err(|e| e.with_name(path.display().to_string()))? else {
            return match self.names.first() {
                Some(name) => {
                    Err(invalid(path, &format!("`profile.{}.{name}`: a path takes no options", self.name)))
                }
                None => Ok(()),
            };
        };
        // A place of this machine is opened as the command's flags say, by whatever name.
        if let (true, Some(name)) = (provider.schemes.contains(&"file"), self.names.first()) {
            let message = format!("`profile.{}.{name}`: a place of this machine takes no options", self.name);
            return Err(invalid(path, &message));
        }
        let known = || provider.all_options().map(|option| option.name);
        match self.names.iter().find(|name| !known().any(|known| known == name.as_str())) {
            Some(name) => {
                let hint = suggest(name, known().chain(["url", "expand"]));
                let message = format!(
                    "`profile.{}.{}`: `{}` has no such option{hint}",
                    self.name,
                    unknown(name, &hint),
                    provider.name
                );
                Err(invalid(path, &message))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ConfigFile {
    /// Not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl fmt::Debug for Profile {
    /// Not where it leads: people put passwords in URLs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url: _, expand, options, names: _ } = self;
        f.debug_struct("Profile")
            .field("name", name)
            .field("expand", expand)
            .field("options", options)
            .finish_non_exhaustive()
    }
}

/// Refuses a name that cannot stand before a colon.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if name.len() > 1 && name.bytes().all(plain) {
        return Ok(());
    }
    let message = format!("`{name}` is no name for a profile: two or more letters, digits, `-` and `_`");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

/// Refuses a place that is another one in every directory, and a password where it would be shown.
pub(crate) fn check_url(url: &str) -> std::result::Result<(), &'static str> {
    if !Location::is_url(url) {
        let absolute = Path::new(url).is_absolute();
        return if absolute { Ok(()) } else { Err("is neither a URL nor a path that begins with `/`") };
    }
    let holds_password = Location::parse(url).is_ok_and(|location| location.has_password());
    if holds_password { Err("holds a password; options are the place for it") } else { Ok(()) }
}

/// A name that is not known, as a message may show it. A value that stands in the place of a name may be a secret.
pub(crate) fn unknown<'a>(name: &'a str, hint: &str) -> &'a str {
    let like_ours = name.len() <= 24 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if like_ours || !hint.is_empty() { name } else { "…" }
}

fn text(scalar: &Value) -> Option<String> {
    match scalar {
        Value::String(text) => Some(text.value().clone()),
        Value::Integer(number) => Some(number.value().to_string()),
        Value::Boolean(flag) => Some(flag.value().to_string()),
        _ => None,
    }
}

fn path() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set("HAUL_CONFIG") {
        return Ok(path);
    }
    let directory = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")));
    directory.map(|directory| directory.join("haul/config.toml")).ok_or_else(|| {
        Error::new(ErrorKind::InvalidConfig, "neither HAUL_CONFIG nor HOME says where the configuration is")
    })
}

fn invalid(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("{}: {what}", path.display()))
}
