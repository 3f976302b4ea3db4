//! Who may ask the venue now? The whole state of the budget, without a clock and without waiting.

use crate::{
    exchange::binance::{Pool, Standing},
    history::budget::{
        brake::{Brake, StopReason},
        minute::{Minute, Taken},
        queue::{Priority, Queue, Waiting},
        recent::Recent,
        snapshot::{Counts, PoolSnapshot, Snapshot},
    },
    model::UnixMillis,
};

/// Limits below this are not believed: they would stop everything.
const LIMIT_MIN: u32 = 100;

/// The part of a minute's budget, in percent, that may go to those who have waited too long before it goes by priority: enough
/// that nobody waits for good, too little to delay repairs.
const OVERDUE_PERCENT: u32 = 10;

/// How much of the venue's limits is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// What we allow ourselves of each limit, in percent. The rest is for what we cannot see: other processes on the address.
    pub share_percent: u32,
    /// The part of that, in percent, which bulk never touches: 384 of 1,920 by default, so that in a minute which bulk has used
    /// up 19 pages of repair still go at once, one for each contract of a small connection. What repair does not use is not
    /// spent; more holes than that go first in the next minute.
    pub reserve_percent: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { share_percent: 80, reserve_percent: 20 }
    }
}

/// What somebody wants to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The counter it is charged to.
    pub pool: Pool,
    /// How urgent it is.
    pub priority: Priority,
    /// What it is charged; each is one in pools that count calls.
    pub weight: u32,
}

/// Why somebody may not even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// No minute would ever have room for it.
    #[error("a request of weight {weight} exceeds what may be spent in a minute: raise the share of the venue's limit")]
    TooHeavy {
        /// Its weight.
        weight: u32,
    },
    /// The queue is full.
    #[error("too many requests of priority `{}` wait for the venue: try again later", .0.name())]
    TooManyWaiting(Priority),
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    ask: Ask,
    number: u64,
}

/// Leave to ask once. It is to be given to [`Ledger::end`] or [`Ledger::give_back`]: what is lost counts for good.
#[derive(Debug)]
#[must_use]
pub struct Grant {
    ask: Ask,
    taken: Option<Taken>,
    moment: u64,
}

impl Grant {
    /// What it was granted to.
    pub fn ask(&self) -> Ask {
        self.ask
    }
}

/// The state of the budget. `W` is what tells somebody that the wait is over.
///
/// Every time given is the venue's. After any call that may let somebody go ([`Ledger::ask`], [`Ledger::end`], ...), and
/// whenever [`Ledger::look_again`] says, [`Ledger::advance`] hands out what can be granted.
#[derive(Debug)]
pub struct Ledger<W> {
    options: Options,
    limit: u32,
    minute: Minute,
    futures_data: Recent,
    funding: Recent,
    queues: [Queue<W>; 3],
    /// What went to those overdue in this minute, by pool.
    overdue: [u32; 3],
    rate_limits: [Brake; 3],
    /// Those that stop all pools.
    stops: [Brake; 3],
    counts: Counts,
    moment: u64,
}

impl<W> Ledger<W> {
    /// A budget of which nothing is spent, as far as is known at `now`.
    pub fn new(options: Options, now: UnixMillis) -> Self {
        Self {
            options: Options {
                share_percent: options.share_percent.clamp(1, 100),
                reserve_percent: options.reserve_percent.min(90),
            },
            limit: Pool::Weight.limit(),
            minute: Minute::new(now),
            futures_data: Recent::new(Pool::FuturesData.window_ms()),
            funding: Recent::new(Pool::Funding.window_ms()),
            queues: Pool::ALL.map(|_| Queue::new()),
            overdue: [0; 3],
            rate_limits: Pool::ALL.map(|_| Brake::new(StopReason::RateLimit)),
            stops: [StopReason::Ban, StopReason::Firewall, StopReason::Region].map(Brake::new),
            counts: Counts::default(),
            moment: 0,
        }
    }

    /// Takes a place in the queue; `wake` goes to [`Ledger::advance`]'s caller when it is granted, and is dropped unused if
    /// the limit falls so far that it never can be.
    ///
    /// # Errors
    ///
    /// When it could never be granted, or too many wait.
    pub fn ask(&mut self, now: UnixMillis, ask: Ask, wake: W) -> Result<Ticket, AskError> {
        let ask = Ask { weight: if ask.pool == Pool::Weight { ask.weight } else { 1 }, ..ask };
        if ask.weight > self.ceiling(ask.pool, ask.priority) {
            return Err(AskError::TooHeavy { weight: ask.weight });
        }
        self.moment += 1;
        let ticket = Ticket { ask, number: self.moment };
        let waiting = Waiting { ticket: ticket.number, weight: ask.weight, since: now, wake };
        if self.queues[index(ask.pool)].push(ask.priority, waiting) {
            return Ok(ticket);
        }
        self.counts.refused += 1;
        Err(AskError::TooManyWaiting(ask.priority))
    }

    /// Leaves the queue; nothing happens to what was granted.
    pub fn withdraw(&mut self, ticket: Ticket) {
        let removed = self.queues[index(ticket.ask.pool)].remove(ticket.ask.priority, ticket.number);
        self.counts.withdrawn += u64::from(removed.is_some());
    }

    /// Grants whatever can be granted at `now`. A grant that `deliver` gives back was for somebody who is gone.
    pub fn advance(&mut self, now: UnixMillis, mut deliver: impl FnMut(W, Grant) -> Result<(), Grant>) {
        self.turn(now);
        for pool in Pool::ALL {
            while let Some((priority, is_overdue)) = self.turn_of(pool, now) {
                let Some(waiting) = self.queues[index(pool)].pop(priority) else { break };
                if is_overdue {
                    self.overdue[index(pool)] = self.overdue[index(pool)].saturating_add(waiting.weight);
                }
                let grant = self.grant(Ask { pool, priority, weight: waiting.weight });
                if let Err(grant) = deliver(waiting.wake, grant) {
                    self.give_back(grant);
                }
            }
        }
    }

    /// When to call [`Ledger::advance`] for those who wait for `pool`, if nothing else happens before.
    pub fn look_again(&self, now: UnixMillis, pool: Pool) -> UnixMillis {
        if let Some(until) = self.stopped_until(now, pool) {
            return until;
        }
        match pool {
            Pool::Weight if now < self.minute.opens() => self.minute.opens(),
            Pool::Weight => self.minute.next_opens(),
            Pool::FuturesData => self.futures_data.next_leaves().unwrap_or(now.plus(UnixMillis::SECOND)),
            Pool::Funding => self.funding.next_leaves().unwrap_or(now.plus(UnixMillis::SECOND)),
        }
    }

    /// Takes back what was granted and never sent.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is used once")]
    pub fn give_back(&mut self, grant: Grant) {
        self.counts.given_back += 1;
        match (grant.ask.pool, grant.taken) {
            (Pool::FuturesData, _) => self.futures_data.give_back(),
            (Pool::Funding, _) => self.funding.give_back(),
            (Pool::Weight, Some(taken)) => self.minute.give_back(taken),
            (Pool::Weight, None) => {}
        }
    }

    /// Says how a request ended: with what answer, or without one, when the venue may have counted it all the same. Gives the
    /// reason if the answer stops us.
    #[expect(clippy::needless_pass_by_value, reason = "a grant is used once")]
    pub fn end(&mut self, now: UnixMillis, grant: Grant, answer: Option<&Standing>) -> Option<StopReason> {
        self.turn(now);
        match (grant.ask.pool, grant.taken) {
            (Pool::FuturesData, _) => self.futures_data.end(now),
            (Pool::Funding, _) => self.funding.end(now),
            (Pool::Weight, Some(taken)) => {
                self.minute.end(now, taken, answer.and_then(|answer| answer.used_weight));
                if answer.is_some_and(|answer| answer.status == 200 && answer.used_weight.is_none()) {
                    self.minute.prove();
                }
            }
            (Pool::Weight, None) => {}
        }
        let answer = answer?;
        let reason = StopReason::of(answer)?;
        self.moment += 1;
        let moments = (grant.moment, self.moment);
        let pool = grant.ask.pool;
        let window_end = now.floor(pool.window_ms(), 0).plus(pool.window_ms());
        let general = self.stops.iter_mut().find(|brake| brake.reason() == reason);
        let brake = general.unwrap_or(&mut self.rate_limits[index(pool)]);
        let is_new = brake.press(now, answer, moments, window_end);
        self.counts.stops[reason.index()] += u64::from(is_new);
        is_new.then_some(reason)
    }

    /// The venue's limit of weight a minute, as its listing says. Those too heavy for it are turned away.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit.max(LIMIT_MIN);
        for pool in Pool::ALL {
            let ceilings = Priority::ALL.map(|priority| self.ceiling(pool, priority));
            self.queues[index(pool)].retain(|priority, weight| weight <= ceilings[priority.index()]);
        }
    }

    /// Until when the venue has banned us: to be kept across restarts, and given to [`Ledger::restore`].
    pub fn banned_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        self.stops.iter().find(|brake| brake.reason() == StopReason::Ban)?.until(now)
    }

    /// Takes over a ban that an earlier process was told of.
    pub fn restore(&mut self, now: UnixMillis, banned_until: UnixMillis) {
        let ban = self.stops.iter_mut().find(|brake| brake.reason() == StopReason::Ban);
        ban.into_iter().for_each(|ban| ban.restore(now, banned_until));
    }

    /// How it stands.
    pub fn snapshot(&mut self, now: UnixMillis) -> Snapshot {
        self.turn(now);
        let pools = Pool::ALL.map(|pool| PoolSnapshot {
            pool,
            used: self.used(pool),
            limit: self.limit(pool),
            allowed: self.allowed(pool),
            window_ms: pool.window_ms(),
            frozen_until: self.rate_limits[index(pool)].until(now),
            waiting: self.queues[index(pool)].counts(),
        });
        let brakes = self.rate_limits.iter().chain(&self.stops).filter(|brake| brake.reason() != StopReason::Ban);
        let frozen =
            brakes.filter_map(|brake| Some((brake.until(now)?, brake.reason()))).max_by_key(|(until, _)| *until);
        Snapshot {
            now,
            used: self.used(Pool::Weight),
            limit: self.limit,
            allowed: self.allowed(Pool::Weight),
            reserved: self.reserved(),
            frozen_until: frozen.map(|(until, _)| until),
            frozen_by: frozen.map(|(_, reason)| reason),
            banned_until: self.banned_until(now),
            waiting: Priority::ALL.map(|priority| pools.iter().map(|pool| pool.waiting[priority.index()]).sum()),
            pools,
            counts: self.counts,
        }
    }

    fn turn(&mut self, now: UnixMillis) {
        let before = self.minute.start();
        self.minute.turn(now);
        if self.minute.start() != before {
            self.overdue = [0; 3];
        }
        self.futures_data.turn(now);
        self.funding.turn(now);
    }

    /// Who is next, and whether for having waited too long; nobody while there is no room for whose turn it is.
    fn turn_of(&self, pool: Pool, now: UnixMillis) -> Option<(Priority, bool)> {
        let is_shut = pool == Pool::Weight && now < self.minute.opens();
        if is_shut || self.stopped_until(now, pool).is_some() {
            return None;
        }
        let queue = &self.queues[index(pool)];
        let overdue = queue.overdue(now).filter(|(priority, waiting)| {
            let spent = self.overdue[index(pool)].saturating_add(waiting.weight);
            spent <= self.overdue_max(pool) && self.fits(pool, *priority, waiting.weight)
        });
        if let Some((priority, _)) = overdue {
            return Some((priority, true));
        }
        let (priority, waiting) = queue.first()?;
        self.fits(pool, priority, waiting.weight).then_some((priority, false))
    }

    fn grant(&mut self, ask: Ask) -> Grant {
        self.moment += 1;
        self.counts.granted[ask.priority.index()] += 1;
        let taken = match ask.pool {
            Pool::Weight => {
                self.counts.weight[ask.priority.index()] += u64::from(ask.weight);
                Some(self.minute.take(ask.weight))
            }
            Pool::FuturesData => {
                self.futures_data.take();
                None
            }
            Pool::Funding => {
                self.funding.take();
                None
            }
        };
        Grant { ask, taken, moment: self.moment }
    }

    fn fits(&self, pool: Pool, priority: Priority, weight: u32) -> bool {
        let ceiling = self.ceiling(pool, priority);
        match pool {
            Pool::Weight => self.minute.fits(weight, ceiling),
            Pool::FuturesData | Pool::Funding => self.used(pool) < ceiling,
        }
    }

    fn stopped_until(&self, now: UnixMillis, pool: Pool) -> Option<UnixMillis> {
        let brakes = self.stops.iter().chain([&self.rate_limits[index(pool)]]);
        brakes.filter_map(|brake| brake.until(now)).max()
    }

    fn used(&self, pool: Pool) -> u32 {
        match pool {
            Pool::Weight => self.minute.used(),
            Pool::FuturesData => self.futures_data.used(),
            Pool::Funding => self.funding.used(),
        }
    }

    fn limit(&self, pool: Pool) -> u32 {
        if pool == Pool::Weight { self.limit } else { pool.limit() }
    }

    fn allowed(&self, pool: Pool) -> u32 {
        percent(self.limit(pool), self.options.share_percent)
    }

    fn reserved(&self) -> u32 {
        percent(self.allowed(Pool::Weight), self.options.reserve_percent)
    }

    /// What a window may be filled to by a request of this priority.
    fn ceiling(&self, pool: Pool, priority: Priority) -> u32 {
        let reserved = if pool == Pool::Weight && priority == Priority::Bulk { self.reserved() } else { 0 };
        self.allowed(pool) - reserved
    }

    /// What a minute gives to those overdue; one request at least.
    fn overdue_max(&self, pool: Pool) -> u32 {
        let minutes = u32::try_from(pool.window_ms() / UnixMillis::MINUTE).unwrap_or(1).max(1);
        (percent(self.allowed(pool), OVERDUE_PERCENT) / minutes).max(1)
    }
}

const fn index(pool: Pool) -> usize {
    match pool {
        Pool::Weight => 0,
        Pool::FuturesData => 1,
        Pool::Funding => 2,
    }
}

fn percent(of: u32, percent: u32) -> u32 {
    u32::try_from(u64::from(of) * u64::from(percent) / 100).unwrap_or(u32::MAX)
}
