//! The clause map: every clause of the contract has a case, and every case names a clause.

use std::collections::{BTreeMap, BTreeSet};

use crate::run::{Outcome, cargo, output, read};

pub(crate) fn check() -> Outcome<Vec<String>> {
    let clauses = clauses(&read("docs/contract.md")?);
    // The memory backend supports everything: its list is the list of all cases that need no wire. Those that do are
    // listed by the suite's own store over HTTP; those of codecs and formats by any of them.
    let harnesses = [
        ("storage-memory", "conformance"),
        ("storage-conformance", "wire"),
        ("storage-codec-gzip", "conformance"),
        ("storage-format-ndjson", "conformance"),
    ];
    let lists: Outcome<Vec<String>> = harnesses.iter().map(|(package, test)| list(package, test)).collect();
    Ok(compare(&clauses, &cases(&lists?.concat())))
}

fn list(package: &str, test: &str) -> Outcome<String> {
    output(&mut cargo(&["test", "--quiet", "-p", package, "--test", test, "--", "--list"]))
}

fn compare(clauses: &BTreeSet<String>, cases: &BTreeMap<String, Option<String>>) -> Vec<String> {
    let mut problems = Vec::new();
    let named: BTreeSet<&String> = cases.values().flatten().collect();
    for clause in clauses.iter().filter(|clause| !named.contains(clause)) {
        problems.push(format!("docs/contract.md: no case proves {clause}"));
    }
    for (case, clause) in cases {
        match clause {
            None => problems.push(format!("conformance: case `{case}` names no clause")),
            Some(clause) if !clauses.contains(clause) => {
                problems.push(format!(
                    "conformance: case `{case}` names {clause}, which is not in docs/contract.md"
                ));
            }
            Some(_) => {}
        }
    }
    if cases.is_empty() {
        problems.push("conformance: the suite lists no case".to_owned());
    }
    problems
}

/// Clauses stand as `- **READ-1** …`.
fn clauses(contract: &str) -> BTreeSet<String> {
    contract
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"))
        .filter(|(id, _)| id_of(id).as_deref() == Some(*id))
        .map(|(id, _)| id.to_owned())
        .collect()
}

/// Cases are listed as `plain/read/READ-1-words: test`, possibly with a `[note]` in front.
fn cases(list: &str) -> BTreeMap<String, Option<String>> {
    list.lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(|name| name.rsplit("] ").next().unwrap_or(name))
        .map(|name| (name.to_owned(), name.rsplit('/').next().and_then(id_of)))
        .collect()
}

/// The clause id that a text begins with: capitals, a hyphen, digits.
fn id_of(text: &str) -> Option<String> {
    let (area, rest) = text.split_once('-')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let valid = !area.is_empty() && area.bytes().all(|b| b.is_ascii_uppercase()) && !digits.is_empty();
    valid.then(|| format!("{area}-{digits}"))
}

#[cfg(test)]
mod tests {
    use super::{cases, clauses, compare};

    #[test]
    fn both_directions() {
        let contract = clauses("- **READ-1** x\n- **READ-2** y\ntext **READ-3**\n- **note** z\n");
        assert_eq!(contract.len(), 2);
        let list =
            cases("plain/read/READ-1-a: test\n[ignored: x] plain/w/WRITE-9-b: test\nplain/odd: test\n");
        let problems = compare(&contract, &list);
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
