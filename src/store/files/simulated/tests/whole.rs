//! Does a whole workload replay from its seeds, and keep what it was told is durable?

use super::*;

/// Twenty appends of 3 KiB, synced now and then, with a file renamed into place; says how far the syncs got.
fn work(disk: &SimulatedDisk) -> io::Result<usize> {
    let file = disk.create("new")?;
    file.allocate(65_536)?;
    disk.rename("new", "a")?;
    disk.sync_dir("")?;
    let mut durable = 0;
    for index in 0..20_u8 {
        let at = usize::from(index) * 3_000;
        write_all_at(&*file, &[index + 1; 3_000], at as u64)?;
        if index % 4 == 3 && file.sync().is_ok() {
            durable = at + 3_000;
        }
    }
    write_all_at(&*file, &[99; 1_000], 61_000)?;
    Ok(durable)
}

fn expected(index: usize) -> u8 {
    u8::try_from(index / 3_000 + 1).unwrap()
}

#[test]
fn what_was_acknowledged_survives_every_power_cut() {
    for seed in 0..500 {
        let disk = SimulatedDisk::new(seed);
        let durable = work(&disk).unwrap();
        disk.power_cut(seed);
        let bytes = contents(&disk);
        assert_eq!((bytes.len(), durable), (65_536, 60_000));
        assert!(bytes[..durable].iter().enumerate().all(|(index, &byte)| byte == expected(index)));
    }
}

#[test]
fn the_same_seeds_replay_the_same_run() {
    let run = |seed| {
        let disk = SimulatedDisk::new(seed);
        disk.fail(9, Fault::Short, Lasting::Times(9));
        disk.fail(20, Fault::Misdirected, Lasting::Times(2));
        disk.fail(27, Fault::Io, Lasting::Once);
        let done = work(&disk).map_err(|error| error.kind());
        disk.power_cut(seed);
        (done, disk.calls(), disk.faults_met(), disk.paths(), contents(&disk))
    };
    let runs: BTreeSet<_> = (0..50).map(run).collect();
    assert!((0..50).map(run).all(|again| runs.contains(&again)));
    assert!(runs.len() > 25, "seeds differ");
}

#[test]
fn power_cuts_follow_each_other() {
    let disk = SimulatedDisk::new(1);
    work(&disk).unwrap();
    let file = disk.open_to_write("a").unwrap();
    for seed in 0..20 {
        drop(disk.create(&format!("b{seed}")).unwrap());
        disk.power_cut(seed);
        assert!(file.len().is_err());
        let again = disk.open_to_write("a").unwrap();
        write_all_at(&*again, &[5; 2_000], seed * 700).unwrap();
        again.sync().unwrap();
    }
    assert!(contents(&disk)[..15_300].iter().all(|&byte| byte == 5));
    assert_eq!(disk.free_bytes().unwrap(), (1 << 40) - 65_536);
}
