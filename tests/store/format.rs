//! Does this program read what its first version wrote, refuse what a later one wrote, and is the format written down?

use crate::rig::{Rig, disk, identity, small, start, trade};
use rkyv::Archive;
use std::{fs, mem::offset_of, path::PathBuf, sync::Arc};
use tapedeck::{
    model::{Candle, IdRange, Price, QuoteVolume, Source, UnixMillis, Volume},
    store::{
        bytes::checksum,
        codec::Tier,
        files::{Disk, RealDisk, SimulatedDisk},
        journal,
        manifest::{Level, Manifest, SegmentEntry, path},
        record::{Kind, Origin, Record, Rows},
        repair::Repair,
        segment::{BlockIndex, Footer, Replaced, RunIndex, SectionIndex, SegmentIdentity, SegmentWriter},
        storage::Options,
        verify::verify,
    },
};

/// Set, the files of the first version are written anew; a released version's never are.
const WRITE: &str = "TAPEDECK_WRITE_GOLDEN";
const MONTH_NUMBER: u64 = 1_000;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/segments/v1")
}

fn document() -> String {
    fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/segment-format.md")).expect("readable")
}

/// A candle that is a function of its minute.
fn candle(minute: u64) -> Candle {
    let number = i64::try_from(minute).expect("small");
    let open_time = UnixMillis::new(crate::rig::START + number * UnixMillis::MINUTE);
    let price = |extra: i64| Price::from_units(6_000_000_000_000 + (number % 7 + extra) * 10_000_000);
    Candle {
        open_time,
        close_time: open_time.plus(UnixMillis::MINUTE),
        open: price(1),
        high: price(5),
        low: price(0),
        close: price(2),
        volume: Volume::from_units(i128::from(number) * 1_000_000),
        quote_volume: QuoteVolume::from_units(-i128::from(number) << 70),
        taker_buy_volume: Volume::from_units(i128::from(number) * 400_000),
        taker_buy_quote_volume: QuoteVolume::from_units(i128::from(number) << 40),
        trades: minute * 3,
        raw_trades: minute * 5,
        first_id: minute * 100,
        last_id: minute * 100 + 99,
        closed: true,
        complete: !minute.is_multiple_of(5),
        revision: u32::try_from(minute % 3).expect("small"),
        source: [Source::Trades, Source::Klines, Source::Mixed][usize::try_from(minute % 3).expect("small")],
    }
}

/// What the first version's store holds: trades in the journal and in hours, other kinds in a month.
const JOURNALED: std::ops::Range<u64> = 401..440;
const SEALED: [std::ops::Range<u64>; 2] = [1..101, 111..401];
const RAW: std::ops::Range<u64> = 5_000..5_900;
const MINUTES: std::ops::Range<u64> = 1..200;

/// Writes the files of the first version.
#[test]
fn the_first_version_is_written_when_asked_for() {
    if std::env::var_os(WRITE).is_none() {
        return eprintln!("skipped: {WRITE} is not set");
    }
    let root = golden();
    fs::remove_dir_all(&root).unwrap_or_default();
    fs::create_dir_all(&root).expect("created");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&root));
    let options = Options { file_bytes: 16 << 10, ..small() };
    let mut rig = Rig::open(&disk, options, 2, start()).expect("opens");
    for ids in SEALED {
        ids.step_by(10).for_each(|first| {
            assert!(rig.keep(0, first..first + 10));
            rig.pass(20);
        });
    }
    assert!(rig.keep(1, [7]));
    rig.pass(30_000);
    // The first of them end the file that has been open for too long.
    for ids in [JOURNALED.start..JOURNALED.start + 1, JOURNALED.start + 1..JOURNALED.end] {
        assert!(rig.keep(0, ids));
        rig.pass(100);
    }
    drop(rig);
    write_month(&disk);
}

/// The cold tier, with the kinds that no journal had when it was written.
fn write_month(disk: &Arc<dyn Disk>) {
    let (store, number, path) = (identity().store, MONTH_NUMBER, path(Level::Month, MONTH_NUMBER));
    let created = UnixMillis::new(crate::rig::START);
    let mut writer =
        SegmentWriter::create(disk, SegmentIdentity { store, number }, &path, Tier::Cold, created).expect("created");
    let raw: Vec<_> = RAW.map(trade).collect();
    let minutes: Vec<_> = MINUTES.map(candle).collect();
    for (rows, origin) in
        [(Rows::of(Kind::RawTrade, &raw), Origin::MonthlyArchive), (Rows::of(Kind::Candle, &minutes), Origin::Derived)]
    {
        writer.begin(0, rows.kind(), false).expect("begun");
        rows.iter().for_each(|row| writer.push(row, origin).expect("written"));
    }
    let (mut footer, bytes) = writer.finish().expect("written");
    footer.blocks.clear();
    let mut manifest = Manifest::read(&**disk, store).expect("whole");
    manifest.segments.push(SegmentEntry { number, level: Level::Month, bytes, footer });
    manifest.next_segment = number + 1;
    manifest.write(&**disk, store, created).expect("written");
}

/// The first version's files on a disk where they may be changed.
fn copied() -> SimulatedDisk {
    let (sim, _) = disk(1);
    let mut folders = vec![golden()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the files of the first version") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(golden()).expect("below").to_str().expect("ASCII").to_owned();
            sim.replace_file(&name, &fs::read(&path).expect("readable"));
        }
    }
    sim
}

fn contents(sim: &SimulatedDisk) -> Vec<(String, Vec<u8>)> {
    sim.paths().into_iter().map(|path| (path.clone(), sim.contents(&path).expect("there"))).collect()
}

#[test]
fn every_row_of_the_first_version_is_read() {
    let sim = copied();
    assert!(contents(&sim).iter().map(|(_, bytes)| bytes.len()).sum::<usize>() < 200 << 10);
    let report = verify(&sim, |_| {}).expect("a store");
    assert_eq!(report.findings, []);
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let rig = Rig::open(&disk, small(), 2, start()).expect("opens");
    assert_eq!(rig.opened.findings, []);
    let ids: Vec<u64> = SEALED.into_iter().flatten().chain(JOURNALED).collect();
    assert_eq!(rig.holdings[0].from_id(0, usize::MAX).trades, ids.into_iter().map(trade).collect::<Vec<_>>());
    assert_eq!(rig.holdings[1].from_id(0, usize::MAX).trades, [trade(7)]);
    let read = |kind: Kind| {
        let all = IdRange { first: 0, last: u64::MAX };
        rig.opened.library.shelf(0, kind).rows(&rig.opened.library, all, usize::MAX, false).rows
    };
    assert_eq!(read(Kind::RawTrade), Rows::of(Kind::RawTrade, &RAW.map(trade).collect::<Vec<_>>()));
    assert_eq!(read(Kind::Candle), Rows::of(Kind::Candle, &MINUTES.map(candle).collect::<Vec<_>>()));
    assert_eq!(candle(3).key(), candle(2).key() + 1);
}

/// Changes two bytes of the record of `len` bytes that a file begins with, as a later program would have written them.
fn as_if_later(sim: &SimulatedDisk, path: &str, len: usize, at: usize) {
    let mut bytes = sim.contents(path).expect("there");
    bytes[at] ^= 2;
    let sum = checksum(&bytes[..len - 4]);
    bytes[len - 4..len].copy_from_slice(&sum.to_le_bytes());
    sim.replace_file(path, &bytes);
}

#[test]
fn what_a_later_program_wrote_is_refused_without_a_byte_changed() {
    let newest =
        |sim: &SimulatedDisk, end: &str| sim.paths().into_iter().rfind(|path| path.ends_with(end)).expect("one");
    let (segment, journal) = (newest(&copied(), ".tds"), newest(&copied(), ".tdj"));
    for (path, len, at) in [
        ("STORE", 512, 4),
        ("MANIFEST", 64, 4),
        (&*segment, 128, 4),
        // Features without which it cannot be read.
        (&*segment, 128, 16),
        (&*journal, 128, 4),
    ] {
        let sim = copied();
        as_if_later(&sim, path, len, at);
        let before = contents(&sim);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        let opened = Rig::open(&disk, small(), 2, start()).err().map(|error| error.to_string());
        let checked = verify(&sim, |_| {}).err().map(|error| error.to_string());
        let repaired = Repair::plan(&disk, |_| {}).err().map(|error| error.to_string());
        for refused in [opened, checked, repaired] {
            let refused = refused.unwrap_or_else(|| panic!("{path} at {at} is not refused"));
            assert!(refused.contains(path) && (refused.contains("newer") || refused.contains("format")), "{refused}");
        }
        assert!(contents(&sim) == before, "{path} at {at}: something was changed");
    }
}

#[test]
fn features_that_may_be_ignored_are_ignored() {
    let sim = copied();
    let segment = sim.paths().into_iter().rfind(|path| path.ends_with(".tds")).expect("one");
    as_if_later(&sim, &segment, 128, 8);
    let disk: Arc<dyn Disk> = Arc::new(sim);
    let rig = Rig::open(&disk, small(), 2, start()).expect("opens");
    let all = IdRange { first: 0, last: u64::MAX };
    let library = &rig.opened.library;
    assert_eq!(library.shelf(0, Kind::RawTrade).rows(library, all, usize::MAX, false).damaged, []);
}

/// A flag of `rkyv` that another package sets would change the files silently.
#[test]
fn archived_structs_are_laid_out_as_the_format_says() {
    type Section = <SectionIndex as Archive>::Archived;
    type Block = <BlockIndex as Archive>::Archived;
    type Run = <RunIndex as Archive>::Archived;
    type Old = <Replaced as Archive>::Archived;
    type Frame = <journal::Section as Archive>::Archived;
    let sizes = [size_of::<Section>(), size_of::<Block>(), size_of::<Run>(), size_of::<Old>(), size_of::<Frame>()];
    assert_eq!(sizes, [64, 48, 24, 16, 24]);
    let aligns =
        [align_of::<Section>(), align_of::<Block>(), align_of::<Run>(), align_of::<Old>(), align_of::<Frame>()];
    assert_eq!(aligns, [8; 5]);
    assert_eq!(size_of::<<Footer as Archive>::Archived>(), 32);
    assert_eq!(size_of::<<journal::Body as Archive>::Archived>(), 16);
    let section = [
        offset_of!(Section, contract),
        offset_of!(Section, kind),
        offset_of!(Section, role),
        offset_of!(Section, rows),
        offset_of!(Section, first_key),
        offset_of!(Section, last_key),
        offset_of!(Section, first_time),
        offset_of!(Section, last_time),
        offset_of!(Section, first_block),
        offset_of!(Section, blocks),
        offset_of!(Section, first_run),
        offset_of!(Section, runs),
    ];
    assert_eq!(section, [0, 4, 6, 8, 16, 24, 32, 40, 48, 52, 56, 60]);
    let block = [offset_of!(Block, offset), offset_of!(Block, bytes), offset_of!(Block, rows)];
    assert_eq!((block, offset_of!(Block, first_key), offset_of!(Block, last_time)), ([0, 8, 12], 16, 40));
    assert_eq!((offset_of!(Run, first), offset_of!(Run, last), offset_of!(Run, origin)), (0, 8, 16));
    assert_eq!((offset_of!(Old, shard), offset_of!(Old, number)), (0, 8));
    let frame = [offset_of!(Frame, contract), offset_of!(Frame, kind), offset_of!(Frame, origin)];
    assert_eq!((frame, offset_of!(Frame, rows), offset_of!(Frame, width)), ([0, 4, 6], 8, 12));
    assert_eq!(offset_of!(Frame, first_word), 16);
}

#[test]
fn the_document_has_every_kind_and_column() {
    let text = document();
    for kind in Kind::ALL {
        let (schema, number) = (kind.schema(), kind.number());
        let heading = format!("### `{}` ({number})", schema.name);
        let part = text.split(&heading).nth(1).unwrap_or_else(|| panic!("docs/segment-format.md lacks `{heading}`"));
        let part = part.split("\n#").next().unwrap_or_default();
        // Raw trades have the columns of trades.
        let part =
            if part.contains("as `trades`") { text.split("### `trades`").nth(1).unwrap_or_default() } else { part };
        for column in schema.columns {
            // `symbol_0` to `symbol_7` stand in one row.
            let numbered = column.name.trim_end_matches(|c: char| c.is_ascii_digit());
            let names = [format!("`{}`", column.name), format!("`{numbered}0`")];
            assert!(names.iter().any(|name| part.contains(name)), "{heading} lacks `{}`", column.name);
        }
    }
}
