//! What is done about streams that do not flow?
//!
//! A stream is asked for anew, then moved to another connection, then reported. When most of a connection's streams are
//! behind, it is the connection that is opened anew, then on another path. Whoever looks at every tape so often sees adjusted contracts, too.

use crate::{
    app::{Engine, Remedy},
    clock::Clock,
    exchange::binance::{Call, rest},
    feed::{Finding, StreamKey, Vigil},
    history::budget::{Budget, Priority},
    market::{Contract, News, Scales, Trouble},
    metrics::{Labels, Metrics},
    model::ContractId,
    net::{Fetch, Response},
};
use std::{collections::BTreeMap, rc::Rc, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the tapes are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// So many streams of a connection behind at once may be the connection's fault; fewer when it carries no more.
const MANY: usize = 3;
/// Attempts after which a stream is called stale.
const TRIES: u32 = 2;
/// So many streams of a connection are asked about in one look; each costs a weight of 20. Others have their turn at the next.
const LOOKED_AT: usize = 2;
/// What is answered later counts as no answer: what the budget grants late, or the venue says late.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Watches over every stream. Cheap to clone.
#[derive(Clone)]
pub struct Watching {
    /// What is watched, and does what is to be done.
    pub engine: Rc<Engine>,
    /// Where the venue is asked.
    pub fetch: Arc<dyn Fetch>,
    /// Whoever asks takes from it.
    pub budget: Budget,
    /// Root of REST.
    pub rest_url: String,
    /// Time.
    pub clock: Clock,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Watching {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watching").finish_non_exhaustive()
    }
}

impl Watching {
    /// Goes on for ever, on the engine's own thread. It notes how each contract fares, too.
    pub async fn run(self) {
        let (mut vigil, mut scales) = (Vigil::default(), Scales::default());
        // Whoever watched before may have panicked: what is wrong is found anew.
        self.engine.contracts.iter().for_each(|contract| contract.stream.set_trouble(Trouble::None));
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.see(&mut vigil);
            self.weigh(&mut scales);
            if vigil.shall_ask(self.clock.monotonic_ms()) {
                vigil.ask(self.clock.monotonic_ms());
                self.ask(&mut vigil).await;
            }
            self.act(&mut vigil).await;
        }
    }

    fn see(&self, vigil: &mut Vigil) {
        let (contracts, now_ms) = (&self.engine.contracts, self.clock.monotonic_ms());
        vigil.retain(|id| contracts.get(id).is_some());
        for contract in contracts.iter() {
            let asked_ms = contract.stream.asked_ms();
            vigil.see(contract.id, newest_raw_id(&contract), asked_ms, now_ms);
            vigil.read(contract.id, contract.stream.read_to());
            contract.stream.vouch(vigil.vouches(contract.id, now_ms).then_some(asked_ms));
            contract.note_state(self.clock.wall());
        }
    }

    /// Tells of contracts whose size seems adjusted.
    fn weigh(&self, scales: &mut Scales) {
        let contracts = &self.engine.contracts;
        scales.retain(|id| contracts.get(id).is_some());
        for contract in contracts.iter() {
            let newest = contract.tape.newest(1);
            let seen = contract
                .listing
                .load()
                .as_ref()
                .zip(newest.first())
                .and_then(|(listing, newest)| scales.see(contract.id, &listing.contract_type, newest));
            let Some((from, to)) = seen else { continue };
            tracing::warn!(symbol = %contract.symbol, %from, %to, "the contract's size seems adjusted: prices before are not");
            let news = News::Rescaled { from, to };
            self.engine.announcements.announce(self.budget.now(), contract.symbol.clone(), news);
        }
    }

    /// Has the venue tell every contract's newest raw trade. One call of weight 40; without an answer nothing is known.
    async fn ask(&self, vigil: &mut Vigil) {
        let Some(response) = self.answer(&Call::tickers()).await else { return };
        let Ok(tickers) = rest::tickers(&response.body) else { return };
        self.metrics.decode_errors.get_or_create(&Labels::new([("reason", "row")])).inc_by(tickers.refused());
        let now_ms = self.clock.monotonic_ms();
        let venue_time = tickers.iter().map(|(_, ticker)| ticker.close_time).max();
        venue_time.into_iter().for_each(|time| vigil.tell_time(time, now_ms));
        for (symbol, ticker) in tickers.iter() {
            let Some(contract) = self.engine.contracts.find_listed(symbol) else { continue };
            // -1 where nothing was traded in 24 hours.
            vigil.tell(contract.id, u64::try_from(ticker.last_id).unwrap_or_default(), now_ms);
        }
    }

    /// An answer, if it comes soon: under a ban, too, streams are looked after.
    async fn answer(&self, call: &Call) -> Option<Response> {
        let asking = self.budget.get(&*self.fetch, &self.rest_url, call, Priority::Listing);
        match timeout(ANSWER_WITHIN, asking).await {
            Ok(Ok(response)) => Some(response),
            Ok(Err(error)) => {
                tracing::warn!("the venue cannot be asked about its streams: {error}");
                None
            }
            Err(_) => None,
        }
    }

    async fn act(&self, vigil: &mut Vigil) {
        self.reroute_mute();
        let mut by_connection: BTreeMap<usize, Vec<(ContractId, Finding)>> = BTreeMap::new();
        for (id, finding) in vigil.findings(self.clock.monotonic_ms()) {
            match finding {
                Finding::Healed(after_ms) => self.note_healed(id, after_ms),
                _ => {
                    let connection = self.engine.place_of(StreamKey::Trades(id)).into_iter();
                    connection.for_each(|at| by_connection.entry(at).or_default().push((id, finding)));
                }
            }
        }
        for (at, behind) in by_connection {
            self.act_on(vigil, at, behind).await;
        }
        let stale = self.engine.contracts.iter().filter(|contract| contract.stream.trouble() != Trouble::None).count();
        self.metrics.streams_behind.set(i64::try_from(stale).unwrap_or(i64::MAX));
    }

    /// Has connections that bring nothing opened elsewhere.
    fn reroute_mute(&self) {
        for at in self.engine.take_mute() {
            tracing::error!(connection = at, "a connection brings nothing, and is opened on another path");
            self.do_it(Remedy::Reroute(at));
        }
    }

    /// Does something about a connection, or those of its streams that are behind.
    async fn act_on(&self, vigil: &mut Vigil, at: usize, behind: Vec<(ContractId, Finding)>) {
        let is_there = |id| self.engine.place_of(StreamKey::Trades(id)) == Some(at);
        let fresh = vigil.fresh(self.clock.monotonic_ms(), is_there);
        if fresh == 0 || behind.len() >= MANY.max(fresh) {
            let lacking = self.lacking(vigil, behind).await;
            if !lacking.is_empty() {
                self.revive_connection(vigil, at, &lacking);
            }
            return;
        }
        for (id, finding) in behind.into_iter().take(LOOKED_AT) {
            self.revive_stream(vigil, id, finding).await;
        }
    }

    /// Of streams that are behind, all if one of the first lacks what the venue has published; else none for now, and those
    /// that were not looked at have their turn.
    async fn lacking(&self, vigil: &mut Vigil, behind: Vec<(ContractId, Finding)>) -> Vec<(ContractId, Finding)> {
        for (id, finding) in behind.iter().take(LOOKED_AT) {
            let Some(contract) = self.engine.contracts.get(*id) else { continue };
            if self.is_lacking(&contract).await {
                return behind;
            }
            excuse(vigil, &contract, *finding);
        }
        Vec::new()
    }

    fn revive_connection(&self, vigil: &mut Vigil, at: usize, behind: &[(ContractId, Finding)]) {
        let tries = behind.iter().map(|(_, finding)| tries(*finding)).max().unwrap_or_default();
        let remedy = if tries == 0 { Remedy::Renew(at) } else { Remedy::Reroute(at) };
        tracing::error!(
            connection = at,
            streams = behind.len(),
            ?remedy,
            "a connection does not deliver what the venue trades"
        );
        self.do_it(remedy);
        behind.iter().for_each(|(id, _)| self.note_tried(vigil, *id, tries));
    }

    async fn revive_stream(&self, vigil: &mut Vigil, id: ContractId, finding: Finding) {
        let Some(contract) = self.engine.contracts.get(id) else { return };
        if !self.is_lacking(&contract).await {
            return excuse(vigil, &contract, finding);
        }
        let key = StreamKey::Trades(id);
        let remedy = if tries(finding).is_multiple_of(2) { Remedy::AskAgain(key) } else { Remedy::MoveAway(key) };
        tracing::warn!(symbol = %contract.symbol, ?remedy, "a stream does not deliver what the venue trades");
        self.do_it(remedy);
        self.note_tried(vigil, id, tries(finding));
    }

    /// Whether the venue has published a trade that the tape lacks: what its statistics tell of may be no trade of the
    /// stream's, such as a liquidation against the insurance fund. When it does not answer, it has.
    async fn is_lacking(&self, contract: &Contract) -> bool {
        let call = Call::newest_agg_trade(&contract.symbol);
        let Some(response) = self.answer(&call).await else { return true };
        let newest = rest::agg_trades(&response.body).ok().and_then(|trades| trades.last().map(|trade| trade.last_id));
        newest.is_none_or(|newest| newest_raw_id(contract) < Some(newest))
    }

    fn do_it(&self, remedy: Remedy) {
        self.metrics.stream_remedies.get_or_create(&remedy.labels()).inc();
        self.engine.revive(remedy);
    }

    fn note_tried(&self, vigil: &mut Vigil, id: ContractId, tries: u32) {
        vigil.tried(id, self.clock.monotonic_ms());
        let Some(contract) = self.engine.contracts.get(id) else { return };
        if tries == TRIES {
            tracing::error!(symbol = %contract.symbol, "a stream stays silent whatever is tried: its contract is stale");
        }
        contract.stream.set_trouble(if tries >= TRIES { Trouble::Stale } else { Trouble::Recovering });
    }

    fn note_healed(&self, id: ContractId, after_ms: i64) {
        let Some(contract) = self.engine.contracts.get(id) else { return };
        contract.stream.set_trouble(Trouble::None);
        tracing::info!(symbol = %contract.symbol, after_ms, "a stream flows again");
    }
}

/// How often something was done about it before.
const fn tries(finding: Finding) -> u32 {
    match finding {
        Finding::Still { tries, .. } => tries,
        Finding::Behind(_) | Finding::Healed(_) => 0,
    }
}

/// Notes that a stream lacks nothing of what the venue has told of.
fn excuse(vigil: &mut Vigil, contract: &Contract, finding: Finding) {
    let (Finding::Behind(told) | Finding::Still { told, .. }) = finding else { return };
    vigil.excuse(contract.id, told);
    contract.stream.set_trouble(Trouble::None);
}

fn newest_raw_id(contract: &Contract) -> Option<u64> {
    contract.tape.newest(1).first().map(|trade| trade.last_id)
}
