//! Who does the jobs, in which order, and how many downloads at once?
//!
//! One job at a time, the oldest first. Its downloads run side by side, one file is read at a time, and REST goes along
//! within its budget.

use crate::{
    clock::Clock,
    history::{
        archive::Limits,
        download::{Host, Published},
        jobs::{
            board::Jobs,
            file::{TakeError, Taken, Taker},
            held::Held,
            job::{Job, State},
            minutes,
            pass::Pass,
            series::Series,
            tail::{self, TailError},
        },
        plan::{Span, Task, in_order},
        rest::Source,
    },
    model::{IdRange, Symbol, UnixMillis},
    net::with_causes,
    store::{desk::Desk, library::Library, seal::Filler},
};
use futures_util::{StreamExt as _, stream};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Semaphore, mpsc};

/// Rounds of planning: the second fetches what stands in for files of the first that were of no use, the third asks the
/// other archive for what they stepped over.
const ROUNDS_MAX: usize = 4;
/// A job that failed in a way that may pass is tried again after this time.
const AGAIN_MS: i64 = 15 * UnixMillis::MINUTE;
/// Minutes that live folds may hold are younger than this, as [`Adopting`](crate::history::adopting::Adopting) takes it.
pub(in crate::history) const RECENT_MS: i64 = 25 * UnixMillis::HOUR;
/// How often the queue is looked at without news.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// How jobs are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Downloads at once.
    pub downloads: usize,
    /// For how long after it was due a file is looked for.
    pub awaited: Duration,
    /// What a file may cost.
    pub limits: Limits,
}

/// Does jobs.
#[derive(Clone)]
pub struct Runner {
    jobs: Jobs,
    desk: Desk,
    source: Source,
    taker: Taker,
    arrivals: Option<mpsc::Sender<Arrival>>,
    options: Options,
    clock: Clock,
}

/// Trades that a job brought into the store; readers find them there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Whose.
    pub symbol: Symbol,
    /// Aggregate trades or raw ones.
    pub series: Series,
    /// Among these ids; holes may be among them yet.
    pub ids: IdRange,
}

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
enum WorkError {
    #[error("the store does not know {0}")]
    UnknownContract(String),
    #[error("what the archive has of {symbol} is not known")]
    Listing { symbol: String, source: crate::history::download::GetError },
    #[error("{count} of its files could not be fetched, the first of them {name}")]
    Files { count: usize, name: String, source: TakeError },
    #[error("{0} could not be stored")]
    Storing(String, #[source] TakeError),
    #[error("REST did not give {symbol} whole")]
    Rest { symbol: String, source: TailError },
    #[error("the store cannot be read")]
    Io(#[from] io::Error),
}

impl WorkError {
    /// Whether another attempt may do better: a disk that is full or fails may be well again, too.
    const fn may_pass(&self) -> bool {
        !matches!(self, Self::UnknownContract(_))
    }
}

/// Minutes before it are in no live fold.
fn recent(now: UnixMillis) -> UnixMillis {
    now.plus(-RECENT_MS)
}

impl Runner {
    /// A runner that does `jobs`: files come from `host` and trades of the last days from `source`, rows go to `filler`.
    pub fn new(
        jobs: Jobs,
        (host, source): (Arc<Host>, Source),
        (library, desk, filler): (Arc<Library>, Desk, Filler),
        options: Options,
        clock: Clock,
    ) -> Self {
        let reading = Arc::new(Semaphore::new(1));
        let budget = source.budget.clone();
        let taker = Taker { host, filler, library, reading, limits: options.limits, budget };
        Self { jobs, desk, source, taker, arrivals: None, options, clock }
    }

    /// Tells `arrivals` of trades that come.
    #[must_use]
    pub fn telling(self, arrivals: mpsc::Sender<Arrival>) -> Self {
        Self { arrivals: Some(arrivals), ..self }
    }

    /// Does jobs for ever.
    pub async fn run(self) {
        loop {
            match self.jobs.next(self.now()) {
                Ok(job) => {
                    let outcome = self.work(job.id).await;
                    self.end(job.id, outcome, true).await;
                }
                Err(_) => {
                    tokio::select! {
                        () = self.jobs.news() => {}
                        () = tokio::time::sleep(LOOK_EVERY) => {}
                    }
                }
            }
        }
    }

    /// Does one job, and says how it ended; it does not wait for files that are not published yet. Dropped, it leaves what
    /// was verified, and the job to be gone on with.
    pub async fn finish(&self, id: u64) -> Option<Job> {
        let outcome = self.work(id).await.map(|_| None);
        self.end(id, outcome, false).await;
        self.jobs.get(id)
    }

    /// By the venue's clock.
    fn now(&self) -> UnixMillis {
        self.source.budget.now()
    }

    /// Works until the job is over, or is called off. When it is worth looking again.
    async fn work(&self, id: u64) -> Result<Option<UnixMillis>, WorkError> {
        let now = self.clock.wall().get();
        let begin = |job: &mut Job| {
            if job.state != State::Queued {
                return;
            }
            (job.state, job.started, job.resumes, job.error) = (State::Running, Some(now), None, None);
            job.bytes_arrived = 0;
            for part in &mut job.parts {
                (part.files, part.bytes) = (part.files_done, part.bytes_done);
            }
        };
        // It may have been called off a moment ago.
        let Some(job) = self.jobs.change(id, begin).filter(|job| job.state == State::Running) else { return Ok(None) };
        self.file(id).await?;
        tracing::info!(
            id,
            symbols = job.want.symbols.len(),
            from = job.want.from,
            to = job.want.to,
            "a back-fill begins"
        );
        let done = tokio::select! {
            () = self.jobs.called_off(id) => Ok(None),
            done = self.rounds(&job) => done,
        };
        // However it ended: what came is there.
        self.follow(id).await?;
        done
    }

    /// Files how it ended, unless it was called off. Of one that is not finished at once, what failed and may pass is tried
    /// again like files that are not published yet.
    async fn end(&self, id: u64, outcome: Result<Option<UnixMillis>, WorkError>, goes_on: bool) {
        let (now, ended) = (self.now(), self.clock.wall());
        let awaited_ms = i64::try_from(self.options.awaited.as_millis()).unwrap_or(i64::MAX);
        // Whoever waits for the end is not kept waiting.
        let awaited_ms = if goes_on { awaited_ms } else { 0 };
        let ended = self.jobs.change(id, |job| close(job, &outcome, (now, ended), awaited_ms));
        let filed = self.file(id).await;
        filed.unwrap_or_else(|error| tracing::error!(id, "how a job ended cannot be filed: {error}"));
        ended.iter().for_each(tell);
    }

    async fn rounds(&self, job: &Job) -> Result<Option<UnixMillis>, WorkError> {
        let mut passes = self.passes(job).await?;
        let mut failures = Failures::default();
        for _ in 0..ROUNDS_MAX {
            let mut tasks = Vec::new();
            for (at, pass) in passes.iter_mut().enumerate() {
                tasks.extend(pass.tasks(self.now()).await?.into_iter().map(|task| (at, task)));
            }
            if tasks.is_empty() {
                break;
            }
            in_order(&mut tasks, self.now());
            self.announce(job.id, &tasks);
            // Before anything comes: after a crash the minutes are known to be due.
            self.file(job.id).await?;
            self.round(job.id, &mut passes, tasks, &mut failures).await?;
        }
        let look_again = passes.iter().filter_map(|pass| pass.look_again(self.now())).min();
        self.conclude(job.id, passes).await?;
        failures.told().map_or(Ok(look_again), Err)
    }

    /// Lets the minutes follow the trades that came, and tells of them: of every part that may have brought some, now or
    /// before the process ended last.
    async fn follow(&self, id: u64) -> Result<(), WorkError> {
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        // A file that is being read when a job is called off may come all the same.
        let quiet = self.taker.reading.acquire().await;
        drop(quiet);
        for (at, part) in job.parts.iter().enumerate().filter(|(_, part)| part.minutes_due) {
            let symbol = Symbol::new(&part.symbol).ok();
            let held = symbol.and_then(|symbol| Held::of(&self.taker.library, &self.desk, &symbol, part.series));
            if let Some(held) = held {
                self.follow_one(held, job.span()).await?;
            }
            self.jobs.change(id, |job| job.parts.get_mut(at).into_iter().for_each(|part| part.minutes_due = false));
            self.file(id).await?;
        }
        Ok(())
    }

    async fn follow_one(&self, held: Held, span: Span) -> Result<(), WorkError> {
        let (looked_at, newest) = (held.clone(), self.now());
        let looking = move || {
            (minutes::ids_of(&looked_at, span), minutes::ids_of(&looked_at, (span.0, span.1.min(recent(newest)))))
        };
        let (ids, older) = tokio::task::spawn_blocking(looking).await.map_err(io::Error::other)?;
        let Some(ids) = ids else { return Ok(()) };
        // Beside a live tape, the minutes that its folds may hold are theirs to correct.
        let own = if self.arrivals.is_some() { older } else { Some(ids) };
        if let Some(own) = own {
            let followed = minutes::follow(&self.taker.filler, &held, own).await;
            followed.map_err(|error| WorkError::Storing(format!("minutes of {}", held.symbol), error))?;
        }
        if let Some(arrivals) = &self.arrivals {
            // Nobody listens any more only while everything ends.
            arrivals.send(Arrival { symbol: held.symbol, series: held.series, ids }).await.unwrap_or_default();
        }
        Ok(())
    }

    async fn passes(&self, job: &Job) -> Result<Vec<Pass>, WorkError> {
        let awaited_ms = i64::try_from(self.options.awaited.as_millis()).unwrap_or(i64::MAX);
        let mut passes = Vec::with_capacity(job.parts.len());
        for part in &job.parts {
            let symbol = Symbol::new(&part.symbol).ok();
            let held = symbol.and_then(|symbol| Held::of(&self.taker.library, &self.desk, &symbol, part.series));
            let held = held.ok_or_else(|| WorkError::UnknownContract(part.symbol.clone()))?;
            let pass = Pass::new(&self.taker.host, held, job.span(), awaited_ms).await;
            passes.push(pass.map_err(|source| WorkError::Listing { symbol: part.symbol.clone(), source })?);
        }
        Ok(passes)
    }

    fn announce(&self, id: u64, tasks: &[(usize, Task)]) {
        self.jobs.change(id, |job| {
            for (at, task) in tasks {
                let Some(part) = job.parts.get_mut(*at) else { continue };
                part.minutes_due |= matches!(part.series, Series::Trades | Series::RawTrades);
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
        id: u64,
        passes: &mut [Pass],
        tasks: Vec<(usize, Task)>,
        failures: &mut Failures,
    ) -> Result<(), WorkError> {
        let held: Vec<Held> = passes.iter().map(|pass| pass.held.clone()).collect();
        let (mut files, mut spans) = (Vec::new(), Vec::new());
        for (at, task) in tasks {
            match task {
                Task::File(file) => {
                    let again = passes.get(at).is_some_and(|pass| pass.is_again(&file));
                    files.push((at, file, again));
                }
                Task::Rest(span) => spans.push((at, span)),
            }
        }
        let by_rest = self.ask(id, &held, spans);
        let contracts: Vec<u32> = held.iter().map(|held| held.contract).collect();
        let taking = stream::iter(files).map(|(at, file, again)| {
            let contract = contracts.get(at).copied().unwrap_or_default();
            async move { (at, self.take(id, contract, (&file, again)).await, file) }
        });
        let mut taking = std::pin::pin!(taking.buffer_unordered(self.options.downloads.max(1)));
        let by_archive = async {
            while let Some((at, taken, file)) = taking.next().await {
                let Some(pass) = passes.get_mut(at) else { continue };
                match taken {
                    Ok(taken) => {
                        self.jobs.change(id, |job| {
                            job.parts.get_mut(at).into_iter().for_each(|part| pass.note(&file, &taken, part));
                        });
                        self.file(id).await?;
                    }
                    Err(error @ (TakeError::Fill(_) | TakeError::Io(_))) => {
                        return Err(WorkError::Storing(file.place.to_string(), error));
                    }
                    Err(error) => {
                        tracing::warn!(file = %file.place, "a file cannot be fetched now: {}", with_causes(&error));
                        pass.forget(file.place.period());
                        failures.note(file.place.to_string(), error);
                    }
                }
            }
            Ok(())
        };
        let (asked, fetched) = tokio::join!(by_rest, by_archive);
        fetched?;
        if let Err(error) = asked {
            failures.rest.get_or_insert(error);
        }
        Ok(())
    }

    /// Asks REST for one stretch after another.
    async fn ask(&self, id: u64, held: &[Held], spans: Vec<(usize, Span)>) -> Result<(), WorkError> {
        let mut first = Ok(());
        for (at, span) in spans {
            let Some(held) = held.get(at) else { continue };
            let stored = |counts: crate::store::seal::FillCounts| {
                self.jobs.change(id, |job| {
                    if let Some(part) = job.parts.get_mut(at) {
                        part.rest_rows += counts.new + counts.known + counts.conflicts;
                        part.rows_new += counts.new;
                        part.conflicts += counts.conflicts;
                    }
                });
            };
            let fetched = tail::fetch(&self.source, &self.taker.filler, held, span, &stored).await;
            if let Err(source) = fetched {
                tracing::warn!(symbol = %held.symbol, "REST did not give a stretch whole: {}", with_causes(&source));
                let error = WorkError::Rest { symbol: held.symbol.to_string(), source };
                first = first.and(Err(error));
            }
        }
        first
    }

    async fn take(&self, id: u64, contract: u32, (file, again): (&Published, bool)) -> Result<Taken, TakeError> {
        let told = AtomicU64::new(0);
        let arrived = |bytes: u64| {
            // One download tells it, one piece after the other: `Relaxed` serves.
            let before = told.swap(bytes, Ordering::Relaxed);
            self.jobs.change(id, |job| job.bytes_arrived += bytes.saturating_sub(before));
        };
        self.taker.take(contract, (&file.place, again), &arrived).await
    }

    async fn conclude(&self, id: u64, passes: Vec<Pass>) -> io::Result<()> {
        let (jobs, now) = (self.jobs.clone(), self.now());
        let concluding = tokio::task::spawn_blocking(move || {
            let Some(mut job) = jobs.get(id) else { return };
            for (pass, part) in passes.iter().zip(&mut job.parts) {
                pass.conclude(now, part);
            }
            jobs.change(id, |current| current.parts = job.parts);
        });
        concluding.await.map_err(io::Error::other)
    }

    /// Files a job as it is.
    async fn file(&self, id: u64) -> io::Result<()> {
        let jobs = self.jobs.clone();
        tokio::task::spawn_blocking(move || jobs.file(id)).await.map_err(io::Error::other)?
    }
}

fn tell(job: &Job) {
    tracing::info!(id = job.id, state = job.state.as_str(), error = job.error, "a back-fill ends");
}

/// Notes how a job ended, unless it was called off. One that awaits files, or failed in a way that may pass, looks again, for a
/// time. When it is looked at again is by the venue's clock, `now`, as [`Jobs::next`] has it; `ended` is what is told.
fn close(
    job: &mut Job,
    outcome: &Result<Option<UnixMillis>, WorkError>,
    (now, ended): (UnixMillis, UnixMillis),
    awaited_ms: i64,
) {
    if job.state != State::Running {
        return;
    }
    let is_patient = now.get() < job.created.saturating_add(awaited_ms);
    match outcome {
        Ok(Some(resumes)) if is_patient => (job.state, job.resumes) = (State::Queued, Some(resumes.get())),
        Ok(_) => (job.state, job.ended) = (State::Done, Some(ended.get())),
        Err(error) if is_patient && error.may_pass() => {
            (job.state, job.resumes) = (State::Queued, Some(now.plus(AGAIN_MS).get()));
            job.error = Some(with_causes(error));
        }
        Err(error) => {
            (job.state, job.ended) = (State::Failed, Some(ended.get()));
            job.error = Some(with_causes(error));
        }
    }
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What did not come, though other files went on.
#[derive(Default)]
struct Failures {
    files: usize,
    first: Option<(String, TakeError)>,
    rest: Option<WorkError>,
}

impl Failures {
    fn note(&mut self, name: String, error: TakeError) {
        self.files += 1;
        self.first.get_or_insert((name, error));
    }

    /// The error that they come to.
    fn told(self) -> Option<WorkError> {
        let count = self.files;
        self.first.map(|(name, source)| WorkError::Files { count, name, source }).or(self.rest)
    }
}
