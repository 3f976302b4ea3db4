//! Which contracts are there, and what is known of each?

use crate::{
    market::{Flow, Tape},
    model::{ContractId, IdRange, Price, Quantity, Symbol, UnixMillis},
    store::Holding,
};
use arc_swap::ArcSwapOption;
use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// Which of the venue's trade streams a tape is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapeKind {
    /// Aggregate trades: dense ids, repairable over REST.
    Aggregate,
    /// Raw trades: exact candles, some ids burnt, repairable from the archive only.
    Raw,
}

/// What the venue's listing says of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The venue's state of it, in the venue's word (`TRADING`, `SETTLING`, ...).
    pub status: String,
    /// Its kind, in the venue's word (`PERPETUAL`, `CURRENT_QUARTER`, ...).
    pub contract_type: String,
    /// When it was listed: with the symbol, its identity.
    pub onboard_time: UnixMillis,
    /// The asset that is traded.
    pub base_asset: String,
    /// The asset that it is priced in.
    pub quote_asset: String,
    /// The price step.
    pub tick_size: Price,
    /// The quantity step.
    pub step_size: Quantity,
}

/// Ids of a contract that were fetched for holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healed {
    /// The contract.
    pub contract: ContractId,
    /// Holes may be among them yet.
    pub ids: IdRange,
}

/// One contract that is recorded.
#[derive(Debug)]
pub struct Contract {
    /// Its number in this process.
    pub id: ContractId,
    /// Its ticker.
    pub symbol: Symbol,
    /// What its tape is made of.
    pub kind: TapeKind,
    /// The hot end of its trades.
    pub tape: Arc<Tape>,
    /// What the store holds of it; none without a store.
    pub holding: OnceLock<Holding>,
    /// Whether prints wait for ids before theirs, so that the tape lacks what has come already.
    waiting: AtomicBool,
    /// The connection that is proven to carry its stream; none while it is not.
    pub flow: ArcSwapOption<Flow>,
    /// What the venue's listing says; none until it has been read, or when the venue does not list it.
    pub listing: ArcSwapOption<Listing>,
}

impl Contract {
    /// A contract with an empty tape of at least `ring_trades` slots.
    pub fn new(id: ContractId, symbol: Symbol, kind: TapeKind, ring_trades: usize) -> Self {
        let tape = Arc::new(Tape::new(ring_trades));
        let (flow, listing) = (ArcSwapOption::empty(), ArcSwapOption::empty());
        let (holding, waiting) = (OnceLock::new(), AtomicBool::new(false));
        Self { id, symbol, kind, tape, holding, waiting, flow, listing }
    }

    /// Says whether prints wait for ids before theirs.
    pub(super) fn set_waiting(&self, waiting: bool) {
        // Behind the proofs that came before it and the trades that ended the wait; see `Flow`.
        self.waiting.store(waiting, Ordering::Release);
    }

    /// The time up to which everything is proven to stand on the tape.
    pub fn flowing_to(&self) -> UnixMillis {
        // Acquire pairs with the Release in `set_waiting`: who sees that nothing waits sees what did on the tape.
        if self.waiting.load(Ordering::Acquire) {
            return UnixMillis::new(i64::MIN);
        }
        self.flow.load().as_ref().map_or(UnixMillis::new(i64::MIN), |flow| flow.proven_to())
    }

    /// Whether its stream is proven to flow.
    pub fn is_live(&self) -> bool {
        self.flow.load().is_some()
    }
}

/// The recorded contracts, by id and by symbol.
#[derive(Debug, Default)]
pub struct Contracts {
    by_id: Vec<Arc<Contract>>,
    by_symbol: HashMap<Symbol, ContractId>,
}

impl Contracts {
    /// Numbers the contracts in the order given; a symbol that came before is left out.
    pub fn new(specs: impl IntoIterator<Item = (Symbol, TapeKind, usize)>) -> Self {
        let mut contracts = Self::default();
        for (symbol, kind, ring_trades) in specs {
            let Ok(number) = u32::try_from(contracts.by_id.len()) else { break };
            if contracts.by_symbol.contains_key(&symbol) {
                continue;
            }
            let id = ContractId::new(number);
            contracts.by_symbol.insert(symbol.clone(), id);
            contracts.by_id.push(Arc::new(Contract::new(id, symbol, kind, ring_trades)));
        }
        contracts
    }

    /// The contract of that number.
    pub fn get(&self, id: ContractId) -> Option<&Arc<Contract>> {
        self.by_id.get(id.index())
    }

    /// The contract of that symbol, which a client may write in any ASCII case.
    pub fn find(&self, symbol: &str) -> Option<&Arc<Contract>> {
        let symbol = Symbol::new(symbol).ok()?;
        self.get(*self.by_symbol.get(&symbol)?)
    }

    /// All contracts, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Contract>> {
        self.by_id.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
