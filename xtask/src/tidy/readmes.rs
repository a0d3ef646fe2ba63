//! A crate's README is its documentation: name, the manifest's sentence, purpose, example, limits.

use super::packages::Package;
use crate::run::{Outcome, read};

/// Every crate in `crates/` but the program, which has its own shape.
const HEADINGS: [&str; 2] = ["## What it is for", "## Example"];
/// Backends, codecs and formats also say where they end.
const LIMITS: &str = "## Limits";

pub(crate) fn check(packages: &[Package]) -> Outcome<Vec<String>> {
    let mut problems = Vec::new();
    for package in packages.iter().filter(|p| p.is_crate() || p.name == "storage-conformance") {
        let path = format!("{}/README.md", package.folder);
        let Ok(text) = read(&path) else {
            problems.push(format!("{path} is missing"));
            continue;
        };
        problems.extend(check_text(package, &text).into_iter().map(|problem| format!("{path}: {problem}")));
        let root = ["src/lib.rs", "src/main.rs"].map(|file| format!("{}/{file}", package.folder));
        let included =
            root.iter().any(|file| read(file).is_ok_and(|t| t.contains("include_str!(\"../README.md\")")));
        if !included {
            problems.push(format!("{}: the crate's documentation is not its README", package.name));
        }
    }
    Ok(problems)
}

fn check_text(package: &Package, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut paragraphs = text.split("\n\n");
    if paragraphs.next() != Some(&format!("# {}", package.name)) {
        problems.push(format!("the first line is not `# {}`", package.name));
    }
    let first = paragraphs.next().unwrap_or_default().replace('\n', " ");
    if first.trim() != package.description {
        problems.push("the first paragraph is not the description of the manifest".to_owned());
    }
    if package.name != "storage-cli" {
        let wanted = HEADINGS.iter().chain((package.name != "storage-core").then_some(&LIMITS));
        let missing = wanted.filter(|heading| !text.lines().any(|line| line == **heading));
        problems.extend(missing.map(|heading| format!("the heading `{heading}` is missing")));
    }
    problems
}
