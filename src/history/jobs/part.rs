//! How is one part of a job done?
//!
//! In rounds: each plans anew from what is held by then, and fetches files; once there are none to fetch, what is left is
//! asked of REST.

use crate::{
    history::{
        download::{GetError, Published},
        jobs::{
            file::{TakeError, Taken},
            held::Held,
            job::{Job, Part},
            pass::Pass,
            runner::{Failures, Runner, WorkError},
            series::Series,
            small::{batches, is_small},
            tail,
        },
        plan::{Span, Task, in_order},
    },
    model::UnixMillis,
    net::with_causes,
    store::seal::FillCounts,
};
use futures_util::{StreamExt as _, stream};
use std::{
    io,
    sync::atomic::{AtomicU64, Ordering},
};

/// Rounds of planning: the second fetches what stands in for files of the first that were of no use, the third asks the
/// other archive for what they stepped over, one more is for REST, and others for what is replaced meanwhile.
const ROUNDS_MAX: usize = 7;

/// Notes that a file did not come; it is an error when the store is what failed.
fn fail(file: &Published, error: TakeError, pass: &mut Pass, failures: &mut Failures) -> Result<(), WorkError> {
    let name = file.place.to_string();
    if matches!(error, TakeError::Fill(_) | TakeError::Io(_) | TakeError::Download(GetError::Staging(_))) {
        return Err(WorkError::Storing(name, error));
    }
    tracing::warn!(file = name, "a file cannot be fetched now: {}", with_causes(&error));
    pass.forget(file.place.period());
    failures.note_file(name, error);
    Ok(())
}

impl Runner {
    /// Does part `at` of a job: when it is worth looking again, and what did not come.
    ///
    /// # Errors
    ///
    /// When the store fails; other failures leave other parts alone.
    pub(super) async fn part(&self, job: &Job, at: usize) -> Result<(Option<UnixMillis>, Failures), WorkError> {
        let mut failures = Failures::default();
        let Some(part) = job.parts.get(at) else { return Ok((None, failures)) };
        let listing = |source| WorkError::Listing { symbol: part.symbol.clone(), source };
        let awaited_ms = i64::try_from(self.options.awaited.as_millis()).unwrap_or(i64::MAX);
        let pass = Pass::new(&self.taker.host, self.held(part)?, &job.want, awaited_ms).await;
        let mut pass = match pass.map_err(listing) {
            Ok(pass) => pass,
            Err(error) => {
                failures.note(error);
                return Ok((None, failures));
            }
        };
        for _ in 0..ROUNDS_MAX {
            let mut tasks = pass.tasks(self.now()).await?;
            if tasks.is_empty() {
                // What was replaced while it was read is seen now.
                match pass.look_after(&self.taker.host).await.map_err(listing) {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => failures.note(error),
                }
                break;
            }
            in_order(&mut tasks, self.now());
            self.announce((job.id, at), &tasks);
            // Before anything comes: after a crash the minutes are known to be due.
            self.file(job.id).await?;
            self.round((job.id, at), &mut pass, tasks, &mut failures).await?;
        }
        let look_again = pass.look_again(self.now());
        self.conclude((job.id, at), pass).await?;
        Ok((look_again, failures))
    }

    fn change_part(&self, (id, at): (u64, usize), change: impl FnOnce(&mut Part)) {
        self.jobs.change(id, |job| job.parts.get_mut(at).map(change));
    }

    pub(super) fn announce(&self, at: (u64, usize), tasks: &[Task]) {
        self.change_part(at, |part| {
            part.minutes_due |= matches!(part.series, Series::Trades | Series::RawTrades);
            for task in tasks {
                if let Task::File(file) = task {
                    part.files += 1;
                    part.bytes += file.bytes;
                }
            }
        });
    }

    /// Does everything of one round.
    async fn round(
        &self,
        at: (u64, usize),
        pass: &mut Pass,
        tasks: Vec<Task>,
        failures: &mut Failures,
    ) -> Result<(), WorkError> {
        let held = pass.held.clone();
        let (mut files, mut spans) = (Vec::new(), Vec::new());
        for task in tasks {
            match task {
                Task::File(file) => files.push((pass.is_again(&file), file)),
                Task::Rest(span) => spans.push(span),
            }
        }
        let contract = held.contract;
        if is_small(held.series) {
            files = self.take_small(at, pass, files).await?;
        }
        let taking = stream::iter(files)
            .map(|(again, file)| async move { (self.take(at.0, contract, (&file, again)).await, file) });
        let mut taking = std::pin::pin!(taking.buffer_unordered(self.options.downloads.max(1)));
        while let Some((taken, file)) = taking.next().await {
            match taken {
                Ok(taken) => {
                    self.change_part(at, |part| pass.note(&file, &taken, part));
                    self.file(at.0).await?;
                }
                Err(error) => fail(&file, error, pass, failures)?,
            }
        }
        if let Err(error) = self.ask(at, &held, &spans).await {
            failures.note(error);
        }
        Ok(())
    }

    /// Takes small files batch by batch; those that are left are to be taken one by one.
    async fn take_small(
        &self,
        at: (u64, usize),
        pass: &mut Pass,
        mut files: Vec<(bool, Published)>,
    ) -> Result<Vec<(bool, Published)>, WorkError> {
        let mut left = Vec::new();
        // A file that is read again is rare.
        left.extend(files.extract_if(.., |(again, _)| *again));
        files.sort_by_key(|(_, file)| (file.place.period().cadence(), file.place.period().start()));
        for batch in batches(files) {
            let places: Vec<Published> = batch.iter().map(|(_, file)| file.clone()).collect();
            let taken = self.taker.take_small(pass.held.contract, places, &self.downloading).await;
            let name = || batch.first().map(|(_, file)| file.place.to_string()).unwrap_or_default();
            let taken = taken.map_err(|error| WorkError::Storing(name(), error))?;
            left.extend(batch.into_iter().filter(|(_, file)| !taken.iter().any(|(own, _)| own == file)));
            for (file, taken) in taken {
                self.jobs.change(at.0, |job| job.bytes_arrived += file.bytes);
                self.change_part(at, |part| pass.note(&file, &taken, part));
            }
            self.file(at.0).await?;
        }
        Ok(left)
    }

    /// Asks REST for one stretch after another.
    pub(super) async fn ask(&self, at: (u64, usize), held: &Held, spans: &[Span]) -> Result<(), WorkError> {
        let mut first = Ok(());
        for span in spans {
            let stored = |counts: FillCounts| {
                self.change_part(at, |part| {
                    part.rest_rows += counts.new + counts.known + counts.conflicts;
                    part.rows_new += counts.new;
                    part.conflicts += counts.conflicts;
                });
            };
            let turn = self.asking.acquire().await;
            let fetched = tail::fetch(&self.source, &self.taker.filler, held, *span, &stored).await;
            drop(turn);
            if let Err(source) = fetched {
                tracing::warn!(symbol = %held.symbol, "REST did not give a stretch whole: {}", with_causes(&source));
                let error = WorkError::Rest { symbol: held.symbol.to_string(), source };
                first = first.and(Err(error));
            }
        }
        first
    }

    async fn take(&self, id: u64, contract: u32, file: (&Published, bool)) -> Result<Taken, TakeError> {
        let turn = self.downloading.acquire().await;
        let told = AtomicU64::new(0);
        let arrived = |bytes: u64| {
            // One download tells it, one piece after the other: `Relaxed` serves.
            let before = told.swap(bytes, Ordering::Relaxed);
            self.jobs.change(id, |job| job.bytes_arrived += bytes.saturating_sub(before));
        };
        let taken = self.taker.take(contract, file, &arrived).await;
        drop(turn);
        taken
    }

    async fn conclude(&self, (id, at): (u64, usize), pass: Pass) -> io::Result<()> {
        let (jobs, now) = (self.jobs.clone(), self.now());
        let concluding = tokio::task::spawn_blocking(move || {
            let stand = pass.stand(now);
            jobs.change(id, |job| job.parts.get_mut(at).map(|part| stand.tell(part)));
        });
        concluding.await.map_err(io::Error::other)
    }
}
