//! What neither stream nor REST has any more: does the archive heal it without being told, for the tape in memory, too?

use super::*;
use tapedeck::model::Candle;

const ONE: [(&str, TapeKind, u32); 1] = [("XRPUSDT", TapeKind::Aggregate, 6)];
const DAY: i64 = UnixMillis::DAY;

/// A store that recorded some minutes, three days before what follows.
fn three_days_ago() -> SimulatedDisk {
    let disk = SimulatedDisk::new(31);
    Life::new(&ONE).on(&disk).run(async |_| seconds(300).await);
    disk
}

/// The next life, three days later.
fn today(disk: &SimulatedDisk) -> Life<'_> {
    Life { step: Duration::from_millis(200), asks_archive: true, ..Life::new(&ONE).on(disk).from(START + 3 * DAY) }
}

#[test]
fn three_days_away_are_healed_by_rest_and_archive_together() {
    let disk = three_days_ago();
    today(&disk).run(async |scene| {
        seconds(30).await;
        assert!(scene.missing("XRPUSDT") > 5_000);
        scene.healed_within("XRPUSDT", 7_200).await;
        seconds(130).await;
        scene.assert_whole("XRPUSDT").await;
        let contract = scene.rig.contract("XRPUSDT");
        let runs = contract.holding.get().expect("a store").shelf().runs();
        for origin in [Origin::Stream, Origin::Rest, Origin::DailyArchive] {
            assert!(runs.iter().any(|(_, own)| *own == origin), "{origin:?}: {runs:?}");
        }
    });
}

#[test]
fn a_file_that_is_late_heals_the_tape_when_it_comes() {
    let disk = three_days_ago();
    today(&disk).run(async |scene| {
        let late = sim::ArchiveFault::Late { millis: 3 * DAY };
        let path = "data/futures/um/daily/aggTrades/XRPUSDT/XRPUSDT-aggTrades-2026-11-20";
        scene.rig.exchange.faults().archive().set(path, late);
        seconds(7_200).await;
        let missing = scene.holes("XRPUSDT");
        assert!(!missing.is_empty() && missing.len() <= 2, "that day is all that is missing: {missing:?}");
        let told = scene.told.lock().expect("whole").clone();
        assert!(told.iter().all(|piece| matches!(piece, Piece::AwaitingArchive(_))), "{told:?}");
        scene.healed_within("XRPUSDT", 3 * 86_400).await;
        seconds(130).await;
        scene.assert_whole("XRPUSDT").await;
    });
}

/// Ids of the first minutes: one, and four about the border of two minutes.
fn never_used(options: &sim::Options) -> Vec<IdRange> {
    let exchange = Exchange::open(options, Clock::starting_at(at(START + 900_000))).expect("opens");
    let truth = exchange.truth(&symbol("XRPUSDT"), at(START + 60_000), at(START + 400_000));
    let minute = |trade: &Trade| Timeframe::MINUTE.bucket(trade.time).0;
    let border = truth.windows(2).skip(10).find(|two| minute(&two[0]) < minute(&two[1])).expect("a border")[1].id;
    vec![IdRange { first: truth[4].id, last: truth[4].id }, IdRange { first: border - 2, last: border + 1 }]
}

fn without_some(disk: &SimulatedDisk) -> Life<'_> {
    let spoil = |options: &mut sim::Options| {
        let absent = never_used(options);
        options.contracts[0].absent = absent;
    };
    Life { spoil, ..Life::new(&ONE).on(disk) }
}

#[test]
fn what_is_proven_absent_is_missing_no_more_nowhere() {
    let disk = SimulatedDisk::new(32);
    without_some(&disk).run(async |scene| {
        seconds(600).await;
        let contract = scene.rig.contract("XRPUSDT");
        let holding = contract.holding.get().expect("a store");
        let lacking = scene.holes("XRPUSDT");
        assert_eq!(lacking.iter().map(|hole| hole.count()).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(walk(&contract).1, lacking);
        let is_doubted = |minute: &Candle| !minute.complete;
        let doubted =
            || holding.minutes(at(0), at(i64::MAX), usize::MAX, false).iter().skip(1).filter(|m| is_doubted(m)).count();
        assert!(doubted() >= 2, "{}", doubted());
        let (of, now) = ((holding.shelf().contract, holding.shelf().kind), scene.rig.exchange.now());
        for source in [Origin::Rest, Origin::DailyArchive, Origin::MonthlyArchive] {
            assert!(!scene.holes("XRPUSDT").is_empty(), "two witnesses are no proof");
            for ids in &lacking {
                holding.library().ledger().note_absent(of, *ids, source, now).expect("written");
            }
            let ids = IdRange { first: 0, last: u64::MAX };
            let arrival = Arrival { symbol: contract.symbol.clone(), series: jobs::Series::Trades, ids };
            scene.arrived.send(arrival).await.expect("taken");
            seconds(5).await;
        }
        assert_eq!((scene.missing("XRPUSDT"), contract.tape.missing()), (0, 0));
        seconds(130).await;
        scene.assert_whole("XRPUSDT").await;
        assert_eq!(holding.rebuild_minutes(|| {}).written, 0, "whoever folds them finds them the same");
    });
    // The next life knows it from the start.
    Life { heals: false, ..without_some(&disk).from(START + 800_000) }.run(async |scene| {
        let contract = scene.rig.contract("XRPUSDT");
        assert!(scene.missing("XRPUSDT") == 0 && walk(&contract).1.is_empty());
        let live = scene.rig.engine.live.candles(contract.id, Timeframe::MINUTE).await.expect("alive");
        assert!(live.len() > 10 && live[1..live.len() - 1].iter().all(|minute| minute.complete), "{live:?}");
    });
}
