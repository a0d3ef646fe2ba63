//! The layer law: at run time every crate depends, of ours, on `storage-core` alone; the program alone sees all.

use super::packages::{Dependency, Kind, Package};

const CORE: &str = "storage-core";
const PROGRAM: &str = "storage-cli";
const CONFORMANCE: &str = "storage-conformance";

pub(crate) fn check(packages: &[Package]) -> Vec<String> {
    let ours = |d: &&Dependency| packages.iter().any(|p| p.name == d.name);
    let mut problems = Vec::new();
    for package in packages {
        for dependency in package.dependencies.iter().filter(ours) {
            problems.extend(check_edge(package, dependency));
        }
        let folder = package.folder.rsplit('/').next().unwrap_or_default();
        let named = match package.name.as_str() {
            CONFORMANCE => folder == "conformance",
            "storage-benches" => folder == "benches",
            name => folder == name,
        };
        if !named {
            problems
                .push(format!("{}: the folder `{}` has another name than its package", package.name, folder));
        }
    }
    problems
}

fn check_edge(package: &Package, dependency: &Dependency) -> Option<String> {
    let edge = format!("{} -> {}", package.name, dependency.name);
    if dependency.kind == Kind::Dev {
        // A version would make a circle of publishing: with a path alone, a publish drops it.
        let test_kit = matches!(dependency.name.as_str(), "storage-memory" | CONFORMANCE);
        let bound = package.is_crate() && dependency.has_path && dependency.has_version;
        return match (test_kit || package.name == PROGRAM, bound) {
            (_, true) => Some(format!("{edge}: a dev-dependency on ours has a path and no version")),
            (false, false) if package.is_crate() => {
                Some(format!("{edge}: tests may use storage-memory and {CONFORMANCE}, nothing else of ours"))
            }
            _ => None,
        };
    }
    let allowed = match package.name.as_str() {
        CORE => false,
        PROGRAM => true,
        _ if package.is_crate() || package.name == CONFORMANCE => dependency.name == CORE,
        _ => true,
    };
    if !allowed {
        return Some(format!("{edge}: the layer law allows storage-core alone"));
    }
    let published = package.is_crate() || package.name == CONFORMANCE;
    (published && !dependency.has_version).then(|| format!("{edge}: a published dependency needs a version"))
}

#[cfg(test)]
mod tests {
    use super::super::packages::{Dependency, Kind, Package};
    use super::check;

    fn package(name: &str, on: &str, kind: Kind, has_version: bool) -> Vec<Package> {
        let dependency = Dependency { name: on.into(), kind, has_path: true, has_version };
        let new = |name: &str, dependencies| Package {
            name: name.into(),
            description: String::new(),
            folder: format!("crates/{name}"),
            dependencies,
        };
        vec![new(name, vec![dependency]), new(on, Vec::new())]
    }

    #[test]
    fn the_law() {
        let check = |name, on, kind, version, problems| {
            assert_eq!(check(&package(name, on, kind, version)).len(), problems, "{name} -> {on} {kind:?}");
        };
        check("storage-a", "storage-core", Kind::Normal, true, 0);
        check("storage-a", "storage-core", Kind::Normal, false, 1);
        check("storage-a", "storage-b", Kind::Normal, true, 1);
        check("storage-a", "storage-b", Kind::Build, true, 1);
        check("storage-core", "storage-b", Kind::Normal, true, 1);
        check("storage-cli", "storage-b", Kind::Normal, true, 0);
        check("storage-a", "storage-memory", Kind::Dev, false, 0);
        check("storage-a", "storage-memory", Kind::Dev, true, 1);
        check("storage-a", "storage-b", Kind::Dev, false, 1);
    }
}
