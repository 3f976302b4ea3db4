//! Which requests make a connection carry what it shall?

use crate::{
    exchange::binance::control::{self, NAMES_PER_REQUEST_MAX},
    feed::PlannedStream,
};
use std::collections::BTreeMap;

/// What was asked for on one connection, and what still has to be.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By name, with how often it was to be asked for.
    asked: BTreeMap<String, u32>,
    wanted: BTreeMap<String, u32>,
    are_due: bool,
    next_id: u64,
    /// Asked for beside them.
    canary: Option<&'static str>,
}

impl Requests {
    /// Nothing yet, and what is asked for beside whatever is wanted.
    pub(super) fn new(canary: Option<&'static str>) -> Self {
        Self { canary, ..Self::default() }
    }

    /// Says what the connection shall carry.
    pub(super) fn want(&mut self, streams: &[PlannedStream]) {
        self.wanted = streams.iter().map(|stream| (stream.name.clone(), stream.asks)).collect();
        self.wanted.extend(self.canary.map(|canary| (canary.to_owned(), 0)));
        self.are_due = self.asked != self.wanted;
    }

    /// Whether something has to be asked for.
    pub(super) fn are_due(&self) -> bool {
        self.are_due
    }

    /// The next request, which counts as sent. What ends goes first: the venue counts streams as they are.
    pub(super) fn next(&mut self) -> Option<String> {
        let some = |from: &BTreeMap<String, u32>, without: &BTreeMap<String, u32>| -> Vec<String> {
            let differs = |(name, asks): &(&String, &u32)| without.get(*name) != Some(asks);
            from.iter().filter(differs).map(|(name, _)| name.clone()).take(NAMES_PER_REQUEST_MAX).collect()
        };
        let gone = some(&self.asked, &self.wanted);
        let new = some(&self.wanted, &self.asked);
        let request = match (gone.is_empty(), new.is_empty()) {
            (false, _) => control::unsubscribe(self.next_id + 1, &gone),
            (true, false) => control::subscribe(self.next_id + 1, &new),
            (true, true) => return None,
        };
        self.next_id += 1;
        if gone.is_empty() {
            let asks = |name: String| self.wanted.get(&name).map(|asks| (name.clone(), *asks));
            self.asked.extend(new.into_iter().filter_map(asks));
        } else {
            self.asked.retain(|name, _| !gone.contains(name));
        }
        self.are_due = self.asked != self.wanted;
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        feed::Carried,
        market::{Contracts, TapeKind},
        model::Symbol,
    };

    fn streams(names: std::ops::Range<usize>) -> Vec<PlannedStream> {
        let symbol = Symbol::new("BTCUSDT").expect("a symbol");
        let contract = Contracts::new([(symbol, TapeKind::Aggregate, 2)]).iter().next().expect("one");
        let stream =
            |at| PlannedStream { carried: Carried::Trades(contract.clone()), name: format!("s{at:03}"), asks: 0 };
        names.map(stream).collect()
    }

    fn names(request: &str) -> (String, usize) {
        let request: serde_json::Value = serde_json::from_str(request).expect("JSON");
        (request["method"].as_str().expect("text").to_owned(), request["params"].as_array().expect("a list").len())
    }

    #[test]
    fn only_what_changed_is_asked_for_and_what_ends_goes_first() {
        let mut requests = Requests::new(Some("a"));
        requests.want(&streams(0..450));
        let sent: Vec<_> = std::iter::from_fn(|| requests.next()).map(|request| names(&request)).collect();
        assert_eq!(sent, [200, 200, 51].map(|count| ("SUBSCRIBE".to_owned(), count)));
        assert!(!requests.are_due());
        requests.want(&streams(1..452));
        assert!(requests.are_due());
        let sent: Vec<_> = std::iter::from_fn(|| requests.next()).collect();
        assert_eq!(
            sent,
            [
                r#"{"method":"UNSUBSCRIBE","params":["s000"],"id":4}"#,
                r#"{"method":"SUBSCRIBE","params":["s450","s451"],"id":5}"#
            ]
        );
    }

    #[test]
    fn a_stream_that_is_to_be_asked_for_anew_is_let_go_first() {
        let mut requests = Requests::new(Some("a"));
        requests.want(&streams(0..2));
        let _ = requests.next();
        let mut again = streams(0..2);
        again[1].asks += 1;
        requests.want(&again);
        let sent: Vec<_> = std::iter::from_fn(|| requests.next()).collect();
        assert_eq!(
            sent,
            [
                r#"{"method":"UNSUBSCRIBE","params":["s001"],"id":2}"#,
                r#"{"method":"SUBSCRIBE","params":["s001"],"id":3}"#
            ]
        );
    }
}
