//! Which connection carries which streams?

use crate::{
    exchange::binance::{Routes, StreamKind, stream_name},
    market::{Contract, TapeKind},
};
use std::{collections::BTreeMap, sync::Arc};

/// One connection's path and streams.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The path of the venue's host.
    pub path: &'static str,
    /// What is asked for there.
    pub streams: Vec<PlannedStream>,
}

/// One contract's trade stream.
#[derive(Clone, Debug)]
pub struct PlannedStream {
    /// The contract.
    pub contract: Arc<Contract>,
    /// The stream's name.
    pub name: String,
}

/// Spreads the trade streams of `contracts` over connections of at most `streams_max`, one route a connection.
pub fn plan<'a>(
    contracts: impl IntoIterator<Item = &'a Arc<Contract>>,
    routes: &Routes,
    streams_max: usize,
) -> Vec<Plan> {
    let mut by_path: BTreeMap<&'static str, Vec<PlannedStream>> = BTreeMap::new();
    for contract in contracts {
        let kind = match contract.kind {
            TapeKind::Aggregate => StreamKind::AggTrade,
            TapeKind::Raw => StreamKind::Trade,
        };
        let stream = PlannedStream { contract: Arc::clone(contract), name: stream_name(&contract.symbol, kind) };
        by_path.entry(routes.path(kind)).or_default().push(stream);
    }
    let chunk = |(path, streams): (&'static str, Vec<PlannedStream>)| {
        streams.chunks(streams_max.max(1)).map(|streams| Plan { path, streams: streams.to_vec() }).collect::<Vec<_>>()
    };
    by_path.into_iter().flat_map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{market::Contracts, model::Symbol};

    #[test]
    fn streams_stay_within_a_connection_and_on_their_route() {
        let spec = |at: usize| {
            let kind = if at < 5 { TapeKind::Aggregate } else { TapeKind::Raw };
            (Symbol::new(&format!("S{at}USDT")).expect("a symbol"), kind, 2)
        };
        let contracts = Contracts::new((0..6).map(spec));
        let plans = plan(contracts.iter(), &Routes::default(), 3);
        let shape: Vec<_> = plans.iter().map(|plan| (plan.path, plan.streams.len())).collect();
        assert_eq!(shape, [("/market/stream", 3), ("/market/stream", 2), ("/public/stream", 1)]);
        assert_eq!(plans[2].streams[0].name, "s5usdt@trade");
    }
}
