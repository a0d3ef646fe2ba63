//! `cargo xtask new backend NAME`: a crate that compiles and passes what it declares, to grow from.

use std::path::Path;

use crate::run::{Outcome, read, root, say};

/// The template's files; in them `template` is the name, `Template` the type.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("../template/Cargo.toml.in")),
    ("README.md", include_str!("../template/README.md")),
    ("src/lib.rs", include_str!("../template/src/lib.rs")),
    ("src/backend.rs", include_str!("../template/src/backend.rs")),
    ("src/list.rs", include_str!("../template/src/list.rs")),
    ("src/upload.rs", include_str!("../template/src/upload.rs")),
    ("tests/conformance.rs", include_str!("../template/tests/conformance.rs")),
];

pub(crate) fn backend(name: &str) -> Outcome {
    let name = name.trim_start_matches("storage-");
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(letters) {
        return Err(format!("`{name}` is no name for a crate: lower-case letters, digits and `-`"));
    }
    let folder = root().join("crates").join(format!("storage-{name}"));
    if folder.exists() {
        return Err(format!("{} is there already", folder.display()));
    }
    fill(&folder, name)?;
    say(&format!(
        "made crates/storage-{name}\n\n\
         next:\n  cargo test -p storage-{name}        passes already, on a map in memory\n  \
         docs/adding-a-backend.md           how it becomes a real one\n  \
         cargo xtask tidy --fix             adds it to the crate table\n  \
         crates/storage-cli                 an optional dependency, a feature and a row in src/backends.rs ship it\n"
    ));
    Ok(())
}

/// Writes the template's files into `folder`.
pub(crate) fn fill(folder: &Path, name: &str) -> Outcome {
    FILES.iter().try_for_each(|(path, text)| save(&folder.join(path), &renamed(text, name)))
}

/// Writes a workspace into `folder` that has the rules of this one and the filled template as its only member.
pub(crate) fn workspace(folder: &Path) -> Outcome {
    // Two words, so that the name of the package, of the crate and of the type differ.
    let name = "two-words";
    let member = folder.join(format!("crates/storage-{name}"));
    let root = root().display().to_string().replace('\\', "/");
    fill(&member, name)?;
    let manifest = manifest(&read("Cargo.toml")?, &root);
    save(&folder.join("Cargo.toml"), &manifest)?;
    save(&folder.join("Cargo.lock"), &read("Cargo.lock")?)?;
    let path = member.join("Cargo.toml");
    let own = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    save(&path, &own.replace("../../conformance", &format!("{root}/conformance")))
}

/// The manifest of a workspace elsewhere: the same rules and dependencies, other members.
fn manifest(ours: &str, root: &str) -> String {
    let members = |line: &&str| {
        !["members", "exclude", "default-members"].contains(&line.split(' ').next().unwrap_or(""))
    };
    let lines: Vec<&str> = ours.lines().filter(members).collect();
    lines
        .join("\n")
        .replacen("[workspace]", "[workspace]\nmembers = [\"crates/*\"]", 1)
        .replace("path = \"crates/", &format!("path = \"{root}/crates/"))
}

fn save(path: &Path, text: &str) -> Outcome {
    let fail = |e: std::io::Error| format!("{}: {e}", path.display());
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(fail)?;
    }
    std::fs::write(path, text).map_err(fail)
}

fn renamed(text: &str, name: &str) -> String {
    let camel: String = name.split('-').map(capitalised).collect();
    text.replace("Template", &camel)
        .replace("storage_template", &format!("storage_{}", name.replace('-', "_")))
        .replace("template", name)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{manifest, renamed};

    #[test]
    fn another_workspace_has_our_rules_and_its_own_members() {
        let ours = "[workspace]\nmembers = [\"crates/*\", \"xtask\"]\nexclude = [\"x\"]\n[workspace.dependencies]\n\
                    storage-core = { path = \"crates/storage-core\" }";
        let wanted = "[workspace]\nmembers = [\"crates/*\"]\n[workspace.dependencies]\n\
                      storage-core = { path = \"/haul/crates/storage-core\" }";
        assert_eq!(manifest(ours, "/haul"), wanted);
    }

    #[test]
    fn names() {
        assert_eq!(
            renamed("storage-template storage_template::Template", "a-b"),
            "storage-a-b storage_a_b::AB"
        );
    }
}
