use super::*;

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

fn lines(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

fn source_rules(path: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    source::check(&file(path, text), &mut violations);
    lines(&violations)
}

fn manifest_rules(files: &[File]) -> Vec<String> {
    let mut violations = Vec::new();
    manifest::check(files, &mut violations);
    lines(&violations)
}

/// A manifest that breaks no rule, with further lines behind it.
fn manifest(name: &str, more: &str) -> String {
    format!("[package]\nname = \"{name}\"\n\n[lints]\nworkspace = true\n\n{more}")
}

#[test]
fn five_hundred_lines_are_fine_and_one_more_is_not() {
    assert_eq!(source_rules("a.rs", &"x\n".repeat(500)), [""; 0]);
    let found = source_rules("a.rs", &"x\n".repeat(501));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("a.rs:501: 501 lines"), "{found:?}");
}

#[test]
fn columns_are_characters_not_bytes() {
    assert_eq!(source_rules("a.rs", &"é".repeat(100)), [""; 0]);
    let found = source_rules("a.rs", &format!("ok\n{}", "é".repeat(101)));
    assert!(found[0].starts_with("a.rs:2: 101 columns"), "{found:?}");
    assert_eq!(source_rules("a.md", &"x".repeat(500)), [""; 0]);
}

#[test]
fn names_that_say_nothing_are_refused() {
    for name in ["common", "utils", "helpers", "misc", "types", "mod"] {
        assert_eq!(source_rules(&format!("crates/x/src/{name}.rs"), "").len(), 1, "{name}");
    }
    assert_eq!(source_rules("crates/x/src/mailbox.rs", ""), [""; 0]);
}

#[test]
fn unfinished_and_silenced_code_is_refused_but_may_be_talked_about() {
    let banned = [
        concat!("#[", "ignore]"),
        concat!("#[", "ignore = \"slow\"]"),
        concat!("let x = todo", "!();"),
        concat!("dbg", "!(x);"),
        concat!("#[", "allow(dead_code)]"),
        concat!("#![", "allow(dead_code)]"),
    ];
    for text in banned {
        assert_eq!(source_rules("a.rs", &format!("fn f() {{}}\n{text}\n")).len(), 1, "{text}");
        assert_eq!(source_rules("a.rs", &format!("    // {text}\n")), [""; 0], "{text}");
    }
    assert_eq!(source_rules("a.rs", "#[expect(lint, reason = \"why\")]\n"), [""; 0]);
}

#[test]
fn a_crate_may_use_only_what_is_below_it() {
    let cases = [
        ("floodway-queue", "[dependencies]\nfloodway-wire.workspace = true\n", 1),
        ("floodway-queue", "[dependencies]\nbytes.workspace = true\n", 0),
        ("floodway-wire", "[dev-dependencies]\nfloodway = { path = \"../bus\" }\n", 1),
        ("floodway-query", "[dependencies.floodway-queue]\nworkspace = true\n", 1),
        ("floodway", "[dependencies]\nfloodway-queue.workspace = true\n", 0),
        ("floodway", "[dependencies]\n\"floodway-wire\" = \"0.1\"\n", 1),
        ("floodway", "[target.'cfg(unix)'.dependencies]\nfloodway-broker = \"0.1\"\n", 1),
        ("floodway", "[dependencies]\nw = { package = \"floodway-wire\", version = \"1\" }\n", 1),
        ("floodway-broker", "[dependencies]\nfloodway = \"1\"\nfloodway-queue = \"1\"\n", 0),
        ("floodway-broker", "[dependencies]\nfloodway-wire = \"1\"\n", 1),
        ("floodway-server", "[dependencies]\nfloodway-wire = \"1\"\nfloodway = \"1\"\n", 0),
        ("floodway-new", "", 1),
    ];
    for (name, dependencies, expected) in cases {
        let text = manifest(name, dependencies);
        let found = manifest_rules(&[file("crates/x/Cargo.toml", &text)]);
        assert_eq!(found.len(), expected, "{name} {dependencies} {found:?}");
    }
}

#[test]
fn an_arrow_violation_names_its_line_and_what_is_allowed() {
    let text = manifest("floodway", "[dependencies]\nfloodway-wire = \"1\"\n");
    let found = manifest_rules(&[file("crates/bus/Cargo.toml", &text)]);
    let right = "crates/bus/Cargo.toml:8: floodway uses floodway-wire; \
        it may use floodway-queue, floodway-query";
    assert_eq!(found, [right]);
}

#[test]
fn every_package_inherits_the_lints() {
    let bare = "[package]\nname = \"xtask\"\n";
    assert_eq!(manifest_rules(&[file("dev/xtask/Cargo.toml", bare)]).len(), 1);
    let dotted = "lints.workspace = true\n[package]\nname = \"xtask\"\n";
    assert_eq!(manifest_rules(&[file("dev/xtask/Cargo.toml", dotted)]), [""; 0]);
    let workspace = "[workspace.dependencies]\nfloodway = { path = \"crates/bus\" }\n";
    assert_eq!(manifest_rules(&[file("Cargo.toml", workspace)]), [""; 0]);
}

#[test]
fn every_crate_root_outside_the_queue_forbids_unsafe() {
    let with_root = |name: &str, root: &str, text: &str| {
        let files = [
            file("crates/x/Cargo.toml", &manifest(name, "")),
            file(&format!("crates/x/{root}"), text),
        ];
        manifest_rules(&files).len()
    };
    for root in ["src/lib.rs", "src/main.rs", "src/bin/tool.rs"] {
        assert_eq!(with_root("floodway", root, "//! Doc.\n"), 1, "{root}");
        let right = "//! Doc.\n#![forbid(unsafe_code)]\n";
        assert_eq!(with_root("floodway", root, right), 0, "{root}");
    }
    assert_eq!(with_root("floodway", "src/mailbox.rs", ""), 0);
    assert_eq!(with_root("floodway", "tests/it/main.rs", ""), 0);
    assert_eq!(with_root("floodway-queue", "src/lib.rs", ""), 0);
}

#[test]
fn checklist_rows_are_missing_until_a_test_cites_them() {
    let rules = |files: &[File]| {
        let mut violations = Vec::new();
        checklist::check(files, &mut violations);
        lines(&violations)
    };
    let none = rules(&[]);
    let rows = none.len();
    assert!(rows >= 13, "{rows}");
    assert!(none[0].contains("row A1;"), "{none:?}");
    let text = "// checklist: A1, A2 and more\n// checklist: A13\n// nochecklist: B1\n";
    let cited = rules(&[file("crates/bus/tests/it/order.rs", text)]);
    assert_eq!(cited.len(), rows - 3, "{cited:?}");
    // The id of one row is the beginning of another's.
    let longer = rules(&[file("crates/bus/src/x/tests.rs", "// checklist: A13\n")]);
    assert_eq!(longer.len(), rows - 1);
    assert_eq!(rules(&[file("crates/bus/src/x.rs", text)]).len(), rows, "not a test");
    assert_eq!(rules(&[file("dev/xtask/src/tidy/tests.rs", text)]).len(), rows, "this file");
}

#[test]
fn a_missing_row_points_at_its_line_in_the_list() {
    let list = file("dev/xtask/src/tidy/checklist.rs", "const DONE: &[&str] =\n    &[\"A1\"];\n");
    let mut violations = Vec::new();
    checklist::check(&[list], &mut violations);
    assert_eq!((violations[0].line, violations[1].line), (2, 1));
}

#[test]
fn cited_requirements_must_be_defined() {
    let rules = |text: &str| {
        let files =
            [file("docs/spec/overflow.md", "**OVF-3** A MUST.\n"), file("crates/x/src/a.rs", text)];
        let mut violations = Vec::new();
        spec::check(&files, &mut violations);
        lines(&violations)
    };
    assert_eq!(rules("// spec: OVF-3\n"), [""; 0]);
    assert_eq!(rules("// the spec: it says nothing here\n"), [""; 0]);
    assert_eq!(rules("fn f() {}\n// spec: OVF-3, OVF-4 (why)\n").len(), 1);
    let found = rules("fn f() {}\n// spec: OVF-33\n");
    assert!(found[0].starts_with("crates/x/src/a.rs:2: no requirement OVF-33"), "{found:?}");
}

#[test]
fn all_rules_run_on_the_whole_tree() {
    let files = [
        file("crates/x/Cargo.toml", "[package]\nname = \"floodway\"\n"),
        file("crates/x/src/lib.rs", "// spec: OVF-1\n"),
        file("crates/x/src/utils.rs", ""),
    ];
    let found = check(&files);
    let in_crate = found.iter().filter(|violation| violation.path.starts_with("crates/x"));
    assert_eq!(in_crate.count(), 4, "{found:?}");
}
