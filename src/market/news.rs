//! What has become of contracts lately, and how does whoever wants to know hear of it?

use crate::{
    market::{Ending, Listing},
    model::{Price, Quantity, Symbol, UnixMillis},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
};
use tokio::sync::watch;

/// News that are remembered; who comes later has missed some.
const NEWS_MAX: usize = 1_024;

/// What has become of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The venue lists it, and did not before.
    Listed {
        /// The venue's state of it.
        status: String,
        /// When it is listed from: with the symbol, its identity.
        onboard_time: UnixMillis,
    },
    /// The venue does not list it any more.
    Unlisted,
    /// The venue's state of it is another (`TRADING`, `SETTLING`, ...).
    Status {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// The venue's kind of it is another: a quarterly becomes the current one.
    Kind {
        /// Before.
        from: String,
        /// Now.
        to: String,
    },
    /// Its end is planned, for another time than before, or not any more.
    Ends {
        /// Before.
        from: Option<UnixMillis>,
        /// Now.
        to: Option<UnixMillis>,
    },
    /// Its price or quantity moves by other steps.
    Steps {
        /// The price step before and now.
        tick_size: (Price, Price),
        /// The quantity step before and now.
        step_size: (Quantity, Quantity),
    },
    /// It seems that its size was adjusted: see [`Scales`](crate::market::Scales).
    Rescaled {
        /// The price of the last trade before.
        from: Price,
        /// That of the first one found after.
        to: Price,
    },
    /// The symbol is another contract's, listed at another time.
    Replaced {
        /// When that one is listed from.
        onboard_time: UnixMillis,
    },
    /// It is recorded from now on.
    Recorded,
    /// It is not recorded any more.
    Ended(Ending),
}

/// News of one contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Counts all news of this process from 1.
    pub id: u64,
    /// When it was noticed, by our clock.
    pub time: UnixMillis,
    /// Of which contract.
    pub symbol: Symbol,
    /// What.
    pub news: News,
}

/// The newest announcements. One task announces; whoever reads is a few at a time.
#[derive(Debug)]
pub struct Announcements {
    log: Mutex<VecDeque<Announcement>>,
    newest_id: watch::Sender<u64>,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { log: Mutex::default(), newest_id: watch::channel(0).0 }
    }
}

impl Announcements {
    /// Announces news.
    pub fn announce(&self, time: UnixMillis, symbol: Symbol, news: News) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let id = *self.newest_id.borrow() + 1;
        if log.len() == NEWS_MAX {
            log.pop_front();
        }
        log.push_back(Announcement { id, time, symbol, news });
        drop(log);
        self.newest_id.send_replace(id);
    }

    /// What was announced after `id`, as far as it is remembered, the oldest first.
    pub fn after(&self, id: u64) -> Vec<Announcement> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let from = log.partition_point(|announcement| announcement.id <= id);
        log.range(from..).cloned().collect()
    }

    /// The newest id, which changes with every announcement; 0 before the first.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.newest_id.subscribe()
    }
}

/// What is new in a listing, by symbol.
pub fn difference(before: &BTreeMap<Symbol, Listing>, now: &BTreeMap<Symbol, Listing>) -> Vec<(Symbol, News)> {
    let gone = before.keys().filter(|symbol| !now.contains_key(*symbol)).map(|symbol| (symbol.clone(), News::Unlisted));
    let found = now.iter().flat_map(|(symbol, now)| {
        let news = match before.get(symbol) {
            None => vec![News::Listed { status: now.status.clone(), onboard_time: now.onboard_time }],
            Some(before) => changes(before, now),
        };
        news.into_iter().map(|news| (symbol.clone(), news))
    });
    gone.chain(found).collect()
}

fn changes(before: &Listing, now: &Listing) -> Vec<News> {
    if before.onboard_time != now.onboard_time {
        return vec![News::Replaced { onboard_time: now.onboard_time }];
    }
    let words = |from: &String, to: &String| (from != to).then(|| (from.clone(), to.clone()));
    let steps = |listing: &Listing| (listing.tick_size, listing.step_size);
    let stepped = (steps(before) != steps(now)).then_some(News::Steps {
        tick_size: (before.tick_size, now.tick_size),
        step_size: (before.step_size, now.step_size),
    });
    let status = words(&before.status, &now.status).map(|(from, to)| News::Status { from, to });
    let kind = words(&before.contract_type, &now.contract_type).map(|(from, to)| News::Kind { from, to });
    let ends = (before.ends != now.ends).then_some(News::Ends { from: before.ends, to: now.ends });
    [stepped, status, kind, ends].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(text: &str) -> Symbol {
        Symbol::new(text).expect("a symbol")
    }

    fn listing(onboard_time: i64) -> Listing {
        Listing {
            status: "TRADING".to_owned(),
            contract_type: "PERPETUAL".to_owned(),
            onboard_time: UnixMillis::new(onboard_time),
            base_asset: "A".to_owned(),
            quote_asset: "USDT".to_owned(),
            tick_size: Price::from_units(100),
            step_size: Quantity::from_units(100),
            ends: None,
        }
    }

    #[test]
    fn every_difference_between_two_listings_is_news() {
        let before = ["SAME", "GONE", "HALTED", "SPLIT", "AGAIN", "ENDS"].map(|name| (symbol(name), listing(1)));
        let halted =
            Listing { status: "SETTLING".to_owned(), contract_type: "CURRENT_QUARTER".to_owned(), ..listing(1) };
        let split = Listing { tick_size: Price::from_units(10), ..listing(1) };
        let ends = Some(UnixMillis::new(9));
        let now = [
            ("SAME", listing(1)),
            ("HALTED", halted),
            ("SPLIT", split),
            ("AGAIN", listing(2)),
            ("NEW", listing(3)),
            ("ENDS", Listing { ends, ..listing(1) }),
        ];
        let now = now.map(|(name, listing)| (symbol(name), listing));
        let news = difference(&before.into(), &now.into());
        let steps = |of: [i64; 2]| News::Steps {
            tick_size: (Price::from_units(of[0]), Price::from_units(of[1])),
            step_size: (Quantity::from_units(100), Quantity::from_units(100)),
        };
        let words = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        let ((from, to), (kind_from, kind_to)) = (words("TRADING", "SETTLING"), words("PERPETUAL", "CURRENT_QUARTER"));
        let expected = [
            ("GONE", News::Unlisted),
            ("AGAIN", News::Replaced { onboard_time: UnixMillis::new(2) }),
            ("ENDS", News::Ends { from: None, to: ends }),
            ("HALTED", News::Status { from, to }),
            ("HALTED", News::Kind { from: kind_from, to: kind_to }),
            ("NEW", News::Listed { status: "TRADING".to_owned(), onboard_time: UnixMillis::new(3) }),
            ("SPLIT", steps([100, 10])),
        ];
        assert_eq!(news, expected.map(|(name, news)| (symbol(name), news)));
    }

    #[test]
    fn whoever_was_away_for_too_long_has_missed_some() {
        let announcements = Announcements::default();
        let mut follow = announcements.follow();
        let count = NEWS_MAX as u64 + 10;
        (0..count).for_each(|_| announcements.announce(UnixMillis::new(1), symbol("A"), News::Recorded));
        assert!(follow.has_changed().expect("open") && *follow.borrow_and_update() == count);
        let ids = |after| announcements.after(after).iter().map(|one| one.id).collect::<Vec<_>>();
        assert_eq!(ids(count - 2), [count - 1, count]);
        assert_eq!((ids(0)[0], ids(0).len()), (11, NEWS_MAX));
        assert!(ids(count).is_empty());
    }
}
