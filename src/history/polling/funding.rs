//! Which fundings were settled, and by which terms?
//!
//! Of each contract that comes, what the store lacks is asked for first; from then on one call for all contracts brings what was
//! settled since. Only then is a contract's newest stored funding the end of all that are stored.

use super::{AHEAD_MS_MAX, PollError, Polling, RETRY, settlements::Settlements};
use crate::{
    exchange::binance::{Call, FUNDING_ROWS_MAX, Rows, rest},
    history::budget::Priority,
    market::{Contract, Series},
    model::{ContractId, Funding, UnixMillis},
    store::{Records, record::FundingRow},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// How often it is looked whether there is something to ask.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between readings of the terms.
const TERMS_EVERY: Duration = Duration::from_hours(1);
/// All contracts' fundings are asked for at least so often.
const ALL_EVERY_MS: i64 = UnixMillis::HOUR;
/// The first and the longest wait for a funding that is not published yet.
const AWAIT_MS: (i64, i64) = (10 * UnixMillis::SECOND, 10 * UnixMillis::MINUTE);
/// What was published late is found by asking so far back.
const OVERLAP_MS: i64 = 10 * UnixMillis::MINUTE;
/// Pages that one question may take; what is left comes with the next.
const PAGES_MAX: usize = 20;
/// Hours between two fundings where the venue does not say.
const INTERVAL_HOURS: u64 = 8;
/// What is polled, in logs and figures.
const FIGURE: &str = "funding";

/// What is to be asked next.
enum Chore {
    Marks,
    Terms,
    CatchUp(Arc<Contract>),
    All { since: UnixMillis },
}

/// What is known so far.
struct Progress {
    has_marks: bool,
    terms_due: Instant,
    /// Contracts that came, and of which the store may lack any number of fundings.
    waiting: VecDeque<ContractId>,
    /// The newest funding that is stored, of the others.
    newest: HashMap<ContractId, UnixMillis>,
    settlements: Settlements,
    /// Up to when all contracts' fundings were asked for.
    through: UnixMillis,
    /// When they are asked for next, at the earliest, and how long is waited after that.
    retry: (UnixMillis, i64),
}

impl Polling {
    /// Keeps settled fundings and their terms up to date, for ever.
    pub async fn follow_funding(self) {
        let (mut progress, mut backoff) = (Progress::new(self.now()), self.backoff());
        loop {
            self.look(&mut progress);
            let Some(chore) = self.chore(&mut progress) else {
                sleep(LOOK_EVERY).await;
                continue;
            };
            match self.perform(&chore, &mut progress).await {
                Ok(()) => backoff = self.backoff(),
                Err(error) => {
                    self.note(FIGURE, &error);
                    self.put_off(&chore, &error, &mut progress);
                    sleep(RETRY.0 + backoff.delay()).await;
                }
            }
        }
    }

    /// Takes note of contracts that came and went, and of fundings to come.
    fn look(&self, progress: &mut Progress) {
        let now = self.now();
        let stored = self.following(Series::Funding).filter(|contract| contract.records.get().is_some());
        let followed: BTreeMap<ContractId, Arc<Contract>> = stored.map(|contract| (contract.id, contract)).collect();
        progress.newest.retain(|id, _| followed.contains_key(id));
        progress.settlements.retain(|id| followed.contains_key(&id));
        for contract in followed.into_values() {
            if !progress.newest.contains_key(&contract.id) {
                if !progress.waiting.contains(&contract.id) {
                    progress.waiting.push_back(contract.id);
                }
            } else if let Some(mark) = contract.figures.mark() {
                progress.settlements.see(contract.id, mark.next_funding_time, now);
            }
        }
    }

    fn chore(&self, progress: &mut Progress) -> Option<Chore> {
        if !progress.has_marks {
            return Some(Chore::Marks);
        }
        if progress.terms_due <= Instant::now() {
            return Some(Chore::Terms);
        }
        let (now, overlapped) = (self.now(), progress.through.plus(-OVERLAP_MS));
        let due = progress.settlements.due(now).filter(|_| now >= progress.retry.0);
        let is_hour_over = now.since(progress.through) >= ALL_EVERY_MS && now >= progress.retry.0;
        match due {
            Some(due) => Some(Chore::All { since: overlapped.min(due.plus(-OVERLAP_MS)) }),
            None if is_hour_over && !progress.newest.is_empty() => Some(Chore::All { since: overlapped }),
            None => {
                let waiting = std::iter::from_fn(|| progress.waiting.pop_front());
                waiting.filter_map(|id| self.contracts.get(id)).next().map(Chore::CatchUp)
            }
        }
    }

    async fn perform(&self, chore: &Chore, progress: &mut Progress) -> Result<(), PollError> {
        match chore {
            Chore::Marks => self.read_marks().await.map(|()| progress.has_marks = true),
            Chore::Terms => self.read_terms().await.map(|()| progress.terms_due = Instant::now() + TERMS_EVERY),
            Chore::CatchUp(contract) => {
                let newest = self.catch_up(contract).await?;
                progress.newest.insert(contract.id, newest);
                Ok(())
            }
            Chore::All { since } => self.read_all(*since, progress).await,
        }
    }

    /// What failed is done again behind the others, unless that is in vain.
    fn put_off(&self, chore: &Chore, error: &PollError, progress: &mut Progress) {
        let now = self.now();
        match chore {
            Chore::CatchUp(contract) if error.is_refusal() => {
                progress.newest.insert(contract.id, now);
            }
            Chore::CatchUp(contract) => progress.waiting.push_back(contract.id),
            Chore::Marks if error.is_refusal() => progress.has_marks = true,
            Chore::Terms if error.is_refusal() => progress.terms_due = Instant::now() + TERMS_EVERY,
            Chore::Marks | Chore::Terms => {}
            Chore::All { .. } => progress.await_again(now),
        }
    }

    /// So that there are mark prices before the first frame. They are not stored.
    async fn read_marks(&self) -> Result<(), PollError> {
        let marks = self.ask(&Call::premium_index(), Priority::Seam, rest::premium_index).await?;
        self.note_refused("mark_price", marks.refused());
        let latest = self.now().plus(AHEAD_MS_MAX);
        for (symbol, mark) in marks.iter().filter(|(_, mark)| mark.time <= latest) {
            if let Some(contract) = self.contracts.find_listed(symbol)
                && contract.figures.set_mark(*mark)
            {
                self.bells.ring(contract.id);
            }
        }
        Ok(())
    }

    async fn read_terms(&self) -> Result<(), PollError> {
        let terms = self.ask(&Call::funding_info(), Priority::Seam, rest::funding_info).await?;
        self.note_refused("funding_terms", terms.refused());
        for (symbol, terms) in terms.iter() {
            self.contracts.find_listed(symbol).iter().for_each(|contract| contract.figures.set_terms(*terms));
        }
        Ok(())
    }

    /// Fetches what the store lacks of one contract; the newest that is stored then.
    async fn catch_up(&self, contract: &Contract) -> Result<UnixMillis, PollError> {
        let Some(records) = contract.records.get() else { return Ok(self.now()) };
        let hours = contract.figures.terms().map_or(INTERVAL_HOURS, |terms| terms.interval_hours.clamp(1, 24));
        // One page, and no other to learn that it was the last.
        let reach_ms = i64::from(FUNDING_ROWS_MAX - 1) * hours.cast_signed() * UnixMillis::HOUR;
        let oldest = UnixMillis::new(self.now().plus(-reach_ms).get().max(0));
        let mut newest = newest_held(records.clone()).await.unwrap_or(oldest);
        for _ in 0..PAGES_MAX {
            let call = Call::funding_rates(&contract.symbol, newest.plus(1));
            let page = self.ask_fundings(&call, Priority::Bulk).await?;
            let own: Vec<Funding> = of_contract(&page, contract);
            newest = self.keep_newer(records, own, newest)?;
            if !is_full(&page) {
                break;
            }
        }
        Ok(newest)
    }

    /// Fetches what was settled of all contracts since then.
    async fn read_all(&self, since: UnixMillis, progress: &mut Progress) -> Result<(), PollError> {
        let (asked_at, mut from) = (self.now(), since);
        let mut through = asked_at;
        for page in 1..=PAGES_MAX {
            let rows = self.ask_fundings(&Call::funding_rates_of_all(from), Priority::Seam).await?;
            self.take(&rows, progress)?;
            let last = rows.iter().map(|(_, funding)| funding.time).max().unwrap_or(asked_at);
            if !is_full(&rows) {
                break;
            }
            // A page may end among those of one millisecond; a page of one millisecond alone is passed over.
            from = if last > from { last } else { from.plus(1) };
            through = if page == PAGES_MAX { from } else { through };
        }
        progress.through = through;
        progress.await_again(asked_at);
        Ok(())
    }

    async fn ask_fundings(&self, call: &Call, priority: Priority) -> Result<Rows<Funding>, PollError> {
        let page = self.ask(call, priority, rest::funding_rates).await?;
        self.note_refused(FIGURE, page.refused());
        Ok(page)
    }

    fn take(&self, rows: &Rows<Funding>, progress: &mut Progress) -> Result<(), PollError> {
        let mut by_contract: BTreeMap<ContractId, (Arc<Contract>, Vec<Funding>)> = BTreeMap::new();
        for (symbol, funding) in rows.iter() {
            let Some(contract) = self.contracts.find_listed(symbol) else { continue };
            by_contract.entry(contract.id).or_insert_with(|| (contract, Vec::new())).1.push(*funding);
        }
        for (id, (contract, fundings)) in by_contract {
            let Some((newest, records)) = progress.newest.get_mut(&id).zip(contract.records.get()) else { continue };
            *newest = self.keep_newer(records, fundings, *newest)?;
            progress.settlements.settle(id, *newest);
        }
        Ok(())
    }

    /// Stores what is newer than `newest` and not of a time to come; the newest then.
    fn keep_newer(
        &self,
        records: &Records,
        mut fundings: Vec<Funding>,
        newest: UnixMillis,
    ) -> Result<UnixMillis, PollError> {
        let latest = self.now().plus(AHEAD_MS_MAX);
        fundings.retain(|funding| funding.time > newest && funding.time <= latest);
        fundings.sort_by_key(|funding| funding.time);
        fundings.dedup_by_key(|funding| funding.time);
        let rows: Vec<FundingRow> = fundings.into_iter().map(FundingRow::from).collect();
        self.keep(records, &rows)?;
        Ok(rows.last().map_or(newest, |row| row.time))
    }
}

impl Progress {
    fn new(now: UnixMillis) -> Self {
        Self {
            has_marks: false,
            terms_due: Instant::now(),
            waiting: VecDeque::new(),
            newest: HashMap::new(),
            settlements: Settlements::default(),
            through: now,
            retry: (now, AWAIT_MS.0),
        }
    }

    /// When what is still awaited is asked for again: ever later while something is.
    fn await_again(&mut self, now: UnixMillis) {
        let wait_ms = if self.settlements.due(now).is_some() { self.retry.1 } else { AWAIT_MS.0 };
        self.retry = (now.plus(wait_ms), (2 * wait_ms).min(AWAIT_MS.1));
    }
}

/// Whether there may be more behind a page.
fn is_full(page: &Rows<Funding>) -> bool {
    page.len() as u64 + page.refused() >= u64::from(FUNDING_ROWS_MAX)
}

fn of_contract(rows: &Rows<Funding>, contract: &Contract) -> Vec<Funding> {
    let own = rows.iter().filter(|(symbol, _)| *symbol == contract.symbol.as_str());
    own.map(|(_, funding)| *funding).collect()
}

/// The newest funding that is stored. Read off the disk, so beside the runtime's threads.
async fn newest_held(records: Records) -> Option<UnixMillis> {
    let read = tokio::task::spawn_blocking(move || records.ends::<FundingRow>().map(|(_, newest)| newest));
    // It cannot be cancelled, and what panics there is the store's; then all is asked for, and what is held is dropped.
    read.await.ok().flatten()
}
