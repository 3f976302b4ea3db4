//! Is the code still in order? Layers, fences around `unsafe`, sizes of files, first lines, names at the top.
//!
//! Each rule reports every breach, then fails once, so one run shows the whole picture.

use std::{fs, path::Path};

/// The architecture, bottom up: a module may import only from lines above its own in this table.
const LAYERS: &[&[&str]] = &[
    &["model", "ring"],
    &["clock", "metrics"],
    &["candle", "book", "profile"],
    &["store", "net"],
    &["exchange", "market"],
    &["query"],
    &["live", "feed", "history"],
    &["api"],
    &["config"],
    &["app", "sim"],
    &["cli"],
];

/// Imports that the layers would let through.
const STRANGERS: &[(&str, &str)] = &[("exchange", "store")];

/// The only files in which `unsafe` may appear.
const UNSAFE_FILES: &[&str] = &["store/files/map.rs"];

/// The only module that reads the environment.
const ENVIRONMENT_READER: &str = "config";

/// The longest a file may grow, counted up to its `mod tests`.
const FILE_LINES_MAX: usize = 600;

/// What may stand at the top of the package, beside hidden files.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "config",
    "deploy",
    "docs",
    "fuzz",
    "python",
    "src",
    "target",
    "tests",
    "verify",
    "web",
];

fn package(below: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn report(breaches: &[String]) {
    assert!(breaches.is_empty(), "untidy:\n{}", breaches.join("\n"));
}

#[test]
fn sources_are_in_order() {
    let breaches: Vec<String> = sources("src").iter().flat_map(|(path, text)| source_breaches(path, text)).collect();
    report(&breaches);
}

#[test]
fn tests_and_benches_are_in_order() {
    let files = ["tests", "benches"].into_iter().flat_map(sources);
    report(&files.flat_map(|(path, text)| file_breaches(&path, &text)).collect::<Vec<_>>());
}

#[test]
fn nothing_else_stands_at_the_top() {
    let names = fs::read_dir(package("")).expect("readable").map(|entry| entry.expect("readable").file_name());
    let strange = names.filter_map(|name| name.into_string().ok()).filter(|name| !name.starts_with('.'));
    report(&strange.filter(|name| !TOP.contains(&name.as_str())).collect::<Vec<_>>());
}

#[test]
fn the_code_map_has_a_heading_for_each_folder() {
    let Ok(map) = fs::read_to_string(package("docs/ARCHITECTURE.md")) else {
        return eprintln!("skipped: docs/ARCHITECTURE.md is absent");
    };
    let entries = fs::read_dir(package("src")).expect("readable").map(|entry| entry.expect("readable"));
    let folders =
        entries.filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok());
    report(&folders.filter(|folder| !has_heading(&map, folder)).collect::<Vec<_>>());
}

/// Whether a heading of `map` names `folder` in code type.
fn has_heading(map: &str, folder: &str) -> bool {
    map.lines().any(|line| line.starts_with('#') && line.contains(&format!("`{folder}`")))
}

/// What any source file must keep to.
fn file_breaches(path: &str, text: &str) -> Vec<String> {
    let body = body(text);
    let mut breaches = Vec::new();
    if !text.starts_with("//! ") {
        breaches.push(format!("{path}: starts without a `//!` line saying what it answers"));
    }
    if body.lines().count() > FILE_LINES_MAX {
        breaches.push(format!("{path}: longer than {FILE_LINES_MAX} lines; split it by responsibility"));
    }
    if code(text).contains(concat!("#[", "allow(")) {
        breaches.push(format!("{path}: write `expect` with a reason instead of `allow`"));
    }
    breaches
}

/// What a file below `src` must keep to; `path` is from there.
fn source_breaches(path: &str, text: &str) -> Vec<String> {
    let mut breaches = file_breaches(path, text);
    let code = code(body(text));
    let module = path.split(['/', '.']).next().unwrap_or_default();
    if code.contains("unsafe ") && !UNSAFE_FILES.contains(&path) {
        breaches.push(format!("{path}: `unsafe` outside {UNSAFE_FILES:?}"));
    }
    if code.contains("super::super") {
        breaches.push(format!("{path}: name the path from `crate::` instead of climbing"));
    }
    if code.contains("env::var") && module != ENVIRONMENT_READER {
        breaches.push(format!("{path}: only `{ENVIRONMENT_READER}` reads the environment"));
    }
    match layer(module) {
        Some(own) => breaches.extend(import_breaches(path, module, own, &code)),
        None if matches!(module, "lib" | "main") => {}
        None => breaches.push(format!("{path}: `{module}` has no place in LAYERS")),
    }
    breaches
}

fn import_breaches(path: &str, module: &str, own: usize, code: &str) -> Vec<String> {
    let below = |import: &str| layer(import).is_some_and(|theirs| theirs < own);
    let stranger = |import: &str| STRANGERS.contains(&(module, import));
    let imports = crate_imports(code).into_iter().filter(|import| import != module);
    let wrong = imports.filter(|import| !below(import) || stranger(import));
    wrong.map(|import| format!("{path}: `{module}` may not import `{import}`")).collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// `text` without its unit tests.
fn body(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or_default()
}

/// `text` without comments, roughly: a `//` inside a string ends the line too.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().to_owned() + "\n").collect()
}

/// The first name of every `crate::` path, those in a `crate::{a, b::c}` group included.
fn crate_imports(code: &str) -> Vec<String> {
    let paths = code.split("crate::").skip(1);
    paths.flat_map(|path| path.strip_prefix('{').map_or_else(|| vec![identifier(path)], group_names)).collect()
}

/// The first name of each member of a group, whose opening brace is behind.
fn group_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    for piece in group.split_inclusive(['{', '}', ',']) {
        if depth == 0 && !identifier(piece).is_empty() {
            names.push(identifier(piece));
        }
        depth += match piece.chars().last() {
            Some('{') => 1,
            Some('}') => -1,
            _ => 0,
        };
        if depth < 0 {
            break;
        }
    }
    names
}

fn identifier(text: &str) -> String {
    text.trim_start().chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect()
}

/// Every Rust file below `folder` of the package, with its path from there.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = package(folder);
    let mut sources = Vec::new();
    let mut folders: Vec<_> = Some(root.clone()).into_iter().filter(|root| root.exists()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("readable") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
                sources.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    sources.sort();
    sources
}

#[test]
fn each_rule_finds_its_breach() {
    let sound = "//! What?\n\nuse crate::model::Price;\n";
    assert_eq!(source_breaches("candle/fold.rs", sound), Vec::<String>::new());
    for (path, text, part) in [
        ("candle/fold.rs", "use std::fmt;\n".to_owned(), "`//!`"),
        ("candle/fold.rs", "//! What?\n".repeat(601), "longer"),
        ("candle/fold.rs", format!("//! What?\n#[{}(dead_code)]\n", "allow"), "`allow`"),
        ("candle/fold.rs", "//! What?\nfn f() { unsafe { g() } }\n".to_owned(), "`unsafe`"),
        ("candle/fold.rs", "//! What?\nuse super::super::x;\n".to_owned(), "climbing"),
        ("candle/fold.rs", "//! What?\nfn f() { std::env::var(\"X\") }\n".to_owned(), "environment"),
        ("candle/fold.rs", "//! What?\nuse crate::book::Level;\n".to_owned(), "import `book`"),
        ("candle/fold.rs", "//! What?\nuse crate::{model::Price, api::Page};\n".to_owned(), "import `api`"),
        ("candle/fold.rs", "//! What?\nuse crate::utils::f;\n".to_owned(), "import `utils`"),
        ("exchange/mod.rs", "//! What?\nuse crate::store::Segment;\n".to_owned(), "import `store`"),
        ("utils/mod.rs", "//! What?\n".to_owned(), "no place"),
    ] {
        let breaches = source_breaches(path, &text);
        assert!(breaches.len() == 1 && breaches[0].contains(part), "{part}: {breaches:?}");
    }
}

#[test]
fn unit_tests_and_comments_are_not_code() {
    let text = "//! What?\n// unsafe code\n\n#[cfg(test)]\nmod tests {\n    use crate::api::Page;\n}\n";
    assert_eq!(source_breaches("model/time.rs", text), Vec::<String>::new());
}

#[test]
fn grouped_imports_are_seen() {
    let text = "use crate::{\n    model::{Price, Quantity},\n    ring::Ring,\n};\nlet x = crate::store::open();";
    assert_eq!(crate_imports(text), ["model", "ring", "store"]);
}

#[test]
fn a_heading_names_its_folder() {
    let map = "# Code map\n### `model`\n`ring` is not here\n";
    assert!(has_heading(map, "model") && !has_heading(map, "ring") && !has_heading(map, "mode"));
}
