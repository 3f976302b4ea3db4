//! Does the budget keep to the venue's limit by the venue's own counting, in whatever order things happen?

use super::*;
use crate::{
    exchange::binance::{Pool, Standing},
    model::UnixMillis,
};
use proptest::prelude::*;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

/// 2026-11-20 10:00:00 UTC.
const START: i64 = 1_795_168_800_000;
const ALLOWED: u32 = 1_920;
const BULK_MAX: u32 = 1_536;

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(START + ms)
}

fn told(status: u16, used_weight: Option<u32>) -> Standing {
    Standing { status, used_weight, retry_after_ms: None, banned_until: None, date: None }
}

fn page(priority: Priority) -> Ask {
    Ask { pool: Pool::Weight, priority, weight: 20 }
}

fn granted(ledger: &mut Ledger<u32>, now: UnixMillis) -> Vec<(u32, Grant)> {
    let mut grants = Vec::new();
    ledger.advance(now, |who, grant| {
        grants.push((who, grant));
        Ok(())
    });
    grants
}

/// What becomes of one request.
#[derive(Clone, Debug)]
struct Plan {
    priority: Priority,
    weight: u32,
    up_ms: i64,
    down_ms: i64,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// The venue counts it, and no answer comes.
    Lost,
    /// The answer tells no count.
    Mute,
    /// It fails before the venue sees it.
    Unseen,
    /// Granted, and never sent.
    GivenBack,
    /// It leaves the queue after the next grant to another.
    Withdrawn,
}

/// The venue as it counts: by arrival, by its own clock's minutes.
#[derive(Default)]
struct Venue {
    ours: BTreeMap<i64, u32>,
    theirs: BTreeMap<i64, u32>,
}

impl Venue {
    fn total(&self, minute: i64) -> u32 {
        self.ours.get(&minute).unwrap_or(&0) + self.theirs.get(&minute).unwrap_or(&0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(usize),
    Ends(usize),
    Others,
}

/// A run of saturated demand: `plans` again and again, so many of bulk and of the others in the queue at any time.
struct Run {
    ledger: Ledger<u32>,
    venue: Venue,
    plans: Vec<Plan>,
    /// Our clock less the venue's.
    skew_ms: i64,
    events: BinaryHeap<Reverse<(i64, Event)>>,
    out: Vec<(Plan, Option<Grant>, Option<u32>)>,
    tickets: BTreeMap<u32, (Ticket, Plan)>,
    /// How many of them are bulk's.
    bulk: usize,
    next: u32,
}

impl Run {
    fn new(plans: Vec<Plan>, skew_ms: i64) -> Self {
        let ledger = Ledger::new(Options::default(), at(skew_ms));
        let (events, tickets) = (BinaryHeap::new(), BTreeMap::new());
        Self { ledger, venue: Venue::default(), plans, skew_ms, events, out: Vec::new(), tickets, bulk: 0, next: 0 }
    }

    /// Fills the queue up. Bulk must not keep others out of it, or the last part of a minute would never be spent.
    fn ask(&mut self, now_ms: i64, waiting: usize) {
        for _ in 0..self.plans.len() {
            if self.bulk >= waiting && self.tickets.len() - self.bulk >= waiting {
                return;
            }
            let plan = self.plans[self.next as usize % self.plans.len()].clone();
            let is_bulk = plan.priority == Priority::Bulk;
            let alike = if is_bulk { self.bulk } else { self.tickets.len() - self.bulk };
            if alike < waiting {
                let ask = Ask { pool: Pool::Weight, priority: plan.priority, weight: plan.weight };
                let ticket = self.ledger.ask(at(now_ms + self.skew_ms), ask, self.next).expect("room");
                self.tickets.insert(self.next, (ticket, plan));
                self.bulk += usize::from(is_bulk);
            }
            self.next += 1;
        }
    }

    fn leave(&mut self, who: u32) -> (Ticket, Plan) {
        let (ticket, plan) = self.tickets.remove(&who).expect("it waits, once");
        self.bulk -= usize::from(plan.priority == Priority::Bulk);
        (ticket, plan)
    }

    fn grant(&mut self, now_ms: i64) -> usize {
        let now = at(now_ms + self.skew_ms);
        let grants = granted(&mut self.ledger, now);
        let count = grants.len();
        for (who, grant) in grants {
            let (_, plan) = self.leave(who);
            if plan.fate == Fate::GivenBack {
                self.ledger.give_back(grant);
                continue;
            }
            let number = self.out.len();
            if plan.fate != Fate::Unseen {
                self.events.push(Reverse((now_ms + plan.up_ms, Event::Arrives(number))));
            }
            self.events.push(Reverse((now_ms + plan.up_ms + plan.down_ms, Event::Ends(number))));
            self.out.push((plan, Some(grant), None));
        }
        let leaving: Vec<u32> =
            self.tickets.iter().filter(|(_, (_, plan))| plan.fate == Fate::Withdrawn).map(|(who, _)| *who).collect();
        for who in leaving {
            let (ticket, _) = self.leave(who);
            self.ledger.withdraw(ticket);
        }
        count
    }

    fn happen(&mut self, now_ms: i64, event: Event, others: u32) {
        let minute = now_ms.div_euclid(60_000);
        match event {
            Event::Arrives(number) => {
                *self.venue.ours.entry(minute).or_default() += self.out[number].0.weight;
                self.out[number].2 = Some(self.venue.total(minute));
            }
            Event::Ends(number) => {
                let (plan, grant, used) = &mut self.out[number];
                let grant = grant.take().expect("it ends once");
                let answer = match plan.fate {
                    Fate::Lost | Fate::Unseen => None,
                    Fate::Mute => Some(told(503, None)),
                    _ => Some(told(200, *used)),
                };
                self.ledger.end(at(now_ms + self.skew_ms), grant, answer.as_ref());
            }
            Event::Others => {
                *self.venue.theirs.entry(minute).or_default() += others;
                self.events.push(Reverse((now_ms + 3_000, Event::Others)));
            }
        }
    }

    fn go(&mut self, until_ms: i64, waiting: usize, others: u32) {
        self.events.push(Reverse((0, Event::Others)));
        let mut now_ms = 0;
        while now_ms < until_ms {
            self.ask(now_ms, waiting);
            let granted = self.grant(now_ms);
            let now = at(now_ms + self.skew_ms);
            let look_ms = self.ledger.look_again(now, Pool::Weight).since(now).max(1);
            // Places that have become free are filled at once; and somebody may look before there is a reason to.
            let look_ms = if granted > 0 { 1 } else { look_ms.min(300) };
            let look_ms = now_ms + look_ms;
            match self.events.peek() {
                Some(Reverse((then_ms, event))) if *then_ms <= look_ms => {
                    let event = *event;
                    now_ms = *then_ms;
                    self.events.pop();
                    self.happen(now_ms, event, others);
                }
                _ => now_ms = look_ms,
            }
        }
    }
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![
        1 => Just(Priority::Listing),
        4 => Just(Priority::Repair),
        4 => Just(Priority::Seam),
        8 => Just(Priority::Bulk),
    ]
}

fn plan(harm: u32) -> impl Strategy<Value = Plan> {
    let fate = prop_oneof![
        20 => Just(Fate::Answered),
        harm => Just(Fate::Lost),
        harm => Just(Fate::Mute),
        harm => Just(Fate::Unseen),
        harm => Just(Fate::GivenBack),
        harm => Just(Fate::Withdrawn),
    ];
    let weight = prop_oneof![Just(1_u32), Just(5), Just(20), Just(40)];
    let way_ms = || prop_oneof![1_i64..100, 1_i64..1_500];
    (priority(), weight, way_ms(), way_ms(), fate).prop_map(|(priority, weight, up_ms, down_ms, fate)| {
        let down_ms = if fate == Fate::Lost { down_ms + 10_000 } else { down_ms };
        Plan { priority, weight, up_ms, down_ms, fate }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_venue_never_counts_more_than_we_allow_ourselves(
        plans in proptest::collection::vec(plan(2), 20..60),
        skew_ms in -999_i64..=999,
        waiting in 1_usize..80,
        others in 0_u32..=20,
    ) {
        let mut run = Run::new(plans, skew_ms);
        run.go(250_000, waiting, others);
        for (minute, ours) in &run.venue.ours {
            prop_assert!(*ours <= ALLOWED, "minute {minute}: {ours}");
            prop_assert!(run.venue.total(*minute) <= 2_400, "minute {minute}: {}", run.venue.total(*minute));
        }
    }

    #[test]
    fn a_saturated_budget_is_used_and_no_more(
        plans in proptest::collection::vec(plan(0), 20..60),
        skew_ms in -999_i64..=999,
        others in 0_u32..=20,
    ) {
        let mut run = Run::new(plans, skew_ms);
        run.go(250_000, 64, others);
        // Whatever waits first has at least what bulk may have.
        for minute in 1..4 {
            let total = run.venue.total(minute);
            prop_assert!(total >= ALLOWED * 75 / 100, "minute {minute}: {total}");
        }
        // Nothing fails here, so the count is exact, and a minute that is begun too early shows.
        for (minute, ours) in &run.venue.ours {
            prop_assert!(*ours <= ALLOWED, "minute {minute}: {ours}");
        }
    }
}

#[test]
fn bulk_leaves_a_fifth_to_the_others_and_never_more_is_spent() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    let mut count = |priority: Priority, asked: u32| {
        for who in 0..asked {
            ledger.ask(at(10_000), page(priority), who).expect("room");
        }
        let mut total = 0;
        let mut used = ledger.snapshot(at(10_000)).used;
        loop {
            let grants = granted(&mut ledger, at(10_000));
            if grants.is_empty() {
                return (total, ledger.snapshot(at(10_000)).used);
            }
            for (_, grant) in grants {
                total += 1;
                used += 20;
                ledger.end(at(10_000), grant, Some(&told(200, Some(used))));
            }
        }
    };
    assert_eq!(count(Priority::Bulk, 200), (76, 1_520), "1,536 are bulk's");
    assert_eq!(count(Priority::Repair, 10), (10, 1_720));
    assert_eq!(count(Priority::Seam, 100), (10, ALLOWED));
    assert_eq!(count(Priority::Listing, 1), (0, ALLOWED));
    let snapshot = ledger.snapshot(at(10_000));
    assert_eq!((snapshot.limit, snapshot.allowed, snapshot.reserved), (2_400, ALLOWED, ALLOWED - BULK_MAX));
    assert_eq!(snapshot.waiting, [1, 0, 90, 124]);
    assert_eq!(snapshot.counts.granted, [0, 10, 10, 76]);
    assert_eq!(snapshot.counts.weight, [0, 200, 200, 1_520]);
    assert_eq!(ledger.look_again(at(10_000), Pool::Weight), at(61_000));
}

#[test]
fn the_higher_priority_goes_first_and_the_first_come_within_it() {
    let mut ledger = Ledger::new(Options::default(), at(500));
    for (who, priority) in
        [Priority::Bulk, Priority::Seam, Priority::Repair, Priority::Bulk, Priority::Repair].into_iter().enumerate()
    {
        let ask = Ask { weight: 1, ..page(priority) };
        ledger.ask(at(500), ask, u32::try_from(who).expect("few")).expect("room");
    }
    assert!(granted(&mut ledger, at(999)).is_empty(), "the minute may not have begun at the venue");
    let order: Vec<u32> = granted(&mut ledger, at(1_000)).into_iter().map(|(who, _)| who).collect();
    assert_eq!(order, [2, 4, 1, 0, 3]);
}

#[test]
fn a_heavy_request_is_not_passed_by_light_ones_behind_it() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    ledger.ask(at(10_000), Ask { weight: 40, ..page(Priority::Repair) }, 0).expect("room");
    let first = granted(&mut ledger, at(10_000)).pop().expect("granted").1;
    ledger.end(at(10_000), first, Some(&told(200, Some(ALLOWED - 10))));
    ledger.ask(at(10_000), Ask { weight: 40, ..page(Priority::Repair) }, 1).expect("room");
    ledger.ask(at(10_000), Ask { weight: 1, ..page(Priority::Seam) }, 2).expect("room");
    assert!(granted(&mut ledger, at(10_000)).is_empty());
    ledger.ask(at(10_000), Ask { weight: 1, ..page(Priority::Listing) }, 3).expect("room");
    assert_eq!(granted(&mut ledger, at(10_000)).len(), 1, "the listing's turn is before");
    assert_eq!(granted(&mut ledger, at(61_000)).len(), 2);
}

#[test]
fn nobody_waits_for_good_behind_repairs() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    ledger.ask(at(10_000), page(Priority::Bulk), 7).expect("room");
    let mut waiting = 0;
    for second in 10..400 {
        let now = at(second * 1_000);
        while waiting < 500 {
            ledger.ask(now, page(Priority::Repair), 0).expect("room");
            waiting += 1;
        }
        loop {
            let grants = granted(&mut ledger, now);
            if grants.is_empty() {
                break;
            }
            for (who, grant) in grants {
                if who == 7 {
                    assert!(second >= 190, "not before its time: {second}");
                    let bulk_is_overdue_in_the_first_minute_after = second < 245;
                    assert!(bulk_is_overdue_in_the_first_minute_after, "{second}");
                    return;
                }
                waiting -= 1;
                let used = ledger.snapshot(now).used;
                ledger.end(now, grant, Some(&told(200, Some(used))));
            }
        }
    }
    panic!("it still waits");
}

#[test]
fn those_overdue_get_a_tenth_of_a_minute_and_no_more() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    for _ in 0..100 {
        ledger.ask(at(10_000), page(Priority::Bulk), 7).expect("room");
    }
    ledger.ask(at(10_000), Ask { weight: ALLOWED, ..page(Priority::Repair) }, 0).expect("room");
    ledger.ask(at(10_000), Ask { weight: ALLOWED - 400, ..page(Priority::Repair) }, 1).expect("room");
    let hog = granted(&mut ledger, at(10_000));
    assert_eq!(hog.len(), 1);
    // It is out for four minutes, so that nobody else can go.
    assert!(granted(&mut ledger, at(241_000)).is_empty());
    for (_, grant) in hog {
        ledger.end(at(241_000), grant, None);
    }
    assert!(granted(&mut ledger, at(241_000)).is_empty(), "it may be counted in this minute");
    let mut order = Vec::new();
    loop {
        let grants = granted(&mut ledger, at(301_000));
        if grants.is_empty() {
            break;
        }
        for (who, grant) in grants {
            order.push(who);
            let used = ledger.snapshot(at(301_000)).used;
            ledger.end(at(301_000), grant, Some(&told(200, Some(used))));
        }
    }
    assert_eq!((&order[..9], order[9]), (&[7; 9][..], 1), "192 are for those overdue, then the repair: {order:?}");
}

#[test]
fn a_header_that_says_more_than_we_know_stops_us() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    for who in 0..10 {
        ledger.ask(at(10_000), page(Priority::Repair), who).expect("room");
    }
    let mut grants = granted(&mut ledger, at(10_000));
    assert_eq!(grants.len(), 5, "no more before the first answer");
    ledger.end(at(10_100), grants.remove(0).1, Some(&told(200, Some(2_390))));
    assert!(granted(&mut ledger, at(10_100)).is_empty());
    assert_eq!(ledger.snapshot(at(10_100)).used, 2_390 + 80);
    for (_, grant) in grants {
        ledger.end(at(10_200), grant, Some(&told(200, Some(2_395))));
    }
    assert!(granted(&mut ledger, at(60_500)).is_empty());
    assert_eq!(granted(&mut ledger, at(61_000)).len(), 5);
}

/// One call of each pool, waiting.
fn ask_of_each_pool(ledger: &mut Ledger<u32>, now: UnixMillis) {
    for pool in Pool::ALL {
        ledger.ask(now, Ask { pool, priority: Priority::Repair, weight: 1 }, 0).expect("room");
    }
}

fn end_first(ledger: &mut Ledger<u32>, grants: &mut Vec<(u32, Grant)>, answer: Standing) -> Option<StopReason> {
    let (_, grant) = grants.remove(0);
    ledger.end(at(10_000), grant, Some(&answer))
}

#[test]
fn a_429_stops_its_pool_alone() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    ask_of_each_pool(&mut ledger, at(10_000));
    let mut grants = granted(&mut ledger, at(10_000));
    let refusal = Standing { retry_after_ms: Some(70_000), ..told(429, Some(2_401)) };
    assert_eq!(end_first(&mut ledger, &mut grants, refusal), Some(StopReason::RateLimit));
    ask_of_each_pool(&mut ledger, at(10_000));
    assert_eq!(granted(&mut ledger, at(10_000)).len(), 2, "the others go on");
    let snapshot = ledger.snapshot(at(20_000));
    assert_eq!((snapshot.frozen_until, snapshot.frozen_by), (Some(at(81_000)), Some(StopReason::RateLimit)));
    assert_eq!((snapshot.banned_until, snapshot.counts.stopped_by(StopReason::RateLimit)), (None, 1));
    assert!(granted(&mut ledger, at(80_999)).is_empty());
    assert_eq!(granted(&mut ledger, at(81_000)).len(), 1);
}

#[test]
fn a_418_stops_all_pools_until_its_time_and_in_the_next_process_too() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    ask_of_each_pool(&mut ledger, at(10_000));
    let mut grants = granted(&mut ledger, at(10_000));
    let until = at(10_000 + 3_600_000);
    let ban = Standing { banned_until: Some(until), retry_after_ms: Some(60_000), ..told(418, None) };
    assert_eq!(end_first(&mut ledger, &mut grants, ban), Some(StopReason::Ban));
    assert_eq!(end_first(&mut ledger, &mut grants, ban), None, "an echo");
    ask_of_each_pool(&mut ledger, at(10_000));
    for ms in (10_000..3_611_000).step_by(1_000) {
        assert!(granted(&mut ledger, at(ms)).is_empty(), "{ms}");
    }
    let banned_until = ledger.banned_until(at(20_000)).expect("banned");
    assert!(banned_until >= until && banned_until <= until.plus(2_000));
    assert_eq!(ledger.snapshot(at(20_000)).banned_until, Some(banned_until));
    assert_eq!(ledger.look_again(at(20_000), Pool::Funding), banned_until);
    assert_eq!(granted(&mut ledger, banned_until).len(), 3);
    assert_eq!(ledger.banned_until(banned_until), None);

    let mut heir = Ledger::new(Options::default(), at(20_000));
    heir.restore(at(20_000), banned_until);
    ask_of_each_pool(&mut heir, at(20_000));
    assert!(granted(&mut heir, banned_until.plus(-1)).is_empty());
    assert_eq!(granted(&mut heir, banned_until).len(), 3);
}

#[test]
fn each_pool_has_its_own_count_in_any_window() {
    for (pool, allowed) in [(Pool::FuturesData, 800_usize), (Pool::Funding, 400)] {
        let mut ledger = Ledger::new(Options::default(), at(0));
        let mut times = Vec::new();
        for second in 0..1_500 {
            let now = at(second * 1_000);
            while ledger.snapshot(now).waiting[1] < 10 {
                ledger.ask(now, Ask { pool, priority: Priority::Repair, weight: 99 }, 0).expect("room");
            }
            for (_, grant) in granted(&mut ledger, now) {
                times.push(second);
                ledger.end(now, grant, Some(&told(200, None)));
            }
            assert_eq!(ledger.snapshot(now).used, 0, "request weight is another count");
        }
        let busiest = times.iter().map(|from| times.iter().filter(|at| (0..300).contains(&(*at - from))).count()).max();
        assert_eq!(busiest, Some(allowed), "{pool:?}");
        assert!(times.len() > 4 * allowed, "{}", times.len());
    }
}

#[test]
fn what_can_never_be_granted_may_not_wait() {
    let mut ledger = Ledger::new(Options::default(), at(10_000));
    let heavy = Ask { weight: BULK_MAX + 1, ..page(Priority::Bulk) };
    assert_eq!(ledger.ask(at(10_000), heavy, 0), Err(AskError::TooHeavy { weight: BULK_MAX + 1 }));
    ledger.ask(at(10_000), Ask { weight: 100, ..page(Priority::Repair) }, 1).expect("room");
    ledger.ask(at(10_000), page(Priority::Repair), 2).expect("room");
    ledger.set_limit(0);
    assert_eq!(ledger.snapshot(at(10_000)).limit, 100);
    let grants = granted(&mut ledger, at(10_000));
    assert_eq!(grants.iter().map(|(who, _)| *who).collect::<Vec<_>>(), [2]);
    for who in 0..WAITING_MAX {
        ledger.ask(at(10_000), page(Priority::Seam), u32::try_from(who).expect("few")).expect("room");
    }
    let full = Err(AskError::TooManyWaiting(Priority::Seam));
    assert_eq!(ledger.ask(at(10_000), page(Priority::Seam), 0), full);
    assert!(ledger.ask(at(10_000), page(Priority::Repair), 0).is_ok(), "others have queues of their own");
    assert_eq!(ledger.snapshot(at(10_000)).counts.refused, 1);
}
