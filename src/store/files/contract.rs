//! Do the real disk and the simulated one keep the same promises when nothing goes wrong?

use super::{Disk, RealDisk, SimulatedDisk, read_exact_at, read_whole, replace, write_all_at};
use std::io::{self, ErrorKind};

fn on_both(check: fn(&dyn Disk)) {
    let root = tempfile::tempdir().unwrap();
    check(&RealDisk::new(root.path()));
    check(&SimulatedDisk::new(1));
}

fn put(disk: &dyn Disk, path: &str, bytes: &[u8]) {
    write_all_at(&*disk.create(path).unwrap(), bytes, 0).unwrap();
}

fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn names_are_taken_missing_or_in_the_way() {
    on_both(|disk| {
        disk.create_dir("d").unwrap();
        disk.create_dir("d").unwrap();
        put(disk, "a", b"1");
        assert_eq!(kind(disk.create("a")), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(disk.create("d")), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(disk.create_dir("a")), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(disk.open_to_write("d")), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(disk.unlink("d")), Some(ErrorKind::IsADirectory));
        assert_eq!(kind(disk.rename("a", "d")), Some(ErrorKind::IsADirectory));
        for path in ["a/b", "a/b/c"] {
            assert_eq!(kind(disk.create(path)), Some(ErrorKind::NotADirectory), "{path}");
        }
        assert_eq!(kind(disk.list("a")), Some(ErrorKind::NotADirectory));
    });
}

#[test]
fn what_is_missing_is_not_found() {
    on_both(|disk| {
        put(disk, "a", b"1");
        for path in ["b", "d/b"] {
            assert_eq!(kind(disk.open(path)), Some(ErrorKind::NotFound));
            assert_eq!(kind(disk.open_to_write(path)), Some(ErrorKind::NotFound));
            assert_eq!(kind(disk.rename(path, "c")), Some(ErrorKind::NotFound));
            assert_eq!(kind(disk.unlink(path)), Some(ErrorKind::NotFound));
            assert_eq!(kind(disk.lock(path)), Some(ErrorKind::NotFound));
            assert_eq!(kind(disk.list(path)), Some(ErrorKind::NotFound));
            assert_eq!(kind(disk.sync_dir(path)), Some(ErrorKind::NotFound));
        }
        assert_eq!(kind(disk.create("d/b")), Some(ErrorKind::NotFound));
        assert_eq!(kind(disk.create_dir("d/e")), Some(ErrorKind::NotFound));
        assert_eq!(kind(disk.rename("a", "d/a")), Some(ErrorKind::NotFound));
    });
}

#[test]
fn lists_are_sorted_and_not_deep() {
    on_both(|disk| {
        disk.create_dir("d").unwrap();
        for path in ["b", "d/x", "a", "d-1", "d/w"] {
            put(disk, path, b"");
        }
        disk.sync_dir("").unwrap();
        assert_eq!(disk.list("").unwrap(), ["a", "b", "d", "d-1"]);
        assert_eq!(disk.list("d").unwrap(), ["w", "x"]);
    });
}

#[test]
fn a_rename_takes_the_place_of_another_file_which_its_readers_keep() {
    on_both(|disk| {
        put(disk, "a", b"new");
        put(disk, "b", b"old");
        let old = disk.open("b").unwrap();
        disk.rename("a", "b").unwrap();
        disk.rename("b", "b").unwrap();
        assert_eq!(disk.list("").unwrap(), ["b"]);
        assert_eq!(read_whole(disk, "b", 10).unwrap(), b"new");
        assert_eq!(&*old.map(0..3).unwrap(), b"old");
    });
}

#[test]
fn reads_end_with_the_file() {
    on_both(|disk| {
        put(disk, "a", b"12345");
        let file = disk.open("a").unwrap();
        let mut bytes = [0; 4];
        assert_eq!((file.read_at(&mut bytes, 3).unwrap(), &bytes[..2]), (2, &b"45"[..]));
        assert_eq!(file.read_at(&mut bytes, 5).unwrap(), 0);
        assert_eq!(file.read_at(&mut bytes, 500).unwrap(), 0);
        assert_eq!(kind(read_exact_at(&*file, &mut bytes, 2)), Some(ErrorKind::UnexpectedEof));
        assert_eq!((file.len().unwrap(), file.is_empty().unwrap()), (5, false));
        assert!(file.write_at(b"x", 0).is_err(), "it was opened to read");
    });
}

#[test]
fn maps_lie_within_the_file_and_are_aligned() {
    on_both(|disk| {
        put(disk, "a", &(0..200).collect::<Vec<u8>>());
        let file = disk.open("a").unwrap();
        for range in [64..200, 128..130] {
            let map = file.map(range.clone()).unwrap();
            assert_eq!((u64::from(map[0]), map.len() as u64), (range.start, range.end - range.start));
            assert_eq!(map.as_ptr().align_offset(64), 0);
        }
        assert_eq!(kind(file.map(100..201)), Some(ErrorKind::UnexpectedEof));
        assert_eq!(kind(file.map(201..202)), Some(ErrorKind::UnexpectedEof));
        disk.unlink("a").unwrap();
        assert_eq!(file.map(7..8).unwrap()[0], 7);
    });
}

#[test]
fn a_file_is_allocated_and_written_with_holes() {
    on_both(|disk| {
        let file = disk.create("a").unwrap();
        assert!(file.is_empty().unwrap());
        file.allocate(10_000).unwrap();
        assert_eq!(file.len().unwrap(), 10_000);
        write_all_at(&*file, &[1; 10], 5_000).unwrap();
        write_all_at(&*file, &[2; 10], 20_000).unwrap();
        file.sync().unwrap();
        let bytes = read_whole(disk, "a", 20_010).unwrap();
        assert_eq!((bytes.len(), bytes.iter().filter(|&&byte| byte != 0).count()), (20_010, 20));
        assert!(disk.free_bytes().unwrap() > 0);
    });
}

#[test]
fn a_file_is_replaced_over_what_an_earlier_try_left() {
    on_both(|disk| {
        disk.create_dir("d").unwrap();
        put(disk, "d/a.new", b"torn and long");
        replace(disk, "d/a", b"one").unwrap();
        replace(disk, "d/a", b"two").unwrap();
        assert_eq!(disk.list("d").unwrap(), ["a"]);
        assert_eq!(read_whole(disk, "d/a", 3).unwrap(), b"two");
        assert_eq!(kind(read_whole(disk, "d/a", 2)), Some(ErrorKind::FileTooLarge));
    });
}

#[test]
fn one_holds_the_lock_whatever_the_file_is_called() {
    on_both(|disk| {
        put(disk, "a", b"");
        put(disk, "b", b"");
        let lock = disk.lock("a").unwrap();
        assert!(lock.is_some() && disk.lock("a").unwrap().is_none() && disk.lock("b").unwrap().is_some());
        disk.rename("a", "c").unwrap();
        assert!(disk.lock("c").unwrap().is_none());
        drop(lock);
        assert!(disk.lock("c").unwrap().is_some());
    });
}
