//! What does the store hold of one contract's records beside its trades and candles?

use crate::{
    model::{IdRange, UnixMillis},
    store::{
        desk::Desk,
        library::Library,
        record::{Origin, Rows, Timed},
    },
};
use std::sync::Arc;

/// One contract's records that are found by time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    library: Arc<Library>,
    desk: Desk,
    contract: u32,
}

/// Records as the store has them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found<R> {
    /// Ascending.
    pub rows: Vec<R>,
    /// Keys among which some are held and cannot be read.
    pub damaged: Vec<IdRange>,
}

impl Records {
    /// What `library` holds of the contract with that number.
    pub fn new(library: &Arc<Library>, desk: &Desk, contract: u32) -> Self {
        Self { library: Arc::clone(library), desk: desk.clone(), contract }
    }

    /// Hands records in, ascending; from here on they are held. `false` when there is no room: they are not.
    #[must_use]
    pub fn keep<R: Timed>(&self, origin: Origin, records: &[R]) -> bool {
        self.desk.offer(&self.library.shelf(self.contract, R::KIND), origin, Rows::of(R::KIND, records))
    }

    /// At most `limit` records of times in `[from, to)`, the oldest or the `newest` of them.
    pub fn between<R: Timed>(&self, from: UnixMillis, to: UnixMillis, limit: usize, newest: bool) -> Found<R> {
        let last = R::first_key(to).checked_sub(1);
        let Some(keys) = last.and_then(|last| IdRange::new(R::first_key(from), last)) else {
            return Found { rows: Vec::new(), damaged: Vec::new() };
        };
        let reading = self.library.shelf(self.contract, R::KIND).rows(&self.library, keys, limit, newest);
        Found { rows: reading.rows.records().collect(), damaged: reading.damaged }
    }

    /// The times of the first and the last record, as far as their keys say them.
    pub fn ends<R: Timed>(&self) -> Option<(UnixMillis, UnixMillis)> {
        let shelf = self.library.shelf(self.contract, R::KIND);
        shelf.ends().map(|ends| (R::time_of_key(ends.first), R::time_of_key(ends.last)))
    }
}
