//! What does it cost to keep and to read a month?

use crate::{
    measure::{median, shown, tell, timed},
    rig::{Rig, emptied},
};
use std::{hint::black_box, path::Path, sync::Arc};
use tapedeck::{
    candle::{CandleColumns, fold},
    market::Tape,
    model::{IdRange, Timeframe, Trade, UnixMillis},
    query::{self, TradeRange},
    store::storage::{Options, SyncPolicy},
};

type Failure = Box<dyn std::error::Error>;

const RUNS: usize = 20;

fn minutes(count: u32) -> Timeframe {
    Timeframe::minutes(count).expect("in range")
}

/// Every figure, over a store that is filled with the trades and their minutes.
pub(crate) fn all(dir: &Path, trades: &[Trade]) -> Result<(), Failure> {
    emptied(dir)?;
    let mut rig = Rig::open(dir, Options { sync: SyncPolicy::EveryMs(1_000), roll_ms: 0, ..Options::default() })?;
    for batch in trades.chunks(500_000) {
        rig.append(batch);
        rig.seal();
    }
    let candles = fold(Timeframe::MINUTE, trades);
    for day in candles.chunks(1_440) {
        assert!(rig.holding.keep_minutes(day));
    }
    rig.seal();
    sizes(&rig, trades.len(), "recent", "<= 5");
    exact(&rig, "recent", "<= 45 ms");
    one_minute(&rig, trades, "recent", "<= 0.1 ms");
    warm(&rig, trades);
    newest(&rig, trades);
    profile(&rig, "recent", "<= 12 ms");
    integrity(&rig);
    rig.merge();
    sizes(&rig, trades.len(), "cold", "<= 2.75");
    exact(&rig, "cold", "<= 150 ms");
    one_minute(&rig, trades, "cold", "<= 0.2 ms");
    profile(&rig, "cold", "<= 12 ms");
    Ok(())
}

fn sizes(rig: &Rig, trades: usize, tier: &str, budget: &str) {
    let bytes: u64 = rig.opened.storage.manifest().segments.iter().map(|entry| entry.bytes).sum();
    let segments = rig.opened.storage.manifest().segments.len();
    let per_trade = bytes as f64 / trades as f64;
    let figure = format!("{per_trade:.3} bytes with minutes, profile, day sums, index and checksums; {segments} files");
    tell("3", &format!("a sealed trade, {tier} tier"), &figure, budget);
}

/// What was traded at each price, from the segments' own sums.
fn profile(rig: &Rig, tier: &str, budget: &str) {
    let time = median(RUNS, || {
        let profile = rig.holding.profile(everything(rig));
        assert!(profile.damaged.is_empty());
        black_box(profile);
    });
    tell("4d", &format!("volume profile of a month, {tier}"), &shown(time), budget);
    let time = median(RUNS, || {
        black_box(rig.holding.days(everything(rig)));
    });
    tell("4g", &format!("day sums of a month, {tier}"), &shown(time), "<= 0.5 ms");
}

fn everything(rig: &Rig) -> IdRange {
    rig.holding.ends().expect("it is filled")
}

fn exact(rig: &Rig, tier: &str, budget: &str) {
    for count in [173, 1] {
        let time = median(5, || {
            let (candles, damaged) = rig.holding.fold(everything(rig), minutes(count));
            assert!(damaged.is_empty() && !candles.is_empty());
            black_box(candles);
        });
        tell("4b", &format!("a month of {count}m from the trades, {tier}"), &shown(time), budget);
    }
}

fn one_minute(rig: &Rig, trades: &[Trade], tier: &str, budget: &str) {
    let (start, end) = minutes(1).bucket(trades[trades.len() / 2].time);
    let expected = trades.iter().filter(|trade| start <= trade.time && trade.time < end).count();
    let time = median(RUNS, || {
        let first = rig.holding.first_id_at(start).expect("held");
        let after = rig.holding.first_id_at(end).expect("held");
        let found = rig.holding.from_id(first, usize::try_from(after - first).expect("few"));
        assert_eq!(found.trades.len(), expected);
        black_box(found);
    });
    tell("4f", &format!("one minute of trades ({expected}), {tier}"), &shown(time), budget);
}

/// What is folded from a month of minutes.
fn warm(rig: &Rig, trades: &[Trade]) {
    let within = trades[trades.len() / 2].time;
    // Over, so that it is held decoded: a minute of the month after.
    let end = {
        let (year, month) = within.year_month();
        UnixMillis::month_start(year, month + 1)
    };
    let last = fold(Timeframe::MINUTE, &[Trade { time: end, ..trades[trades.len() - 1] }]);
    assert!(rig.holding.keep_minutes(&last));
    let mut cold: Option<Arc<CandleColumns>> = None;
    let time = timed(|| cold = Some(rig.holding.month(within)));
    let rows = cold.map_or(0, |columns| columns.len());
    tell("4a", &format!("a month of minutes ({rows}), cold"), &shown(time), "<= 8 ms");
    for (count, budget) in [(1, "<= 0.6 ms"), (15, "<= 0.25 ms"), (173, "<= 0.25 ms"), (1_440, "<= 0.25 ms")] {
        let time = median(200, || {
            let month = rig.holding.month(within);
            if count == 1 {
                black_box(&month.close);
            } else {
                black_box(month.fold(minutes(count)));
            }
        });
        tell("4a", &format!("a month of {count}m, warm"), &shown(time), budget);
    }
    let time = median(200, || {
        black_box(rig.holding.month(within).cumulative_delta(minutes(60)));
    });
    tell("4c", "net volume by the hour over a month", &shown(time), "<= 0.25 ms");
}

fn newest(rig: &Rig, trades: &[Trade]) {
    let tape = Arc::new(Tape::new(8_192));
    let mut writer = tape.writer().expect("the first");
    trades[trades.len().saturating_sub(8_192)..].iter().for_each(|trade| writer.push(trade, true));
    let wanted = TradeRange { limit: 1_024, ..TradeRange::default() };
    let time = median(500, || {
        black_box(query::trades(&tape, Some(&rig.holding), &wanted));
    });
    tell("4e", "newest 1,024 trades, ring and store", &shown(time), "<= 25 us");
    let time = median(100, || {
        black_box(rig.holding.up_to_id(u64::MAX, 1_024));
    });
    tell("4e", "newest 1,024 trades, store alone", &shown(time), "");
}

fn integrity(rig: &Rig) {
    let time = median(200, || {
        black_box(rig.holding.shelf().runs());
    });
    tell("4g", "runs held, from the footers", &shown(time), "<= 0.5 ms");
    let time = median(5, || {
        let (missing, damaged) = rig.holding.check_neighbours(everything(rig));
        assert!(missing.is_empty() && damaged.is_empty());
    });
    tell("4g", "every neighbour checked again", &shown(time), "<= 45 ms");
}
