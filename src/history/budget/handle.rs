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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::FetchFuture;
    use std::collections::VecDeque;
    use tokio::time::{Instant, timeout};

    /// 2026-11-20 10:00:30 UTC.
    const START: i64 = 1_795_168_830_000;

    /// Answers from a list, after a while; then with 200.
    struct Script {
        answers: Mutex<VecDeque<Response>>,
        asked: Mutex<Vec<(String, Duration)>>,
        begun: Instant,
    }

    impl Script {
        fn new(answers: Vec<Response>) -> Self {
            Self { answers: Mutex::new(answers.into()), asked: Mutex::default(), begun: Instant::now() }
        }

        fn asked_s(&self) -> Vec<u64> {
            self.asked.lock().unwrap().iter().map(|(_, at)| at.as_secs()).collect()
        }
    }

    impl Fetch for Script {
        fn get<'a>(&'a self, url: &'a str) -> FetchFuture<'a> {
            Box::pin(async move {
                self.asked.lock().unwrap().push((url.to_owned(), self.begun.elapsed()));
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(self.answers.lock().unwrap().pop_front().unwrap_or_else(|| answer(200, &[], "")))
            })
        }
    }

    fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Response { status, headers, body: body.into() }
    }

    fn budget() -> Budget {
        let clock = Clock::starting_at(UnixMillis::new(START));
        Budget::new(Options::default(), clock, Arc::new(Metrics::default()))
    }

    fn page(priority: Priority) -> Ask {
        Ask { pool: Pool::Weight, priority, weight: 20 }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_charged_counted_and_asked_of_its_host() {
        let (budget, script) = (budget(), Script::new(vec![answer(200, &[("X-MBX-USED-WEIGHT-1M", "777")], "{}")]));
        let answer =
            budget.get(&script, "http://venue", &Call::exchange_info(), Priority::Listing).await.expect("answered");
        assert_eq!((answer.status, &*answer.body), (200, &b"{}"[..]));
        assert_eq!(script.asked.lock().unwrap()[0].0, "http://venue/fapi/v1/exchangeInfo");
        let snapshot = budget.snapshot();
        assert_eq!((snapshot.used, snapshot.counts.granted_to(Priority::Listing)), (777, 1));
        let text = budget.shared.metrics.text().expect("figures");
        assert!(text.contains(r#"rest_requests_total{endpoint="exchangeInfo",code="200"} 1"#), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_stop_every_call_until_their_time() {
        let check = async |refusal: Response, pauses_s: std::ops::RangeInclusive<u64>| {
            let (budget, script) = (budget(), Script::new(vec![refusal.clone()]));
            for _ in 0..2 {
                budget.get(&script, "", &Call::server_time(), Priority::Repair).await.expect("answered");
            }
            let asked = script.asked_s();
            assert!(pauses_s.contains(&(asked[1] - asked[0])), "{refusal:?}: {asked:?}");
        };
        let words = r#"{"code":-1003,"msg":"Way too many requests; IP(1.2.3.4) banned until 1795172430000."}"#;
        check(answer(429, &[], ""), 30..=33).await;
        check(answer(429, &[("retry-after", "100")], ""), 100..=103).await;
        check(answer(429, &[], words), 3_600..=3_603).await;
        check(answer(418, &[], words), 3_600..=3_603).await;
        check(answer(418, &[("retry-after", "259200")], ""), 259_200..=259_203).await;
        check(answer(418, &[("retry-after", "9999999")], ""), 259_200..=259_203).await;
        check(answer(418, &[], ""), 120..=123).await;
        check(answer(403, &[], "<html>"), 300..=303).await;
        check(answer(451, &[], "{}"), 900..=903).await;
        for status in [400, 404, 408, 500, 503] {
            check(answer(status, &[("retry-after", "100")], ""), 0..=0).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_ban_outlives_the_process() {
        let first = budget();
        assert_eq!(first.banned_until(), None);
        let banned = answer(418, &[("retry-after", "600")], "");
        first.get(&Script::new(vec![banned]), "", &Call::server_time(), Priority::Bulk).await.expect("answered");
        let until = first.banned_until().expect("banned");
        let (heir, script) = (budget(), Script::new(vec![]));
        heir.restore(until);
        assert_eq!(heir.banned_until(), Some(until));
        heir.get(&script, "", &Call::server_time(), Priority::Listing).await.expect("answered");
        assert!((600..605).contains(&script.asked_s()[0]), "{:?}", script.asked_s());
        assert_eq!(heir.banned_until(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelling_at_any_point_leaks_nothing() {
        let budget = budget();
        let mut permits = Vec::new();
        for _ in 0..5 {
            permits.push(budget.reserve(page(Priority::Repair)).await.expect("room"));
        }
        for _ in 0..100 {
            let waiting = timeout(Duration::from_millis(10), budget.reserve(page(Priority::Repair)));
            assert!(waiting.await.is_err(), "only five are out before the first answer");
        }
        let snapshot = budget.snapshot();
        assert_eq!((snapshot.used, snapshot.waiting, snapshot.counts.withdrawn), (100, [0; 4], 100));
        drop(permits.pop());
        assert_eq!(budget.snapshot().used, 80, "never sent");
        // Granted in the moment in which it is cancelled: the grant is already in the channel.
        permits.push(budget.reserve(page(Priority::Repair)).await.expect("room"));
        let mut waiting = Box::pin(budget.reserve(page(Priority::Repair)));
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        drop(permits.pop());
        assert_eq!(budget.snapshot().used, 100);
        drop(waiting);
        assert_eq!(budget.snapshot().used, 80);
        let sent = permits.pop().expect("four").sent();
        drop(sent);
        drop(permits);
        assert_eq!(budget.snapshot().used, 20, "what was sent may have been counted");
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(budget.snapshot().used, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_tasks_go_on_when_the_minute_turns() {
        let budget = budget();
        let hog = budget.reserve(Ask { weight: 1_920, ..page(Priority::Repair) }).await.expect("room").sent();
        let order = Arc::new(Mutex::new(Vec::new()));
        let begun = Instant::now();
        let tasks = [Priority::Bulk, Priority::Seam, Priority::Repair].map(|priority| {
            let (budget, order) = (budget.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                let sent = budget.reserve(page(priority)).await.expect("room").sent();
                order.lock().unwrap().push((priority, begun.elapsed().as_secs()));
                sent.ended(&Ok(answer(200, &[], "")));
            })
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(budget.snapshot().waiting, [0, 1, 1, 1]);
        hog.ended(&Ok(answer(200, &[("x-mbx-used-weight-1m", "1920")], "")));
        for task in tasks {
            task.await.expect("no panic");
        }
        let order = order.lock().unwrap();
        assert_eq!(order.len(), 3);
        assert!(order.iter().all(|(_, at)| (31..=32).contains(at)), "{order:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_is_wrong_is_corrected_by_the_answers() {
        let (budget, script) =
            (budget(), Script::new(vec![answer(200, &[("date", "Fri, 20 Nov 2026 13:00:59 GMT")], "")]));
        budget.get(&script, "", &Call::server_time(), Priority::Listing).await.expect("answered");
        let error_ms = budget.now().since(UnixMillis::new(START + 3 * UnixMillis::HOUR + 29_500)).abs();
        assert!(error_ms <= 600, "{error_ms}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_that_falls_turns_away_what_is_too_heavy_for_it() {
        let budget = budget();
        let _hog = budget.reserve(Ask { weight: 1_900, ..page(Priority::Repair) }).await.expect("room").sent();
        let mut waiting = Box::pin(budget.reserve(Ask { weight: 1_000, ..page(Priority::Repair) }));
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        budget.set_limit(1_000);
        assert_eq!(waiting.await.expect_err("turned away"), AskError::TooHeavy { weight: 1_000 });
    }
}
