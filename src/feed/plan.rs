//! Which connection carries which streams?

use crate::{
    exchange::binance::{Route, Routes, StreamKind, stream_name},
    market::{Contract, TapeKind},
    model::ContractId,
};
use std::sync::Arc;

/// One contract's trade stream.
#[derive(Clone, Debug)]
pub struct PlannedStream {
    /// The contract.
    pub contract: Arc<Contract>,
    /// The stream's name.
    pub name: String,
    /// How often it was to be asked for anew.
    pub asks: u32,
}

/// What one connection carries, and where.
#[derive(Clone, Debug)]
pub struct Streams {
    /// The path of the venue's host.
    pub path: &'static str,
    /// How often the connection was to be opened anew.
    pub renewals: u32,
    /// What is asked for there.
    pub list: Vec<PlannedStream>,
}

/// One connection.
#[derive(Clone, Debug)]
struct Place {
    /// The path that its streams belong to, wherever it is now.
    home: &'static str,
    /// The thread of its contracts.
    shard: usize,
    streams: Streams,
}

/// Spreads streams over connections, one route a connection. A stream stays on the connection it was given.
#[derive(Debug)]
pub struct Plan {
    routes: Routes,
    streams_max: usize,
    shards: usize,
    places: Vec<Place>,
}

impl Plan {
    /// No connection yet; each will carry `streams_max` streams at most, and one at least, and they take turns on `shards`
    /// threads.
    pub fn new(routes: Routes, streams_max: usize, shards: usize) -> Self {
        Self { routes, streams_max: streams_max.max(1), shards: shards.max(1), places: Vec::new() }
    }

    /// Gives a contract's trades to the first connection of their route that has room; returns its number, which is the
    /// count of connections before when it is a new one.
    pub fn assign(&mut self, contract: Arc<Contract>) -> usize {
        let kind = match contract.kind {
            TapeKind::Aggregate => StreamKind::AggTrade,
            TapeKind::Raw => StreamKind::Trade,
        };
        let (path, name) = (self.routes.path(kind), stream_name(&contract.symbol, kind));
        let has_room = |place: &Place| place.home == path && place.streams.list.len() < self.streams_max;
        let at =
            self.places.iter().position(has_room).unwrap_or_else(|| self.open(path, self.places.len() % self.shards));
        self.places[at].streams.list.push(PlannedStream { contract, name, asks: 0 });
        at
    }

    fn open(&mut self, home: &'static str, shard: usize) -> usize {
        let streams = Streams { path: home, renewals: 0, list: Vec::new() };
        self.places.push(Place { home, shard, streams });
        self.places.len() - 1
    }

    /// Has a stream asked for anew on its connection, whose number is returned.
    pub fn ask_again(&mut self, contract: ContractId) -> Option<usize> {
        let at = self.place_of(contract)?;
        let mut list = self.places[at].streams.list.iter_mut();
        list.find(|stream| stream.contract.id == contract)?.asks += 1;
        Some(at)
    }

    /// Gives a stream to another connection of the same thread, where its contract lives, which may be a new one: from
    /// which, and to which.
    pub fn move_away(&mut self, contract: ContractId) -> Option<(usize, usize)> {
        let from = self.place_of(contract)?;
        let Place { home, shard, .. } = self.places[from];
        let list = &mut self.places[from].streams.list;
        let stream = list.remove(list.iter().position(|stream| stream.contract.id == contract)?);
        let fits = |(at, place): (usize, &Place)| {
            let has_room = place.streams.list.len() < self.streams_max;
            has_room && at != from && (place.home, place.shard) == (home, shard)
        };
        let to = self.places.iter().enumerate().position(fits).unwrap_or_else(|| self.open(home, shard));
        self.places[to].streams.list.push(stream);
        Some((from, to))
    }

    /// The thread of a connection and its contracts.
    ///
    /// # Panics
    ///
    /// When no stream was ever given to it.
    pub fn shard(&self, at: usize) -> usize {
        self.places[at].shard
    }

    /// Has a connection opened anew.
    ///
    /// # Panics
    ///
    /// When no stream was ever given to it.
    pub fn renew(&mut self, at: usize) {
        self.places[at].streams.renewals += 1;
    }

    /// Has a connection opened anew on the next of the venue's paths.
    ///
    /// # Panics
    ///
    /// When no stream was ever given to it.
    pub fn reroute(&mut self, at: usize) {
        let streams = &mut self.places[at].streams;
        let paths = Route::ALL.map(Route::path);
        let next = paths.iter().cycle().skip_while(|path| **path != streams.path).nth(1);
        streams.path = next.copied().unwrap_or(streams.path);
        streams.renewals += 1;
    }

    /// The connection that carries a contract's stream.
    pub fn place_of(&self, contract: ContractId) -> Option<usize> {
        self.places.iter().position(|place| place.carries(contract))
    }

    /// Takes a contract's stream off its connection, whose number is returned.
    pub fn release(&mut self, contract: ContractId) -> Option<usize> {
        let at = self.place_of(contract)?;
        self.places[at].streams.list.retain(|stream| stream.contract.id != contract);
        Some(at)
    }

    /// What a connection carries now.
    ///
    /// # Panics
    ///
    /// When no stream was ever given to it.
    pub fn streams(&self, at: usize) -> &Streams {
        &self.places[at].streams
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl Place {
    fn carries(&self, contract: ContractId) -> bool {
        self.streams.list.iter().any(|stream| stream.contract.id == contract)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{market::Contracts, model::Symbol};

    fn plan(count: usize, raw_from: usize) -> Plan {
        let spec = |at: usize| {
            let kind = if at < raw_from { TapeKind::Aggregate } else { TapeKind::Raw };
            (Symbol::new(&format!("S{at}USDT")).expect("a symbol"), kind, 2)
        };
        let mut plan = Plan::new(Routes::default(), 3, 2);
        Contracts::new((0..count).map(spec)).iter().for_each(|contract| {
            plan.assign(contract);
        });
        plan
    }

    fn shape(plan: &Plan) -> Vec<(&'static str, usize)> {
        (0..plan.len()).map(|at| (plan.streams(at).path, plan.streams(at).list.len())).collect()
    }

    #[test]
    fn streams_stay_within_a_connection_and_on_their_route() {
        let plan = plan(6, 5);
        assert_eq!(shape(&plan), [("/market/stream", 3), ("/market/stream", 2), ("/public/stream", 1)]);
        assert_eq!(plan.streams(2).list[0].name, "s5usdt@trade");
    }

    #[test]
    fn room_that_is_left_is_given_again_and_no_other_stream_moves() {
        let mut plan = plan(6, 6);
        assert_eq!(plan.release(ContractId::new(1)), Some(0));
        assert_eq!(plan.release(ContractId::new(1)), None);
        let names =
            |plan: &Plan, at| plan.streams(at).list.iter().map(|stream| stream.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&plan, 0), ["s0usdt@aggTrade", "s2usdt@aggTrade"]);
        let more = Contracts::new(
            (6..8).map(|at| (Symbol::new(&format!("S{at}USDT")).expect("a symbol"), TapeKind::Aggregate, 2)),
        );
        let places: Vec<usize> = more.iter().map(|contract| plan.assign(contract)).collect();
        assert_eq!(places, [0, 2]);
        assert_eq!(names(&plan, 0), ["s0usdt@aggTrade", "s2usdt@aggTrade", "s6usdt@aggTrade"]);
    }

    #[test]
    fn a_stream_moves_to_another_connection_and_a_connection_to_another_path() {
        let mut plan = plan(4, 4);
        // The second connection has room, and is another thread's.
        assert_eq!(plan.move_away(ContractId::new(0)), Some((0, 2)));
        assert_eq!(plan.move_away(ContractId::new(0)), Some((2, 0)));
        assert_eq!(plan.move_away(ContractId::new(9)), None);
        for path in ["/stream", "/public/stream", "/market/stream"] {
            plan.reroute(0);
            assert_eq!(plan.streams(0).path, path);
        }
        plan.renew(0);
        assert_eq!(plan.streams(0).renewals, 4);
        assert_eq!(plan.ask_again(ContractId::new(3)), Some(1));
        assert_eq!(plan.streams(1).list[0].asks, 1);
    }
}
