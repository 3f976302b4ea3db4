//! Where do contracts find their places in a store?

use crate::{
    market::{Contract, TapeKind},
    model::{ContractId, Symbol},
    store::{Desk, Enlisted, Holding, Records, library::Library, record::Kind, retention::Retention},
};
use std::{io, sync::Arc};

/// Trades in the ring of a contract that is only read from the store.
const PAST_RING_TRADES: usize = 2;

/// Where contracts find their places in a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shelving {
    library: Arc<Library>,
    desk: Desk,
}

impl Shelving {
    /// In a store that is open.
    pub fn new(library: Arc<Library>, desk: Desk) -> Self {
        Self { library, desk }
    }

    /// What is stored.
    pub fn library(&self) -> &Arc<Library> {
        &self.library
    }

    /// Where rows are handed in.
    pub fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Gives contracts numbers in the store, durably; waits for the disk.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn enlist(&self, contracts: Vec<Enlisted>) -> io::Result<()> {
        self.desk.enlist(contracts)
    }

    /// Says how long what is stored is kept from now on.
    pub fn retain(&self, retention: Retention) {
        if !self.desk.retain(retention) {
            tracing::error!("the storage thread does not hear: what is stored is kept for as long as was said before");
        }
    }

    /// Lets the trades of a contract be kept that has a number.
    pub fn hold(&self, contract: &Contract) {
        if let Some(row) = self.library.find(&contract.symbol) {
            let kind = stored_kind(contract.kind);
            contract.holding.get_or_init(|| Holding::new(&self.library, &self.desk, row.number, kind));
            contract.hold_records(Records::new(&self.library, &self.desk, row.number));
        }
    }

    /// Contracts that the store knows.
    pub fn symbols(&self) -> impl Iterator<Item = Symbol> {
        self.library.contracts().into_iter().filter_map(|row| row.symbol())
    }

    /// A contract that nobody records, to read what is stored of it.
    pub fn past(&self, symbol: &Symbol) -> Option<Contract> {
        let row = self.library.find(symbol)?;
        let is_raw = self.library.shelf(row.number, Kind::RawTrade).ends().is_some();
        let kind = if is_raw { TapeKind::Raw } else { TapeKind::Aggregate };
        let contract = Contract::new(ContractId::NONE, (symbol.clone(), kind, PAST_RING_TRADES).into());
        self.hold(&contract);
        Some(contract)
    }
}

fn stored_kind(kind: TapeKind) -> Kind {
    match kind {
        TapeKind::Aggregate => Kind::Trade,
        TapeKind::Raw => Kind::RawTrade,
    }
}
