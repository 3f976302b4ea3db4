//! Which connection carries which streams?

use crate::{
    exchange::binance::{DepthSpeed, Route, Routes, StreamKind, market_stream_name, stream_name},
    feed::{Carried, Class, PlannedStream, StreamKey, Streams},
    market::TapeKind,
};

/// One connection.
#[derive(Clone, Debug)]
struct Place {
    /// The thread of its contracts.
    shard: usize,
    streams: Streams,
}

/// Where streams go.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Which streams go to which path.
    pub routes: Routes,
    /// Streams on one connection; at least one.
    pub streams_max: usize,
    /// Threads that take turns; at least one.
    pub shards: usize,
    /// How often books are told of.
    pub depth: DepthSpeed,
}

/// Spreads streams over connections, one route and class a connection. A stream stays on the connection it was given.
#[derive(Debug)]
pub struct Plan {
    layout: Layout,
    places: Vec<Place>,
}

impl Plan {
    /// No connection yet.
    pub fn new(mut layout: Layout) -> Self {
        (layout.streams_max, layout.shards) = (layout.streams_max.max(1), layout.shards.max(1));
        Self { layout, places: Vec::new() }
    }

    /// Gives a stream to the first connection of its route and class that has room; returns its number, which is the count of
    /// connections before when it is a new one.
    pub fn assign(&mut self, carried: Carried) -> usize {
        let (path, name) = self.called(&carried);
        let class = carried.class();
        let fits = |place: &Place| {
            let has_room = place.streams.list.len() < self.layout.streams_max;
            has_room && (place.streams.home, place.streams.class) == (path, class)
        };
        let shard = self.places.len() % self.layout.shards;
        let at = self.places.iter().position(fits).unwrap_or_else(|| self.open(path, class, shard));
        self.places[at].streams.list.push(PlannedStream { carried, name, asks: 0 });
        at
    }

    /// The path and the name of a stream.
    fn called(&self, carried: &Carried) -> (&'static str, String) {
        let (kind, name) = match carried {
            Carried::Trades(contract) => {
                let kind = match contract.kind {
                    TapeKind::Aggregate => StreamKind::AggTrade,
                    TapeKind::Raw => StreamKind::Trade,
                };
                (kind, stream_name(&contract.symbol, kind))
            }
            Carried::Book(contract) => {
                let kind = StreamKind::Depth(self.layout.depth);
                (kind, stream_name(&contract.symbol, kind))
            }
            Carried::Market(kind) => (*kind, market_stream_name(*kind).unwrap_or_default().to_owned()),
        };
        (self.layout.routes.path(kind), name)
    }

    fn open(&mut self, home: &'static str, class: Class, shard: usize) -> usize {
        let streams = Streams { class, home, path: home, renewals: 0, list: Vec::new() };
        self.places.push(Place { shard, streams });
        self.places.len() - 1
    }

    /// Has a stream asked for anew on its connection, whose number is returned.
    pub fn ask_again(&mut self, key: StreamKey) -> Option<usize> {
        let at = self.place_of(key)?;
        let mut list = self.places[at].streams.list.iter_mut();
        list.find(|stream| stream.carried.key() == key)?.asks += 1;
        Some(at)
    }

    /// Gives a stream to another connection of the same thread, where its contract lives, which may be a new one: from
    /// which, and to which.
    pub fn move_away(&mut self, key: StreamKey) -> Option<(usize, usize)> {
        let from = self.place_of(key)?;
        let (home, shard, class) =
            (self.places[from].streams.home, self.places[from].shard, self.places[from].streams.class);
        let list = &mut self.places[from].streams.list;
        let stream = list.remove(list.iter().position(|stream| stream.carried.key() == key)?);
        let fits = |(at, place): (usize, &Place)| {
            let has_room = place.streams.list.len() < self.layout.streams_max;
            has_room && at != from && (place.streams.home, place.shard, place.streams.class) == (home, shard, class)
        };
        let to = self.places.iter().enumerate().position(fits).unwrap_or_else(|| self.open(home, class, shard));
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

    /// The connection that carries a stream.
    pub fn place_of(&self, key: StreamKey) -> Option<usize> {
        self.places.iter().position(|place| place.carries(key))
    }

    /// Takes a stream off its connection, whose number is returned.
    pub fn release(&mut self, key: StreamKey) -> Option<usize> {
        let at = self.place_of(key)?;
        self.places[at].streams.list.retain(|stream| stream.carried.key() != key);
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
    fn carries(&self, key: StreamKey) -> bool {
        self.streams.list.iter().any(|stream| stream.carried.key() == key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        market::Contracts,
        model::{ContractId, Symbol},
    };

    fn plan_of(streams_max: usize, shards: usize) -> Plan {
        Plan::new(Layout { routes: Routes::default(), streams_max, shards, depth: DepthSpeed::Every100Ms })
    }

    const fn trades(number: u32) -> StreamKey {
        StreamKey::Trades(ContractId::new(number))
    }

    fn plan(count: usize, raw_from: usize) -> Plan {
        let spec = |at: usize| {
            let kind = if at < raw_from { TapeKind::Aggregate } else { TapeKind::Raw };
            (Symbol::new(&format!("S{at}USDT")).expect("a symbol"), kind, 2)
        };
        let mut plan = plan_of(3, 2);
        Contracts::new((0..count).map(spec)).iter().for_each(|contract| {
            plan.assign(Carried::Trades(contract));
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
    fn classes_do_not_share_a_connection() {
        let mut plan = plan(2, 1);
        let contract = Contracts::new([(Symbol::new("AUSDT").expect("a symbol"), TapeKind::Raw, 2)]).iter().next();
        assert_eq!(plan.assign(Carried::Book(contract.expect("one"))), 2, "the raw trades share its path");
        assert_eq!(plan.assign(Carried::Market(StreamKind::MarkPrice)), 3);
        assert_eq!(plan.assign(Carried::Market(StreamKind::Ticker)), 3);
        assert_eq!(plan.assign(Carried::Market(StreamKind::BookTicker)), 4);
        let names = (2..5).map(|at| plan.streams(at).list[0].name.as_str()).collect::<Vec<_>>();
        assert_eq!(names, ["ausdt@depth@100ms", "!markPrice@arr@1s", "!bookTicker"]);
        let canaries = (0..5).map(|at| plan.streams(at).canary()).collect::<Vec<_>>();
        let (mark, depth) = ("btcusdt@markPrice@1s", "btcusdt@depth5@500ms");
        let expected = [mark, depth, "!bookTicker", mark, depth];
        assert_eq!(canaries, expected);
    }

    #[test]
    fn room_that_is_left_is_given_again_and_no_other_stream_moves() {
        let mut plan = plan(6, 6);
        assert_eq!(plan.release(trades(1)), Some(0));
        assert_eq!(plan.release(trades(1)), None);
        let names =
            |plan: &Plan, at| plan.streams(at).list.iter().map(|stream| stream.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&plan, 0), ["s0usdt@aggTrade", "s2usdt@aggTrade"]);
        let more = Contracts::new(
            (6..8).map(|at| (Symbol::new(&format!("S{at}USDT")).expect("a symbol"), TapeKind::Aggregate, 2)),
        );
        let places: Vec<usize> = more.iter().map(|contract| plan.assign(Carried::Trades(contract))).collect();
        assert_eq!(places, [0, 2]);
        assert_eq!(names(&plan, 0), ["s0usdt@aggTrade", "s2usdt@aggTrade", "s6usdt@aggTrade"]);
    }

    #[test]
    fn a_stream_moves_to_another_connection_and_a_connection_to_another_path() {
        let mut plan = plan(4, 4);
        // The second connection has room, and is another thread's.
        assert_eq!(plan.move_away(trades(0)), Some((0, 2)));
        assert_eq!(plan.move_away(trades(0)), Some((2, 0)));
        assert_eq!(plan.move_away(trades(9)), None);
        for path in ["/stream", "/public/stream", "/market/stream"] {
            plan.reroute(0);
            assert_eq!(plan.streams(0).path, path);
        }
        plan.renew(0);
        assert_eq!(plan.streams(0).renewals, 4);
        assert_eq!(plan.ask_again(trades(3)), Some(1));
        assert_eq!(plan.streams(1).list[0].asks, 1);
    }
}
