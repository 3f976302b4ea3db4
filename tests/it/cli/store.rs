//! Do `verify`, `repair` and `inspect` say what is there, and does the exit code say the same?

use serde_json::Value;
use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
};
use tapedeck::store::files::{Disk as _, RealDisk};
use tempfile::TempDir;

/// One that is sealed, and whose only trades are the ids 161 to 310.
const SEGMENT: &str = "hour/000000000001.tds";

/// A store: two contracts, the ids 101 to 110 missing in the first.
fn store() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segments/v1");
    copy(&golden, folder.path());
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("created");
    for entry in fs::read_dir(from).expect("readable") {
        let (path, to) = (entry.as_ref().expect("readable").path(), to.join(entry.expect("readable").file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).expect("copied");
        }
    }
}

/// Flips a bit of a byte; counted from the end when negative.
fn flip(folder: &TempDir, file: &str, at: i64) {
    let file = fs::OpenOptions::new().read(true).write(true).open(folder.path().join(file)).expect("there");
    let len = file.metadata().expect("there").len();
    let at = if at < 0 { len.checked_add_signed(at) } else { u64::try_from(at).ok() }.expect("in the file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("in the file");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
}

/// Exit code, standard output and standard error of a command that ends by itself.
pub(super) fn told(args: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
    let output = command.args(args).env_clear().current_dir(folder.path()).output().expect("started");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

pub(super) fn at(folder: &TempDir) -> &str {
    folder.path().to_str().expect("a name")
}

pub(super) fn has(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in\n{text}"));
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
    let mut files: Vec<_> = entries
        .flat_map(
            |path| if path.is_dir() { files(&path) } else { vec![(path.clone(), fs::read(&path).expect("there"))] },
        )
        .collect();
    files.sort();
    files
}

#[test]
fn an_intact_store_is_told_with_its_holes() {
    let store = store();
    let before = files(store.path());
    let (code, out, err) = told(&["verify", "--data-dir", at(&store)]);
    assert_eq!((code, &*err), (Some(0), ""));
    has(&out, &["records the test", "A0", "trades", "2026-11", "intact, with 1 hole of 10 ids"]);
    let hole: Vec<_> = out.lines().filter(|line| line.contains("101")).collect();
    assert!(hole.len() == 1 && hole[0].contains("110"), "{out}");
    let (code, out, _) = told(&["verify", "--data-dir", at(&store), "--strict"]);
    assert_eq!(code, Some(2));
    has(&out, &["not whole: 1 hole of 10 ids (--strict)"]);
    let (code, out, _) = told(&["verify", "--set", &format!("store.dir={}", at(&store)), "--json"]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &json["verdict"], &json["months"][0]["holes"]),
        (Some(0), &"holes".into(), &serde_json::json!([[101, 110]]))
    );
    assert!(files(store.path()) == before, "nothing is written");
}

#[test]
fn a_damaged_store_is_told_repaired_and_then_intact() {
    let store = store();
    flip(&store, SEGMENT, 700);
    flip(&store, "hour/000000000000.tds", -10);
    fs::remove_file(store.path().join("MANIFEST")).expect("there");
    let before = files(store.path());
    let (code, out, _) = told(&["verify", "--data-dir", at(&store)]);
    assert_eq!(code, Some(2));
    has(
        &out,
        &[SEGMENT, "trades 161 to 310", "its index is lost", "MANIFEST", "DAMAGED: 3 findings", "tapedeck repair"],
    );
    let (code, out, _) = told(&["repair", "--data-dir", at(&store), "--dry-run"]);
    assert_eq!(code, Some(2));
    has(&out, &["to do", SEGMENT, "MANIFEST", "3 things to do", "nothing was changed"]);
    assert!(files(store.path()) == before, "nothing is written");
    let (code, out, err) = told(&["repair", "--data-dir", at(&store), "--apply"]);
    assert_eq!((code, &*err), (Some(0), ""));
    has(&out, &["made", "put aside", "quarantine/hour-000000000001.tds", "repaired"]);
    let (code, out, _) = told(&["repair", "--data-dir", at(&store), "--apply"]);
    assert_eq!(code, Some(0));
    has(&out, &["nothing to do"]);
    let (code, out, _) = told(&["verify", "--data-dir", at(&store)]);
    assert_eq!(code, Some(0));
    has(&out, &["intact, with 2 holes of 160 ids"]);
    let kept = files(store.path());
    assert!(before.iter().all(|(_, old)| kept.iter().any(|(_, bytes)| bytes == old)), "nothing is deleted");
}

#[test]
fn what_is_no_store_is_exit_1_and_says_what_to_do() {
    let (code, _, err) = told(&["verify", "--data-dir", "/nowhere"]);
    assert_eq!(code, Some(1));
    has(&err, &["/nowhere is no directory", "--data-dir"]);
    let empty = tempfile::tempdir().expect("a folder");
    for command in [&["verify"][..], &["repair", "--apply"]] {
        let (code, _, err) = told(&[command, &["--data-dir", at(&empty)]].concat());
        assert_eq!(code, Some(1));
        has(&err, &["is no store", "STORE", "--data-dir"]);
    }
    assert_eq!(told(&["repair", "--data-dir", at(&empty)]).0, Some(2), "one of --dry-run and --apply must be said");
    let store = store();
    flip(&store, "STORE", 20);
    let (code, _, err) = told(&["verify", "--data-dir", at(&store)]);
    assert_eq!(code, Some(2), "{err}");
    has(&err, &["STORE is damaged", "put back a copy"]);
}

#[test]
fn a_running_writer_is_no_hindrance_to_verify_and_one_to_repair() {
    let store = store();
    let lock = RealDisk::new(store.path()).lock("STORE").expect("there").expect("free");
    assert_eq!(told(&["verify", "--data-dir", at(&store)]).0, Some(0));
    let (code, _, err) = told(&["repair", "--data-dir", at(&store), "--apply"]);
    assert_eq!(code, Some(1));
    has(&err, &["a server writes to this store: stop it first"]);
    drop(lock);
    assert_eq!(told(&["repair", "--data-dir", at(&store), "--apply"]).0, Some(0));
}

#[test]
fn a_file_alone_says_what_it_is() {
    let store = store();
    let alone = tempfile::tempdir().expect("a folder");
    for (file, parts) in [
        ("STORE", &["a STORE record", "venue", "the test", "whole"][..]),
        ("MANIFEST", &["a manifest", "A0", "hour/000000000001.tds", "month/000000001000.tds", "whole"]),
        ("journal/0000-00000004.tdj", &["a journal file", "sequence", "4096", "whole"]),
        (SEGMENT, &["a segment", "journal 0-1", "trades", "161", "310", "whole"]),
        ("month/000000001000.tds", &["a segment", "raw_trades", "candles", "whole"]),
    ] {
        let copy = alone.path().join("a file");
        fs::copy(store.path().join(file), &copy).expect("copied");
        let (code, out, err) = told(&["inspect", copy.to_str().expect("a name")]);
        assert_eq!((code, &*err), (Some(0), ""), "{out}");
        has(&out, parts);
        flip(&store, file, 20);
        let (code, out, _) = told(&["inspect", store.path().join(file).to_str().expect("a name")]);
        assert_eq!(code, Some(2), "{out}");
        has(&out, &["damage", "bytes 0 to "]);
    }
    let (code, _, err) = told(&["inspect", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert_eq!(code, Some(1));
    has(&err, &["is no file of a store"]);
}

#[test]
fn damage_in_the_middle_is_told_with_its_place() {
    let store = store();
    flip(&store, SEGMENT, 700);
    // Nothing behind the first frame says that it was synced, so this is what a power cut leaves, too.
    flip(&store, "journal/0000-00000004.tdj", 4_096 + 140);
    for (file, code, parts) in [
        (SEGMENT, 2, ["bytes 320 to", "trades 161 to 310"]),
        ("journal/0000-00000004.tdj", 0, ["bytes 4096 to", "no whole frame"]),
    ] {
        let (exit, out, _) = told(&["inspect", store.path().join(file).to_str().expect("a name")]);
        assert_eq!(exit, Some(code), "{out}");
        has(&out, &parts);
    }
}

#[test]
fn minutes_are_computed_anew_once() {
    let folder = store();
    let (code, first, told_first) = told(&["repair", "--data-dir", at(&folder), "--candles"]);
    assert_eq!(code, Some(0), "{told_first}");
    assert!(first.contains("computed"), "{first}");
    let (code, again, _) = told(&["repair", "--data-dir", at(&folder), "--candles"]);
    assert_eq!(code, Some(0));
    assert!(again.lines().all(|line| line.ends_with(" 0 put right")), "{again}");
}
