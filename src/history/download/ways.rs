//! Which way does the next request go: straight, or through which proxy?

use crate::net::Fetch;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

/// A way that failed is not used for so long, unless all others failed later.
const REST_MS: i64 = 60_000;

/// The ways to a host, used in turn.
pub struct Ways {
    /// At least one.
    ways: Vec<Way>,
    turn: AtomicUsize,
}

struct Way {
    name: String,
    fetch: Arc<dyn Fetch>,
    /// In monotonic milliseconds.
    rests_until_ms: AtomicI64,
}

impl Ways {
    /// The one way.
    pub fn straight(fetch: Arc<dyn Fetch>) -> Self {
        Self::through(("straight".to_owned(), fetch), [])
    }

    /// Several ways, each with a name for logs.
    pub fn through(
        first: (String, Arc<dyn Fetch>),
        others: impl IntoIterator<Item = (String, Arc<dyn Fetch>)>,
    ) -> Self {
        let way = |(name, fetch)| Way { name, fetch, rests_until_ms: AtomicI64::new(i64::MIN) };
        Self { ways: std::iter::once(first).chain(others).map(way).collect(), turn: AtomicUsize::new(0) }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.ways.len()
    }

    /// The next in turn that does not rest, else the one that has rested longest: its number and its client.
    // Relaxed throughout: a turn taken twice or a rest seen late costs a request, nothing else.
    pub(super) fn next(&self, now_ms: i64) -> (usize, &dyn Fetch) {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.ways.len();
        let in_turn = (0..count).map(|step| turn.wrapping_add(step) % count);
        let rests_until_ms = |at: &usize| self.ways[*at].rests_until_ms.load(Ordering::Relaxed).max(now_ms);
        let at = in_turn.min_by_key(rests_until_ms).unwrap_or_default();
        (at, &*self.ways[at].fetch)
    }

    /// Lets a way rest.
    pub(super) fn rest(&self, way: usize, now_ms: i64) {
        if let Some(way) = self.ways.get(way).filter(|_| self.ways.len() > 1) {
            way.rests_until_ms.store(now_ms.saturating_add(REST_MS), Ordering::Relaxed);
            tracing::warn!(proxy = way.name, rest_ms = REST_MS, "a proxy failed and rests");
        }
    }
}

impl fmt::Debug for Ways {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ways.iter().map(|way| &way.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::FetchFuture;

    struct Nobody;

    impl Fetch for Nobody {
        fn get<'a>(&'a self, _: &'a str) -> FetchFuture<'a> {
            unreachable!("nothing is asked")
        }
    }

    #[test]
    fn ways_take_turns_and_a_failed_one_rests() {
        let way = |name: &str| -> (String, Arc<dyn Fetch>) { (name.to_owned(), Arc::new(Nobody)) };
        let ways = Ways::through(way("a"), [way("b"), way("c")]);
        let turns = |now_ms: i64| [(); 6].map(|()| ways.next(now_ms).0);
        assert_eq!(turns(0), [0, 1, 2, 0, 1, 2]);
        ways.rest(1, 0);
        let without = turns(REST_MS - 1);
        assert!(!without.contains(&1) && without.contains(&0) && without.contains(&2), "{without:?}");
        assert!(turns(REST_MS).contains(&1));
        ways.rest(0, 10);
        ways.rest(2, 20);
        ways.rest(1, 30);
        assert_eq!(turns(40), [0; 6], "all rest: the one that is to be back first");
    }
}
