//! Do segments become few without losing, doubling or changing a trade, whatever happens on the way?

use crate::{
    history::{eager, idle, open, slow_trade},
    rig::{Rig, disk},
};
use proptest::prelude::*;
use std::{io, ops::Range, sync::Arc};
use tapedeck::{
    model::{Candle, IdRange, Price, Trade},
    store::{
        files::{Damage, Disk, Fault, File, Lasting, Lock, Map, SimulatedDisk},
        manifest::Level,
        record::{Kind, Origin, Rows},
        segment::SegmentIdentity,
    },
};

/// A day and a half of two contracts in six segments.
fn day_and_a_half(disk: &Arc<dyn Disk>) {
    let mut rig = open(disk, 2, idle());
    for first in (1..217).step_by(36) {
        rig.seal_ids(first..first + 36);
    }
    assert_eq!(rig.levels(), [6, 0, 0, 0]);
}

#[test]
fn hours_become_days_and_days_become_months() {
    let (_, disk) = disk(1);
    day_and_a_half(&disk);
    let mut rig = open(&disk, 2, eager());
    rig.go_to(240);
    rig.pass(1_000);
    assert_eq!(rig.levels(), [0, 2, 0, 0], "14 hours of the first day, 22 of the second");
    rig.assert_serves(0, 1..217, "as days");
    rig.seal_ids(1_500..1_600);
    rig.go_to(1_700);
    rig.pass(2_000);
    // The hours from the 30th to the 1st end in December, and take the end of November along as late rows.
    let [hours, days, months, fills] = rig.levels();
    assert_eq!((hours, months, fills), (1, 2, 0), "{days}");
    rig.go_to(6_500);
    rig.pass(2_000);
    assert_eq!(rig.levels(), [0, 0, 4, 0], "November and December of each contract");
    let ids = || (1..217).chain(1_500..1_600);
    (0..2).for_each(|contract| rig.assert_serves(contract, ids(), "as months"));
    let runs: Vec<_> = rig.holdings[0].shelf().runs().into_iter().map(|(run, _)| (run.first, run.last)).collect();
    assert_eq!(runs, [(1, 216), (1_500, 1_599)]);
    for entry in &rig.opened.storage.manifest().segments {
        let held = entry.sections_of(entry.footer.sections[1].contract, Kind::Trade).next().expect("trades");
        let months = [held.first_time, held.last_time].map(|time| tapedeck::model::UnixMillis::new(time).year_month());
        assert_eq!(months[0], months[1], "a month's segment holds one month");
    }
    drop(rig);
    let rig = open(&disk, 2, eager());
    (0..2).for_each(|contract| rig.assert_serves(contract, ids(), "after a restart"));
    assert_eq!(rig.opened.findings, []);
}

#[test]
fn files_that_were_merged_are_gone() {
    let (sim, disk) = disk(2);
    day_and_a_half(&disk);
    let mut rig = open(&disk, 2, eager());
    rig.go_to(10_000);
    rig.pass(3_000);
    let segments: Vec<_> = sim.paths().into_iter().filter(|path| path.contains(".tds")).collect();
    let listed: Vec<_> = rig.opened.storage.manifest().segments.iter().map(|entry| entry.path()).collect();
    assert_eq!((segments.len(), rig.levels()), (listed.len(), [0, 0, 2, 0]), "{segments:?}");
}

#[test]
fn equal_duplicates_go_and_unequal_ones_are_kept_apart_with_the_origins() {
    let (_, disk) = disk(3);
    let mut rig = open(&disk, 1, idle());
    let other = |id: u64, price| Trade { price: Price::from_units(price), ..slow_trade(id) };
    rig.seal(&[(0, Origin::Stream, (10..50).map(slow_trade).collect())]);
    rig.seal(&[(0, Origin::Rest, (30..70).map(slow_trade).collect())]);
    rig.seal(&[(0, Origin::DailyArchive, vec![slow_trade(2), other(40, 7), slow_trade(41), other(42, 7)])]);
    rig.seal(&[(0, Origin::DailyArchive, vec![other(40, 7), other(42, 9), slow_trade(71)])]);
    let before = rig.holdings[0].from_id(0, usize::MAX);
    assert_eq!(before.trades, (2..3).chain(10..70).chain(71..72).map(slow_trade).collect::<Vec<_>>(), "the first");
    rig.opened.storage.set_upkeep(eager());
    rig.go_to(1_000);
    rig.pass(1_000);
    assert_eq!(rig.levels(), [0, 1, 0, 0]);
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX), before);
    let runs = rig.holdings[0].shelf().runs();
    let runs: Vec<_> = runs.into_iter().map(|(run, origin)| (run.first, run.last, origin)).collect();
    let (stream, rest, daily) = (Origin::Stream, Origin::Rest, Origin::DailyArchive);
    assert_eq!(runs, [(2, 2, daily), (10, 49, stream), (50, 69, rest), (71, 71, daily)]);
    let manifest = rig.opened.storage.manifest();
    let conflicts: Vec<_> = manifest.segments[0].sections_of(0, Kind::Trade).filter(|s| s.role == 1).collect();
    assert_eq!(conflicts.iter().map(|section| section.rows).sum::<u64>(), 3, "40 once, 42 twice");
    // Merged again, they are still there, once.
    rig.go_to(5_000);
    rig.pass(1_000);
    assert_eq!(rig.levels(), [0, 0, 1, 0]);
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX), before);
    let manifest = rig.opened.storage.manifest();
    let conflicts: Vec<_> = manifest.segments[0].sections_of(0, Kind::Trade).filter(|s| s.role == 1).collect();
    assert_eq!(conflicts.iter().map(|section| section.rows).sum::<u64>(), 3);
}

#[test]
fn of_candles_the_latest_revision_is_kept() {
    let (_, disk) = disk(11);
    let mut rig = open(&disk, 1, idle());
    let shelf = rig.opened.library.shelf(0, Kind::Candle);
    let candle = |id: u64, revision| {
        let bar = tapedeck::candle::Bar::of(&slow_trade(id));
        let bucket = tapedeck::model::Timeframe::MINUTE.bucket(slow_trade(id).time);
        Candle { closed: true, revision, ..bar.candle(bucket) }
    };
    for (ids, revision) in [(1..30, 0), (10..20, 2), (5..50, 1)] {
        let candles: Vec<_> = ids.map(|id| candle(id, revision)).collect();
        assert!(rig.opened.desk.offer(&shelf, Origin::Derived, Rows::of(Kind::Candle, &candles)));
        rig.pass(11_000);
    }
    let all = IdRange { first: 0, last: u64::MAX };
    let expected = (1..50).map(|id| {
        candle(
            id,
            if id < 5 {
                0
            } else if (10..20).contains(&id) {
                2
            } else {
                1
            },
        )
    });
    let expected = Rows::of(Kind::Candle, &expected.collect::<Vec<_>>());
    assert_eq!(shelf.rows(&rig.opened.library, all, usize::MAX, false).rows, expected);
    rig.opened.storage.set_upkeep(eager());
    for (now, levels) in [(1_000, [0, 1, 0, 0]), (9_000, [0, 0, 1, 0])] {
        rig.go_to(now);
        rig.pass(1_000);
        assert_eq!(rig.levels(), levels);
        assert_eq!(shelf.rows(&rig.opened.library, all, usize::MAX, false).rows, expected);
    }
    let entry = &rig.opened.storage.manifest().segments[0];
    assert_eq!(entry.sections_of(0, Kind::Candle).map(|section| section.rows).collect::<Vec<_>>(), [49]);
}

#[test]
fn a_damaged_input_stays_and_the_others_are_merged() {
    let (sim, disk) = disk(4);
    day_and_a_half(&disk);
    let mut rig = open(&disk, 2, eager());
    let entry = rig.opened.storage.manifest().segments[1].clone();
    let identity = SegmentIdentity { store: rig.opened.library.store(), number: entry.number };
    let segment = tapedeck::store::segment::Segment::open(&*disk, identity, &entry.path()).expect("whole");
    let block = segment.blocks(segment.section(0, Kind::Trade).expect("trades"))[0];
    assert!(sim.damage(&entry.path(), &Damage::FlipBit { at: block.offset + 200, bit: 3 }).expect("there"));
    rig.go_to(300);
    rig.pass(2_000);
    assert_eq!(rig.opened.storage.upkeep_counts().skipped, 1);
    assert_eq!(rig.levels(), [2, 1, 0, 0], "the damaged one stays an hour, and its neighbour is alone");
    let stored = rig.holdings[0].from_id(0, usize::MAX);
    assert_eq!(stored.damaged, [IdRange { first: 37, last: 72 }]);
    let whole: Vec<_> = (1..37).chain(73..217).map(slow_trade).collect();
    assert_eq!(stored.trades, whole, "nothing else is lost");
    rig.assert_serves(1, 1..217, "the other contract is whole");
    rig.go_to(5_000);
    rig.pass(2_000);
    assert_eq!(rig.levels(), [1, 0, 2, 0], "the other contract's rows left it");
    rig.assert_serves(1, 1..217, "as a month");
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX).trades, whole);
}

#[test]
fn a_full_disk_stops_merging_and_nothing_else() {
    let (sim, disk) = disk(5);
    day_and_a_half(&disk);
    let mut rig = open(&disk, 2, eager());
    rig.pass(1_000);
    let used = sim.paths().iter().map(|path| sim.contents(path).expect("there").len() as u64).sum::<u64>();
    sim.set_capacity(used + 2_000);
    rig.go_to(300);
    rig.pass(3_000);
    assert!(rig.opened.storage.upkeep_counts().failed > 1);
    assert!(sim.paths().iter().all(|path| !path.ends_with(".new")), "what was not finished takes no room");
    rig.assert_serves(0, 1..217, "on a full disk");
    sim.set_capacity(1 << 30);
    rig.pass(3_000);
    assert_eq!(rig.levels(), [0, 2, 0, 0]);
    rig.assert_serves(0, 1..217, "with room again");
}

/// Lets the disk fail from the n-th call of a merge on, then cuts the power, for every n.
fn cut_power_at_every_call(disk: &SimulatedDisk, now: u64, finished: [usize; 4], ids: Range<u64>) -> u64 {
    for call in 1.. {
        let sim = disk.fork();
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let mut rig = open(&disk, 2, eager());
        rig.go_to(now);
        sim.fail(call, Fault::Io, Lasting::ForEver);
        rig.pass(700);
        let (met, levels) = (sim.faults_met(), rig.levels());
        (0..2).for_each(|contract| {
            let ids: Vec<_> = rig.ids(contract);
            assert!(ids.is_sorted_by(|a, b| a < b), "call {call}");
        });
        drop(rig);
        sim.heal();
        sim.power_cut(call);
        let mut rig = open(&disk, 2, eager());
        let what = format!("call {call}: {:?}", rig.opened.findings);
        assert!(rig.opened.findings.iter().all(|finding| !finding.is_damage()), "{what}");
        (0..2).for_each(|contract| rig.assert_serves(contract, ids.clone(), &what));
        rig.go_to(now);
        rig.pass(700);
        assert_eq!(rig.levels(), finished, "{what}");
        for contract in 0..2 {
            rig.assert_serves(contract, ids.clone(), &what);
            let days = rig.holdings[contract].days(IdRange { first: 0, last: u64::MAX });
            assert_eq!(days.rows.iter().map(|day| day.trades).sum::<u64>(), ids.end - ids.start, "{what}");
        }
        let segments = sim.paths().iter().filter(|path| path.contains(".tds")).count();
        assert_eq!(segments, finished.iter().sum::<usize>(), "{what}: {:?}", sim.paths());
        if met == 0 {
            assert_eq!(levels, finished, "the merge was under way in all of that");
            return call;
        }
    }
    0
}

#[test]
fn a_power_cut_at_any_call_of_a_days_merge_loses_nothing() {
    let (sim, disk) = disk(6);
    day_and_a_half(&disk);
    let calls = cut_power_at_every_call(&sim, 300, [0, 2, 0, 0], 1..217);
    assert!(calls > 40, "{calls}");
}

#[test]
fn a_power_cut_at_any_call_of_a_months_merge_loses_nothing() {
    let (sim, disk) = disk(7);
    let mut rig = open(&disk, 2, eager());
    for first in (1_480..1_560).step_by(40) {
        rig.seal_ids(first..first + 40);
        rig.go_to(first + 200);
        rig.pass(500);
    }
    drop(rig);
    let calls = cut_power_at_every_call(&sim, 6_500, [0, 0, 4, 0], 1_480..1_560);
    assert!(calls > 60, "{calls}");
}

#[test]
fn a_lost_manifest_brings_back_what_was_merged_and_nothing_twice() {
    let (sim, disk) = disk(8);
    day_and_a_half(&disk);
    let before = sim.fork();
    let mut rig = open(&disk, 2, eager());
    rig.go_to(300);
    rig.pass(1_000);
    drop(rig);
    // As if the files that were replaced had not been removed.
    for path in before.paths().iter().filter(|path| path.starts_with("hour/")) {
        sim.replace_file(path, &before.contents(path).expect("there"));
    }
    disk.unlink("MANIFEST").expect("there");
    let mut rig = open(&disk, 2, eager());
    rig.assert_serves(0, 1..217, "before merging");
    let all = IdRange { first: 0, last: u64::MAX };
    let trades = |rig: &Rig| rig.holdings[0].days(all).rows.iter().map(|day| day.trades).sum::<u64>();
    assert_eq!(trades(&rig), 216);
    rig.go_to(300);
    rig.pass(1_000);
    assert_eq!((rig.levels(), trades(&rig)), ([0, 2, 0, 0], 216));
    rig.assert_serves(0, 1..217, "after merging");
}

/// A disk whose segments the kernel does not map any more.
#[derive(Debug)]
struct Unmapped(Arc<dyn Disk>);

#[derive(Debug)]
struct UnmappedFile(Arc<dyn File>);

impl Disk for Unmapped {
    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.0.create(path)
    }
    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let file = self.0.open(path)?;
        Ok(if path.ends_with(".tds") { Arc::new(UnmappedFile(file)) } else { file })
    }
    fn open_to_write(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.0.open_to_write(path)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn unlink(&self, path: &str) -> io::Result<()> {
        self.0.unlink(path)
    }
    fn create_dir(&self, path: &str) -> io::Result<()> {
        self.0.create_dir(path)
    }
    fn sync_dir(&self, path: &str) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.0.list(path)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.0.free_bytes()
    }
    fn lock(&self, path: &str) -> io::Result<Option<Lock>> {
        self.0.lock(path)
    }
}

impl File for UnmappedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }
    fn map(&self, _: Range<u64>) -> io::Result<Map> {
        Err(io::ErrorKind::OutOfMemory.into())
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.0.allocate(len)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
}

#[test]
fn segments_are_read_and_merged_though_they_cannot_be_mapped() {
    let (_, disk) = disk(9);
    day_and_a_half(&disk);
    let unmapped: Arc<dyn Disk> = Arc::new(Unmapped(disk));
    let mut rig = open(&unmapped, 2, eager());
    rig.assert_serves(0, 1..217, "from hours");
    rig.go_to(10_000);
    rig.pass(3_000);
    assert_eq!(rig.levels(), [0, 0, 2, 0]);
    rig.assert_serves(1, 1..217, "from months");
    let months = rig.opened.storage.manifest().segments.iter().filter(|entry| entry.level == Level::Month);
    assert_eq!(months.map(|entry| entry.footer.sections.len()).sum::<usize>(), 4, "a contract's name and trades each");
}

#[test]
fn readers_beside_a_merge_find_every_trade() {
    let (_, disk) = disk(10);
    day_and_a_half(&disk);
    let mut rig = open(&disk, 2, eager());
    rig.go_to(10_000);
    let holding = rig.holdings[0].clone();
    let reader = std::thread::spawn(move || {
        (0..400)
            .filter(|_| {
                let stored = holding.from_id(0, usize::MAX);
                let days = holding.days(IdRange { first: 0, last: u64::MAX });
                let trades = days.rows.iter().map(|day| day.trades).sum::<u64>();
                stored.trades.len() != 216 || !stored.damaged.is_empty() || trades != 216 || !days.damaged.is_empty()
            })
            .count()
    });
    rig.pass(3_000);
    assert_eq!(reader.join().expect("ends"), 0, "readings that were not whole");
    assert_eq!(rig.levels(), [0, 0, 2, 0]);
}

/// Every version of every trade that segments hold, in no order.
fn versions(rig: &Rig) -> Vec<Vec<u64>> {
    let mut versions = Vec::new();
    for entry in &rig.opened.storage.manifest().segments {
        let segment = rig.opened.library.segment(entry.number, &entry.path()).expect("whole");
        for section in entry.sections_of(0, Kind::Trade) {
            for block in 0..section.blocks as usize {
                versions.extend(segment.rows(section, block).expect("whole").iter().map(<[u64]>::to_vec));
            }
        }
    }
    versions.sort_unstable();
    versions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_version_of_a_trade_survives_merging_once(
        batches in prop::collection::vec((1_u64..120, 1_u64..60, 0_i64..3), 2..7),
        more in (1_u64..120, 1_u64..60, 0_i64..3),
    ) {
        let (_, disk) = disk(12);
        let mut rig = open(&disk, 1, idle());
        let (mut held, mut first_held) = (std::collections::BTreeSet::new(), std::collections::BTreeMap::new());
        let mut seal = |rig: &mut Rig, (first, count, version): (u64, u64, i64)| {
            // Every third trade is told otherwise by other versions.
            let price = |id: u64| slow_trade(id).price.units() + if id.is_multiple_of(3) { version } else { 0 };
            let trades = (first..first + count).map(|id| Trade { price: Price::from_units(price(id)), ..slow_trade(id) });
            let trades: Vec<_> = trades.collect();
            held.extend(Rows::of(Kind::Trade, &trades).iter().map(<[u64]>::to_vec));
            trades.iter().for_each(|trade| { first_held.entry(trade.id).or_insert(*trade); });
            rig.seal(&[(0, Origin::Stream, trades)]);
            held.iter().cloned().collect::<Vec<_>>()
        };
        let mut all = Vec::new();
        for batch in batches {
            all = seal(&mut rig, batch);
        }
        rig.opened.storage.set_upkeep(eager());
        rig.go_to(400);
        rig.pass(600);
        rig.go_to(6_500);
        rig.pass(600);
        prop_assert_eq!(rig.levels(), [0, 0, 1, 0]);
        prop_assert_eq!(versions(&rig), all);
        all = seal(&mut rig, more);
        rig.pass(600);
        prop_assert_eq!(rig.levels(), [0, 0, 1, 0]);
        prop_assert_eq!(versions(&rig), all);
        let served = rig.holdings[0].from_id(0, usize::MAX);
        prop_assert_eq!(served.damaged, []);
        prop_assert_eq!(served.trades, first_held.into_values().collect::<Vec<_>>());
    }
}
