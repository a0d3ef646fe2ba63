//! The packages of the workspace, from `cargo metadata`.

use serde_json::Value;

use crate::run::{Outcome, cargo, output, root};

#[derive(Clone, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The folder relative to the root, such as `crates/storage-core`.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) has_path: bool,
    pub(crate) has_version: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    Dev,
    Build,
}

impl Package {
    pub(crate) fn is_crate(&self) -> bool {
        self.folder.starts_with("crates/")
    }
}

pub(crate) fn load() -> Outcome<Vec<Package>> {
    let text = output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps", "--offline"]))
        .or_else(|_| output(&mut cargo(&["metadata", "--format-version", "1", "--no-deps"])))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let mut packages: Vec<Package> = packages.iter().map(package).collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

fn package(value: &Value) -> Package {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let manifest = text("manifest_path");
    let root = root().display().to_string();
    let folder = manifest.trim_start_matches(&root).trim_start_matches('/').trim_end_matches("/Cargo.toml");
    let dependencies = value["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
    Package {
        name: text("name"),
        description: text("description"),
        folder: folder.to_owned(),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: value["name"].as_str().unwrap_or_default().to_owned(),
        kind: match value["kind"].as_str() {
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            _ => Kind::Normal,
        },
        has_path: value["path"].is_string(),
        has_version: value["req"].as_str() != Some("*"),
    }
}
