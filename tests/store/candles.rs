//! Are stored minutes, and what is folded from them, what a fold of the trades gives?

use crate::rig::{Rig, START, disk, small, start, trade};
use proptest::prelude::*;
use tapedeck::{
    candle::{CandleColumns, fold, regroup},
    model::{Candle, IdRange, Timeframe, Trade, UnixMillis},
    store::record::{Kind, Origin},
};

/// Trades at random times of some hours, ascending by id and time.
fn trades() -> impl Strategy<Value = Vec<Trade>> {
    let waits = prop_oneof![8 => 0_i64..2_000, 2 => 10_000_i64..100_000, 1 => 100_000_i64..2_000_000];
    proptest::collection::vec(waits, 1..400).prop_map(|waits| {
        let times = waits.iter().scan(START, |time, wait| {
            *time += wait;
            Some(*time)
        });
        times.zip(1..).map(|(time, id)| Trade { time: UnixMillis::new(time), ..trade(id) }).collect()
    })
}

fn timeframes() -> impl Iterator<Item = Timeframe> {
    [1, 3, 5, 15, 60, 173, 1_440].into_iter().map(|count| Timeframe::minutes(count).expect("in range"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn minutes_survive_corrections_seals_and_a_restart(trades in trades(), seed in any::<u64>(), every in 1_usize..9) {
        let (sim, disk) = disk(seed);
        let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
        let minutes = fold(Timeframe::MINUTE, &trades);
        for (at, minute) in minutes.iter().enumerate() {
            let first = Candle { complete: false, high: minute.low, ..*minute };
            let wrong = at % every == 0;
            let told = if wrong { first } else { *minute };
            let taken = rig.holdings[0].keep_minutes(&[told]);
            prop_assert!(taken);
            if at % 7 == 3 {
                rig.pass(3_000);
            }
        }
        let corrected = minutes.iter().step_by(every).map(|minute| Candle { revision: 1, ..*minute });
        prop_assert!(rig.holdings[0].keep_minutes(&corrected.collect::<Vec<_>>()));
        rig.pass(60_000);
        let now = rig.now;
        drop(rig);
        sim.power_cut(seed);
        let rig = Rig::open(&disk, small(), 1, now).expect("opens again");
        let last = |minute: &Candle, at: usize| Candle { revision: u32::from(at.is_multiple_of(every)), ..*minute };
        let expected: Vec<Candle> = minutes.iter().enumerate().map(|(at, minute)| last(minute, at)).collect();
        let end = UnixMillis::new(i64::MAX);
        prop_assert_eq!(rig.holdings[0].minutes(UnixMillis::new(0), end, usize::MAX, false), expected);
    }

    #[test]
    fn a_filled_hole_rights_its_minutes_and_touches_no_other(
        trades in trades(),
        from in any::<prop::sample::Index>(),
        count in 1_usize..60,
    ) {
        prop_assume!(trades.len() > 2);
        let from = 1 + from.index(trades.len() - 2);
        let to = (from + count).min(trades.len() - 1);
        let (_, disk) = disk(5);
        let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
        let held: Vec<Trade> = [&trades[..from], &trades[to..]].concat();
        prop_assert!(rig.holdings[0].keep(Origin::Stream, &held));
        let keep = |rig: &Rig, wrong: &[Candle]| assert!(rig.holdings[0].keep_minutes(wrong));
        let rebuilt = rig.holdings[0].rebuild_minutes(|| {});
        prop_assert!(!rebuilt.refused);
        rig.pass(if count % 2 == 0 { 12_000 } else { 100 });
        let mut fill = rig.opened.sealer.filler().begin(0, Kind::Trade, Origin::Rest).expect("begun");
        fill.push(&trades[from..to]).expect("written");
        fill.adopt(|| {}).expect("adopted");
        rig.pass(100);
        let filled = IdRange { first: trades[from].id, last: trades[to - 1].id };
        let mut touched = Vec::new();
        rig.holdings[0].wrong_minutes(filled, |wrong| {
            touched.extend(wrong.iter().map(|minute| minute.open_time));
            keep(&rig, wrong);
        });
        let mut expected = fold(Timeframe::MINUTE, &trades);
        expected.pop();
        let stored = rig.holdings[0].minutes(UnixMillis::new(0), UnixMillis::new(i64::MAX), usize::MAX, false);
        let plain: Vec<Candle> = stored.iter().map(|minute| Candle { revision: 0, ..*minute }).collect();
        prop_assert_eq!(plain, expected);
        let minute = |trade: &Trade| Timeframe::MINUTE.bucket(trade.time).0;
        // Those that the neighbours of the hole lie in were not complete.
        let (first, last) = (minute(&trades[from - 1]), minute(&trades[to]));
        prop_assert!(touched.iter().all(|start| first <= *start && *start <= last), "{:?}", touched);
    }

    #[test]
    fn columns_fold_as_candles_and_trades_do(trades in trades()) {
        let minutes = fold(Timeframe::MINUTE, &trades);
        let columns: CandleColumns = minutes.iter().copied().collect();
        for timeframe in timeframes() {
            let folded = columns.fold(timeframe);
            let candles: Vec<Candle> = (0..folded.len()).filter_map(|at| folded.get(at)).collect();
            prop_assert_eq!(&candles, &fold(timeframe, &trades), "{}", timeframe);
            let grouped = regroup(timeframe, &minutes);
            let closed: Vec<Candle> = grouped.into_iter().map(|candle| Candle { closed: true, ..candle }).collect();
            prop_assert_eq!(&candles, &closed);
            let mut net = 0;
            let deltas = candles.iter().map(|candle| {
                net += candle.delta().units();
                (candle.open_time, net)
            });
            prop_assert_eq!(columns.cumulative_delta(timeframe), deltas.collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_month_is_decoded_once_and_again_after_a_correction() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let month = 31 * UnixMillis::DAY;
    let spread = |id: u64| Trade { time: UnixMillis::new(START + i64::try_from(id).unwrap() * 7_200_000), ..trade(id) };
    let minutes = fold(Timeframe::MINUTE, &(1..1_000).map(spread).collect::<Vec<_>>());
    assert!(minutes.last().unwrap().open_time.since(minutes[0].open_time) > 2 * month);
    assert!(rig.holdings[0].keep_minutes(&minutes));
    rig.pass(30_000);
    let within = UnixMillis::new(START + month);
    let (year, number) = within.year_month();
    let (from, to) = (UnixMillis::month_start(year, number), UnixMillis::month_start(year, number + 1));
    let expected = |minutes: &[Candle]| -> CandleColumns {
        minutes.iter().filter(|minute| from <= minute.open_time && minute.open_time < to).copied().collect()
    };
    let first = rig.holdings[0].month(within);
    assert_eq!(*first, expected(&minutes));
    assert!(std::sync::Arc::ptr_eq(&first, &rig.holdings[0].month(from)), "held decoded");
    let mut corrected = minutes.clone();
    let at = minutes.iter().position(|minute| minute.open_time >= from).unwrap();
    corrected[at] = Candle { complete: false, revision: 1, ..minutes[at] };
    assert!(rig.holdings[0].keep_minutes(&corrected[at..=at]));
    assert_eq!(*rig.holdings[0].month(within), expected(&corrected));
}

#[test]
fn minutes_are_computed_anew_from_the_trades() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    let all: Vec<Trade> = (1..60_000).map(trade).collect();
    let held = |id: u64| id <= 20_000 || id > 20_010;
    for first in (1..60_000).step_by(250) {
        assert!(rig.keep(0, (first..first + 250).filter(|id| held(*id) && *id < 60_000)));
        rig.pass(500);
    }
    let trades: Vec<Trade> = all.into_iter().filter(|trade| held(trade.id)).collect();
    let mut minutes = fold(Timeframe::MINUTE, &trades);
    minutes.pop();
    let hole = [20_000, 20_011].map(|id| Timeframe::MINUTE.bucket(trade(id).time).0);
    minutes.iter_mut().for_each(|minute| minute.complete = !hole.contains(&minute.open_time));
    // Of five stored minutes one is right, one is wrong; the others lack.
    let wrong = Candle { high: minutes[1].low, revision: 4, ..minutes[1] };
    assert!(rig.holdings[0].keep_minutes(&[minutes[0], wrong]));
    let Rig { opened, holdings, now } = &mut rig;
    let rebuilt = holdings[0].rebuild_minutes(|| assert!(opened.storage.drain(*now)));
    assert_eq!((rebuilt.minutes, rebuilt.written), (minutes.len() as u64, minutes.len() as u64 - 1));
    minutes[1].revision = 5;
    let stored = |rig: &Rig| rig.holdings[0].minutes(UnixMillis::new(0), UnixMillis::new(i64::MAX), usize::MAX, false);
    assert_eq!(stored(&rig), minutes);
    assert_eq!(rig.holdings[0].rebuild_minutes(|| {}).written, 0, "nothing is left to do");
    rig.pass(30_000);
    assert_eq!(stored(&rig), minutes);
}
