//! `haul backends`

use serde_json::json;
use storage_core::{Capabilities, Options, Provider};

use crate::backends::registry;
use crate::exit::Failure;
use crate::output::Output;

pub(crate) async fn backends(output: &mut Output) -> Result<(), Failure> {
    let registry = registry();
    for (at, provider) in registry.providers().iter().enumerate() {
        // What opens without an address tells its capabilities; the others tell them once they are opened.
        let url = format!("{}:///", provider.schemes[0]);
        // As this program opens it: links inside a tree are kept unless told otherwise.
        let links = provider.options.iter().any(|option| option.name == "symlinks");
        let options = if links { Options::new().set("symlinks", "preserve") } else { Options::new() };
        let capabilities = registry.open(&url, options).await.ok().map(|store| store.capabilities());
        if output.json {
            output.object(&as_json(provider, capabilities.as_ref()))?;
        } else {
            print(provider, capabilities.as_ref(), at > 0, output)?;
        }
    }
    if !output.json {
        output.line("\nall but places of this machine")?;
        for option in Provider::COMMON {
            output.line(&format!("    -o {:<18}  {}", option.name, option.help))?;
        }
    }
    Ok(())
}

fn print(
    provider: &Provider,
    can: Option<&Capabilities>,
    gap: bool,
    output: &mut Output,
) -> std::io::Result<()> {
    if gap {
        output.line("")?;
    }
    let schemes: Vec<String> = provider.schemes.iter().map(|s| format!("{s}://")).collect();
    output.line(&format!("{}  {}  {}", provider.name, schemes.join(" "), provider.description))?;
    // Places of this machine take flags instead.
    let options = if provider.schemes.contains(&"file") { &[] } else { provider.options };
    let width = options.iter().map(|option| option.name.len()).max().unwrap_or_default();
    for option in options {
        let secret = if option.secret { " (secret)" } else { "" };
        output.line(&format!("    -o {:<width$}  {}{secret}", option.name, option.help))?;
    }
    if can.is_none() {
        output.line(
            "    what it can do depends on the service and on options: `haul doctor PLACE` finds out",
        )?;
    }
    for (name, level) in can.iter().flat_map(|can| rows(can)) {
        output.line(&format!("    {name:<19} {level}"))?;
    }
    Ok(())
}

fn rows(can: &Capabilities) -> Vec<(&'static str, String)> {
    let yes = |flag: bool| if flag { "yes" } else { "no" }.to_owned();
    vec![
        ("publish", can.publish.to_string()),
        ("durability", can.durability.to_string()),
        ("create if absent", can.create_if_absent.to_string()),
        ("replace if match", can.replace_if_match.to_string()),
        ("delete if match", can.delete_if_match.to_string()),
        ("copy", can.copy.to_string()),
        ("rename", can.rename.to_string()),
        ("sorted listing", yes(can.list_sorted)),
        ("versions", yes(can.versions)),
        ("user metadata", yes(can.user_metadata)),
        ("content headers", yes(can.content_headers)),
        ("set modified", yes(can.set_modified)),
        ("permissions", yes(can.unix_attributes)),
        ("symlinks", yes(can.symlinks)),
        ("directories", yes(can.directories)),
    ]
}

fn as_json(provider: &Provider, can: Option<&Capabilities>) -> serde_json::Value {
    let rows: serde_json::Map<String, serde_json::Value> = can
        .iter()
        .flat_map(|can| rows(can))
        .map(|(name, level)| (name.replace(' ', "_"), level.into()))
        .collect();
    let options: Vec<_> = provider
        .all_options()
        .map(|o| json!({ "name": o.name, "help": o.help, "secret": o.secret }))
        .collect();
    json!({
        "name": provider.name, "description": provider.description, "schemes": provider.schemes,
        "options": options, "capabilities": rows,
    })
}
