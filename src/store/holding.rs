//! What does the store hold of one contract's trades, for those who bring them and those who read them?

use crate::{
    model::{Candle, IdRange, Trade, UnixMillis},
    store::{
        desk::Desk,
        library::Library,
        merge::deduplicated,
        record::{Kind, Origin, Rows},
        shelf::Shelf,
    },
};
use std::sync::Arc;

/// One contract's trades in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Holding {
    library: Arc<Library>,
    desk: Desk,
    trades: Arc<Shelf>,
    minutes: Arc<Shelf>,
}

/// Trades as the store has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Ascending by id.
    pub trades: Vec<Trade>,
    /// Ids among which some are held and cannot be read.
    pub damaged: Vec<IdRange>,
}

impl Holding {
    /// What `library` holds of the trades of `kind` of the contract with that number.
    pub fn new(library: &Arc<Library>, desk: &Desk, contract: u32, kind: Kind) -> Self {
        let (trades, minutes) = (library.shelf(contract, kind), library.shelf(contract, Kind::Candle));
        Self { library: Arc::clone(library), desk: desk.clone(), trades, minutes }
    }

    /// The same for who only reads, beside the writer or without one: nothing can be handed in.
    pub fn reading(library: &Arc<Library>, contract: u32, kind: Kind) -> Self {
        Self::new(library, &Desk::new(0).0, contract, kind)
    }

    /// The trades' shelf.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.trades
    }

    /// The shelf of its minutes.
    pub fn minutes_shelf(&self) -> &Arc<Shelf> {
        &self.minutes
    }

    /// The shelves and segments that it is part of.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Hands trades in, ascending by id; from here on they are held. `false` when there is no room: they are not.
    #[must_use]
    pub fn keep<'a>(&self, origin: Origin, trades: impl IntoIterator<Item = &'a Trade>) -> bool {
        let mut rows = Rows::new(self.trades.kind);
        trades.into_iter().for_each(|trade| rows.push(trade));
        self.desk.offer(&self.trades, origin, rows)
    }

    /// The lowest and the highest id held.
    pub fn ends(&self) -> Option<IdRange> {
        self.trades.ends()
    }

    /// The highest id up to which everything that is held is synced.
    pub fn durable_through_id(&self) -> Option<u64> {
        self.trades.durable_through()
    }

    /// At most `limit` trades from `id` on.
    pub fn from_id(&self, id: u64, limit: usize) -> Stored {
        self.read(IdRange { first: id, last: u64::MAX }, limit, false)
    }

    /// At most `limit` trades, the newest up to `id`.
    pub fn up_to_id(&self, id: u64, limit: usize) -> Stored {
        self.read(IdRange { first: 0, last: id }, limit, true)
    }

    /// The lowest id of a trade at or after `time`.
    pub fn first_id_at(&self, time: UnixMillis) -> Option<u64> {
        self.trades.first_key_at(&self.library, time)
    }

    /// Hands candles of one minute in; a later one of the same minute takes the place of an earlier with no higher
    /// revision. `false` when there is no room.
    #[must_use]
    pub fn keep_minutes(&self, minutes: &[Candle]) -> bool {
        let mut rows = Rows::of(Kind::Candle, minutes);
        rows.sort();
        self.desk.offer(&self.minutes, Origin::Derived, deduplicated(rows).0)
    }

    /// The first and the last minute of which a candle is held, by their starts.
    pub fn minutes_ends(&self) -> Option<(UnixMillis, UnixMillis)> {
        let start = |minute: u64| UnixMillis::new(minute.cast_signed().saturating_mul(UnixMillis::MINUTE));
        self.minutes.ends().map(|ends| (start(ends.first), start(ends.last)))
    }

    /// Candles of minutes that start in `[from, to)`, ascending: at most `limit`, the oldest or the `newest` of them.
    pub fn minutes(&self, from: UnixMillis, to: UnixMillis, limit: usize, newest: bool) -> Vec<Candle> {
        let minute = |time: UnixMillis| time.get().max(0).unsigned_abs().div_ceil(UnixMillis::MINUTE.unsigned_abs());
        let Some(keys) = minute(to).checked_sub(1).and_then(|last| IdRange::new(minute(from), last)) else {
            return Vec::new();
        };
        self.minutes.rows(&self.library, keys, limit, newest).rows.records().collect()
    }

    fn read(&self, ids: IdRange, limit: usize, newest: bool) -> Stored {
        let reading = self.trades.rows(&self.library, ids, limit, newest);
        Stored { trades: reading.rows.records().collect(), damaged: reading.damaged }
    }
}
