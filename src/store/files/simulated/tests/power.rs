//! What does a power cut leave of the bytes of files?

use super::*;

#[test]
fn what_is_not_synced_may_be_lost_or_not_and_what_is_synced_stays() {
    let (disk, file) = with_file(b"");
    write_all_at(&*file, b"synced", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([b"synced".to_vec()]));
    write_all_at(&*file, b"SYNCED", 0).unwrap();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([b"synced".to_vec(), b"SYNCED".to_vec()]));
    assert_eq!(contents(&disk), b"SYNCED");
}

#[test]
fn a_write_is_torn_at_sectors_and_nowhere_else() {
    let (disk, file) = with_file(&[1; 2_048]);
    write_all_at(&*file, &[2; 1_200], 300).unwrap();
    let seen = after_cuts(&disk, contents);
    let pieces = [300..512, 512..1_024, 1_024..1_500];
    for bytes in &seen {
        assert!(pieces.iter().all(|piece| bytes[piece.clone()].iter().all(|&byte| byte == bytes[piece.start])));
        assert!(bytes[..300].iter().chain(&bytes[1_500..]).all(|&byte| byte == 1));
    }
    assert_eq!(seen.len(), 8, "every subset of three pieces");
}

#[test]
fn writes_land_in_any_order_also_across_files() {
    let (disk, file) = with_file(&[0; 1_024]);
    disk.replace_file("b", &[0; 512]);
    let other = disk.open_to_write("b").unwrap();
    write_all_at(&*file, &[1], 0).unwrap();
    write_all_at(&*other, &[1], 0).unwrap();
    write_all_at(&*file, &[1], 512).unwrap();
    let look = |disk: &SimulatedDisk| (contents(disk)[0], disk.contents("b").unwrap()[0], contents(disk)[512]);
    assert_eq!(after_cuts(&disk, look).len(), 8);
}

#[test]
fn a_length_lands_apart_from_its_data() {
    let (disk, file) = with_file(b"");
    write_all_at(&*file, &[7; 1_024], 0).unwrap();
    let seen = after_cuts(&disk, contents);
    let lens: BTreeSet<_> = seen.iter().map(Vec::len).collect();
    assert_eq!(lens, BTreeSet::from([0, 512, 1_024]));
    assert!(seen.contains(&vec![0; 1_024]) && seen.contains(&vec![7; 1_024]));
}

#[test]
fn an_allocation_reads_as_zeros_and_lasts_once_it_is_synced() {
    let (disk, file) = with_file(b"");
    file.allocate(2_048).unwrap();
    assert_eq!(contents(&disk), [0; 2_048]);
    let lens = after_cuts(&disk, |disk| contents(disk).len());
    assert!(lens.contains(&0) && lens.contains(&2_048));
    file.sync().unwrap();
    write_all_at(&*file, &[7; 512], 512).unwrap();
    let written = [vec![0; 512], vec![7; 512], vec![0; 1_024]].concat();
    assert_eq!(after_cuts(&disk, contents), BTreeSet::from([vec![0; 2_048], written]));
}

#[test]
fn handles_end_with_the_power_and_maps_do_not() {
    let (disk, file) = with_file(b"bytes");
    let map = file.map(0..5).unwrap();
    let calls = disk.calls();
    disk.power_cut(0);
    assert_eq!(kind(file.len()), Some(io::ErrorKind::StaleNetworkFileHandle));
    assert_eq!(kind(file.write_at(b"x", 0)), Some(io::ErrorKind::StaleNetworkFileHandle));
    assert_eq!((&*map, disk.calls()), (&b"bytes"[..], calls));
    assert_eq!(disk.open("a").unwrap().len().unwrap(), 5);
}

#[test]
fn a_sync_covers_its_own_file_only() {
    let (disk, file) = with_file(b"1");
    disk.replace_file("b", b"1");
    let other = disk.open_to_write("b").unwrap();
    write_all_at(&*file, b"2", 0).unwrap();
    write_all_at(&*other, b"2", 0).unwrap();
    other.sync().unwrap();
    let seen = after_cuts(&disk, |disk| (contents(disk), disk.contents("b").unwrap()));
    assert_eq!(seen, BTreeSet::from([(b"1".to_vec(), b"2".to_vec()), (b"2".to_vec(), b"2".to_vec())]));
}
