//! Does the sequencer give the tape's order back, and name exactly what is missing, twice, late or too early?

use proptest::{collection::vec, prelude::*};
use std::collections::BTreeSet;
use tapedeck::{
    market::{Holes, Ordered, Print, Sequencer},
    model::{IdRange, Price, Quantity, Trade, UnixMillis},
};

const REORDER_MS: i64 = 300;

fn trade(id: u64) -> Trade {
    let (price, quantity) = (Price::from_units(5), Quantity::from_units(7));
    Trade { id, price, quantity, first_id: id, last_id: id, time: UnixMillis::new(1_000), buyer_is_maker: false }
}

fn print(id: u64) -> Print {
    Print::Trade(trade(id))
}

/// A sequencer whose tape has begun with `id`.
fn begun(id: u64) -> Sequencer {
    let mut sequencer = Sequencer::new(REORDER_MS);
    let mut out = Ordered::default();
    sequencer.accept(print(id), 0, &mut out);
    sequencer.expire(REORDER_MS, &mut out);
    assert_eq!(tape(&out), [(id, id == 1)]);
    sequencer
}

fn accept(sequencer: &mut Sequencer, ids: &[u64], now_ms: i64) -> Ordered {
    let mut out = Ordered::default();
    ids.iter().for_each(|id| sequencer.accept(print(*id), now_ms, &mut out));
    out
}

fn expire(sequencer: &mut Sequencer, now_ms: i64) -> Ordered {
    let mut out = Ordered::default();
    sequencer.expire(now_ms, &mut out);
    out
}

/// Ids released, each with whether it joins.
fn tape(out: &Ordered) -> Vec<(u64, bool)> {
    out.trades.iter().map(|(trade, joins)| (trade.id, *joins)).collect()
}

fn runs<'a>(runs: impl IntoIterator<Item = &'a IdRange>) -> Vec<(u64, u64)> {
    runs.into_iter().map(|run| (run.first, run.last)).collect()
}

fn held(sequencer: &Sequencer) -> Vec<(u64, u64)> {
    runs(&sequencer.holes().iter().collect::<Vec<_>>())
}

/// The runs of consecutive ids in a set.
fn set_runs(ids: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let ids: Vec<_> = ids.iter().copied().collect();
    ids.chunk_by(|left, right| left + 1 == *right).map(|run| (run[0], run[run.len() - 1])).collect()
}

#[test]
fn an_absurd_id_waits_for_a_second_and_is_dropped_without_one() {
    const ABSURD: u64 = 1 << 62;
    let mut sequencer = begun(100);
    assert_eq!(tape(&accept(&mut sequencer, &[101, ABSURD, 102], 1_000)), [(101, true), (102, true)]);
    assert_eq!(tape(&expire(&mut sequencer, 2_000)), [], "it is not believed");
    assert_eq!(tape(&accept(&mut sequencer, &[104], 30_000)), []);
    assert_eq!(sequencer.deadline_ms(), Some(30_000 + REORDER_MS), "others wait as ever");
    let out = expire(&mut sequencer, 30_000 + REORDER_MS);
    assert_eq!((tape(&out), runs(&out.holes)), (vec![(104, false)], vec![(103, 103)]));
    let out = expire(&mut sequencer, 61_000);
    assert_eq!((out.implausible, sequencer.head(), sequencer.deadline_ms()), (1, Some(104), None));
}

#[test]
fn a_jump_of_any_length_is_believed_when_two_agree() {
    let mut sequencer = begun(100);
    let far = 5_000_000_000;
    assert_eq!(tape(&accept(&mut sequencer, &[far, far + 1], 1_000)), []);
    let out = expire(&mut sequencer, 1_000 + REORDER_MS);
    assert_eq!((tape(&out), runs(&out.holes)), (vec![(far, false), (far + 1, true)], vec![(101, far - 1)]));
}

proptest! {
    #[test]
    fn any_permutation_inside_the_window_comes_out_in_order(
        start in prop_oneof![Just(1u64), 2..1_000_000_000u64],
        ids in (1..80u64).prop_flat_map(|count| Just((0..count).collect::<Vec<_>>()).prop_shuffle()),
        copies in vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut sequencer = Sequencer::new(REORDER_MS);
        let arrivals: Vec<_> = ids.iter().chain(copies.iter().map(|copy| copy.get(&ids))).map(|id| start + id).collect();
        let mut out = accept(&mut sequencer, &arrivals, 0);
        prop_assert_eq!(tape(&out), vec![], "the lowest id may still be under way");
        sequencer.expire(REORDER_MS - 1, &mut out);
        prop_assert_eq!(tape(&out), vec![]);
        sequencer.expire(REORDER_MS, &mut out);
        let expected: Vec<_> = (start..start + ids.len() as u64).map(|id| (id, id > start || id == 1)).collect();
        prop_assert_eq!(tape(&out), expected);
        prop_assert_eq!((out.duplicates, out.late.len(), out.holes.len()), (copies.len() as u64, 0, 0));
        prop_assert_eq!(sequencer.head(), Some(start + ids.len() as u64 - 1));
    }

    /// Against sets of ids: what arrives, waits, is missing and comes late, whatever the order and the pauses.
    #[test]
    fn released_missing_and_late_are_a_partition_of_what_came(
        arrivals in vec((0..60u64, prop_oneof![4 => Just(0), 1 => 0..400i64], prop::bool::weighted(0.15)), 1..200),
    ) {
        let mut sequencer = begun(100);
        let mut out = Ordered::default();
        let (mut now_ms, mut came, mut duplicates, mut before) = (0, BTreeSet::from([100]), 0, 0);
        for (id, pause_ms, is_burnt) in arrivals {
            let id = 95 + id;
            now_ms += pause_ms;
            sequencer.expire(now_ms, &mut out);
            sequencer.accept(if is_burnt { Print::Burnt(id) } else { print(id) }, now_ms, &mut out);
            match id {
                ..100 => before += 1,
                _ => duplicates += u64::from(!came.insert(id)),
            }
        }
        sequencer.expire(i64::MAX, &mut out);
        let newest = *came.last().expect("at least the first");
        let missing: BTreeSet<_> = (100..=newest).filter(|id| !came.contains(id)).collect();
        prop_assert_eq!(held(&sequencer), set_runs(&missing));
        prop_assert_eq!((out.duplicates, out.before_start), (duplicates, before));
        prop_assert_eq!(sequencer.head(), Some(newest));
        let tape = tape(&out);
        prop_assert!(tape.is_sorted_by(|left, right| left.0 < right.0));
        let late_trades = out.late.iter().filter(|print| print.as_trade().is_some()).count();
        prop_assert_eq!(tape.len() + late_trades, came.len() - 1 - usize::try_from(out.burnt).expect("few"));
        // A hole is told once when it is found, and filled by what is late.
        let mut told: BTreeSet<_> = out.holes.iter().flat_map(|run| run.first..=run.last).collect();
        prop_assert_eq!(told.len() as u64, out.holes.iter().map(IdRange::count).sum::<u64>());
        prop_assert!(out.late.iter().all(|print| told.remove(&print.id())));
        prop_assert_eq!(told, missing);
    }

    #[test]
    fn holes_are_a_set_of_ids(
        steps in vec((0..200u64, 1..9u64, any::<bool>()), 1..60),
        asked in (0..220u64, 0..30u64),
    ) {
        let (mut holes, mut set) = (Holes::default(), BTreeSet::new());
        for (first, length, opens) in steps {
            let run = IdRange { first, last: first + length - 1 };
            if opens && (run.first..=run.last).all(|id| !set.contains(&id)) {
                holes.open(run);
                set.extend(run.first..=run.last);
            } else {
                prop_assert_eq!(holes.fill(first), set.remove(&first));
            }
            prop_assert_eq!(holes.contains(first), set.contains(&first));
        }
        prop_assert_eq!(holes.count(), set.len() as u64);
        prop_assert_eq!(holes.iter().flat_map(|run| run.first..=run.last).collect::<BTreeSet<_>>(), set.clone());
        let asked = IdRange { first: asked.0, last: asked.0 + asked.1 };
        let within: Vec<_> = holes.within(asked).collect();
        let expected: Vec<_> = holes.iter().filter(|run| (run.first..=run.last).any(|id| asked.contains(id))).collect();
        prop_assert_eq!(within, expected);
    }
}

#[test]
fn a_missing_id_is_waited_for_and_then_given_up() {
    let mut sequencer = begun(10);
    assert_eq!(sequencer.deadline_ms(), None);
    let out = accept(&mut sequencer, &[12, 13, 15], 1_000);
    assert!(out.trades.is_empty() && out.holes.is_empty());
    assert_eq!(sequencer.deadline_ms(), Some(1_300));
    assert!(expire(&mut sequencer, 1_299).trades.is_empty());
    let out = expire(&mut sequencer, 1_300);
    assert_eq!(tape(&out), [(12, false), (13, true), (15, false)]);
    assert_eq!(runs(&out.holes), [(11, 11), (14, 14)]);
    assert_eq!((sequencer.head(), sequencer.deadline_ms()), (Some(15), None));
}

#[test]
fn the_wait_is_counted_from_the_first_print_past_the_gap() {
    let mut sequencer = begun(10);
    accept(&mut sequencer, &[15], 1_000);
    accept(&mut sequencer, &[12], 1_299);
    let out = expire(&mut sequencer, 1_300);
    assert_eq!((tape(&out), runs(&out.holes)), (vec![(12, false), (15, false)], vec![(11, 11), (13, 14)]));
}

#[test]
fn a_copy_of_a_waiting_print_does_not_prolong_the_wait_nor_replace_it() {
    let mut sequencer = begun(10);
    accept(&mut sequencer, &[12], 1_000);
    let mut out = Ordered::default();
    let other = Trade { price: Price::from_units(6), ..trade(12) };
    sequencer.accept(Print::Trade(other), 1_200, &mut out);
    assert_eq!(out.duplicates, 1);
    assert_eq!(sequencer.deadline_ms(), Some(1_300));
    assert_eq!(expire(&mut sequencer, 1_300).trades, [(trade(12), false)]);
}

#[test]
fn late_prints_fill_their_hole_and_never_enter_the_tape() {
    let mut sequencer = begun(10);
    accept(&mut sequencer, &[15], 0);
    expire(&mut sequencer, 300);
    let out = accept(&mut sequencer, &[13, 12, 13, 16], 400);
    assert_eq!(out.late, [print(13), print(12)]);
    assert_eq!((tape(&out), out.duplicates), (vec![(16, true)], 1));
    assert_eq!(held(&sequencer), [(11, 11), (14, 14)]);
    let mut out = Ordered::default();
    sequencer.accept(Print::Burnt(11), 400, &mut out);
    assert_eq!((out.late, out.burnt), (vec![Print::Burnt(11)], 1));
}

#[test]
fn burnt_ids_go_by_without_a_trade_and_without_a_hole() {
    let mut sequencer = begun(10);
    let mut out = Ordered::default();
    for print in [Print::Burnt(11), Print::Burnt(13), print(14), print(12), Print::Burnt(13)] {
        sequencer.accept(print, 0, &mut out);
    }
    assert_eq!(tape(&out), [(12, true), (14, true)]);
    assert_eq!((out.burnt, out.duplicates, held(&sequencer).len()), (2, 1, 0));
}

#[test]
fn what_is_older_than_the_tape_is_counted_apart() {
    let mut sequencer = begun(10);
    let out = accept(&mut sequencer, &[9, 10, 1], 500);
    assert_eq!((out.before_start, out.duplicates, out.trades.len()), (2, 1, 0));
}

#[test]
fn too_many_waiting_prints_cut_the_wait_short() {
    let mut sequencer = begun(10);
    let ids: Vec<u64> = (12..12 + 65_536).collect();
    assert!(accept(&mut sequencer, &ids, 0).trades.is_empty());
    let out = accept(&mut sequencer, &[70_000 + 12], 0);
    assert_eq!((out.trades.len(), runs(&out.holes)), (65_536, vec![(11, 11)]));
    assert_eq!(sequencer.deadline_ms(), Some(REORDER_MS), "the newest waits on");
}

#[test]
fn forgotten_prints_become_a_hole_when_the_next_comes() {
    let mut sequencer = begun(10);
    accept(&mut sequencer, &[12, 13], 0);
    assert_eq!(sequencer.resume(Some(10)), None);
    assert_eq!(sequencer.deadline_ms(), None);
    accept(&mut sequencer, &[14], 100);
    let out = expire(&mut sequencer, 400);
    assert_eq!((tape(&out), runs(&out.holes)), (vec![(14, false)], vec![(11, 13)]));
}

#[test]
fn what_was_released_but_never_published_is_a_hole_after_a_panic() {
    let mut sequencer = begun(10);
    accept(&mut sequencer, &[11, 12, 13], 0);
    assert_eq!(sequencer.resume(Some(11)).map(|hole| (hole.first, hole.last)), Some((12, 13)));
    let out = accept(&mut sequencer, &[14, 12], 1);
    assert_eq!((tape(&out), out.late.len()), (vec![(14, false)], 1));
}
