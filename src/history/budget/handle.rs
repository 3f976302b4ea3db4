//! How does a task wait for its turn, and how does the budget learn what came of it?

use crate::{
    clock::Clock,
    exchange::binance::{Call, Pool, Standing},
    history::budget::{
        StopReason,
        ledger::{Ask, AskError, Grant, Ledger, Options, Ticket},
        offset::Offset,
        queue::Priority,
        snapshot::Snapshot,
    },
    metrics::{Labels, Metrics},
    model::UnixMillis,
    net::{Fetch, FetchError, Response},
};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// A waiting task looks again at least so often, since the venue's clock may turn out to be another than was thought.
const LOOK_MS_MAX: i64 = UnixMillis::SECOND;

/// The one budget of the process. Cheap to clone; every clone is the same budget.
#[derive(Clone, Debug)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    clock: Clock,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger<oneshot::Sender<Grant>>,
    offset: Offset,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was not asked.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It was asked in vain.
    #[error(transparent)]
    Fetch(#[from] FetchError),
}

impl Budget {
    /// A budget that counts its requests in `metrics`.
    pub fn new(options: Options, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let now = clock.now();
        let offset = Offset::assumed(now.wall, now.monotonic_ms);
        let state = State { ledger: Ledger::new(options, now.wall), offset };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), clock, metrics }) }
    }

    /// Asks for `call` at `host_url` once it is its turn. Cancelled while it waits it has spent nothing, cancelled later only
    /// its weight.
    ///
    /// # Errors
    ///
    /// When it may not wait, or there is no answer. An answer of any status is one; what it says of limits and bans has then
    /// been obeyed: the next call waits as long as it must.
    pub async fn get(
        &self,
        fetch: &dyn Fetch,
        host_url: &str,
        call: &Call,
        priority: Priority,
    ) -> Result<Response, CallError> {
        let permit = self.reserve(Ask { pool: call.pool, priority, weight: call.weight }).await?;
        let url = format!("{host_url}{}", call.target);
        let sent = permit.sent();
        let answer = fetch.get(&url).await;
        let code = answer.as_ref().map_or_else(|_| "none".to_owned(), |answer| answer.status.to_string());
        let labels = Labels::new([("endpoint", call.endpoint), ("code", &code)]);
        self.shared.metrics.rest_requests.get_or_create(&labels).inc();
        sent.ended(&answer);
        Ok(answer?)
    }

    /// Waits for leave to ask once. Cancelled, it leaves no trace.
    ///
    /// # Errors
    ///
    /// When it could never be granted, or too many wait.
    pub async fn reserve(&self, ask: Ask) -> Result<Permit, AskError> {
        let (wake, granted) = oneshot::channel();
        let mut place = {
            let mut state = self.state();
            let now = self.venue_time(&state);
            let ticket = state.ledger.ask(now, ask, wake)?;
            state.advance(now);
            Place { budget: self, ticket, granted }
        };
        loop {
            let wait = self.look_again(ask.pool);
            tokio::select! {
                biased;
                grant = &mut place.granted => {
                    let grant = grant.map_err(|_| AskError::TooHeavy { weight: ask.weight })?;
                    return Ok(Permit { budget: self.clone(), grant: Some(grant) });
                }
                () = tokio::time::sleep(wait) => self.advance(),
            }
        }
    }

    /// The venue's limit of weight a minute, as its listing says; until then it is taken from its documents.
    pub fn set_limit(&self, limit: u32) {
        self.state().ledger.set_limit(limit);
        self.advance();
    }

    /// Until when the venue has banned us, to be kept across restarts.
    pub fn banned_until(&self) -> Option<UnixMillis> {
        let state = self.state();
        state.ledger.banned_until(self.venue_time(&state))
    }

    /// Takes over a ban that an earlier process was told of; to be called before anything is asked.
    pub fn restore(&self, banned_until: UnixMillis) {
        let mut state = self.state();
        let now = self.venue_time(&state);
        state.ledger.restore(now, banned_until);
    }

    /// The venue's time, by the dates of its answers or, before the first, by the machine's clock.
    pub fn now(&self) -> UnixMillis {
        self.venue_time(&self.state())
    }

    /// How it stands.
    pub fn snapshot(&self) -> Snapshot {
        let mut state = self.state();
        let now = self.venue_time(&state);
        state.ledger.snapshot(now)
    }

    /// Grants what can be granted by now.
    fn advance(&self) {
        let mut state = self.state();
        let now = self.venue_time(&state);
        state.advance(now);
    }

    /// How long a waiting task may sleep.
    fn look_again(&self, pool: Pool) -> Duration {
        let state = self.state();
        let now = self.venue_time(&state);
        let wait_ms = state.ledger.look_again(now, pool).since(now).clamp(1, LOOK_MS_MAX);
        Duration::from_millis(wait_ms.unsigned_abs())
    }

    fn venue_time(&self, state: &State) -> UnixMillis {
        state.offset.venue_time(self.shared.clock.monotonic_ms())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Books the end of a request and lets others go.
    fn book(&self, grant: Grant, sent_ms: i64, answer: Option<&Standing>) {
        let received_ms = self.shared.clock.monotonic_ms();
        let mut state = self.state();
        if let Some(date) = answer.and_then(|answer| answer.date) {
            state.offset.learn(date, sent_ms, received_ms);
        }
        let now = state.offset.venue_time(received_ms);
        let pool = grant.ask().pool;
        let stopped = state.ledger.end(now, grant, answer);
        let until = state.ledger.look_again(now, pool);
        state.advance(now);
        drop(state);
        if let Some(reason) = stopped {
            self.tell(reason, pool, until);
        }
    }

    fn tell(&self, reason: StopReason, pool: Pool, until: UnixMillis) {
        self.shared.metrics.rest_stops.get_or_create(&Labels::new([("reason", reason.name())])).inc();
        let (reason, pool) = (reason.name(), pool.name());
        tracing::error!(reason, pool, until = until.get(), "the venue wants no requests: nothing is asked until then");
    }
}

impl State {
    fn advance(&mut self, now: UnixMillis) {
        self.ledger.advance(now, oneshot::Sender::send);
    }
}

/// A place in the queue, given up when dropped.
struct Place<'a> {
    budget: &'a Budget,
    ticket: Ticket,
    granted: oneshot::Receiver<Grant>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        self.granted.close();
        match self.granted.try_recv() {
            Ok(grant) => {
                state.ledger.give_back(grant);
                let now = self.budget.venue_time(&state);
                state.advance(now);
            }
            Err(_) => state.ledger.withdraw(self.ticket),
        }
    }
}

/// Leave to ask the venue once. Dropped before [`Permit::sent`], it is given back.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    budget: Budget,
    grant: Option<Grant>,
}

impl Permit {
    /// The request goes out now: from here on the venue may count it.
    pub fn sent(mut self) -> Sent {
        let sent_ms = self.budget.shared.clock.monotonic_ms();
        Sent { budget: self.budget.clone(), grant: self.grant.take(), sent_ms }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            self.budget.state().ledger.give_back(grant);
            self.budget.advance();
        }
    }
}

/// A request that is out. Dropped without an answer, its weight counts as spent.
#[derive(Debug)]
#[must_use]
pub struct Sent {
    budget: Budget,
    grant: Option<Grant>,
    sent_ms: i64,
}

impl Sent {
    /// How it ended. A host that was not reached has counted nothing.
    pub fn ended(mut self, answer: &Result<Response, FetchError>) {
        let Some(grant) = self.grant.take() else { return };
        match answer {
            Ok(answer) => self.budget.book(grant, self.sent_ms, Some(&Standing::of(answer))),
            Err(FetchError::Connect(_) | FetchError::Url(_)) => {
                self.budget.state().ledger.give_back(grant);
                self.budget.advance();
            }
            Err(FetchError::Timeout | FetchError::TooLarge { .. } | FetchError::Transfer(_)) => {
                self.budget.book(grant, self.sent_ms, None);
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            self.budget.book(grant, self.sent_ms, None);
        }
    }
}
