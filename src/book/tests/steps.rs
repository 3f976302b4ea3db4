//! What does the replica do at each step of the venue's procedure, and at each thing that may go wrong?

use super::{level, levels};
use crate::book::{Book, BookOptions, Delta, Fault, Replica, ReplicaOptions, Side, SnapshotError, State};
use crate::model::{BookSnapshot, BookUpdate, Level, UnixMillis};

const OPTIONS: ReplicaOptions = ReplicaOptions {
    book: BookOptions { levels_max: 10, changes_max: 10 },
    snapshot_levels: 4,
    trusted_levels_min: 2,
    waiting_updates_max: 4,
};

/// Ids (previous, last) at a time that is the last id.
fn ids(previous_id: u64, last_id: u64) -> BookUpdate {
    let time = UnixMillis::new(last_id.cast_signed());
    BookUpdate { first_id: previous_id + 1, last_id, previous_id, time }
}

/// Bids 100 to 97, asks 101 to 104, as of `id`.
fn snapshot(id: u64) -> BookSnapshot {
    BookSnapshot {
        last_id: id,
        time: UnixMillis::new(id.cast_signed()),
        bids: levels(&[(100, 1), (99, 1), (98, 1), (97, 1)]),
        asks: levels(&[(101, 1), (102, 1), (103, 1), (104, 1)]),
    }
}

fn synced() -> Replica {
    let mut replica = Replica::new(OPTIONS);
    assert_eq!(replica.snapshot(snapshot(10)), None);
    assert_eq!(replica.update(&ids(9, 12), &[], &[]), None);
    assert_eq!(replica.state(), State::Synced);
    replica
}

fn bid(replica: &Replica) -> Option<Level> {
    replica.book().and_then(|book| book.bids().best())
}

#[test]
fn updates_wait_and_those_before_the_snapshot_are_dropped() {
    let mut replica = Replica::new(OPTIONS);
    assert!(replica.needs_snapshot());
    assert_eq!(replica.update(&ids(1, 5), &[level(100, 7)], &[]), None);
    assert_eq!(replica.update(&ids(5, 9), &[level(99, 8)], &[]), None);
    assert_eq!(replica.update(&ids(9, 12), &[level(98, 9)], &[]), None);
    assert_eq!(replica.snapshot(snapshot(9)), None);
    let book = replica.book().expect("synced");
    assert_eq!(book.last_id(), 12);
    assert_eq!(book.bids().levels().collect::<Vec<_>>(), levels(&[(100, 1), (99, 1), (98, 9), (97, 1)]));
    assert!(!replica.needs_snapshot());
}

#[test]
fn a_snapshot_between_two_updates_joins() {
    let mut replica = Replica::new(OPTIONS);
    assert_eq!(replica.update(&ids(1, 5), &[], &[]), None);
    // By the venue's own rule, first_id <= 7 <= last_id, neither of the two would do.
    assert_eq!(replica.snapshot(snapshot(7)), None);
    assert_eq!(replica.state(), State::Rebuilding);
    let update = BookUpdate { first_id: 9, ..ids(5, 12) };
    assert_eq!(replica.update(&update, &[level(100, 3)], &[]), None);
    assert_eq!(bid(&replica), Some(level(100, 3)));
}

#[test]
fn a_snapshot_that_is_too_old_is_asked_for_again() {
    let mut replica = Replica::new(OPTIONS);
    assert_eq!(replica.update(&ids(9, 12), &[], &[]), None);
    assert_eq!(replica.snapshot(snapshot(8)), Some(Fault::SnapshotOld));
    assert!(replica.needs_snapshot());
    assert_eq!(replica.snapshot(snapshot(9)), None);
    assert_eq!(replica.state(), State::Synced);
    assert_eq!(replica.counts().snapshots_refused, 1);
}

#[test]
fn a_snapshot_ahead_of_the_stream_waits_for_it() {
    let mut replica = Replica::new(OPTIONS);
    assert_eq!(replica.update(&ids(1, 5), &[], &[]), None);
    assert_eq!(replica.snapshot(snapshot(20)), None);
    assert!(!replica.needs_snapshot());
    assert_eq!(replica.update(&ids(5, 15), &[level(100, 5)], &[]), None);
    assert_eq!(replica.state(), State::Rebuilding);
    assert_eq!(replica.update(&ids(15, 20), &[], &[]), None);
    assert_eq!(bid(&replica), Some(level(100, 1)));
}

#[test]
fn a_snapshot_whose_ids_the_stream_will_not_reach_is_refused() {
    let mut replica = Replica::new(OPTIONS);
    let foreign = BookSnapshot { time: UnixMillis::new(10), ..snapshot(1_000) };
    assert_eq!(replica.snapshot(foreign), None);
    assert_eq!(replica.update(&ids(5, 11), &[], &[]), Some(Fault::SnapshotForeign));
    assert!(replica.needs_snapshot());
}

#[test]
fn a_lost_update_takes_the_book_away_until_a_snapshot_joins() {
    let mut replica = synced();
    assert_eq!(replica.update(&ids(13, 15), &[level(100, 2)], &[]), Some(Fault::Gap));
    assert_eq!((replica.state(), replica.needs_snapshot()), (State::Rebuilding, true));
    assert_eq!(replica.snapshot(snapshot(11)), Some(Fault::SnapshotOld));
    assert_eq!(replica.snapshot(snapshot(14)), None);
    assert_eq!(bid(&replica), Some(level(100, 2)));
    assert_eq!(replica.counts().gaps, 1);
}

#[test]
fn updates_that_come_again_or_are_cut_otherwise_change_nothing_wrongly() {
    let mut replica = synced();
    assert_eq!(replica.update(&ids(9, 12), &[level(100, 2)], &[]), None);
    assert_eq!(replica.update(&ids(1, 5), &[level(100, 2)], &[]), None);
    assert_eq!(bid(&replica), Some(level(100, 1)));
    assert_eq!(replica.counts().repeated, 2);
    // Another connection may cut the stream elsewhere.
    assert_eq!(replica.update(&ids(10, 14), &[level(100, 4)], &[]), None);
    assert_eq!(bid(&replica), Some(level(100, 4)));
}

#[test]
fn ids_that_begin_anew_are_noticed_by_their_time() {
    let mut replica = synced();
    let anew = BookUpdate { time: UnixMillis::new(13), ..ids(2, 4) };
    assert_eq!(replica.update(&anew, &[level(100, 6)], &[]), Some(Fault::Backwards));
    assert_eq!(replica.state(), State::Rebuilding);
    assert_eq!(replica.snapshot(BookSnapshot { time: UnixMillis::new(13), ..snapshot(3) }), None);
    assert_eq!(bid(&replica), Some(level(100, 6)));
}

#[test]
fn a_crossed_book_is_not_served() {
    let mut replica = synced();
    assert_eq!(replica.update(&ids(12, 13), &[level(101, 1)], &[]), Some(Fault::Crossed));
    assert_eq!((replica.book().is_some(), replica.counts().crossed), (false, 1));
    assert_eq!(replica.update(&ids(13, 14), &[level(101, 0)], &[]), None);
    assert_eq!(replica.snapshot(snapshot(13)), None);
    assert_eq!(bid(&replica), Some(level(100, 1)));
}

#[test]
fn an_unsound_snapshot_is_refused() {
    let refused = |change: fn(&mut BookSnapshot)| {
        let (mut replica, mut snapshot) = (Replica::new(OPTIONS), snapshot(10));
        change(&mut snapshot);
        (replica.snapshot(snapshot), replica.needs_snapshot())
    };
    let disorder = (Some(Fault::SnapshotUnsound(SnapshotError::Disorder)), true);
    assert_eq!(refused(|snapshot| snapshot.bids.reverse()), disorder);
    assert_eq!(refused(|snapshot| snapshot.asks.push(level(104, 1))), disorder);
    assert_eq!(refused(|snapshot| snapshot.asks.push(level(105, 0))), disorder);
    let crossed = (Some(Fault::SnapshotUnsound(SnapshotError::Crossed)), true);
    assert_eq!(refused(|snapshot| snapshot.asks.insert(0, level(100, 1))), crossed);
}

#[test]
fn empty_sides_and_empty_updates_are_a_book() {
    let mut replica = Replica::new(OPTIONS);
    let empty = BookSnapshot { last_id: 10, ..BookSnapshot::default() };
    assert_eq!(replica.snapshot(empty), None);
    assert_eq!(replica.update(&BookUpdate { time: UnixMillis::default(), ..ids(9, 12) }, &[], &[]), None);
    assert_eq!((replica.state(), bid(&replica)), (State::Synced, None));
    assert_eq!(replica.update(&ids(12, 13), &[level(5, 1)], &[level(7, 0)]), None);
    let book = replica.book().expect("synced");
    assert_eq!((book.bids().best(), book.asks().best()), (Some(level(5, 1)), None));
    assert_eq!((book.bids().reach(), book.bids().trusted_count()), (None, 1), "the whole side is known");
}

#[test]
fn a_stream_in_doubt_shows_no_book_until_it_goes_on() {
    let mut replica = synced();
    replica.doubt();
    assert_eq!((replica.state(), replica.book().is_some(), replica.needs_snapshot()), (State::Stale, false, false));
    assert_eq!(replica.update(&ids(12, 13), &[], &[]), None);
    assert_eq!(replica.state(), State::Synced);
    replica.doubt();
    assert_eq!(replica.update(&ids(14, 15), &[], &[]), Some(Fault::Gap));
    replica.doubt();
    assert_eq!(replica.snapshot(snapshot(15)), None);
    assert_eq!(replica.state(), State::Stale, "a snapshot proves nothing of the stream");
}

#[test]
fn a_book_that_runs_out_of_reach_is_refreshed_and_else_given_up() {
    let mut replica = synced();
    assert_eq!(replica.update(&ids(12, 13), &[level(100, 0), level(99, 0), level(96, 5)], &[]), None);
    assert!(!replica.needs_snapshot());
    assert_eq!(replica.update(&ids(13, 14), &[level(98, 0)], &[]), None);
    assert_eq!((replica.state(), replica.needs_snapshot()), (State::Synced, true));
    let bids = replica.book().expect("synced").bids();
    assert_eq!((bids.trusted().collect::<Vec<_>>(), bids.held_count()), (levels(&[(97, 1)]), 2));
    let mut refreshed = replica.clone();
    let deeper = BookSnapshot { bids: levels(&[(97, 1), (96, 5), (95, 1), (94, 1)]), ..snapshot(14) };
    assert_eq!(refreshed.snapshot(deeper), None);
    assert_eq!(
        (refreshed.needs_snapshot(), refreshed.book().map(|book| book.bids().trusted_count())),
        (false, Some(4))
    );
    // What stands at 96 need not be the best.
    assert_eq!(replica.update(&ids(14, 15), &[level(97, 0)], &[]), Some(Fault::Exhausted));
    assert_eq!((replica.state(), replica.needs_snapshot()), (State::Rebuilding, true));
}

#[test]
fn waiting_updates_are_bounded() {
    let mut replica = Replica::new(OPTIONS);
    for id in 1..=1_000 {
        assert_eq!(replica.update(&ids(id - 1, id), &[level(1, 1)], &[]), None);
    }
    assert!(replica.counts().dropped >= 996);
    assert_eq!(replica.snapshot(snapshot(900)), Some(Fault::SnapshotOld));
    assert_eq!(replica.snapshot(snapshot(999)), None);
    assert_eq!(replica.state(), State::Synced);
}

#[test]
fn a_full_side_forgets_the_farthest_and_reaches_no_farther() {
    let mut book = Book::new(BookOptions { levels_max: 3, changes_max: 10 });
    let whole = BookSnapshot { bids: levels(&[(9, 1), (8, 1), (6, 1)]), ..BookSnapshot::default() };
    book.load(&whole, 10).expect("sound");
    assert_eq!(book.bids().reach(), None);
    book.apply(&ids(0, 1), &[level(7, 1)], &[]);
    assert_eq!(book.bids().levels().collect::<Vec<_>>(), levels(&[(9, 1), (8, 1), (7, 1)]));
    assert_eq!(book.bids().reach(), Some(level(7, 0).price));
    book.apply(&ids(1, 2), &[level(9, 0), level(5, 1)], &[]);
    assert_eq!(book.bids().levels().collect::<Vec<_>>(), levels(&[(8, 1), (7, 1), (5, 1)]));
    assert_eq!(book.bids().trusted().collect::<Vec<_>>(), levels(&[(8, 1), (7, 1)]), "6 is forgotten");
    assert_eq!(book.ladder(Side::Bid).quantity(level(5, 0).price), level(5, 1).quantity);
}

#[test]
fn a_delta_has_each_changed_level_once() {
    let mut book = Book::new(BookOptions { levels_max: 10, changes_max: 6 });
    book.load(&snapshot(1), 10).expect("sound");
    let start = book.sequence();
    book.apply(&ids(1, 2), &[level(100, 2), level(99, 0), level(50, 0)], &[level(101, 1)]);
    book.apply(&ids(2, 3), &[level(100, 3)], &[level(105, 1)]);
    let delta = |bids: &[(i64, i64)], asks: &[(i64, i64)]| Some(Delta { bids: levels(bids), asks: levels(asks) });
    // Nothing stood at 50, and 101 stays as it was.
    assert_eq!(book.delta(start, start + 1), delta(&[(100, 2), (99, 0)], &[]));
    assert_eq!(book.delta(start, start + 2), delta(&[(100, 3), (99, 0)], &[(105, 1)]));
    assert_eq!(book.delta(start + 1, start + 2), delta(&[(100, 3)], &[(105, 1)]));
    assert_eq!(book.delta(start + 2, start + 2), delta(&[], &[]));
    assert_eq!((book.delta(start, start + 3), book.delta(start - 1, start), book.delta(2, 1)), (None, None, None));
    book.apply(&ids(3, 4), &[level(90, 1), level(91, 1), level(92, 1)], &[]);
    assert_eq!(book.delta(start, start + 3), None, "the log is full");
    assert!(book.delta(start + 1, start + 3).is_some());
    book.load(&snapshot(5), 10).expect("sound");
    assert_eq!(book.delta(start + 3, start + 4), None, "a snapshot came between");
}
