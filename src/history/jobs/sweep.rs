//! Who asks the archive for holes, without being told?
//!
//! At the start, and again and again, every contract's coverage is looked through, footers first. For what lies in days whose
//! files are due a job is filed. What live sources still have is fetched by the seam. Files that were read are looked at
//! again, too: see [`Recheck`].

use crate::{
    history::{
        budget::Budget,
        jobs::{board::Jobs, check::SYMBOLS_MAX, held::take_back, job::Want, recheck::Recheck, series::Series},
    },
    market::{Contracts, TapeKind},
    model::{IdRange, UnixMillis},
    store::{
        Holding,
        coverage::{HoleState, Reach},
    },
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Every contract is looked at this often.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// Holes that a job could not fill are asked for again after this time.
const AGAIN_AFTER: Duration = Duration::from_hours(24);
/// Files of a day are due this long after its end.
const DUE_MS: i64 = 9 * UnixMillis::HOUR;
const ALL: IdRange = IdRange { first: 0, last: u64::MAX };

/// See the module's documentation.
#[derive(Clone, Debug)]
pub struct Sweep {
    contracts: Arc<Contracts>,
    jobs: Jobs,
    budget: Budget,
    /// Holes of a longer time are left alone: somebody may have wanted no more than what lies on both sides.
    span_ms_max: i64,
    /// What was asked for last: by contract its holes, and when.
    asked: BTreeMap<String, (Vec<IdRange>, Instant)>,
    recheck: Recheck,
}

/// The holes of a contract that the archive should have, and the time that they span.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lacking {
    holes: Vec<IdRange>,
    span: (UnixMillis, UnixMillis),
}

/// A contract and its holes.
type Asked = (String, Vec<IdRange>);

impl Sweep {
    /// A sweep over the tapes of `contracts`, for holes that span no more than `span_max`, and over the files that `recheck`
    /// remembers.
    pub fn new(contracts: Arc<Contracts>, recheck: Recheck, budget: Budget, span_max: Duration) -> Self {
        let span_ms_max = i64::try_from(span_max.as_millis()).unwrap_or(i64::MAX);
        Self { contracts, jobs: recheck.jobs.clone(), budget, span_ms_max, asked: BTreeMap::new(), recheck }
    }

    /// Sweeps for ever.
    pub async fn run(mut self) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.look().await;
        }
    }

    /// Looks at every contract once, and files jobs for those that lack something new; then at the files that are due.
    pub async fn look(&mut self) {
        let mut wanted: BTreeMap<_, Vec<Asked>> = BTreeMap::new();
        for contract in self.contracts.iter() {
            let Some(holding) = contract.holding.get().cloned() else { continue };
            let (now, kind, span_ms_max) = (self.budget.now(), contract.kind, self.span_ms_max);
            let looking = tokio::task::spawn_blocking(move || {
                take_back(&holding);
                lacking(&holding, kind, now, span_ms_max)
            });
            // A look that panics is one that found nothing.
            let Some(lacking) = looking.await.ok().flatten() else { continue };
            let symbol = contract.symbol.to_string();
            let known = self.asked.get(&symbol);
            if known.is_none_or(|(holes, at)| *holes != lacking.holes || at.elapsed() >= AGAIN_AFTER) {
                wanted.entry((series_of(contract.kind), lacking.span)).or_default().push((symbol, lacking.holes));
            }
        }
        for ((series, span), contracts) in wanted {
            self.ask(series, span, contracts).await;
        }
        self.recheck.look(self.budget.now()).await;
    }

    /// Files one job for all contracts that lack something of the same days, as after an outage of ours.
    async fn ask(&mut self, series: Series, (from, to): (UnixMillis, UnixMillis), contracts: Vec<Asked>) {
        for contracts in contracts.chunks(SYMBOLS_MAX) {
            let symbols = contracts.iter().map(|(symbol, _)| symbol.clone()).collect();
            let want = Want { symbols, series: vec![series], from: from.get(), to: to.get(), replaced_only: false };
            if self.jobs.ask_for(want).await {
                let asked = contracts.iter().map(|(symbol, holes)| (symbol.clone(), (holes.clone(), Instant::now())));
                self.asked.extend(asked);
            }
        }
    }
}

const fn series_of(kind: TapeKind) -> Series {
    match kind {
        TapeKind::Aggregate => Series::Trades,
        TapeKind::Raw => Series::RawTrades,
    }
}

/// What a contract lacks that lies in days whose files are due at `now`, in holes that span no more than `span_ms_max`. Blocks
/// on the disk.
fn lacking(holding: &Holding, kind: TapeKind, now: UnixMillis, span_ms_max: i64) -> Option<Lacking> {
    // Whatever live sources have, too, may come from wherever it comes first.
    let reach = Reach { now, back_ms: None };
    let due = now.plus(-DUE_MS).floor(UnixMillis::DAY, 0);
    let coverage = holding.coverage(ALL, &[], reach);
    let is_open = |state| !matches!(state, HoleState::ConfirmedAbsent(_));
    let open = coverage.holes.iter().filter(|hole| is_open(hole.state));
    let due = open.filter(|hole| hole.times.1.is_some_and(|after| after < due) && is_worth_it(kind, hole.ids));
    let (mut holes, mut span) = (Vec::new(), None::<(UnixMillis, UnixMillis)>);
    for hole in due {
        let (Some(after), Some(before)) = hole.times else { continue };
        if before.since(after) > span_ms_max {
            continue;
        }
        let days = (after.floor(UnixMillis::DAY, 0), before.floor(UnixMillis::DAY, 0).plus(UnixMillis::DAY));
        span = Some(span.map_or(days, |(from, to)| (from.min(days.0), to.max(days.1))));
        holes.push(hole.ids);
    }
    span.map(|span| Lacking { holes, span })
}

/// Of a raw tape it is not known which ids were burnt; they come one by one, so a jump is no hole unless it is wide.
fn is_worth_it(kind: TapeKind, ids: IdRange) -> bool {
    kind == TapeKind::Aggregate || ids.count() > 64
}
