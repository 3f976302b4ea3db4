//! What do injected faults and a full disk do?

use super::*;
use crate::store::files::{read_exact_at, read_whole};
use rustix::io::Errno;

#[test]
fn what_a_failed_sync_covered_is_read_but_never_durable() {
    let (disk, file) = with_file(&[1; 1_024]);
    write_all_at(&*file, &[2; 512], 0).unwrap();
    disk.fail(1, Fault::Io, Lasting::Once);
    assert_eq!(errno(file.sync()), Some(Errno::IO.raw_os_error()));
    write_all_at(&*file, &[3; 100], 400).unwrap();
    file.sync().unwrap();
    assert_eq!(contents(&disk)[..401], [vec![2; 400], vec![3]].concat());
    let durable = [vec![1; 400], vec![3; 100], vec![1; 524]].concat();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([durable]));
    disk.kill();
    assert_eq!(contents(&disk)[0], 2, "the cache outlives the process");
}

#[test]
fn an_extension_whose_sync_failed_becomes_zeros() {
    let (disk, file) = with_file(b"");
    write_all_at(&*file, &[2; 512], 0).unwrap();
    disk.fail(1, Fault::Io, Lasting::Once);
    file.sync().unwrap_err();
    file.sync().unwrap();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([vec![0; 512]]));
}

#[test]
fn an_interrupted_sync_loses_nothing() {
    let (disk, file) = with_file(b"1");
    write_all_at(&*file, b"2", 0).unwrap();
    disk.fail(1, Fault::Interrupted, Lasting::Once);
    assert_eq!(kind(file.sync()), Some(io::ErrorKind::Interrupted));
    file.sync().unwrap();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([b"2".to_vec()]));
}

#[test]
fn every_call_is_counted_and_can_be_the_one_that_fails() {
    fn run(disk: &SimulatedDisk) -> io::Result<()> {
        disk.create_dir("d")?;
        let file = disk.create("d/a")?;
        file.allocate(100)?;
        file.write_at(b"x", 0)?;
        file.sync()?;
        file.map(0..1)?;
        file.len()?;
        disk.rename("d/a", "d/b")?;
        disk.sync_dir("d")?;
        disk.open("d/b")?.read_at(&mut [0], 0)?;
        disk.open_to_write("d/b")?;
        let lock = disk.lock("d/b")?;
        disk.list("")?;
        disk.free_bytes()?;
        drop(lock);
        disk.unlink("d/b")
    }
    let whole = SimulatedDisk::new(1);
    run(&whole).unwrap();
    assert_eq!(whole.calls(), 16);
    for at_call in 1..=whole.calls() {
        let disk = SimulatedDisk::new(1);
        disk.fail(at_call, Fault::Io, Lasting::Once);
        assert_eq!(errno(run(&disk)), Some(Errno::IO.raw_os_error()));
        assert_eq!((disk.calls(), disk.faults_met()), (at_call, 1));
    }
}

#[test]
fn a_fault_that_lasts_ends_when_it_is_healed() {
    let (disk, _file) = with_file(b"x");
    disk.fail(2, Fault::TooManyFiles, Lasting::ForEver);
    assert!(disk.open("a").is_ok());
    assert!((0..3).all(|_| errno(disk.open("a")) == Some(Errno::MFILE.raw_os_error())));
    assert!(disk.free_bytes().is_ok());
    disk.power_cut(0);
    assert!(disk.open("a").is_err());
    disk.heal();
    assert!(disk.open("a").is_ok());
}

#[test]
fn short_and_interrupted_transfers_are_gone_through() {
    let (disk, file) = with_file(b"");
    let bytes: Vec<_> = (0..200).collect();
    disk.fail(1, Fault::Short, Lasting::Times(2));
    let count = file.write_at(&bytes, 0).unwrap();
    assert!((1..200).contains(&count));
    disk.fail(1, Fault::Interrupted, Lasting::Once);
    write_all_at(&*file, &bytes, 0).unwrap();
    disk.fail(1, Fault::Short, Lasting::Times(2));
    disk.fail(1, Fault::Interrupted, Lasting::Once);
    let met = disk.faults_met();
    let mut read = vec![0; 200];
    assert!((1..200).contains(&file.read_at(&mut read, 0).unwrap()));
    read_exact_at(&*file, &mut read, 0).unwrap();
    assert_eq!((read, disk.faults_met() - met), (bytes, 3));
}

#[test]
fn a_misdirected_write_lands_a_multiple_of_512_away_in_the_file() {
    for seed in 0..50 {
        let disk = SimulatedDisk::new(seed);
        disk.replace_file("a", &[0; 2_000]);
        let file = disk.open_to_write("a").unwrap();
        disk.fail(1, Fault::Misdirected, Lasting::Once);
        assert_eq!(file.write_at(&[1; 100], 612).unwrap(), 100);
        let bytes = contents(&disk);
        let at = bytes.iter().position(|&byte| byte == 1).unwrap();
        assert!([100, 1_124, 1_636].contains(&at));
        assert_eq!((bytes.len(), bytes.iter().filter(|&&byte| byte == 1).count()), (2_000, 100));
    }
}

#[test]
fn a_misdirected_append_hits_another_open_file_and_leaves_zeros() {
    let (disk, file) = with_file(&[0; 512]);
    disk.fail(1, Fault::Misdirected, Lasting::Once);
    write_all_at(&*file, &[2; 10], 505).unwrap();
    assert_eq!((disk.faults_met(), contents(&disk)[505]), (0, 2), "there is no other place yet");
    disk.replace_file("b", &[1; 1_115]);
    let other = disk.open("b").unwrap();
    write_all_at(&*file, &[3; 600], 515).unwrap();
    assert_eq!((disk.faults_met(), &contents(&disk)[515..]), (1, &[0; 600][..]));
    assert_eq!(disk.contents("b").unwrap()[515..], [3; 600]);
    drop(other);
}

#[test]
fn a_full_disk_takes_what_fits_and_refuses_the_rest() {
    let (disk, file) = with_file(&[1; 100]);
    disk.set_capacity(300);
    assert_eq!(disk.free_bytes().unwrap(), 200);
    let new = disk.create("b").unwrap();
    assert_eq!(kind(new.allocate(201)), Some(io::ErrorKind::StorageFull));
    assert_eq!((new.len().unwrap(), disk.free_bytes().unwrap()), (0, 200));
    new.allocate(150).unwrap();
    assert_eq!(file.write_at(&[2; 80], 100).unwrap(), 50);
    assert_eq!(kind(file.write_at(&[2; 30], 150)), Some(io::ErrorKind::StorageFull));
    assert_eq!((file.write_at(&[3; 150], 0).unwrap(), disk.free_bytes().unwrap()), (150, 0));
    disk.unlink("b").unwrap();
    assert_eq!(disk.free_bytes().unwrap(), 0, "it is still open");
    drop(new);
    assert_eq!(disk.free_bytes().unwrap(), 150);
    assert_eq!(read_whole(&disk, "a", 150).unwrap(), [3; 150]);
    assert_eq!(kind(read_whole(&disk, "a", 149)), Some(io::ErrorKind::FileTooLarge));
}

#[test]
fn a_failed_allocation_leaves_the_file_empty_whatever_failed() {
    for fault in [Fault::Io, Fault::Full, Fault::Interrupted] {
        let (disk, file) = with_file(b"");
        disk.fail(1, fault, Lasting::Once);
        assert!(file.allocate(1_000).is_err());
        assert_eq!((file.len().unwrap(), disk.faults_met()), (0, 1));
        file.allocate(1_000).unwrap();
    }
}
