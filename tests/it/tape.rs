//! Does a reader of the tape get every trade in order, with every hole and every loss of its own named?

use proptest::{collection::vec, prelude::*};
use std::sync::Arc;
use tapedeck::{
    market::{Print, Reading, Tape, TapeReader, TapeWriter},
    model::{IdRange, Price, Quantity, Trade, UnixMillis},
};

fn trade(id: u64) -> Trade {
    let units = i64::try_from(id).expect("small");
    let (price, quantity) = (Price::from_units(-units), Quantity::from_units(i64::MAX - units));
    let time = UnixMillis::new(1_700_000_000_000 + units);
    Trade { id, price, quantity, first_id: 3 * id, last_id: 3 * id + 2, time, buyer_is_maker: id.is_multiple_of(3) }
}

fn tape(ring_trades: usize) -> (Arc<Tape>, TapeWriter) {
    let tape = Arc::new(Tape::new(ring_trades));
    let writer = tape.writer().expect("the first");
    (tape, writer)
}

fn push(writer: &mut TapeWriter, ids: impl IntoIterator<Item = u64>) {
    ids.into_iter().for_each(|id| writer.push(&trade(id), true));
}

#[test]
fn a_reader_gets_each_trade_once_and_whole() {
    let (tape, mut writer) = tape(64);
    let (mut early, mut out) = (tape.reader(), Vec::new());
    push(&mut writer, 1..=5);
    writer.push(&trade(9), false);
    assert!(early.is_behind());
    assert_eq!(early.read(4, &mut out), Reading { trades: 4, lapped: None });
    assert_eq!(early.read(9, &mut out), Reading { trades: 2, lapped: None });
    assert_eq!(early.read(9, &mut out), Reading { trades: 0, lapped: None });
    assert!(!early.is_behind());
    let expected: Vec<_> = [1, 2, 3, 4, 5, 9].map(|id| (trade(id), id != 9)).to_vec();
    assert_eq!(out, expected);
    assert_eq!(tape.held(), [1, 2, 3, 4, 5, 9].map(trade));
    assert_eq!(tape.newest(2), [trade(5), trade(9)]);
    assert_eq!(tape.newest_id(), Some(9));
    assert_eq!(early.before(2), [trade(5), trade(9)]);
    assert!(!tape.reader().is_behind() && tape.reader_from_oldest().is_behind());
}

#[test]
fn a_lapped_reader_learns_which_ids_it_did_not_see() {
    let (tape, mut writer) = tape(64);
    let (mut reader, mut out) = (tape.reader(), Vec::new());
    push(&mut writer, 10..20);
    reader.read(5, &mut out);
    push(&mut writer, 20..20 + 2 * tape.capacity());
    out.clear();
    let reading = reader.read(1, &mut out);
    let oldest = 20 + tape.capacity();
    assert_eq!(reading, Reading { trades: 1, lapped: Some(IdRange { first: 15, last: oldest - 1 }) });
    assert_eq!(out, [(trade(oldest), false)], "it does not join what this reader saw");
    assert_eq!(reader.read(1, &mut out), Reading { trades: 1, lapped: None });
    assert_eq!(out[1], (trade(oldest + 1), true));
}

#[test]
fn a_reader_that_was_lapped_before_its_first_trade_missed_all_from_the_start() {
    let (tape, mut writer) = tape(64);
    let mut reader = tape.reader();
    writer.begin(100);
    push(&mut writer, 100..100 + tape.capacity() + 1);
    let reading = reader.read(1, &mut Vec::new());
    assert_eq!(reading.lapped, Some(IdRange { first: 100, last: 100 }));
}

#[test]
fn there_is_one_writer_at_a_time() {
    let (tape, writer) = tape(64);
    assert!(tape.writer().is_none());
    assert!(Arc::ptr_eq(writer.tape(), &tape));
    drop(writer);
    assert!(tape.writer().is_some());
}

fn late(ids: impl IntoIterator<Item = u64>) -> Vec<Print> {
    ids.into_iter().map(|id| Print::Trade(trade(id))).collect()
}

#[test]
fn late_trades_stand_aside_and_each_reader_takes_them_once() {
    let (tape, mut writer) = tape(64);
    let mut before = tape.reader();
    writer.push(&trade(1), true);
    writer.open_holes(&[IdRange { first: 2, last: 9 }]);
    writer.push(&trade(10), false);
    assert!(before.repairs().is_none());
    assert!(writer.repair(&late([4, 5])));
    let mut after = tape.reader();
    assert!(writer.repair(&late([3])));
    let ids = |reader: &mut TapeReader| -> Vec<u64> {
        let trades = reader.repairs().unwrap_or_default().trades;
        trades.iter().map(|trade| trade.id).collect()
    };
    assert!(before.holes().is_none(), "there is a repair that it has not taken");
    let snapshot = |reader: &TapeReader| reader.before(9).iter().map(|trade| trade.id).collect::<Vec<_>>();
    assert_eq!(snapshot(&after), [1, 4, 5, 10], "what it will be handed is not in its snapshot");
    assert_eq!((ids(&mut before), ids(&mut after)), (vec![3, 4, 5], vec![3]));
    assert_eq!((snapshot(&after), after.before(2).len()), (vec![1, 3, 4, 5, 10], 2));
    assert_eq!((ids(&mut before), ids(&mut tape.reader_from_oldest())), (vec![], vec![3, 4, 5]));
    let holes = before.holes().expect("it has taken all");
    assert!(holes.is_missing(IdRange { first: 1, last: 2 }) && !holes.is_missing(IdRange { first: 3, last: 5 }));
}

proptest! {
    /// A reader that reads at any pace accounts for every id: read, named as lapped, or missing from the tape.
    #[test]
    fn at_any_pace_every_id_is_accounted_for(steps in vec((0..200u64, 0..5u64, 0..100usize), 1..30)) {
        let (tape, mut writer) = tape(64);
        let (mut reader, mut id) = (tape.reader(), 0);
        let (mut seen, mut named) = (Vec::new(), Vec::new());
        let mut missing = Vec::new();
        for (pushed, lost, wanted) in steps {
            for at in 0..pushed {
                let gap = if at == 0 { lost } else { 0 };
                missing.extend(id + 1..=id + gap);
                id += gap + 1;
                writer.push(&trade(id), gap == 0);
            }
            let start = seen.len();
            let reading = reader.read(wanted, &mut seen);
            prop_assert_eq!(reading.trades, seen.len() - start);
            named.extend(reading.lapped);
            if let Some((first, joins)) = seen.get(start) {
                let follows = start.checked_sub(1).map_or(0, |at| seen[at].0.id) + 1 == first.id;
                prop_assert_eq!(*joins, follows);
            }
        }
        while reader.is_behind() {
            named.extend(reader.read(7, &mut seen).lapped);
        }
        prop_assert!(seen.iter().all(|(read, _)| *read == trade(read.id)));
        prop_assert!(seen.is_sorted_by(|left, right| left.0.id < right.0.id));
        let read = |id: &u64| seen.binary_search_by_key(id, |(trade, _)| trade.id).is_ok();
        let is_named = |id: &u64| named.iter().any(|ids| ids.contains(*id));
        for id in 1..=id {
            prop_assert!(!(read(&id) && is_named(&id)), "{} is read and named", id);
            prop_assert!(read(&id) || is_named(&id) || missing.contains(&id), "{} is nowhere", id);
        }
    }
}
