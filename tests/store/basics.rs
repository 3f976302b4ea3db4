//! Are trades held from the moment that they are handed in, wherever they come to rest?

use crate::rig::{Rig, disk, small, start, trade};
use tapedeck::model::{IdRange, UnixMillis};

#[test]
fn trades_are_held_in_the_queue_in_the_journal_and_in_segments() {
    let (_, disk) = disk(1);
    let mut rig = Rig::open(&disk, small(), 2, start()).expect("opens");
    assert!(rig.keep(0, 5..20) && rig.keep(1, [7]));
    assert_eq!(rig.ids(0), (5..20).collect::<Vec<_>>(), "in the queue");
    assert_eq!(rig.holdings[0].durable_through_id(), None);
    rig.pass(100);
    assert_eq!(rig.ids(0), (5..20).collect::<Vec<_>>(), "in the journal");
    assert_eq!(rig.holdings[0].durable_through_id(), Some(19));
    rig.pass(30_000);
    assert_eq!(rig.opened.storage.counts().segments, 1);
    assert_eq!(rig.holdings[0].shelf().sealed().len(), 1);
    assert_eq!(rig.ids(0), (5..20).collect::<Vec<_>>(), "in a segment");
    let stored = rig.holdings[0].from_id(0, usize::MAX);
    assert_eq!(stored.trades, (5..20).map(trade).collect::<Vec<_>>());
    assert_eq!((rig.ids(1), stored.damaged), (vec![7], Vec::new()));
}

#[test]
fn a_restart_finds_everything_that_was_synced_and_goes_on_behind_it() {
    let (sim, disk) = disk(2);
    let mut rig = Rig::open(&disk, small(), 2, start()).expect("opens");
    for first in (1..2_000).step_by(100) {
        assert!(rig.keep(0, first..first + 100) && rig.keep(1, first..first + 3));
        rig.pass(100);
    }
    let (now, before) = (rig.now, rig.opened.storage.counts());
    assert!(before.segments > 2, "{before:?}");
    drop(rig);
    sim.power_cut(7);
    let mut rig = Rig::open(&disk, small(), 2, now).expect("opens again");
    assert_eq!(rig.ids(0), (1..2_001).collect::<Vec<_>>());
    assert_eq!(rig.holdings[0].ends(), IdRange::new(1, 2_000));
    assert_eq!(rig.holdings[0].shelf().runs().len(), 1);
    assert!(rig.keep(0, 2_001..2_011));
    rig.pass(30_000);
    assert_eq!(rig.ids(0), (1..2_011).collect::<Vec<_>>());
    assert_eq!(rig.opened.findings, [], "nothing was wrong");
}

#[test]
fn newest_and_oldest_are_found_by_id_and_by_time() {
    let (_, disk) = disk(3);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    for first in (1..3_000).step_by(50) {
        assert!(rig.keep(0, first..first + 50));
        rig.pass(100);
    }
    assert!(rig.keep(0, 3_001..3_011));
    let holding = &rig.holdings[0];
    let ids = |stored: tapedeck::store::Stored| stored.trades.iter().map(|trade| trade.id).collect::<Vec<_>>();
    for (id, limit) in [(1, 10), (777, 333), (2_990, 20), (3_005, 100), (1, 5_000)] {
        assert_eq!(ids(holding.from_id(id, limit)), (id..3_011).take(limit).collect::<Vec<_>>());
        let newest: Vec<_> = (1..=id).rev().take(limit).collect();
        assert_eq!(ids(holding.up_to_id(id, limit)), newest.into_iter().rev().collect::<Vec<_>>());
    }
    for id in [1, 2, 999, 2_500, 3_000, 3_001, 3_010] {
        assert_eq!(holding.first_id_at(trade(id).time), Some(id));
        assert_eq!(holding.first_id_at(trade(id).time.plus(-6)), Some(id));
    }
    assert_eq!(holding.first_id_at(UnixMillis::new(i64::MAX)), None);
}

#[test]
fn late_trades_stand_in_their_place_and_equal_ones_once() {
    let (_, disk) = disk(4);
    let mut rig = Rig::open(&disk, small(), 1, start()).expect("opens");
    assert!(rig.keep(0, (1..100).chain(200..300)));
    rig.pass(100);
    assert_eq!(rig.holdings[0].shelf().runs().len(), 2);
    assert!(rig.keep(0, 150..250));
    assert_eq!(rig.ids(0), (1..100).chain(150..300).collect::<Vec<_>>(), "some queued");
    rig.pass(100);
    assert!(rig.keep(0, 100..150));
    rig.pass(100);
    assert_eq!(rig.ids(0), (1..300).collect::<Vec<_>>(), "all in the journal");
    rig.pass(30_000);
    assert_eq!(rig.ids(0), (1..300).collect::<Vec<_>>(), "in a segment");
    let runs = rig.holdings[0].shelf().runs();
    assert_eq!(runs.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [IdRange { first: 1, last: 299 }]);
}
