//! Which contracts are recorded, as the venue lists them, the configuration selects them, and clients add or remove some?

use crate::{
    app::Engine,
    config::{Selection, nearest},
    exchange::binance::{
        Call, DecodeError,
        rest::{self, ExchangeInfo},
    },
    history::budget::{Budget, CallError, Priority},
    market::{AddError, Change, ChangeError, Contract, Ending, Listing, News, OVER, Shelving, Spec, Wish, difference},
    model::{Symbol, UnixMillis},
    net::{Backoff, Fetch, with_causes},
    store::{Enlisted, retention::Retention},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// After the venue's word that its listing has changed, it is read so much later, once for all that comes meanwhile.
const NEWS: Duration = Duration::from_secs(2);
/// A contract that a pattern selected and that is over is recorded for so long after its last trade.
const OVER_FOR_MS: i64 = 3_600_000;
/// So many contracts, or a tenth if that is more, may be gone from one reading of the listing to the next.
const GONE_MAX: usize = 20;

/// Where the venue's listing comes from. Cheap to clone.
#[derive(Clone)]
pub struct Source {
    /// Fetches it.
    pub fetch: Arc<dyn Fetch>,
    /// Whoever asks takes from it.
    pub budget: Budget,
    /// Root of REST.
    pub rest_url: String,
    /// Between readings.
    pub refresh: Duration,
    /// Spreads retries.
    pub seed: u64,
}

/// What is wanted of the listing. Cheap to clone.
#[derive(Clone)]
pub struct Wanted {
    /// Which contracts.
    pub selection: Selection,
    /// How each is recorded.
    pub spec: Arc<dyn Fn(&Symbol) -> Spec + Send + Sync>,
    /// How long what is stored of them is kept.
    pub retention: Retention,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wanted").field("selection", &self.selection).finish_non_exhaustive()
    }
}

/// Keeps what is recorded in step with what is listed and wanted.
pub struct Registry {
    engine: Rc<Engine>,
    source: Source,
    wanted: Wanted,
    shelving: Option<Shelving>,
    /// Asked for beside the selection, until the process ends.
    added: BTreeSet<Symbol>,
    /// Not wanted though selected, until the process ends.
    removed: BTreeSet<Symbol>,
    /// As last read.
    listed: BTreeMap<Symbol, Listing>,
    /// Whether the last reading had much less, and was not believed.
    has_shrunk: bool,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("selection", &self.wanted.selection).finish_non_exhaustive()
    }
}

/// Why the listing is not known.
#[derive(Debug, thiserror::Error)]
enum ListingError {
    #[error("the venue's listing cannot be fetched")]
    Call(#[from] CallError),
    #[error("the venue answers HTTP {0} instead of its listing")]
    Status(u16),
    #[error("the venue's listing cannot be read")]
    Decode(#[from] DecodeError),
}

/// A row of the listing, by symbol.
fn listing(listed: rest::ContractInfo) -> (Symbol, Listing) {
    let ends = listed.ends();
    let listing = Listing {
        status: listed.status,
        contract_type: listed.contract_type,
        onboard_time: listed.onboard_date,
        base_asset: listed.base_asset,
        quote_asset: listed.quote_asset,
        tick_size: listed.tick_size,
        step_size: listed.step_size,
        ends,
    };
    (listed.symbol, listing)
}

fn tell_refused(rows: u64) {
    if rows > 0 {
        tracing::error!(rows, "rows of the venue's listing cannot be read: their contracts count as not listed");
    }
}

/// Reads the venue's listing.
async fn read(source: Source) -> Result<ExchangeInfo, ListingError> {
    let Source { fetch, budget, rest_url, .. } = &source;
    let response = budget.get(&**fetch, rest_url, &Call::exchange_info(), Priority::Listing).await?;
    if response.status != 200 {
        return Err(ListingError::Status(response.status));
    }
    Ok(rest::exchange_info(&response.body)?)
}

impl Registry {
    /// Over an engine that records what was named.
    pub fn new(engine: Rc<Engine>, source: Source, wanted: Wanted, shelving: Option<Shelving>) -> Self {
        let (added, removed, listed) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        Self { engine, source, wanted, shelving, added, removed, listed, has_shrunk: false }
    }

    /// Goes on for ever, on the engine's own thread. Capture does not wait for it.
    pub async fn run(&mut self, changes: &mut mpsc::Receiver<Change>, wishes: &mut watch::Receiver<Wanted>) {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1, Duration::MAX, self.source.seed);
        let (mut due, news) = (Instant::now(), Arc::clone(&self.engine.listing_news));
        // The venue may take long to answer, or ban us: nobody waits for it.
        let mut reading = None;
        loop {
            tokio::select! {
                () = news.notified() => due = due.min(Instant::now() + NEWS),
                Some(Change { symbol, wish, answer }) = changes.recv() => {
                    // Who does not wait any more finds it in the list.
                    answer.send(self.change(&symbol, wish).await).unwrap_or_default();
                }
                Ok(()) = wishes.changed() => {
                    self.wanted = wishes.borrow_and_update().clone();
                    self.keep();
                    self.settle().await;
                }
                () = sleep_until(due), if reading.is_none() => {
                    due = Instant::now() + self.source.refresh;
                    reading = Some(Box::pin(read(self.source.clone())));
                }
                read = async { reading.as_mut().unwrap_or_else(|| unreachable!("looked at")).await }, if reading.is_some() => {
                    reading = None;
                    if let Some(wait) = self.take(read, &mut backoff).await {
                        due = due.min(Instant::now() + wait);
                    }
                }
            }
        }
    }

    /// Takes the listing as it was read, and does what follows from it; how soon it is read again when it could not be.
    async fn take(&mut self, read: Result<ExchangeInfo, ListingError>, backoff: &mut Backoff) -> Option<Duration> {
        match read {
            Ok(info) => {
                *backoff = Backoff::new(RETRY.0, RETRY.1, Duration::MAX, self.source.seed);
                self.follow(info).await;
                None
            }
            Err(error) => {
                let wait = backoff.delay() + RETRY.0;
                tracing::error!(retry_ms = wait.as_millis(), "{}", with_causes(&error));
                Some(wait)
            }
        }
    }

    /// Does what follows from the listing, with which comes the limit of the budget.
    async fn follow(&mut self, info: ExchangeInfo) {
        info.weight_per_minute.into_iter().for_each(|limit| self.source.budget.set_limit(limit));
        tell_refused(info.refused);
        let listed: BTreeMap<_, _> = info.contracts.into_iter().map(listing).collect();
        if !self.is_believed(listed.len()) {
            return;
        }
        let before = std::mem::replace(&mut self.listed, listed);
        self.tell_unlisted();
        // What was read first is no news.
        if !before.is_empty() {
            difference(&before, &self.listed).into_iter().for_each(|(symbol, news)| self.announce(&symbol, news));
        }
        for contract in self.engine.contracts.iter() {
            contract.list(self.listed.get(&contract.symbol).cloned());
        }
        self.settle().await;
    }

    /// Whether so many contracts are a listing: half an answer is more likely than so many delistings at once, but what a second
    /// one says as well is so.
    fn is_believed(&mut self, contracts: usize) -> bool {
        let before = self.listed.len();
        let is_short = before.saturating_sub(contracts) > (before / 10).max(GONE_MAX);
        self.has_shrunk = is_short && !self.has_shrunk;
        if self.has_shrunk {
            tracing::error!(contracts, before, "the venue's listing is not believed before it is read again");
        }
        !self.has_shrunk
    }

    /// Says which recorded contracts the venue does not list, once each.
    fn tell_unlisted(&self) {
        let is_unlisted = |contract: &Arc<Contract>| !self.listed.contains_key(&contract.symbol) && !contract.is_over();
        for contract in self.engine.contracts.iter().filter(is_unlisted) {
            tracing::error!(symbol = %contract.symbol, "this symbol the venue does not list: nothing will come for it");
        }
    }

    /// Tells whoever wants to know, and the log what concerns a contract that is recorded.
    fn announce(&self, symbol: &Symbol, news: News) {
        if self.engine.contracts.find(symbol.as_str()).is_some() || matches!(news, News::Ended(_)) {
            tracing::info!(%symbol, ?news, "news of a contract");
        }
        self.engine.announcements.announce(self.source.budget.now(), symbol.clone(), news);
    }

    /// Records each contract from now on as it is wanted, and keeps all for as long as is wanted. One whose tape, ring or book is to be another begins anew.
    fn keep(&self) {
        let wanted = self.engine.contracts.iter().filter(|contract| self.is_wanted(&contract.symbol));
        let specs: Vec<_> = wanted.map(|contract| ((self.wanted.spec)(&contract.symbol), contract)).collect();
        let others = specs.iter().filter(|(spec, contract)| !contract.is_recorded_as(spec)).count();
        let has_room = others <= self.engine.contracts.room();
        if !has_room {
            tracing::error!(
                contracts = others,
                "too many contracts were recorded since the start: restart to record these in another way"
            );
        }
        for (spec, contract) in specs {
            if contract.is_recorded_as(&spec) || !has_room {
                contract.keep(spec);
            } else {
                self.end(&contract, Ending::Reconfigured);
            }
        }
        self.shelving.iter().for_each(|shelving| shelving.retain(self.wanted.retention.clone()));
    }

    /// Begins and ends what the listing and the wishes say.
    async fn settle(&mut self) {
        for contract in self.engine.contracts.iter() {
            self.ending(&contract).into_iter().for_each(|ending| self.end(&contract, ending));
        }
        for symbol in self.missing() {
            let begun = self.begin(&symbol).await;
            begun.unwrap_or_else(|error| tracing::error!("a contract is not recorded: {error}"));
        }
    }

    /// Contracts that should be recorded and are not.
    fn missing(&self) -> Vec<Symbol> {
        let named = self.wanted.selection.named.iter().chain(&self.added);
        let fits = |(symbol, listing): &(&Symbol, &Listing)| {
            self.wanted.selection.fits(symbol) && !OVER.contains(&listing.status.as_str())
        };
        let fitting = self.listed.iter().filter(fits).map(|(symbol, _)| symbol);
        let wanted: BTreeSet<&Symbol> = named.chain(fitting).filter(|symbol| !self.removed.contains(*symbol)).collect();
        let is_missing = |symbol: &&&Symbol| self.engine.contracts.find(symbol.as_str()).is_none();
        wanted.iter().filter(|symbol| is_missing(symbol)).copied().cloned().collect()
    }

    /// Why a contract is not to be recorded any more, if so.
    fn ending(&self, contract: &Contract) -> Option<Ending> {
        let ends = [
            (Ending::Replaced, self.is_reused(contract)),
            (Ending::Removed, !self.is_wanted(&contract.symbol)),
            (Ending::Delisted, self.is_over(contract)),
        ];
        ends.into_iter().find(|(_, is_so)| *is_so).map(|(ending, _)| ending)
    }

    fn is_wanted(&self, symbol: &Symbol) -> bool {
        let selected = self.added.contains(symbol) || self.wanted.selection.selects(symbol);
        selected && !self.removed.contains(symbol)
    }

    /// Whether a contract that nobody named has come to its end.
    fn is_over(&self, contract: &Contract) -> bool {
        if self.listed.is_empty()
            || self.wanted.selection.named.contains(&contract.symbol)
            || self.added.contains(&contract.symbol)
        {
            return false;
        }
        let ended = self.listed.get(&contract.symbol).is_none_or(|now| OVER.contains(&now.status.as_str()));
        let quiet_from = self.source.budget.now().plus(-OVER_FOR_MS);
        let stored = || contract.holding.get().is_some_and(|holding| holding.first_id_at(quiet_from).is_some());
        ended && contract.tape.newest(1).first().map_or_else(|| !stored(), |newest| newest.time < quiet_from)
    }

    /// Whether the symbol is another contract's by now: the listing is younger than every trade held.
    fn is_reused(&self, contract: &Contract) -> bool {
        let Some(now) = self.listed.get(&contract.symbol) else { return false };
        let newest = contract.tape.newest(1).first().map(|trade| trade.time);
        let stored = contract
            .holding
            .get()
            .is_some_and(|holding| holding.ends().is_some() && holding.first_id_at(now.onboard_time).is_none());
        now.onboard_time <= self.source.budget.now() && newest.map_or(stored, |newest| newest < now.onboard_time)
    }

    async fn change(&mut self, symbol: &Symbol, wish: Wish) -> Result<(), ChangeError> {
        let recorded = self.engine.contracts.find(symbol.as_str());
        match (wish, recorded) {
            (Wish::Begin, Some(_)) => Err(AddError::Known(symbol.clone()).into()),
            (Wish::Begin, None) => {
                self.check_listed(symbol)?;
                self.begin(symbol).await?;
                self.removed.remove(symbol);
                self.added.insert(symbol.clone());
                Ok(())
            }
            (Wish::End, None) => Err(ChangeError::NotRecorded(symbol.clone())),
            (Wish::End, Some(contract)) => {
                self.added.remove(symbol);
                self.removed.insert(symbol.clone());
                self.end(&contract, Ending::Removed);
                Ok(())
            }
        }
    }

    fn check_listed(&self, symbol: &Symbol) -> Result<(), ChangeError> {
        if self.listed.contains_key(symbol) {
            return Ok(());
        }
        let nearest = nearest(symbol.as_str(), self.listed.keys().map(Symbol::as_str));
        let nearest = Symbol::new(nearest).map_err(|_| ChangeError::ListingUnknown)?;
        Err(ChangeError::Unlisted { symbol: symbol.clone(), nearest })
    }

    /// Records a contract; the store knows it first.
    async fn begin(&self, symbol: &Symbol) -> Result<(), ChangeError> {
        let listing = self.listed.get(symbol).cloned();
        let onboard_time = listing.as_ref().map(|listing| listing.onboard_time);
        if let Some(shelving) = self.shelving.clone() {
            self.enlist(shelving, symbol, onboard_time).await?;
        }
        let hold = |contract: &Contract| {
            self.shelving.iter().for_each(|shelving| shelving.hold(contract));
            // Before the first reading nothing is known of it.
            if !self.listed.is_empty() {
                contract.list(listing.clone());
            }
        };
        self.engine.record((self.wanted.spec)(symbol), hold)?;
        self.announce(symbol, News::Recorded);
        Ok(())
    }

    fn end(&self, contract: &Contract, ending: Ending) {
        self.engine.forget(contract.id, ending);
        self.announce(&contract.symbol, News::Ended(ending));
    }

    async fn enlist(
        &self,
        shelving: Shelving,
        symbol: &Symbol,
        onboard_time: Option<UnixMillis>,
    ) -> Result<(), ChangeError> {
        let contract = Enlisted { symbol: symbol.clone(), onboard_time };
        let failed = |reason: String| ChangeError::Store { symbol: symbol.clone(), reason };
        let enlisting = tokio::task::spawn_blocking(move || shelving.enlist(vec![contract]));
        enlisting.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))
    }
}
