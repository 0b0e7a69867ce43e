//! Rules of each package: which of our crates it may use, its lints, and no unsafe code.

use super::{File, Violation};

/// Which of our crates each may use; a crate of `crates/` that is not here is itself a violation.
/// The server may use all of them, and so may everything in `dev/`.
const ARROWS: [(&str, &[&str]); 5] = [
    ("floodway-queue", &[]),
    ("floodway-query", &[]),
    ("floodway-wire", &[]),
    ("floodway", &["floodway-queue", "floodway-query"]),
    ("floodway-broker", &["floodway", "floodway-queue"]),
];
const UNRESTRICTED: &str = "floodway-server";

/// The one crate that may contain unsafe code.
const UNSAFE_CRATE: &str = "floodway-queue";
const FORBID: &str = "#![forbid(unsafe_code)]";

pub(super) fn check(files: &[File], violations: &mut Vec<Violation>) {
    for file in files.iter().filter(|file| file.name() == "Cargo.toml") {
        let manifest = Manifest::parse(&file.text);
        // A manifest without a package is the workspace's own.
        let Some(package) = manifest.package else { continue };
        check_arrows(file, &package, &manifest.dependencies, violations);
        if !manifest.inherits_lints {
            let what = "lints are not inherited; add `[lints]` with `workspace = true`";
            violations.push(Violation::new(file, 1, what));
        }
        if package != UNSAFE_CRATE {
            let folder = file.path.trim_end_matches("Cargo.toml");
            check_roots(files, folder, violations);
        }
    }
}

fn check_arrows(
    file: &File,
    package: &str,
    dependencies: &[(usize, String)],
    violations: &mut Vec<Violation>,
) {
    if !file.path.starts_with("crates/") || package == UNRESTRICTED {
        return;
    }
    let Some((_, may_use)) = ARROWS.iter().find(|(name, _)| *name == package) else {
        let what = format!("crate {package} has no place in the layers; add it to tidy's ARROWS");
        violations.push(Violation::new(file, 1, what));
        return;
    };
    for (line, dependency) in dependencies {
        let ours = dependency == "floodway" || dependency.starts_with("floodway-");
        // A package may name itself, for a feature its own tests need.
        if ours && dependency != package && !may_use.contains(&dependency.as_str()) {
            let allowed =
                if may_use.is_empty() { "nothing of ours".into() } else { may_use.join(", ") };
            let what = format!("{package} uses {dependency}; it may use {allowed}");
            violations.push(Violation::new(file, *line, what));
        }
    }
}

/// Crate roots of the shipped code; tests and examples may need unsafe (a counting allocator).
fn check_roots(files: &[File], folder: &str, violations: &mut Vec<Violation>) {
    let is_root = |path: &str| {
        path.strip_prefix(folder).is_some_and(|path| {
            let binary = path.strip_prefix("src/bin/").is_some_and(|name| !name.contains('/'));
            binary || path == "src/lib.rs" || path == "src/main.rs"
        })
    };
    for root in files.iter().filter(|file| file.is_rust() && is_root(&file.path)) {
        if !root.text.lines().any(|line| line.trim() == FORBID) {
            violations.push(Violation::new(root, 1, format!("crate root without `{FORBID}`")));
        }
    }
}

/// What the rules need to know of one Cargo.toml.
///
/// Not a TOML parser: it understands the forms Cargo documents for dependency tables, one key a
/// line, which is how `cargo add` and people write them.
#[derive(Debug, Default)]
struct Manifest {
    package: Option<String>,
    inherits_lints: bool,
    dependencies: Vec<(usize, String)>,
}

impl Manifest {
    fn parse(text: &str) -> Self {
        let mut manifest = Manifest::default();
        let mut section = "";
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if let Some(header) = line.strip_prefix('[') {
                section = header.split(']').next().unwrap_or_default().trim();
                if let Some(name) = dependency_of_header(section) {
                    manifest.dependencies.push((number, unquote(name).to_owned()));
                }
            } else if let Some((key, value)) = line.split_once('=')
                && !line.starts_with('#')
            {
                manifest.entry(section, number, key.trim(), value.trim());
            }
        }
        manifest
    }

    fn entry(&mut self, section: &str, number: usize, key: &str, value: &str) {
        if section == "package" && key == "name" {
            self.package = Some(unquote(value).to_owned());
        }
        let lints = (section == "lints" && key == "workspace") || key == "lints.workspace";
        self.inherits_lints |= lints && value.starts_with("true");
        if is_dependency_table(section) {
            // `name.workspace = true`, `name = "1"` or `alias = { package = "name" }`.
            let name = renamed(value).unwrap_or_else(|| key.split('.').next().unwrap_or(key));
            self.dependencies.push((number, unquote(name).to_owned()));
        } else if dependency_of_header(section).is_some() && key == "package" {
            self.dependencies.push((number, unquote(value).to_owned()));
        }
    }
}

/// `dependencies`, `dev-dependencies`, `build-dependencies`, also below `target.'...'.`.
fn is_dependency_table(section: &str) -> bool {
    let last = section.rsplit('.').next().unwrap_or(section);
    matches!(last, "dependencies" | "dev-dependencies" | "build-dependencies")
        && !section.starts_with("workspace")
}

/// The name in a header such as `dependencies.name`.
fn dependency_of_header(section: &str) -> Option<&str> {
    let (table, name) = section.rsplit_once('.')?;
    is_dependency_table(table).then_some(name)
}

/// The real name of a renamed dependency: `{ package = "name", ... }`.
fn renamed(value: &str) -> Option<&str> {
    let (_, after) = value.split_once("package")?;
    let (_, name) = after.split_once('"')?;
    name.split('"').next()
}

fn unquote(text: &str) -> &str {
    text.split('#').next().unwrap_or(text).trim().trim_matches(['"', '\''])
}
