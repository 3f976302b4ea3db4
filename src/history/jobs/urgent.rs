//! What do all open jobs want of REST, and which of it will the venue forget first?
//!
//! REST reaches two days back. A job that waits for another's files may lose what it wants of them meanwhile, so REST goes
//! ahead of the files: of all open jobs, the part whose range begins closest to where the reach ends is asked for first. What
//! it brings is held when the job's turn comes, and is not planned for again.

use crate::{
    exchange::binance::AGG_TRADES_REACH_MS,
    history::jobs::{
        job::{Job, Want},
        pass::Pass,
        runner::{LOOK_EVERY, Runner, WorkError},
        series::Series,
    },
    model::UnixMillis,
    net::with_causes,
};
use std::collections::BTreeSet;

/// A part of a job.
type PartId = (u64, usize);

impl Runner {
    /// Asks REST for what open jobs want, each part once a turn of its job, for ever; for those of one job alone when it is named.
    pub(super) async fn ask_ahead(&self, only: Option<u64>) {
        let mut asked: BTreeSet<PartId> = BTreeSet::new();
        loop {
            let now = self.now();
            let mut open = self.jobs.due(now);
            open.retain(|job| only.is_none_or(|id| id == job.id));
            asked.retain(|(id, _)| open.iter().any(|job| job.id == *id));
            let Some((job, at)) = most_urgent(&open, &asked, now) else {
                tokio::select! {
                    () = self.jobs.submitted() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
                continue;
            };
            asked.insert((job.id, at));
            if let Err(error) = self.ask_part(job, at, now).await {
                // The job asks once more itself, and says so if that fails.
                tracing::info!(
                    id = job.id,
                    "REST did not give what a job wants ahead of its turn: {}",
                    with_causes(&error)
                );
            }
        }
    }

    /// Asks for what a part wants of the time that REST reaches, as far as no file has it.
    async fn ask_part(&self, job: &Job, at: usize, now: UnixMillis) -> Result<(), WorkError> {
        let Some(part) = job.parts.get(at) else { return Ok(()) };
        let from = job.want.from.max(reach(now).floor(UnixMillis::DAY, 0).get());
        let want = Want { from, ..job.want.clone() };
        let held = self.held(part)?;
        let pass = Pass::new(&self.taker.host, held.clone(), &want, 0).await;
        let mut pass = pass.map_err(|source| WorkError::Listing { symbol: part.symbol.clone(), source })?;
        let tasks = pass.rest(now).await?;
        if tasks.is_empty() {
            return Ok(());
        }
        self.announce((job.id, at), &[]);
        self.file(job.id).await?;
        let fetched = tokio::select! {
            () = self.jobs.called_off(job.id) => Ok(()),
            fetched = self.ask((job.id, at), &held, &tasks) => fetched,
        };
        // Of a job that is called off before its turn nobody else would.
        self.follow_one(held, want.span()).await?;
        fetched
    }
}

/// The first moment that REST reaches.
fn reach(now: UnixMillis) -> UnixMillis {
    now.plus(-AGG_TRADES_REACH_MS)
}

/// The part that was not asked for yet and whose range begins closest to the end of the reach; of equals the older job's.
fn most_urgent<'a>(open: &'a [Job], asked: &BTreeSet<PartId>, now: UnixMillis) -> Option<(&'a Job, usize)> {
    let is_reached = |job: &&Job| !job.want.replaced_only && job.want.to > reach(now).get();
    let mut jobs: Vec<&Job> = open.iter().filter(is_reached).collect();
    jobs.sort_by_key(|job| (job.want.from.max(reach(now).get()), job.id));
    jobs.into_iter().find_map(|job| {
        let mut parts = job.parts.iter().enumerate().filter(|(_, part)| part.series == Series::Trades);
        parts.find(|(at, _)| !asked.contains(&(job.id, *at))).map(|(at, _)| (job, at))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_forgotten_first_is_asked_for_first() {
        let now = UnixMillis::new(100 * UnixMillis::DAY);
        let hours = |hours: i64| now.get() - hours * UnixMillis::HOUR;
        let job = |id, from, to, series: &[Series]| {
            let symbols = vec!["A".to_owned(), "B".to_owned()];
            Job::new(id, Want { symbols, series: series.to_vec(), from, to, replaced_only: false }, now)
        };
        let trades = [Series::Candles, Series::Trades];
        let open = [
            job(1, hours(900), hours(60), &trades),
            job(2, hours(10), hours(0), &trades),
            job(3, hours(47), hours(0), &trades),
            job(4, hours(900), hours(0), &[Series::RawTrades]),
            job(5, hours(900), hours(0), &trades),
        ];
        let (mut asked, mut order) = (BTreeSet::new(), Vec::new());
        while let Some((job, at)) = most_urgent(&open, &asked, now) {
            asked.insert((job.id, at));
            order.push((job.id, at));
        }
        assert_eq!(order, [(5, 1), (5, 3), (3, 1), (3, 3), (2, 1), (2, 3)]);
    }
}
