//! The guide shows real code: every Rust block of `docs/adding-a-backend.md` stands in the backend that it derives.

use std::path::{Path, PathBuf};

use crate::run::{Outcome, read, root};

const GUIDE: &str = "docs/adding-a-backend.md";
const EXAMPLE: &str = "conformance/examples/storage-redb";

pub(crate) fn check() -> Outcome<Vec<String>> {
    Ok(compare(&read(GUIDE)?, &sources()?))
}

/// The example's manifest and Rust files, as text.
fn sources() -> Outcome<Vec<String>> {
    let mut texts = vec![read(&format!("{EXAMPLE}/Cargo.toml"))?];
    for folder in ["src", "tests"] {
        let folder = root().join(EXAMPLE).join(folder);
        let fail = |path: &Path, e: std::io::Error| format!("{}: {e}", path.display());
        for entry in std::fs::read_dir(&folder).map_err(|e| fail(&folder, e))? {
            let path: PathBuf = entry.map_err(|e| fail(&folder, e))?.path();
            texts.push(std::fs::read_to_string(&path).map_err(|e| fail(&path, e))?);
        }
    }
    Ok(texts)
}

fn compare(guide: &str, sources: &[String]) -> Vec<String> {
    let blocks = blocks(guide);
    let mut problems = Vec::new();
    if blocks.is_empty() {
        problems.push(format!("{GUIDE}: it shows no Rust code"));
    }
    for (line, block) in blocks {
        if !sources.iter().any(|source| has_lines(source, &block)) {
            problems.push(format!("{GUIDE}:{line}: the block stands in no file of {EXAMPLE}"));
        }
    }
    problems
}

/// The fenced Rust blocks: the number of the opening line, and the lines that are not empty.
fn blocks(guide: &str) -> Vec<(usize, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut lines = guide.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if line.starts_with("```") {
            let block = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let block = block.filter(|line| !line.trim().is_empty()).collect();
            if line == "```rust" {
                blocks.push((at + 1, block));
            }
        }
    }
    blocks
}

/// Whether the lines stand in `source` one after the other. Empty lines do not count, and neither does the indentation
/// of the block as a whole: a guide shows a method without its `impl`.
fn has_lines(source: &str, block: &[&str]) -> bool {
    let source: Vec<&str> = source.lines().filter(|line| !line.trim().is_empty()).collect();
    let same = |window: &[&str]| {
        let indent = indent(window[0]);
        let shown = window.iter().zip(block).all(|(ours, theirs)| ours.strip_prefix(indent) == Some(theirs));
        shown || window == block
    };
    !block.is_empty() && source.windows(block.len()).any(same)
}

fn indent(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn blocks_stand_in_the_example() {
        let source = ["impl A {\n    fn a() {\n        one();\n\n        two();\n    }\n}\n".to_owned()];
        let check = |block: &str, problems: usize| {
            let guide = format!("Text.\n\n```sh\nignored\n```\n\n```rust\n{block}\n```\n\nMore.\n");
            assert_eq!(compare(&guide, &source).len(), problems, "{block}");
        };
        check("fn a() {\n    one();\n    two();\n}", 0);
        check("    fn a() {\n        one();", 0);
        check("impl A {\n    fn a() {", 0);
        check("one();\n\ntwo();", 0);
        check("fn a() {\n    two();", 1);
        check("fn a() {\none();", 1);
        check("fn b() {", 1);
        check("", 1);
        assert_eq!(compare("no code", &source).len(), 1);
    }
}
