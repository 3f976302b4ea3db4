//! What does a power cut leave of the names?

use super::*;
use crate::store::files::replace;

fn paths(disk: &SimulatedDisk) -> Vec<String> {
    disk.paths()
}

/// Each path with its first byte.
fn tree(disk: &SimulatedDisk) -> Vec<(String, u8)> {
    disk.paths().into_iter().map(|path| (path.clone(), disk.contents(&path).unwrap()[0])).collect()
}

#[test]
fn a_synced_file_may_lose_its_name_until_its_directory_is_synced() {
    let disk = SimulatedDisk::new(1);
    let file = disk.create("a").unwrap();
    write_all_at(&*file, b"x", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(after_cuts(&disk, paths), BTreeSet::from([vec![], vec!["a".to_owned()]]));
    disk.sync_dir("").unwrap();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([b"x".to_vec()]));
}

#[test]
fn an_unlinked_file_may_come_back_until_its_directory_is_synced() {
    let (disk, file) = with_file(b"x");
    drop(file);
    disk.unlink("a").unwrap();
    assert_eq!(after_cuts(&disk, paths).len(), 2);
    disk.sync_dir("").unwrap();
    assert_eq!(after_cuts(&disk, paths), BTreeSet::from([vec![]]));
}

#[test]
fn a_directory_takes_the_names_in_it_along() {
    let disk = SimulatedDisk::new(1);
    disk.create_dir("d").unwrap();
    drop(disk.create("d/a").unwrap());
    disk.sync_dir("d").unwrap();
    assert_eq!(after_cuts(&disk, paths).len(), 2);
    disk.sync_dir("").unwrap();
    assert_eq!(after_cuts(&disk, paths), BTreeSet::from([vec!["d/a".to_owned()]]));
}

#[test]
fn a_rename_is_seen_whole_or_not_at_all() {
    let disk = SimulatedDisk::new(1);
    disk.replace_file("one/a", b"1");
    disk.replace_file("two/a", b"2");
    disk.rename("one/a", "two/a").unwrap();
    let before = vec![("one/a".to_owned(), b'1'), ("two/a".to_owned(), b'2')];
    let after = vec![("two/a".to_owned(), b'1')];
    assert_eq!(after_cuts(&disk, tree), BTreeSet::from([before.clone(), after.clone()]));
    disk.sync_dir("two").unwrap();
    assert_eq!(after_cuts(&disk, tree), BTreeSet::from([before, after.clone()]), "one directory is not enough");
    disk.sync_dir("one").unwrap();
    assert_eq!(after_cuts(&disk, tree), BTreeSet::from([after]));
}

#[test]
fn what_a_durable_name_depends_on_is_durable_too() {
    let disk = SimulatedDisk::new(1);
    disk.replace_file("one/a", b"1");
    disk.replace_file("two/b", b"2");
    disk.rename("one/a", "two/a").unwrap();
    disk.rename("two/a", "two/c").unwrap();
    disk.sync_dir("two").unwrap();
    let after = vec![("two/b".to_owned(), b'2'), ("two/c".to_owned(), b'1')];
    assert_eq!(after_cuts(&disk, tree), BTreeSet::from([after]));
}

#[test]
fn names_are_lost_from_the_end_of_each_directory_by_itself() {
    let disk = SimulatedDisk::new(1);
    disk.create_dir("d").unwrap();
    disk.sync_dir("").unwrap();
    for path in ["a", "d/a", "b", "d/b"] {
        drop(disk.create(path).unwrap());
    }
    let seen = after_cuts(&disk, paths);
    assert_eq!(seen.len(), 9, "three prefixes of either directory");
    let has = |paths: &[String], path: &str| paths.iter().any(|held| held == path);
    assert!(seen.iter().all(|paths| has(paths, "a") || !has(paths, "b")));
    assert!(seen.iter().all(|paths| has(paths, "d/a") || !has(paths, "d/b")));
}

#[test]
fn a_replaced_file_is_the_old_one_or_the_new_one() {
    let (disk, file) = with_file(&[1; 1_500]);
    let mut seen = BTreeSet::new();
    for at_call in 1..=8 {
        let fork = disk.fork();
        fork.fail(at_call, Fault::Io, Lasting::ForEver);
        let done = replace(&fork, "a", &[2; 2_500]).is_ok();
        let left = after_cuts(&fork, contents);
        assert!(!done || left == BTreeSet::from([vec![2; 2_500]]));
        seen.extend(left);
    }
    assert_eq!(seen, BTreeSet::from([vec![1; 1_500], vec![2; 2_500]]));
    drop(file);
}
