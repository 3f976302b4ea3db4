//! What becomes of each day that is missing?

use crate::{
    exchange::binance::{
        AGG_TRADES_REACH_MS,
        archive::{Cadence, Dataset, Period},
    },
    history::download::Published,
    model::UnixMillis,
};
use std::collections::{BTreeMap, BTreeSet};

/// REST is not asked for what it will not reach any more by the time it is asked.
const REACH_SPARE_MS: i64 = 15 * UnixMillis::MINUTE;

/// A stretch of time, its end exclusive.
pub type Span = (UnixMillis, UnixMillis);

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Published files of days and months alike.
    pub published: &'a BTreeMap<Period, Published>,
    /// When the first file of all begins; nothing when there is none at all.
    pub begin: Option<UnixMillis>,
    /// Stretches of which nothing is missing.
    pub held: &'a [Span],
    /// By the venue's clock.
    pub now: UnixMillis,
}

/// What may be done about what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What is wanted.
    pub dataset: Dataset,
    /// For how long after it was due a file is looked for.
    pub awaited_ms: i64,
}

/// What is to be done about a range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Files to fetch, the newest first.
    pub files: Vec<Published>,
    /// What to ask REST for, the oldest first.
    pub rest: Vec<Span>,
    /// Files that are not there yet.
    pub awaited: Vec<Period>,
    /// Files that will not come any more: what they should hold is in no source.
    pub absent: Vec<Period>,
}

/// What a day needs.
enum Need {
    Nothing,
    Day(Published),
    Month(Published),
    /// Not in the archive.
    Unpublished,
}

/// Plans for what `[from, to)` lacks. Days before the first file of all are left out: the contract, or the dataset, did
/// not exist.
pub fn plan((from, to): Span, rules: &Rules, known: &Known<'_>) -> Plan {
    let Some(begin) = known.begin else { return unpublished((from, to), rules, known) };
    let cadences = rules.dataset.cadences();
    if !cadences.contains(&Cadence::Daily) {
        return months((from.max(begin), to), rules, known);
    }
    let mut plan = Plan::default();
    let mut taken: BTreeMap<Period, Published> = BTreeMap::new();
    for month in periods(Cadence::Monthly, (from.max(begin), to)) {
        let span = (from.max(begin).max(month.start()), to.min(month.end()));
        let missing: Vec<_> = periods(Cadence::Daily, span).filter(|day| !is_held(*day, known)).collect();
        let is_whole = span == (month.start(), month.end());
        let mostly = is_whole && 2 * missing.len() > periods(Cadence::Daily, span).count();
        for day in missing {
            match need(day, month, mostly, known) {
                Need::Nothing => {}
                Need::Day(file) | Need::Month(file) => {
                    taken.insert(file.place.period(), file);
                }
                Need::Unpublished => plan.without_file(day, (from, to), rules, known),
            }
        }
    }
    // A month that is fetched for one of its days brings the others.
    let months: BTreeSet<UnixMillis> =
        taken.keys().filter(|period| is_month(**period)).map(|month| month.start()).collect();
    let is_spare =
        |period: &Period| !is_month(*period) && months.contains(&Period::of(Cadence::Monthly, period.start()).start());
    taken.retain(|period, _| !is_spare(period));
    plan.files = taken.into_values().collect();
    plan.files.sort_by_key(|file| std::cmp::Reverse(file.place.period().end()));
    plan
}

fn is_month(period: Period) -> bool {
    period.cadence() == Cadence::Monthly
}

fn need(day: Period, month: Period, mostly: bool, known: &Known<'_>) -> Need {
    let file = |period: Period| known.published.get(&period).filter(|file| file.is_trusted(known.now)).cloned();
    if day.start() >= known.now {
        return Need::Nothing;
    }
    let (daily, monthly) = (file(day), file(month));
    match (daily, monthly) {
        (_, Some(monthly)) if mostly => Need::Month(monthly),
        (Some(daily), _) => Need::Day(daily),
        (None, Some(monthly)) => Need::Month(monthly),
        (None, None) => Need::Unpublished,
    }
}

/// Nothing is published at all: a contract of today, or of the days before.
fn unpublished(span: Span, rules: &Rules, known: &Known<'_>) -> Plan {
    let mut plan = Plan::default();
    let reach = known.now.plus(-AGG_TRADES_REACH_MS).floor(UnixMillis::DAY, 0);
    for day in periods(Cadence::Daily, (span.0.max(reach), span.1)).filter(|day| !is_held(*day, known)) {
        if rules.dataset.cadences().contains(&Cadence::Daily) && day.start() < known.now {
            plan.without_file(day, span, rules, known);
        }
    }
    plan
}

/// A dataset that has files of months alone.
fn months(span: Span, rules: &Rules, known: &Known<'_>) -> Plan {
    let mut plan = Plan::default();
    for month in periods(Cadence::Monthly, span).filter(|month| !is_held(*month, known) && month.start() < known.now) {
        match known.published.get(&month) {
            Some(file) => plan.files.push(file.clone()),
            None => plan.await_file(month, rules, known),
        }
    }
    plan.files.reverse();
    plan
}

impl Plan {
    /// A day whose file is not published.
    fn without_file(&mut self, day: Period, (from, to): Span, rules: &Rules, known: &Known<'_>) {
        let reached = known.now.plus(REACH_SPARE_MS - AGG_TRADES_REACH_MS);
        let span = (from.max(day.start()).max(reached), to.min(day.end()).min(known.now));
        let by_rest = rules.dataset == Dataset::AggTrades && span.0 < span.1;
        if by_rest {
            match self.rest.last_mut() {
                Some(last) if last.1 == span.0 => last.1 = span.1,
                _ => self.rest.push(span),
            }
        }
        let is_wholly_reached = by_rest && span.0 == from.max(day.start());
        if !is_wholly_reached {
            self.await_file(day, rules, known);
        }
    }

    fn await_file(&mut self, period: Period, rules: &Rules, known: &Known<'_>) {
        let is_given_up = known.now >= period.published_from().plus(rules.awaited_ms);
        if is_given_up { self.absent.push(period) } else { self.awaited.push(period) }
    }
}

/// The days or months that meet a span.
pub fn periods(cadence: Cadence, (from, to): Span) -> impl Iterator<Item = Period> {
    let first = (from < to).then(|| Period::of(cadence, from));
    std::iter::successors(first, |period| Some(period.next())).take_while(move |period| period.start() < to)
}

/// Whether one of the held stretches spans it.
fn is_held(period: Period, known: &Known<'_>) -> bool {
    known.held.iter().any(|(from, to)| *from <= period.start() && period.end() <= *to)
}
