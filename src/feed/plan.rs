//! Which connection carries which streams?

use crate::{
    exchange::binance::{Routes, StreamKind, stream_name},
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
}

/// What one connection carries.
pub type Streams = Arc<[PlannedStream]>;

/// One connection's path and streams.
#[derive(Clone, Debug)]
struct Place {
    path: &'static str,
    streams: Vec<PlannedStream>,
}

/// Spreads streams over connections, one route a connection. A stream stays on the connection it was given.
#[derive(Debug)]
pub struct Plan {
    routes: Routes,
    streams_max: usize,
    places: Vec<Place>,
}

impl Plan {
    /// No connection yet; each will carry `streams_max` streams at most, and one at least.
    pub fn new(routes: Routes, streams_max: usize) -> Self {
        Self { routes, streams_max: streams_max.max(1), places: Vec::new() }
    }

    /// Gives a contract's trades to the first connection of their route that has room; returns its number, which is the
    /// count of connections before when it is a new one.
    pub fn assign(&mut self, contract: Arc<Contract>) -> usize {
        let kind = match contract.kind {
            TapeKind::Aggregate => StreamKind::AggTrade,
            TapeKind::Raw => StreamKind::Trade,
        };
        let (path, name) = (self.routes.path(kind), stream_name(&contract.symbol, kind));
        let has_room = |place: &Place| place.path == path && place.streams.len() < self.streams_max;
        let at = self.places.iter().position(has_room).unwrap_or_else(|| {
            self.places.push(Place { path, streams: Vec::new() });
            self.places.len() - 1
        });
        self.places[at].streams.push(PlannedStream { contract, name });
        at
    }

    /// Takes a contract's stream off its connection, whose number is returned.
    pub fn release(&mut self, contract: ContractId) -> Option<usize> {
        let (at, place) = self.places.iter_mut().enumerate().find(|(_, place)| place.carries(contract))?;
        place.streams.retain(|stream| stream.contract.id != contract);
        Some(at)
    }

    /// The path of a connection.
    ///
    /// # Panics
    ///
    /// When no stream was ever given to it.
    pub fn path(&self, at: usize) -> &'static str {
        self.places[at].path
    }

    /// What a connection carries now.
    ///
    /// # Panics
    ///
    /// When no stream was ever given to it.
    pub fn streams(&self, at: usize) -> Streams {
        self.places[at].streams.as_slice().into()
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
        self.streams.iter().any(|stream| stream.contract.id == contract)
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
        let mut plan = Plan::new(Routes::default(), 3);
        Contracts::new((0..count).map(spec)).iter().for_each(|contract| {
            plan.assign(contract);
        });
        plan
    }

    fn shape(plan: &Plan) -> Vec<(&'static str, usize)> {
        (0..plan.len()).map(|at| (plan.path(at), plan.streams(at).len())).collect()
    }

    #[test]
    fn streams_stay_within_a_connection_and_on_their_route() {
        let plan = plan(6, 5);
        assert_eq!(shape(&plan), [("/market/stream", 3), ("/market/stream", 2), ("/public/stream", 1)]);
        assert_eq!(plan.streams(2)[0].name, "s5usdt@trade");
    }

    #[test]
    fn room_that_is_left_is_given_again_and_no_other_stream_moves() {
        let mut plan = plan(6, 6);
        assert_eq!(plan.release(ContractId::new(1)), Some(0));
        assert_eq!(plan.release(ContractId::new(1)), None);
        let names = |plan: &Plan, at| plan.streams(at).iter().map(|stream| stream.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&plan, 0), ["s0usdt@aggTrade", "s2usdt@aggTrade"]);
        let more = Contracts::new(
            (6..8).map(|at| (Symbol::new(&format!("S{at}USDT")).expect("a symbol"), TapeKind::Aggregate, 2)),
        );
        let places: Vec<usize> = more.iter().map(|contract| plan.assign(contract)).collect();
        assert_eq!(places, [0, 2]);
        assert_eq!(names(&plan, 0), ["s0usdt@aggTrade", "s2usdt@aggTrade", "s6usdt@aggTrade"]);
    }
}
