//! How are the stored minutes computed anew from the trades?

use crate::{
    candle::CandleColumns,
    clock::Clock,
    model::{Candle, IdRange, Source, Symbol, Timeframe, Trade, UnixMillis},
    store::{Holding, OpenError, Opened, files::Disk, identity::Identity, open, record::Kind, storage::Options},
};
use std::{collections::BTreeMap, sync::Arc};

/// Trades folded at once, so that memory stays bounded however long the tape is.
const IDS_AT_ONCE: u64 = 4_000_000;

/// What a rebuilding found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Minutes with trades.
    pub minutes: u64,
    /// Those whose candle lacked or was another; it is handed in anew with a higher revision.
    pub written: u64,
    /// Whether some found no room.
    pub refused: bool,
}

impl Holding {
    /// Folds every trade and hands in each minute that is not stored as the trades say, but for the last one, which may not
    /// be over. `make_room` is called when there is no room for more.
    pub fn rebuild_minutes(&self, mut make_room: impl FnMut()) -> Rebuilt {
        let mut refused = false;
        let mut rebuilt = self.wrong_minutes(IdRange { first: 0, last: u64::MAX }, |wrong| {
            if !self.keep_minutes(wrong) {
                make_room();
                refused |= !self.keep_minutes(wrong);
            }
        });
        rebuilt.refused = refused;
        rebuilt
    }

    /// Folds the minutes that trades with ids in `ids` may lie in, and shows those that are not stored as the trades say,
    /// with their next revision, ascending. The tape's last minute is left out: it may not be over.
    pub fn wrong_minutes(&self, ids: IdRange, mut show: impl FnMut(&[Candle])) -> Rebuilt {
        let mut rebuilt = Rebuilt::default();
        let mut carried: Option<Candle> = None;
        for run in self.runs_in_pieces(ids) {
            let (folded, damaged) = self.fold(run.ids, Timeframe::MINUTE);
            let mut minutes: Vec<Candle> = (0..folded.len()).filter_map(|at| folded.get(at)).collect();
            let last = minutes.len().saturating_sub(1);
            for (at, minute) in minutes.iter_mut().enumerate() {
                minute.complete = damaged.is_empty() && (at > 0 || run.joins_before) && (at < last || run.joins_after);
            }
            let mut joined: CandleColumns = carried.take().into_iter().collect();
            minutes.iter().for_each(|minute| joined.push_or_merge(minute));
            carried = joined.len().checked_sub(1).and_then(|at| joined.get(at));
            let done: Vec<Candle> = (0..joined.len().saturating_sub(1)).filter_map(|at| joined.get(at)).collect();
            self.compare(&done, &mut rebuilt, &mut show);
        }
        let newest = self.ends().and_then(|ends| self.from_id(ends.last, 1).trades.pop());
        let is_over = |minute: &Candle| newest.is_some_and(|trade| trade.time >= minute.close_time);
        if let Some(minute) = carried.filter(is_over) {
            self.compare(&[minute], &mut rebuilt, &mut show);
        }
        rebuilt
    }

    /// Runs of ids held without a gap, but for such as are proven absent, cut into pieces: of the minutes that trades with ids
    /// in `ids` may lie in.
    fn runs_in_pieces(&self, ids: IdRange) -> Vec<Piece> {
        let mut runs: Vec<IdRange> = Vec::new();
        for (run, _) in self.shelf().runs() {
            let joins = |before: &IdRange| {
                let between = IdRange::new(before.last.saturating_add(1), run.first.saturating_sub(1));
                between.is_none_or(|ids| self.is_absent(ids))
            };
            match runs.last_mut().filter(|last| joins(last)) {
                Some(last) => last.last = run.last,
                None => runs.push(run),
            }
        }
        let wanted = self.widened(ids);
        let pieces = |run: IdRange| Some(pieces(run, run.meet(wanted)?));
        runs.into_iter().filter_map(pieces).flatten().collect()
    }

    /// `ids` and those of the trades held of the same minutes, and of the minutes next to them: theirs are complete only now
    /// when the tape broke off between two minutes.
    fn widened(&self, ids: IdRange) -> IdRange {
        let minute = |trade: &Trade| Timeframe::MINUTE.bucket(trade.time);
        let before = self.up_to_id(ids.first.saturating_sub(1), 1).trades.pop();
        let first = before.and_then(|trade| self.first_id_at(minute(&trade).0)).unwrap_or(ids.first);
        let after = self.from_id(ids.last.saturating_add(1), 1).trades.pop();
        let last = after.map(|trade| self.first_id_at(minute(&trade).1).map_or(u64::MAX, |next| next - 1));
        IdRange { first: first.min(ids.first), last: last.unwrap_or(u64::MAX) }
    }

    /// Hands in those of `minutes`, ascending, that differ from what is stored, with a higher revision; how many. Nothing
    /// when there is no room for them.
    pub fn correct_minutes(&self, minutes: &[Candle]) -> Option<u64> {
        let wrong = self.differing(minutes);
        (wrong.is_empty() || self.keep_minutes(&wrong)).then_some(wrong.len() as u64)
    }

    /// Those of `minutes`, ascending, that differ from what is stored, with a higher revision.
    fn differing(&self, minutes: &[Candle]) -> Vec<Candle> {
        let Some((first, last)) = minutes.first().zip(minutes.last()) else { return Vec::new() };
        let stored = self.minutes(first.open_time, last.close_time, usize::MAX, false);
        let stored: BTreeMap<UnixMillis, Candle> =
            stored.into_iter().map(|minute| (minute.open_time, minute)).collect();
        minutes.iter().filter_map(|minute| corrected(minute, stored.get(&minute.open_time))).collect()
    }

    /// Shows those of `minutes` that differ from what is stored.
    fn compare(&self, minutes: &[Candle], rebuilt: &mut Rebuilt, show: &mut impl FnMut(&[Candle])) {
        let wrong = self.differing(minutes);
        rebuilt.minutes += minutes.len() as u64;
        rebuilt.written += wrong.len() as u64;
        if !wrong.is_empty() {
            show(&wrong);
        }
    }
}

/// The candle that takes the place of a stored one, when it is not as the trades say.
fn corrected(minute: &Candle, stored: Option<&Candle>) -> Option<Candle> {
    match stored {
        None => Some(*minute),
        // What the venue's klines say of minutes whose trades are not all held is not ours to correct.
        Some(known) if known.source != Source::Trades => None,
        // Folded when more of its trades could be read than now.
        Some(known) if !minute.complete && known.trades > minute.trades => None,
        Some(known) => {
            let same = Candle { revision: known.revision, ..*minute } == *known;
            (!same).then(|| Candle { revision: known.revision + 1, ..*minute })
        }
    }
}

/// A piece of a run, and whether the ids before and behind it are held.
struct Piece {
    ids: IdRange,
    joins_before: bool,
    joins_after: bool,
}

/// What is wanted of a run, in pieces.
fn pieces(run: IdRange, wanted: IdRange) -> impl Iterator<Item = Piece> {
    let starts = (wanted.first..=wanted.last).step_by(usize::try_from(IDS_AT_ONCE).unwrap_or(usize::MAX));
    starts.map(move |first| {
        let last = wanted.last.min(first + (IDS_AT_ONCE - 1));
        // Ids count from 1: nothing is missing before that one.
        let joins_before = first > run.first || first == 1;
        Piece { ids: IdRange { first, last }, joins_before, joins_after: last < run.last }
    })
}

/// The minutes of one contract were computed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractRebuilt {
    /// The contract's ticker.
    pub symbol: Option<Symbol>,
    /// What was found.
    pub rebuilt: Rebuilt,
}

/// Why minutes were not computed anew.
#[expect(clippy::module_name_repetitions, reason = "it is named outside this module")]
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The store cannot be opened for writing.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was computed could not be made durable.
    #[error("the disk does not take what was computed: make room, and run it again")]
    NotDurable,
}

/// Computes every contract's minutes anew in the store on `disk`, which nobody else may be writing.
///
/// # Errors
///
/// When it cannot be opened, or does not take what was computed.
pub fn rebuild(disk: &Arc<dyn Disk>, clock: Clock) -> Result<Vec<ContractRebuilt>, RebuildError> {
    let identity = Identity::read(&**disk).map_err(OpenError::from)?;
    let Opened { library, desk, mut storage, lock, .. } = open(disk, &identity, Options::default(), clock)?;
    let mut done = Vec::new();
    for row in library.contracts() {
        for kind in [Kind::Trade, Kind::RawTrade] {
            let holding = Holding::new(&library, &desk, row.number, kind);
            if holding.ends().is_none() {
                continue;
            }
            let rebuilt = holding.rebuild_minutes(|| {
                storage.drain(clock.now());
            });
            done.push(ContractRebuilt { symbol: row.symbol(), rebuilt });
        }
    }
    let durable = storage.drain(clock.now()) && done.iter().all(|one: &ContractRebuilt| !one.rebuilt.refused);
    drop(lock);
    if durable { Ok(done) } else { Err(RebuildError::NotDurable) }
}
