//! What is healed after the stream, or the process, was away?

use super::*;
use tapedeck::live::Event;

const TWO: [(&str, TapeKind, u32); 2] = [("SOLUSDT", TapeKind::Aggregate, 240), ("XRPUSDT", TapeKind::Aggregate, 60)];

#[test]
fn a_cut_is_seen_at_once_and_healed_soon_with_repairs_and_corrections() {
    Life::new(&TWO).run(async |scene| {
        let probes = TWO.map(|(symbol, ..)| scene.rig.probe(symbol, &[1, 5], (0, 0)));
        seconds(200).await;
        scene.cut(Duration::from_secs(30)).await;
        let mut waited_ms = 0;
        while scene.missing("SOLUSDT") == 0 {
            assert!(waited_ms < 12_000, "no hole after {waited_ms} ms: the longest wait to connect is 10 s");
            tokio::time::sleep(Duration::from_millis(100)).await;
            waited_ms += 100;
        }
        let missing = scene.missing("SOLUSDT");
        assert!(missing >= 100, "{missing} of about 120");
        for (symbol, ..) in TWO {
            assert!(scene.healed_within(symbol, 20).await <= 10, "{symbol}");
        }
        seconds(400).await;
        for probe in &probes {
            let view = probe.view();
            let found = oracle::judge(&scene.rig, &probe.contract, &view);
            assert_eq!((found.holes.len(), found.incomplete), (0, 2), "only the first of each timeframe");
            assert!(view.repairs.is_sorted_by(|a, b| a.id < b.id), "repairs ascend");
            assert!(view.missing.first() > Some(&0) && view.missing.last() == Some(&0), "{:?}", view.missing);
            assert!(!view.repairs.is_empty() && view.candles.values().all(|candles| candles.corrections > 0));
        }
        let repaired: u64 = probes.iter().map(|probe| probe.view().repairs.len() as u64).sum();
        assert_eq!(scene.counter("gap_repaired_trades_total"), repaired);
        assert_eq!(scene.counter("gap_missing_ids_total"), repaired);
        assert!(scene.told.lock().expect("whole").is_empty());
    });
}

/// The bodies of live trades that a subscriber gets in the second life, and what was missing while they came.
fn second_life(heals: bool) -> (Vec<String>, u64) {
    let disk = SimulatedDisk::new(11);
    Life::new(&TWO).on(&disk).run(async |_| seconds(200).await);
    disk.kill();
    let life = Life { heals, ..Life::new(&TWO).on(&disk).from(START + 800_000) };
    life.run(async |scene| {
        let probe = scene.rig.probe("SOLUSDT", &[], (0, 0));
        seconds(3).await;
        let missing = scene.missing("SOLUSDT");
        assert!(missing == 0 || missing > 2_000, "ten minutes: {missing}");
        seconds(300).await;
        if heals {
            for (symbol, ..) in TWO {
                assert_eq!(scene.missing(symbol), 0, "{symbol}");
                scene.assert_whole(symbol).await;
                let ids: u64 = fetched(&scene, symbol).iter().map(|ids| ids.count()).sum();
                assert!(ids >= scene.counter("gap_missing_ids_total") / 8, "{symbol}: {ids} are noted as fetched");
            }
        }
        let live = probe.log().into_iter().filter_map(|(_, event)| match event {
            Event::Rows(rows) => Some(String::from_utf8_lossy(&rows.body).into_owned()),
            _ => None,
        });
        (live.collect(), scene.missing("SOLUSDT"))
    })
}

#[test]
fn after_a_start_live_goes_on_as_if_nothing_were_fetched() {
    let (healed, left) = second_life(true);
    let (alone, missing) = second_life(false);
    assert!(healed.len() > 200 && healed == alone, "{} and {} publications", healed.len(), alone.len());
    assert!(left == 0 && missing > 2_000);
}

#[test]
fn more_than_a_day_without_the_stream_is_healed_with_the_minutes_that_memory_has_forgotten() {
    const SLOW: [(&str, TapeKind, u32); 1] = [("XRPUSDT", TapeKind::Aggregate, 20)];
    let disk = SimulatedDisk::new(12);
    let life = Life { step: Duration::from_secs(1), ..Life::new(&SLOW).on(&disk) };
    life.run(async |scene| {
        // Memory keeps the minutes of a day.
        seconds(2 * 3_600).await;
        scene.cut(Duration::from_hours(30)).await;
        seconds(12).await;
        let missing = scene.missing("XRPUSDT");
        scene.healed_within("XRPUSDT", 600).await;
        seconds(600).await;
        scene.assert_whole("XRPUSDT").await;
        assert!(missing + scene.counter("gap_repaired_trades_total") > 30_000);
        let memory = scene.rig.engine.live.candles(scene.rig.contract("XRPUSDT").id, Timeframe::MINUTE).await;
        assert!(memory.expect("alive").len() <= 1_441);
    });
}

#[test]
fn a_process_that_dies_while_it_repairs_goes_on_where_it_was() {
    const BUSY: [(&str, TapeKind, u32); 1] = [("SOLUSDT", TapeKind::Aggregate, 1_200)];
    let disk = SimulatedDisk::new(13);
    Life::new(&BUSY).on(&disk).run(async |_| seconds(150).await);
    disk.power_cut(3);
    let mut left = Vec::new();
    for (round, start) in [(0, START + 18_000_000), (1, START + 18_060_000), (2, START + 18_120_000)] {
        Life::new(&BUSY).on(&disk).from(start).run(async |scene| {
            seconds(25).await;
            left.push(scene.missing("SOLUSDT"));
        });
        if round == 1 { disk.kill() } else { disk.power_cut(round) }
    }
    assert!(left.windows(2).all(|pair| pair[0] > pair[1] && pair[1] > 0), "each goes on, none ends: {left:?}");
    Life::new(&BUSY).on(&disk).from(START + 18_180_000).run(async |scene| {
        seconds(5).await;
        scene.healed_within("SOLUSDT", 400).await;
        seconds(150).await;
        scene.assert_whole("SOLUSDT").await;
    });
}

#[test]
fn what_is_too_old_for_rest_is_told_once_and_the_rest_is_fetched() {
    const SLOW: [(&str, TapeKind, u32); 1] = [("XRPUSDT", TapeKind::Aggregate, 20)];
    let disk = SimulatedDisk::new(14);
    Life::new(&SLOW).on(&disk).run(async |_| seconds(150).await);
    disk.kill();
    let life = Life { step: Duration::from_secs(1), ..Life::new(&SLOW).on(&disk).from(START + 49 * 3_600_000) };
    life.run(async |scene| {
        seconds(900).await;
        let told = scene.told.lock().expect("whole").clone();
        let [Piece::AwaitingArchive(old)] = told[..] else { panic!("{told:?}") };
        assert_eq!(scene.holes("XRPUSDT"), [old]);
        assert!((600..2_400).contains(&old.count()), "about an hour: {old:?}");
        let asked = scene.counter("rest_requests_total");
        seconds(3 * 3_600).await;
        assert_eq!(scene.counter("rest_requests_total"), asked, "it is not asked for again");
        assert_eq!(scene.counter("gap_left_ids_total"), old.count());
    });
}
