//! Does coverage say of each time of a series without ids what a naive list of its rows says?

use crate::rig::{Draws, Rig, START, disk, small, start};
use std::collections::BTreeMap;
use tapedeck::{
    model::{Candle, Price, QuoteVolume, Source, UnixMillis, Volume},
    store::{
        coverage::{Archives, CoveredTimes, HoleState, Reach, TakenFile},
        files::Damage,
        record::{FundingRow, Kind, OpenInterestRow, Origin, Record, Rows},
    },
};

/// Midnight before the tests' start.
const BASE: i64 = START / UnixMillis::DAY * UnixMillis::DAY;
const SOURCES: [Origin; 4] = [Origin::Stream, Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive];

fn candle(time: i64, ids: (u64, u64)) -> Candle {
    let (open_time, price) = (UnixMillis::new(time), Price::from_units(1));
    let (volume, quote_volume) = (Volume::from_units(1), QuoteVolume::from_units(1));
    Candle {
        open_time,
        close_time: open_time.plus(UnixMillis::MINUTE),
        open: price,
        high: price,
        low: price,
        close: price,
        volume,
        quote_volume,
        taker_buy_volume: volume,
        taker_buy_quote_volume: quote_volume,
        trades: 1,
        raw_trades: 1,
        first_id: ids.0,
        last_id: ids.1,
        closed: true,
        complete: true,
        revision: 0,
        source: Source::Klines,
    }
}

fn open_interest(time: i64) -> OpenInterestRow {
    OpenInterestRow { time: UnixMillis::new(time), quantity: Volume::from_units(7), value: QuoteVolume::from_units(9) }
}

fn funding(time: i64) -> FundingRow {
    FundingRow { time: UnixMillis::new(time), rate: 3, ..FundingRow::default() }
}

/// A kind of rows as a test sees it: one in a slot of time, and a run of so many empty slots that still joins.
#[derive(Clone, Copy)]
struct Series {
    kind: Kind,
    slot_ms: i64,
    joins: u64,
}

const SERIES: [Series; 3] = [
    Series { kind: Kind::Candle, slot_ms: 60_000, joins: 1 },
    Series { kind: Kind::OpenInterest, slot_ms: 300_000, joins: 1 },
    Series { kind: Kind::Funding, slot_ms: 3_600_000, joins: 8 },
];

impl Series {
    fn start(self, slot: u64) -> UnixMillis {
        UnixMillis::new(BASE + i64::try_from(slot).expect("small") * self.slot_ms)
    }

    /// Rows of these slots, some milliseconds late where the venue has them so.
    fn rows(self, slots: &[u64], late_ms: i64) -> Rows {
        let mut rows = Rows::new(self.kind);
        for slot in slots {
            let time = self.start(*slot).get();
            match self.kind {
                Kind::Candle => rows.push(&candle(time, (0, 0))),
                Kind::OpenInterest => rows.push(&open_interest(time + late_ms * 1_000)),
                _ => rows.push(&funding(time + late_ms)),
            }
        }
        rows
    }
}

fn fill<R: Record>(rig: &mut Rig, kind: Kind, origin: Origin, rows: &[R]) {
    let mut fill = rig.opened.sealer.filler().begin(0, kind, origin).expect("begun");
    fill.push(rows).expect("written");
    fill.adopt(|| {}).expect("adopted");
    rig.pass(20);
}

fn fill_rows(rig: &mut Rig, origin: Origin, rows: &Rows) {
    match rows.kind() {
        Kind::Candle => fill(rig, rows.kind(), origin, &rows.records::<Candle>().collect::<Vec<_>>()),
        Kind::OpenInterest => fill(rig, rows.kind(), origin, &rows.records::<OpenInterestRow>().collect::<Vec<_>>()),
        _ => fill(rig, rows.kind(), origin, &rows.records::<FundingRow>().collect::<Vec<_>>()),
    }
}

fn covered(rig: &Rig, kind: Kind, archives: &Archives, reach: Reach) -> CoveredTimes {
    let library = &rig.opened.library;
    CoveredTimes::of(&library.shelf(0, kind), library, archives, reach).expect("a series without ids")
}

/// What is known of a time, in a letter, and the source of what is held.
fn letter_at(coverage: &CoveredTimes, time: UnixMillis) -> (char, Option<Origin>) {
    if let Some(run) = coverage.runs.iter().find(|run| run.start <= time && time < run.end) {
        return ('h', Some(run.origin));
    }
    let hole = coverage.holes.iter().find(|hole| hole.start <= time && time < hole.end);
    let letter = match hole.expect("every time between the ends is in one").state {
        HoleState::Missing => 'm',
        HoleState::AwaitingArchive => 'w',
        HoleState::ConfirmedAbsent(_) => 'a',
    };
    (letter, None)
}

/// Runs and holes follow each other without a gap and without sharing a time.
fn assert_seamless(coverage: &CoveredTimes, seed: u64) {
    let runs = coverage.runs.iter().map(|run| (run.start, run.end));
    let mut all: Vec<_> = runs.chain(coverage.holes.iter().map(|hole| (hole.start, hole.end))).collect();
    all.sort_unstable();
    assert!(all.iter().all(|(start, end)| start < end), "seed {seed}: {coverage:?}");
    assert!(all.windows(2).all(|pair| pair[0].1 == pair[1].0), "seed {seed}: {coverage:?}");
}

/// Files of twenty slots each, of one or two archives.
fn archives(series: Series, draws: &mut Draws) -> (Archives, Vec<Vec<u64>>) {
    let sources: &[Origin] = if series.kind == Kind::Candle { &SOURCES[2..] } else { &SOURCES[2..3] };
    let taken: Vec<Vec<u64>> = sources.iter().map(|_| (0..15).filter(|_| draws.chance(5)).collect()).collect();
    let file = |number: &u64| TakenFile {
        start: series.start(number * 20),
        end: series.start((number + 1) * 20),
        at: UnixMillis::new(5),
    };
    let of = |files: &Vec<u64>| files.iter().map(file).collect();
    (Archives::new(sources.iter().copied().zip(taken.iter().map(of)).collect()), taken)
}

/// Brings rows of drawn slots from drawn sources, and says which.
fn filled(rig: &mut Rig, series: Series, draws: &mut Draws) -> BTreeMap<u64, Origin> {
    let mut naive: BTreeMap<u64, Origin> = BTreeMap::new();
    for _ in 0..12 {
        let first = draws.below(250);
        let slots: Vec<u64> = (first..first + 1 + draws.below(25)).filter(|_| draws.chance(7)).collect();
        let slots: Vec<u64> = slots.into_iter().filter(|slot| !naive.contains_key(slot)).collect();
        let (origin, rows) = (SOURCES[draws.index(4)], series.rows(&slots, draws.within(0..250)));
        if draws.chance(4) {
            let shelf = rig.opened.library.shelf(0, series.kind);
            assert!(rig.opened.desk.offer(&shelf, origin, rows));
        } else {
            fill_rows(rig, origin, &rows);
        }
        naive.extend(slots.iter().map(|slot| (*slot, origin)));
        rig.pass(if draws.chance(3) { 12_000 } else { 0 });
    }
    naive
}

/// Between two rows that join everything is held.
fn is_held(naive: &BTreeMap<u64, Origin>, series: Series, slot: u64) -> bool {
    let before = naive.range(..=slot).next_back().map(|(slot, _)| *slot);
    let after = naive.range(slot..).next().map(|(slot, _)| *slot);
    before.zip(after).is_some_and(|(before, after)| after - before <= series.joins)
}

fn one(series: Series, seed: u64) {
    let (_, disk) = disk(seed);
    let mut draws = Draws::new(seed);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let (archives, taken) = archives(series, &mut draws);
    let naive = filled(&mut rig, series, &mut draws);
    let horizon = draws.below(300);
    let now = series.start(1_000);
    let reach = Reach { now, back_ms: Some(now.since(series.start(horizon))) };
    let coverage = covered(&rig, series.kind, &archives, reach);
    assert_seamless(&coverage, seed);
    let (Some(first), Some(last)) = (naive.keys().next().copied(), naive.keys().next_back().copied()) else { return };
    let letter = |slot: u64| {
        let has_rows = || (slot / 20 * 20..slot / 20 * 20 + 20).any(|slot| is_held(&naive, series, slot));
        match slot {
            slot if is_held(&naive, series, slot) => 'h',
            slot if taken.iter().all(|files| files.contains(&(slot / 20))) && has_rows() => 'a',
            slot if slot >= horizon => 'm',
            _ => 'w',
        }
    };
    for slot in first..=last {
        // Of a funding only its second is held; rows that lie in each other are of the source that began first.
        let (told, origin) = letter_at(&coverage, series.start(slot));
        assert_eq!(told, letter(slot), "seed {seed}, {:?}, slot {slot}", series.kind);
        let is_of_source = series.joins > 1 || origin == naive.get(&slot).copied();
        assert!(is_of_source, "seed {seed}, {:?}, slot {slot}: {origin:?}", series.kind);
    }
    let open = (first..=last).rfind(|slot| matches!(letter(*slot), 'm' | 'w'));
    assert_whole_from(&coverage, series, (first, open), seed);
    let part = (series.start(first + 3), series.start(last.max(first + 4)));
    let inside = coverage.within(part.0, part.1);
    assert_seamless(&inside, seed);
    assert!(inside.runs.iter().all(|run| part.0 <= run.start && run.end <= part.1), "seed {seed}");
}

/// The trust point lies behind the last open slot, and an open time ends there.
fn assert_whole_from(coverage: &CoveredTimes, series: Series, (first, open): (u64, Option<u64>), seed: u64) {
    let told = coverage.whole_from.expect("held");
    if series.joins == 1 {
        assert_eq!(told, series.start(open.map_or(first, |open| open + 1)), "seed {seed}, {:?}", series.kind);
    }
    assert!(open.is_none_or(|open| told > series.start(open)), "seed {seed}");
    let is_open = |time: UnixMillis| matches!(letter_at(coverage, time).0, 'm' | 'w');
    assert!(told == coverage.runs[0].start || is_open(told.plus(-1)), "seed {seed}: an open time ends there");
}

#[test]
fn every_time_is_held_missing_awaited_or_absent_as_a_naive_list_has_it() {
    for series in SERIES {
        (0..100).for_each(|seed| one(series, seed));
    }
}

const NOTHING: Reach = Reach { now: UnixMillis::new(BASE), back_ms: None };

#[test]
fn fundings_join_up_to_eight_hours_and_a_few_seconds() {
    for (second_ms, third_ms, holes) in [
        (8 * UnixMillis::HOUR + 4_999, 9 * UnixMillis::HOUR, 0),
        (8 * UnixMillis::HOUR + 60_000, 9 * UnixMillis::HOUR, 1),
        (UnixMillis::HOUR, 12 * UnixMillis::HOUR, 1),
    ] {
        let (_, disk) = disk(1);
        let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
        let rows = [0, second_ms, third_ms].map(|time| funding(BASE + 2 + time));
        fill(&mut rig, Kind::Funding, Origin::MonthlyArchive, &rows);
        let coverage = covered(&rig, Kind::Funding, &Archives::default(), NOTHING);
        assert_eq!((coverage.holes.len(), coverage.runs[0].start), (holes, UnixMillis::new(BASE)), "{second_ms}");
    }
}

#[test]
fn a_minute_in_which_no_trade_is_missing_is_no_hole() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let minute = |minute: i64, ids| candle(BASE + minute * UnixMillis::MINUTE, ids);
    // Nothing was traded in the minutes 2 and 3; of minute 6 the trades 31 to 39 are lacking.
    let minutes =
        [minute(0, (1, 9)), minute(1, (10, 19)), minute(4, (20, 29)), minute(5, (30, 30)), minute(7, (40, 49))];
    for sealed in [false, true] {
        if !sealed {
            assert!(rig.holdings[0].keep_minutes(&minutes));
        } else {
            rig.pass(30_000);
        }
        let coverage = covered(&rig, Kind::Candle, &Archives::default(), NOTHING);
        let holes: Vec<_> =
            coverage.holes.iter().map(|hole| (hole.start.get() - BASE, hole.end.get() - BASE)).collect();
        assert_eq!(holes, [(6 * UnixMillis::MINUTE, 7 * UnixMillis::MINUTE)]);
        assert!(coverage.runs.iter().all(|run| run.origin == Origin::Derived), "{coverage:?}");
    }
}

#[test]
fn what_was_held_and_is_damaged_is_not_absent() {
    let (sim, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let rows = |slots: std::ops::Range<i64>| slots.map(|slot| open_interest(BASE + slot * 300_000)).collect::<Vec<_>>();
    for slots in [0..10, 10..20, 20..30] {
        fill(&mut rig, Kind::OpenInterest, Origin::DailyArchive, &rows(slots));
    }
    let file = TakenFile {
        start: UnixMillis::new(BASE),
        end: UnixMillis::new(BASE + UnixMillis::DAY),
        at: UnixMillis::new(5),
    };
    let archives = Archives::new(vec![(Origin::DailyArchive, vec![file])]);
    let part = rig.opened.library.shelf(0, Kind::OpenInterest).sealed()[1].clone();
    let block = rig.opened.library.segment(part.segment, &part.path).expect("there").blocks(&part.section)[0];
    drop(rig);
    sim.damage(&part.path, &Damage::FlipBit { at: block.offset + u64::from(block.bytes) / 2, bit: 1 }).expect("there");
    let rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let coverage = covered(&rig, Kind::OpenInterest, &archives, NOTHING);
    let holes: Vec<_> = coverage.holes.iter().map(|hole| (hole.start.get() - BASE, hole.state)).collect();
    assert_eq!(holes, [(10 * 300_000, HoleState::AwaitingArchive)]);
}
