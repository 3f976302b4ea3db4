//! What does the store hold of one contract's trades, for those who bring them and those who read them?

use crate::{
    model::{IdRange, Trade, UnixMillis},
    store::{
        desk::Desk,
        library::Library,
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
        Self { library: Arc::clone(library), desk: desk.clone(), trades: library.shelf(contract, kind) }
    }

    /// The trades' shelf.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.trades
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

    fn read(&self, ids: IdRange, limit: usize, newest: bool) -> Stored {
        let reading = self.trades.rows(&self.library, ids, limit, newest);
        Stored { trades: reading.rows.records().collect(), damaged: reading.damaged }
    }
}
