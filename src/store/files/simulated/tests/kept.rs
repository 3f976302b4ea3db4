//! What stays when a process ends, when a disk is forked, and when a file is damaged?

use super::*;

#[test]
fn a_killed_process_loses_its_handles_and_locks_and_nothing_else() {
    let disk = SimulatedDisk::new(1);
    let file = disk.create("a").unwrap();
    write_all_at(&*file, b"written", 0).unwrap();
    let lock = disk.lock("a").unwrap().unwrap();
    assert!(disk.lock("a").unwrap().is_none());
    disk.kill();
    assert_eq!(kind(file.sync()), Some(io::ErrorKind::StaleNetworkFileHandle));
    assert_eq!(contents(&disk), b"written");
    let next = disk.lock("a").unwrap().unwrap();
    drop(lock);
    assert!(disk.lock("a").unwrap().is_none(), "the old lock is nobody's");
    drop(next);
    assert!(disk.lock("a").unwrap().is_some());
    assert_eq!(after_cuts(&disk, SimulatedDisk::paths).len(), 2, "the name is still pending");
}

#[test]
fn a_power_cut_ends_a_lock() {
    let (disk, _file) = with_file(b"x");
    let _lock = disk.lock("a").unwrap().unwrap();
    disk.power_cut(1);
    assert!(disk.lock("a").unwrap().is_some());
}

#[test]
fn a_fork_goes_its_own_way() {
    let (disk, file) = with_file(&[1; 5_000]);
    write_all_at(&*file, &[2; 10], 0).unwrap();
    let _lock = disk.lock("a").unwrap();
    let fork = disk.fork();
    assert!(fork.lock("a").unwrap().is_some());
    let theirs = fork.open_to_write("a").unwrap();
    write_all_at(&*theirs, &[3; 10], 0).unwrap();
    write_all_at(&*file, &[4; 10], 4_090).unwrap();
    drop(fork.create("b").unwrap());
    assert_eq!((contents(&disk)[0], contents(&fork)[0]), (2, 3));
    assert_eq!((contents(&disk)[4_095], contents(&fork)[4_095]), (4, 1));
    assert_eq!((disk.paths().len(), fork.paths().len()), (1, 2));
    assert_eq!(disk.clone().paths(), disk.paths());
}

#[test]
fn an_unlinked_file_is_kept_by_its_handles_and_its_room_comes_back_after() {
    let (disk, file) = with_file(&[1; 100]);
    let free = disk.free_bytes().unwrap();
    disk.unlink("a").unwrap();
    disk.sync_dir("").unwrap();
    assert_eq!((file.len().unwrap(), disk.free_bytes().unwrap()), (100, free));
    drop(file);
    assert_eq!(disk.free_bytes().unwrap(), free + 100);
}

#[test]
fn damage_hits_what_is_durable_and_what_is_read() {
    let (disk, file) = with_file(&[1; 1_000]);
    assert!(disk.damage("a", &Damage::FlipByte { at: 10, mask: 2 }).unwrap());
    assert!(!disk.damage("a", &Damage::FlipByte { at: 1_000, mask: 2 }).unwrap());
    let mut byte = [0];
    file.read_at(&mut byte, 10).unwrap();
    assert_eq!(byte, [3]);
    assert!(after_cuts(&disk, |disk| contents(disk)[10]).into_iter().eq([3]));
    assert!(disk.damage("a", &Damage::Truncate { len: 10 }).unwrap());
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([vec![1; 10]]));
    assert!(disk.damage("a", &Damage::Delete).unwrap());
    assert_eq!(after_cuts(&disk, SimulatedDisk::paths), BTreeSet::from([vec![]]));
    assert_eq!(kind(disk.damage("a", &Damage::Empty)), Some(io::ErrorKind::NotFound));
}

#[test]
fn files_are_swapped_whole() {
    let (disk, _file) = with_file(b"1");
    disk.replace_file("d/b", b"22");
    assert!(disk.damage("a", &Damage::SwapWith("d/b".to_owned())).unwrap());
    assert_eq!((contents(&disk), disk.contents("d/b").unwrap()), (b"22".to_vec(), b"1".to_vec()));
    assert!(!disk.damage("a", &Damage::SwapWith("a".to_owned())).unwrap());
    assert_eq!(contents(&disk), b"22");
    assert_eq!(kind(disk.damage("a", &Damage::SwapWith("c".to_owned()))), Some(io::ErrorKind::NotFound));
}

#[test]
fn damage_by_a_seed_is_the_same_again_and_of_every_kind() {
    let (disk, _file) = with_file(&[1; 1_000]);
    disk.replace_file("b", &[2; 1_000]);
    let damage = |seed| disk.fork().damage_by("a", seed).unwrap();
    let kinds: std::collections::HashSet<_> = (0..400).map(|seed| std::mem::discriminant(&damage(seed))).collect();
    assert_eq!(kinds.len(), 10);
    assert!((0..50).all(|seed| damage(seed) == damage(seed)));
}

#[test]
fn what_is_replaced_from_outside_is_durable_with_its_directories() {
    let disk = SimulatedDisk::new(1);
    disk.replace_file("d/e/a", b"1");
    assert_eq!((disk.list("").unwrap(), disk.list("d/e").unwrap()), (vec!["d".to_owned()], vec!["a".to_owned()]));
    assert_eq!(after_cuts(&disk, SimulatedDisk::paths), BTreeSet::from([vec!["d/e/a".to_owned()]]));
    assert_eq!(disk.calls(), 2);
}

#[test]
fn only_a_handle_opened_to_write_writes() {
    let (disk, _file) = with_file(b"x");
    let file = disk.open("a").unwrap();
    assert!(file.write_at(b"y", 0).is_err() && file.allocate(10).is_err());
    assert_eq!(contents(&disk), b"x");
}
