//! `haul config`

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;

use futures_util::StreamExt;
use serde_json::{Map, json};
use storage_core::{Error, ErrorKind, ListOptions, Location, Options, Prefix, Provider, Result, RetryPolicy};

use crate::args::{Config, ConfigAdd, ConfigImport, ImportRclone};
use crate::backends::registry;
use crate::config::{ConfigFile, Imported, Profile, Session, check_name, check_url, import, is_encrypted};
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};

pub(crate) async fn config(command: Config, output: &mut Output) -> Result<(), Failure> {
    match command {
        Config::List => list(output),
        Config::Show(args) => show(&args.names, output),
        Config::Add(args) => add(&args, output).await,
        Config::Check(args) => check(&args.names, output).await,
        Config::Remove(args) => remove(&args.name, output),
        Config::Import(ConfigImport::Rclone(args)) => import_rclone(&args, output),
    }
}

fn list(output: &mut Output) -> Result<(), Failure> {
    let file = ConfigFile::load()?;
    warn_if_open(&file, output);
    for name in file.names() {
        match file.profile(name) {
            Ok(Some(profile)) if output.json => {
                output.object(&json!({ "name": name, "url": shown_url(&profile) }))?;
            }
            Ok(Some(profile)) => output.line(&format!("{name}:  {}", shown_url(&profile)))?,
            Ok(None) => {}
            Err(error) => output.item_failed(&error),
        }
    }
    if file.names().next().is_none() {
        output.note(&format!("no profile in {}; `haul config add NAME` makes one", file.path().display()));
    }
    output.conclude()
}

fn show(names: &[String], output: &mut Output) -> Result<(), Failure> {
    let file = ConfigFile::load()?;
    for (at, profile) in chosen(&file, names)?.iter().enumerate() {
        let hidden = |option: &str, value: &str| {
            // What the environment holds is no secret; its name is what a reader looks for.
            let named = profile.expand && value.starts_with("${") && value.ends_with('}');
            if is_secret(profile, option) && !named { "…".to_owned() } else { value.to_owned() }
        };
        let values = profile
            .names
            .iter()
            .map(|name| (name.clone(), hidden(name, profile.options.get(name).unwrap_or_default())));
        if output.json {
            let mut map: Map<String, _> = values.map(|(name, value)| (name, json!(value))).collect();
            map.insert("name".into(), json!(profile.name));
            map.insert("url".into(), json!(shown_url(profile)));
            map.insert("expand".into(), json!(profile.expand));
            output.object(&map.into())?;
            continue;
        }
        if at > 0 {
            output.line("")?;
        }
        output.line(&format!("[profile.{}]", profile.name))?;
        output.line(&format!("url = {:?}", shown_url(profile)))?;
        if profile.expand {
            output.line("expand = true")?;
        }
        for (name, value) in values {
            output.line(&format!("{name} = {value:?}"))?;
        }
    }
    Ok(())
}

async fn check(names: &[String], output: &mut Output) -> Result<(), Failure> {
    let file = ConfigFile::load()?;
    for profile in chosen(&file, names)? {
        match connect(&profile).await {
            Ok(()) if output.json => output.object(&json!({ "name": profile.name, "answers": true }))?,
            Ok(()) => output.line(&format!("{}: answers", profile.name))?,
            Err(error) => {
                if output.json {
                    let (kind, error) = (error.kind().as_str(), error.to_string());
                    let name = &profile.name;
                    output
                        .object(&json!({ "name": name, "answers": false, "kind": kind, "error": error }))?;
                }
                output.named_failed(&format!("{}:", profile.name), &error);
            }
        }
    }
    output.conclude()
}

/// Asks for one entry of a listing, which takes reaching the service and being let in.
async fn connect(profile: &Profile) -> Result<()> {
    let (url, _) = profile.resolved()?;
    if url.ends_with("://") {
        let message = "the profile names no bucket; check a place below it with `haul doctor`";
        return Err(Error::new(ErrorKind::InvalidConfig, message));
    }
    let store = Place::parse(&format!("{}:", profile.name).into())?.open(How::default()).await?;
    // Who checks wants to know now, not after half a minute of attempts.
    let store = store.with_retry(RetryPolicy::none());
    match store.list(&Prefix::root(), ListOptions::new().delimiter('/')).next().await {
        Some(Err(error)) => Err(error),
        _ => Ok(()),
    }
}

async fn add(args: &ConfigAdd, output: &mut Output) -> Result<(), Failure> {
    check_name(&args.name)?;
    let mut file = ConfigFile::load()?;
    refuse_replacing(&file, &args.name, args.force)?;
    let mut profile = Profile {
        name: args.name.clone(),
        url: args.url.clone().unwrap_or_default(),
        expand: args.expand,
        options: Options::new(),
        names: Vec::new(),
    };
    for (name, value) in Session::given() {
        set(&mut profile, name, value);
    }
    if profile.url.is_empty() {
        ask(&mut profile).await?;
    }
    file.try_set(&profile)?;
    file.save()?;
    output.note(&format!("`{}:` is now {}; try `haul config check {0}`", profile.name, shown_url(&profile)));
    Ok(())
}

fn remove(name: &str, output: &mut Output) -> Result<(), Failure> {
    let mut file = ConfigFile::load()?;
    if !file.remove(name) {
        return Err(no_profile(&file, name).into());
    }
    file.save()?;
    output.note(&format!("`{name}` is removed; what it led to is untouched"));
    Ok(())
}

fn import_rclone(args: &ImportRclone, output: &mut Output) -> Result<(), Failure> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => rclone_file()?,
    };
    let text = std::fs::read_to_string(&path).map_err(|e| {
        Error::new(ErrorKind::NotFound, "rclone's configuration cannot be read")
            .with_name(path.display().to_string())
            .with_source(e)
    })?;
    if is_encrypted(&text) {
        let message = "the file is encrypted; `rclone config encryption remove` decrypts it";
        let error = Error::new(ErrorKind::InvalidInput, message).with_name(path.display().to_string());
        return Err(error.into());
    }
    let mut file = ConfigFile::load()?;
    let mut taken = 0;
    for found in import(&text) {
        let (profile, lost) = match found {
            Imported::Skipped(name, why) => {
                tell_import(&name, Err(&why), output)?;
                continue;
            }
            Imported::Profile(profile, lost) => (profile, lost),
        };
        // Any profile of the name counts, one that is wrong too.
        if file.names().any(|name| name == profile.name) && !args.force {
            let why = "there is a profile of this name; --force replaces it";
            tell_import(&profile.name, Err(why), output)?;
            continue;
        }
        match file.try_set(&profile) {
            Ok(()) => {
                tell_import(&profile.name, Ok((&profile, &lost)), output)?;
                taken += 1;
            }
            // One remote that cannot be is no reason to leave out the others.
            Err(error) => tell_import(&profile.name, Err(&error.to_string()), output)?,
        }
    }
    if taken > 0 {
        file.save()?;
    }
    if !output.json {
        output.line(&format!("imported {}", crate::show::count(taken, "profile")))?;
    }
    Ok(())
}

/// Tells what came of one remote: a profile and what it lost, or why there is none.
fn tell_import(
    name: &str,
    came: std::result::Result<(&Profile, &Vec<String>), &str>,
    output: &mut Output,
) -> io::Result<()> {
    if output.json {
        return output.object(&match came {
            Ok((profile, lost)) => json!({ "name": name, "url": shown_url(profile), "without": lost }),
            Err(why) => json!({ "name": name, "skipped": why }),
        });
    }
    match came {
        Ok((profile, lost)) if lost.is_empty() => output.note(&format!("{name}: {}", shown_url(profile))),
        Ok((profile, lost)) => output.note(&format!(
            "{name}: {}, without {}, which has no counterpart here",
            shown_url(profile),
            lost.join(", ")
        )),
        Err(why) => output.note(&format!("{name}: skipped, {why}")),
    }
    Ok(())
}

fn rclone_file() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let default = || {
        Some(
            set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?.join("rclone/rclone.conf"),
        )
    };
    set("RCLONE_CONFIG").or_else(default).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput, "name the file; neither RCLONE_CONFIG nor HOME says where it is")
    })
}

/// Asks for what a profile needs.
async fn ask(profile: &mut Profile) -> Result<()> {
    if !io::stdin().is_terminal() {
        let message = "name the URL: `haul config add NAME URL -o OPTION=VALUE`; without a terminal nobody can be asked";
        return Err(Error::new(ErrorKind::InvalidInput, message));
    }
    let registry = registry();
    tell("Where does it lead? A path that begins with `/`, or a URL:");
    for provider in registry.providers() {
        tell(&format!("  {}", provider.description));
    }
    profile.url = loop {
        let url = question("url", false).await?;
        // A slip like `some/path` is told as one, not as a URL that it never was.
        let known = match Location::parse(&url) {
            Ok(location) => registry.provider(location.scheme()).map(drop),
            Err(_) => Ok(()),
        };
        match known.map_err(|e| e.to_string()).and_then(|()| check_url(&url).map_err(|e| format!("this {e}")))
        {
            Ok(()) => break url,
            Err(why) => tell(&why),
        }
    };
    let Some(provider) = profile.provider()? else { return Ok(()) };
    if provider.options.is_empty() {
        return Ok(());
    }
    tell("Which options? A name, `?` for the list, or nothing to end.");
    loop {
        let name = question("option", false).await?;
        match name.as_str() {
            "" => return Ok(()),
            "?" => provider.all_options().for_each(|o| tell(&format!("  {:<18} {}", o.name, o.help))),
            name => match provider.all_options().find(|o| o.name == name) {
                Some(option) => {
                    let value = question(name, option.secret).await?;
                    set(profile, name, &value);
                }
                None => {
                    let hint = storage_core::suggest(name, provider.all_options().map(|o| o.name));
                    tell(&format!("there is no `{name}`{hint}"));
                }
            },
        }
    }
}

fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Asks on the terminal; what is secret is not shown while it is typed.
async fn question(what: &str, secret: bool) -> Result<String> {
    let failed =
        |e: io::Error| Error::new(ErrorKind::InvalidInput, "the terminal gave no answer").with_source(e);
    let _ = write!(io::stderr(), "{what}: ");
    let _ = io::stderr().flush();
    let quiet = secret.then(Quiet::begin).transpose().map_err(failed)?;
    // On a thread of its own, so that Ctrl-C ends the waiting and the terminal shows again what is typed.
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = send.send(io::stdin().lock().read_line(&mut line).map(|read| (read, line)));
    });
    let (read, line) = receive.await.map_err(|e| failed(io::Error::other(e)))?.map_err(failed)?;
    if quiet.is_some() {
        tell("");
    }
    if read == 0 {
        return Err(Error::new(ErrorKind::Cancelled, "the input ended; nothing was changed"));
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// A terminal that does not show what is typed, as long as this lives.
struct Quiet(rustix::termios::Termios);

impl Quiet {
    fn begin() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}

fn set(profile: &mut Profile, name: &str, value: &str) {
    profile.options = std::mem::take(&mut profile.options).set(name, value);
    profile.names.retain(|known| known != name);
    profile.names.push(name.to_owned());
}

fn chosen(file: &ConfigFile, names: &[String]) -> Result<Vec<Profile>> {
    let all: Vec<String> = file.names().map(str::to_owned).collect();
    let names = if names.is_empty() { &all } else { names };
    names.iter().map(|name| file.profile(name)?.ok_or_else(|| no_profile(file, name))).collect()
}

fn no_profile(file: &ConfigFile, name: &str) -> Error {
    let hint = storage_core::suggest(name, file.names());
    Error::new(ErrorKind::NotFound, format!("{} has no profile `{name}`{hint}", file.path().display()))
}

/// Any profile of the name counts, one that is wrong too.
fn refuse_replacing(file: &ConfigFile, name: &str, force: bool) -> Result<()> {
    if force || !file.names().any(|known| known == name) {
        return Ok(());
    }
    let message = format!("there is a profile `{name}`; --force replaces it");
    Err(Error::new(ErrorKind::AlreadyExists, message))
}

fn is_secret(profile: &Profile, option: &str) -> bool {
    let of = |provider: Provider| provider.options.iter().any(|o| o.name == option && o.secret);
    // What cannot be looked up is hidden.
    profile.provider().ok().flatten().is_none_or(of)
}

/// The URL, without a user part that holds a password.
fn shown_url(profile: &Profile) -> String {
    match Location::parse(&profile.url) {
        Ok(location) if location.has_password() => location.to_string(),
        _ => profile.url.clone(),
    }
}

fn warn_if_open(file: &ConfigFile, output: &Output) {
    if file.is_open_to_others() {
        output.note(&format!(
            "{} can be read by others; `chmod 600` it if it holds secrets",
            file.path().display()
        ));
    }
}
