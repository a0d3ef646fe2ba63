//! `haul stat`

use serde_json::{Map, Value, json};
use storage_core::Metadata;

use crate::args::Stat;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{Found, How, Place, Top};
use crate::show;

pub(crate) async fn stat(args: Stat, output: &mut Output) -> Result<(), Failure> {
    for text in &args.places {
        let found = match Place::parse(text) {
            Ok(place) => place.find(How::default(), Top::Itself).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(found) => print(&text.to_string_lossy(), found, output)?,
            Err(error) => output.item_failed(&error),
        }
    }
    output.conclude()
}

fn print(name: &str, found: Found, output: &mut Output) -> std::io::Result<()> {
    let mut map = Map::new();
    map.insert("name".into(), json!(name));
    match found {
        Found::Object(_, _, metadata) => {
            show::metadata(&mut map, &metadata);
            if output.json {
                output.object(&Value::Object(map))
            } else {
                table(name, &metadata, &map, output)
            }
        }
        Found::Directory(_) => {
            map.insert("type".into(), json!("directory"));
            if output.json {
                return output.object(&Value::Object(map));
            }
            let name = output.shown(name);
            output.line(&format!("{:>14}  {name}\n{:>14}  directory", "name", "type"))
        }
    }
}

fn table(
    name: &str,
    metadata: &Metadata,
    map: &Map<String, Value>,
    output: &mut Output,
) -> std::io::Result<()> {
    let mut rows = vec![("name".to_owned(), output.shown(name))];
    for (field, value) in map.iter().filter(|(field, _)| *field != "name") {
        match value {
            Value::Object(inner) => {
                rows.extend(inner.iter().map(|(n, v)| (format!("{field} {n}"), plain(v))));
            }
            value if field == "size" => {
                rows.push((
                    field.clone(),
                    format!("{} ({})", plain(value), show::size(metadata.size, false)),
                ));
            }
            value => rows.push((field.replace('_', " "), plain(value))),
        }
    }
    let width = rows.iter().map(|(field, _)| field.chars().count()).max().unwrap_or(0).max(14);
    for (field, value) in rows {
        let value = output.shown(&value);
        output.line(&format!("{field:>width$}  {value}"))?;
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
