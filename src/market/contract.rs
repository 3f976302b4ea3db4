//! Which contracts are there, and what is known of each?

use crate::{
    market::{BookPost, BookSpec, Figures, Kept, Stream, SymbolHandle, Tape, Trouble},
    model::{ContractId, IdRange, Price, Quantity, Symbol, UnixMillis},
    store::{Holding, Records, record::OpenInterestRow},
};
use arc_swap::{ArcSwap, ArcSwapOption};
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
    /// When it is delivered or delisted, if that is planned.
    pub ends: Option<UnixMillis>,
}

/// Ids of a contract that were fetched for holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Healed {
    /// The contract.
    pub contract: ContractId,
    /// Holes may be among them yet.
    pub ids: IdRange,
}

/// The venue's states of a contract that will not trade any more (Binance USD-M docs; 135 of 924 on 2026-10-07).
pub const OVER: [&str; 5] = ["SETTLING", "CLOSE", "DELIVERED", "DELIVERING", "PRE_DELIVERING"];

/// How a contract fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its stream is proven to flow, or the venue says that nothing was traded that it lacks; and nothing is missing.
    Live,
    /// The venue trades it, and its stream does not tell, whatever was tried.
    Stale,
    /// Neither is known yet, or again.
    Recovering,
    /// Its stream flows, and ids are missing that may come.
    Backfilling,
    /// The venue lists it, and it does not trade now.
    Halted,
    /// It will not trade any more, or the venue does not list it.
    Delisted,
}

impl State {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Stale => "stale",
            Self::Recovering => "recovering",
            Self::Backfilling => "backfilling",
            Self::Halted => "halted",
            Self::Delisted => "delisted",
        }
    }
}

/// Why a contract is not recorded any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Somebody wants it so.
    Removed,
    /// It has come to its end.
    Delisted,
    /// Its symbol is another contract's.
    Replaced,
    /// It is recorded in another way, and begins anew.
    Reconfigured,
}

impl Ending {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Delisted => "delisted",
            Self::Replaced => "replaced",
            Self::Reconfigured => "reconfigured",
        }
    }
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
    /// Trades in its ring, as it was asked for.
    ring_trades: usize,
    /// The hot end of its trades.
    pub tape: Arc<Tape>,
    /// Where its prints go.
    pub actor: SymbolHandle,
    /// What the store holds of it; none without a store.
    pub holding: OnceLock<Holding>,
    /// What the store holds of its other records; none without a store.
    pub records: OnceLock<Records>,
    /// What the venue says of it beside its trades.
    pub figures: Figures,
    /// What is kept of that.
    pub kept: ArcSwap<Kept>,
    /// Its order book, if one is kept.
    pub book: Option<BookPost>,
    /// What brings its trades.
    pub stream: Stream,
    /// Why it is not recorded any more.
    ending: OnceLock<Ending>,
    /// How it fared when that was noted last, and since when.
    noted: ArcSwapOption<(State, UnixMillis)>,
    /// Whether the venue's listing was read and does not name it.
    unlisted: AtomicBool,
    /// What the venue's listing says; none until it has been read, or when the venue does not list it.
    pub listing: ArcSwapOption<Listing>,
}

impl Contract {
    /// A contract with an empty tape.
    pub fn new(id: ContractId, spec: Spec) -> Self {
        let Spec { symbol, kind, ring_trades, book, kept } = spec;
        let tape = Arc::new(Tape::new(ring_trades));
        Self {
            id,
            symbol,
            kind,
            ring_trades,
            tape,
            actor: SymbolHandle::default(),
            holding: OnceLock::new(),
            records: OnceLock::new(),
            figures: Figures::default(),
            kept: ArcSwap::from_pointee(kept),
            book: book.map(BookPost::new),
            stream: Stream::default(),
            ending: OnceLock::new(),
            noted: ArcSwapOption::empty(),
            unlisted: AtomicBool::new(false),
            listing: ArcSwapOption::empty(),
        }
    }

    /// Takes its place in the store for records beside its trades. What was open last is known from then on; waits for the disk.
    pub fn hold_records(&self, records: Records) {
        let (from, to) = (UnixMillis::default(), UnixMillis::new(i64::MAX));
        let newest = records.between::<OpenInterestRow>(from, to, 1, true).rows.pop();
        newest.into_iter().for_each(|row| {
            self.figures.set_open_interest(row.into());
        });
        self.records.get_or_init(|| records);
    }

    /// Whether it is recorded as `spec` says, but for what may change while it is.
    pub fn is_recorded_as(&self, spec: &Spec) -> bool {
        let replica = self.book.as_ref().map(|book| book.spec().replica);
        let wanted = spec.book.as_ref().map(|book| book.replica);
        (self.kind, self.ring_trades, replica) == (spec.kind, spec.ring_trades, wanted)
    }

    /// Changes what may change while it is recorded: what is kept beside its trades, and what of its book.
    pub fn keep(&self, spec: Spec) {
        self.kept.store(Arc::new(spec.kept));
        self.book.iter().zip(spec.book).for_each(|(book, spec)| book.set_spec(spec));
    }

    /// Whether it is not recorded any more: nobody takes its trades.
    pub fn is_retired(&self) -> bool {
        self.ending.get().is_some()
    }

    /// Why it is not recorded any more.
    pub fn ending(&self) -> Option<Ending> {
        self.ending.get().copied()
    }

    /// Notes what the venue's listing says of it, if it names it.
    pub fn list(&self, listing: Option<Listing>) {
        // Tells of nothing else.
        self.unlisted.store(listing.is_none(), Ordering::Relaxed);
        if let Some(listing) = listing {
            self.listing.store(Some(Arc::new(listing)));
        }
    }

    /// Whether it will not trade any more, as far as the venue's listing has been read.
    pub fn is_over(&self) -> bool {
        let is_over = |listing: &Listing| OVER.contains(&listing.status.as_str());
        self.unlisted.load(Ordering::Relaxed) || self.listing.load().as_deref().is_some_and(is_over)
    }

    /// Notes how it fares at `now`; call it often.
    pub fn note_state(&self, now: UnixMillis) {
        let state = self.state();
        if self.noted.load().as_ref().is_none_or(|noted| noted.0 != state) {
            self.noted.store(Some(Arc::new((state, now))));
        }
    }

    /// How it fares, and since when, as far as that was noted.
    pub fn fares(&self) -> (State, Option<UnixMillis>) {
        let (state, noted) = (self.state(), self.noted.load());
        (state, noted.as_ref().filter(|noted| noted.0 == state).map(|noted| noted.1))
    }

    /// How it fares.
    pub fn state(&self) -> State {
        let status = self.listing.load_full().map(|listing| listing.status.clone());
        match status.as_deref() {
            _ if self.is_over() => State::Delisted,
            Some(status) if status != "TRADING" => State::Halted,
            _ if self.stream.trouble() == Trouble::Stale => State::Stale,
            _ if self.stream.trouble() == Trouble::Recovering || !self.stream.is_followed() => State::Recovering,
            _ if self.tape.aside().holes().iter().next().is_some() => State::Backfilling,
            _ => State::Live,
        }
    }
}

/// What is recorded of a contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Its ticker.
    pub symbol: Symbol,
    /// What its tape is made of.
    pub kind: TapeKind,
    /// Trades in its ring, at least.
    pub ring_trades: usize,
    /// How its order book is kept, if it is.
    pub book: Option<BookSpec>,
    /// What is kept of it beside its trades.
    pub kept: Kept,
}

impl From<(Symbol, TapeKind, usize)> for Spec {
    fn from((symbol, kind, ring_trades): (Symbol, TapeKind, usize)) -> Self {
        Self { symbol, kind, ring_trades, book: None, kept: Kept::default() }
    }
}

/// Why a contract cannot be recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// It is recorded.
    #[error("`{0}` is recorded already")]
    Known(Symbol),
    /// Numbers are not used twice in a process.
    #[error("{CONTRACTS_MAX} contracts were recorded since the start: restart to record others")]
    Full,
}

/// Contracts that a process can record one after another.
pub const CONTRACTS_MAX: usize = 16_384;

/// The recorded contracts, by id and by symbol. They come and go; a number is never used twice.
#[derive(Debug, Default)]
pub struct Contracts {
    /// Replaced whole: it changes rarely, and readers must not wait.
    listed: ArcSwap<Listed>,
}

#[derive(Clone, Debug, Default)]
struct Listed {
    /// A place is empty once its contract is not recorded any more.
    by_id: Vec<Option<Arc<Contract>>>,
    by_symbol: HashMap<Symbol, ContractId>,
}

impl Listed {
    fn add(&mut self, spec: Spec) -> Result<Arc<Contract>, AddError> {
        let symbol = spec.symbol.clone();
        if self.by_symbol.contains_key(&symbol) {
            return Err(AddError::Known(symbol));
        }
        let number = u32::try_from(self.by_id.len()).ok().filter(|_| self.by_id.len() < CONTRACTS_MAX);
        let id = ContractId::new(number.ok_or(AddError::Full)?);
        let contract = Arc::new(Contract::new(id, spec));
        self.by_symbol.insert(symbol, id);
        self.by_id.push(Some(Arc::clone(&contract)));
        Ok(contract)
    }

    fn get(&self, id: ContractId) -> Option<&Arc<Contract>> {
        self.by_id.get(id.index())?.as_ref()
    }
}

impl Contracts {
    /// Numbers the contracts in the order given; a symbol that came before is left out.
    pub fn new(specs: impl IntoIterator<Item: Into<Spec>>) -> Self {
        let mut listed = Listed::default();
        for spec in specs {
            // One that is known, or for which there is no number, is left out.
            listed.add(spec.into()).ok();
        }
        Self { listed: ArcSwap::from_pointee(listed) }
    }

    /// Begins with a contract. One task adds and removes.
    ///
    /// # Errors
    ///
    /// When it is there already, or too many were before it.
    pub fn add(&self, spec: Spec) -> Result<Arc<Contract>, AddError> {
        let mut listed = Listed::clone(&self.listed.load());
        let contract = listed.add(spec)?;
        self.listed.store(Arc::new(listed));
        Ok(contract)
    }

    /// Ends with a contract, which whoever has it may go on reading.
    pub fn remove(&self, id: ContractId, ending: Ending) -> Option<Arc<Contract>> {
        let mut listed = Listed::clone(&self.listed.load());
        let contract = listed.by_id.get_mut(id.index())?.take()?;
        listed.by_symbol.remove(&contract.symbol);
        contract.ending.get_or_init(|| ending);
        self.listed.store(Arc::new(listed));
        Some(contract)
    }

    /// How many more can be begun with.
    pub fn room(&self) -> usize {
        CONTRACTS_MAX - self.listed.load().by_id.len().min(CONTRACTS_MAX)
    }

    /// The contract of that number.
    pub fn get(&self, id: ContractId) -> Option<Arc<Contract>> {
        self.listed.load().get(id).cloned()
    }

    /// The contract of that symbol, which a client may write in any ASCII case.
    pub fn find(&self, symbol: &str) -> Option<Arc<Contract>> {
        let symbol = Symbol::new(symbol).ok()?;
        let listed = self.listed.load();
        listed.get(*listed.by_symbol.get(&symbol)?).cloned()
    }

    /// The contract of that symbol as the venue writes it.
    pub fn find_listed(&self, symbol: &str) -> Option<Arc<Contract>> {
        let listed = self.listed.load();
        listed.get(*listed.by_symbol.get(symbol)?).cloned()
    }

    /// All contracts that are recorded now, by id.
    pub fn iter(&self) -> impl Iterator<Item = Arc<Contract>> + use<> {
        let listed = self.listed.load_full();
        (0..listed.by_id.len()).filter_map(move |place| listed.by_id[place].clone())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.listed.load().by_symbol.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(symbol: &str) -> Spec {
        (Symbol::new(symbol).expect("a symbol"), TapeKind::Aggregate, 2).into()
    }

    #[test]
    fn a_number_is_never_used_twice_and_a_symbol_may_come_back() {
        let contracts = Contracts::new([spec("AUSDT"), spec("BUSDT"), spec("AUSDT")]);
        assert_eq!(contracts.add(spec("BUSDT")).err(), Some(AddError::Known(spec("BUSDT").symbol)));
        let gone = contracts.remove(ContractId::new(0), Ending::Removed).expect("recorded");
        assert_eq!((gone.symbol.as_str(), contracts.len()), ("AUSDT", 1));
        assert!(contracts.find("AUSDT").is_none() && contracts.get(gone.id).is_none());
        assert!(contracts.remove(gone.id, Ending::Removed).is_none());
        let back = contracts.add(spec("AUSDT")).expect("it is not recorded");
        assert_eq!(back.id, ContractId::new(2));
        let ids: Vec<_> = contracts.iter().map(|contract| contract.id.get()).collect();
        assert_eq!(ids, [1, 2]);
    }
}
