//! What is served when bytes, files and names were changed while nobody looked?
//!
//! The rule by which a trade counts as undamaged: some frame or block that holds it has, under the same path, the bytes that
//! it had. What is damaged elsewhere in its file must not cost it.

use crate::{
    faults::honest,
    oracle::{Oracle, served},
    rig::{Draws, Rig, identity, start},
    seam::Seam,
    workload::{User, first_id},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ops::Range,
    time::Instant,
};
use tapedeck::clock::Now;
use tapedeck::store::{
    files::{Damage, Disk, SimulatedDisk},
    journal::{self, JournalFile},
    record::Kind,
    segment::{Segment, SegmentIdentity},
    storage::{Options, SyncPolicy},
};

const CONTRACTS: usize = 3;
const MUTATIONS: u64 = 10_000;

fn options() -> Options {
    Options {
        file_bytes: 16 << 10,
        roll_ms: 60_000,
        write_ms: 10,
        sync: SyncPolicy::EveryMs(20),
        queue_bytes: 64 << 10,
    }
}

/// Bytes in a file that stand for trades: a frame or a block.
struct Unit {
    path: String,
    bytes: Range<u64>,
    ids: Vec<u64>,
}

/// A store before anything happens to it.
struct Whole {
    disk: SimulatedDisk,
    now: Now,
    files: HashMap<String, Vec<u8>>,
    units: Vec<Unit>,
    ids: HashSet<u64>,
}

impl Whole {
    /// Segments, journal files that are full and one that is not, and a manifest.
    fn new() -> Self {
        let disk = SimulatedDisk::new(1);
        let rig = Rig::open(&Seam::new(&disk, None).arc(), options(), CONTRACTS, start()).expect("opens");
        let mut user = User::new(rig, &Oracle::default(), Draws::new(1), &options());
        for burst in 0..40 {
            for contract in 0..CONTRACTS {
                let first = first_id(contract) + burst * 20;
                assert!(user.hand_in(contract, &(first..first + 18).collect::<Vec<_>>()));
            }
            user.rig.advance(50);
            user.rig.opened.storage.step(user.rig.now);
            // The last files are left for the next start to seal.
            if burst < 24 {
                user.rig.opened.sealer.step();
            }
        }
        user.rig.advance(50);
        user.rig.opened.storage.step(user.rig.now);
        let now = user.rig.now;
        let ids: HashSet<_> = (0..CONTRACTS).flat_map(|at| served(&user.rig, at).expect("all is well")).collect();
        drop(user);
        disk.power_cut(1);
        let files = disk.paths().into_iter().map(|path| (path.clone(), disk.contents(&path).expect("it is there")));
        let mut whole = Self { files: files.collect(), units: Vec::new(), now, ids, disk };
        whole.find_units();
        whole
    }

    fn find_units(&mut self) {
        let disk: &dyn Disk = &self.disk;
        for path in self.files.keys() {
            if let Some(name) = path.strip_prefix("journal/") {
                let file = JournalFile::open(disk, identity().store, name).expect("a journal file");
                let visit = |at: u64, payload: &[u8], view: journal::View<'_>| {
                    let trades = view.sections().filter(|section| section.kind == Kind::Trade);
                    let ids = trades
                        .flat_map(|section| (0..section.len()).map(|row| section.word(row, 0)).collect::<Vec<_>>());
                    let bytes = at - 128..at + payload.len() as u64;
                    self.units.push(Unit { path: path.clone(), bytes, ids: ids.collect() });
                };
                journal::scan(&file, visit).expect("it can be read");
            } else if let Some(number) = path.strip_prefix("hour/").and_then(|name| name.strip_suffix(".tds")) {
                let identity = SegmentIdentity { store: identity().store, number: number.parse().expect("a number") };
                let segment = Segment::open(disk, identity, path).expect("a segment");
                let sections = segment.footer().sections.iter().filter(|section| section.kind == Kind::Trade.number());
                for section in sections {
                    for (at, block) in segment.blocks(section).iter().enumerate() {
                        let ids = segment.rows(section, at).expect("whole").keys().collect();
                        let bytes = block.offset..block.offset + u64::from(block.bytes);
                        self.units.push(Unit { path: path.clone(), bytes, ids });
                    }
                }
            }
        }
    }

    /// The ids of which a frame or block is left as it was.
    fn undamaged(&self, disk: &SimulatedDisk) -> HashSet<u64> {
        let now: HashMap<_, _> =
            self.files.keys().map(|path| (path, disk.contents(path).unwrap_or_default())).collect();
        let range = |unit: &Unit| {
            usize::try_from(unit.bytes.start).expect("it fits")..usize::try_from(unit.bytes.end).expect("it fits")
        };
        let whole = |unit: &&Unit| now[&unit.path].get(range(unit)) == self.files[&unit.path].get(range(unit));
        self.units.iter().filter(whole).flat_map(|unit| unit.ids.iter().copied()).collect()
    }
}

/// What became of mutations of one class.
#[derive(Debug, Default)]
struct Tally {
    mutations: u64,
    /// Everything was served.
    harmless: u64,
    /// A start said so.
    found: u64,
    undamaged: u64,
    served: u64,
}

fn class(damage: &Damage) -> &'static str {
    match damage {
        Damage::FlipBit { .. } => "bit flipped",
        Damage::FlipByte { .. } => "byte changed",
        Damage::ZeroSector { .. } => "sector zeroed",
        Damage::ZeroPage { .. } => "page zeroed",
        Damage::Truncate { .. } => "truncated",
        Damage::Empty => "emptied",
        Damage::Delete => "deleted",
        Damage::DuplicateRange { .. } => "range duplicated",
        Damage::SwapRanges { .. } => "ranges swapped",
        Damage::SwapWith(_) => "files swapped",
    }
}

fn open(whole: &Whole, disk: &SimulatedDisk) -> Result<Rig, String> {
    let rig = Rig::open(&Seam::new(disk, None).arc(), options(), CONTRACTS, whole.now);
    rig.map_err(|error| error.to_string())
}

/// The store of a damaged disk; one that does not know whose it is refuses, until its operator puts back that file.
fn open_or_put_back(whole: &Whole, disk: &SimulatedDisk) -> Result<Rig, String> {
    match open(whole, disk) {
        Err(error)
            if error.contains("put back a copy")
                && disk.contents("STORE").ok().as_ref() != whole.files.get("STORE") =>
        {
            disk.replace_file("STORE", &whole.files["STORE"]);
            open(whole, disk)
        }
        opened => opened,
    }
}

fn served_ids(rig: &Rig) -> Result<HashSet<u64>, String> {
    let mut ids = HashSet::new();
    for contract in 0..CONTRACTS {
        honest(rig, contract)?;
        ids.extend(rig.holdings[contract].from_id(0, usize::MAX).trades.iter().map(|trade| trade.id));
    }
    Ok(ids)
}

/// One mutation and what comes of it.
fn mutate(whole: &Whole, seed: u64, tallies: &mut BTreeMap<&'static str, Tally>) -> Result<(), String> {
    let disk = whole.disk.fork();
    let paths = disk.paths();
    let path = &paths[Draws::new(seed).index(paths.len())];
    let damage = disk.damage_by(path, seed).map_err(|error| error.to_string())?;
    let single = !seed.is_multiple_of(3);
    if !single && path != "MANIFEST" {
        // The manifest cannot stand in for what is lost.
        disk.damage("MANIFEST", &Damage::Empty).unwrap_or_default();
    }
    let context = |error| format!("seed {seed}, {path}, {damage:?}, alone: {single}: {error}");
    let undamaged = whole.undamaged(&disk);
    let mut rig = open_or_put_back(whole, &disk).map_err(context)?;
    let served = served_ids(&rig).map_err(context)?;
    let alien = served.iter().find(|id| !whole.ids.contains(id));
    alien.map_or(Ok(()), |id| Err(context(format!("{id} was never handed in"))))?;
    if path == "MANIFEST" && !matches!(damage, Damage::SwapWith(_)) && served != whole.ids {
        return Err(context("a manifest costs trades".to_owned()));
    }
    let tally = tallies.entry(class(&damage)).or_default();
    tally.mutations += 1;
    tally.harmless += u64::from(served == whole.ids);
    tally.found += u64::from(rig.opened.findings.iter().any(|finding| finding.is_damage()));
    tally.undamaged += undamaged.len() as u64;
    tally.served += undamaged.intersection(&served).count() as u64;
    if seed.is_multiple_of(4) {
        rig.pass(100);
        rig.advance(60_000);
        rig.pass(100);
        drop(rig);
        disk.power_cut(seed);
        let later = served_ids(&open(whole, &disk).map_err(context)?).map_err(context)?;
        if let Some(id) = served.difference(&later).next() {
            return Err(context(format!("{id} was served at first and not after the next start")));
        }
    }
    Ok(())
}

#[test]
fn a_lost_manifest_does_not_cost_the_name_of_a_contract_that_is_new() {
    let disk = SimulatedDisk::new(5);
    let seam = Seam::new(&disk, None).arc();
    drop(Rig::open(&seam, options(), 1, start()).expect("opens"));
    let mut rig = Rig::open(&seam, options(), 1, start()).expect("opens");
    assert!(rig.keep(0, 1..5));
    rig.pass(100);
    rig.add(&["A1", "A2"]).expect("no fault");
    assert!(rig.keep(2, 7..9));
    rig.pass(100);
    let now = rig.now;
    drop(rig);
    disk.kill();
    disk.damage("MANIFEST", &Damage::Delete).expect("it is there");
    let rig = Rig::open(&Seam::new(&disk, None).arc(), options(), 3, now).expect("opens");
    assert_eq!((rig.ids(0), rig.ids(1), rig.ids(2)), (vec![1, 2, 3, 4], vec![], vec![7, 8]));
}

#[test]
fn a_store_that_does_not_say_whose_it_is_is_refused_and_left_alone() {
    let whole = Whole::new();
    let disk = whole.disk.fork();
    disk.damage("STORE", &Damage::Delete).expect("it is there");
    let before = disk.paths();
    assert!(open(&whole, &disk).is_err_and(|error| error.contains("put back a copy")));
    assert_eq!(disk.paths(), before);
}

#[test]
fn damage_at_rest_is_never_served_and_costs_no_more_than_it_touched() {
    let (whole, begun) = (Whole::new(), Instant::now());
    let of = |directory: &str| whole.files.keys().filter(|path| path.starts_with(directory)).count();
    assert!(of("hour/") >= 3 && of("journal/") >= 3, "{:?}", whole.files.keys());
    let mut tallies = BTreeMap::new();
    for seed in 0..MUTATIONS {
        mutate(&whole, seed, &mut tallies).unwrap_or_else(|error| panic!("{error}"));
    }
    let (mut undamaged, mut served) = (0, 0);
    for (class, tally) in &tallies {
        eprintln!("{class}: {tally:?}");
        (undamaged, served) = (undamaged + tally.undamaged, served + tally.served);
    }
    eprintln!(
        "{MUTATIONS} in {} ms, {} of {undamaged} undamaged trades not served",
        begun.elapsed().as_millis(),
        undamaged - served
    );
    assert_eq!(undamaged - served, 0, "undamaged trades are lost");
}
