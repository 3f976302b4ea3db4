//! Who does the jobs, in which order, and how many downloads at once?
//!
//! Files are fetched for one job at a time, the oldest first, and a few of its parts side by side: their downloads run side by
//! side, too, and one file is read at a time. REST goes along within its budget, for all open jobs in the order in which the
//! venue forgets: see [`urgent`](super::urgent).

use crate::{
    clock::Clock,
    history::{
        archive::Limits,
        download::{GetError, Host},
        jobs::{
            board::Jobs,
            file::{TakeError, Taker},
            held::Held,
            job::{Job, Part, State},
            minutes,
            series::Series,
            tail::TailError,
        },
        plan::Span,
        rest::Source,
    },
    model::{IdRange, Symbol, UnixMillis},
    net::with_causes,
    store::{desk::Desk, library::Library, seal::Filler},
};
use futures_util::{StreamExt as _, stream};
use std::{io, sync::Arc, time::Duration};
use tokio::sync::{Semaphore, mpsc};

/// Parts of a job that are worked on at once. A part in memory is what the archive lists of one series in the range wanted, at
/// most some thousand files: with these few, a megabyte or two each.
const PARTS_AT_ONCE: usize = 4;
/// A job that failed in a way that may pass is tried again after this time.
const AGAIN_MS: i64 = 15 * UnixMillis::MINUTE;
/// Minutes that live folds may hold are younger than this, as [`Adopting`](crate::history::adopting::Adopting) takes it.
pub(in crate::history) const RECENT_MS: i64 = 25 * UnixMillis::HOUR;
/// How often the queue is looked at without news.
pub(super) const LOOK_EVERY: Duration = Duration::from_mins(1);

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
    pub(super) jobs: Jobs,
    desk: Desk,
    pub(super) source: Source,
    pub(super) taker: Taker,
    /// Files that are downloaded at once, of all parts together.
    pub(super) downloading: Arc<Semaphore>,
    /// REST is asked for one stretch at a time, so that none is asked for twice.
    pub(super) asking: Arc<Semaphore>,
    arrivals: Option<mpsc::Sender<Arrival>>,
    pub(super) options: Options,
    clock: Clock,
}

/// Trades that a job brought into the store, where readers find them, or proof that ids were never used.
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
pub(super) enum WorkError {
    #[error("the store does not know {0}")]
    UnknownContract(String),
    #[error("what the archive has of {symbol} is not known")]
    Listing { symbol: String, source: GetError },
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
    pub(super) const fn may_pass(&self) -> bool {
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
        let (downloading, asking) = (Arc::new(Semaphore::new(options.downloads.max(1))), Arc::new(Semaphore::new(1)));
        Self { jobs, desk, source, taker, downloading, asking, arrivals: None, options, clock }
    }

    /// Tells `arrivals` of trades that come.
    #[must_use]
    pub fn telling(self, arrivals: mpsc::Sender<Arrival>) -> Self {
        Self { arrivals: Some(arrivals), ..self }
    }

    /// Does jobs for ever.
    pub async fn run(self) {
        // Those that another runner was doing when it panicked: others have their turn first.
        self.jobs.requeue(self.now().plus(AGAIN_MS));
        tokio::join!(self.do_jobs(), self.ask_ahead(None));
    }

    async fn do_jobs(&self) {
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
        let outcome = tokio::select! {
            outcome = self.work(id) => outcome.map(|_| None),
            // It asks for ever.
            () = self.ask_ahead(Some(id)) => Ok(None),
        };
        self.end(id, outcome, false).await;
        self.jobs.get(id)
    }

    /// By the venue's clock.
    pub(super) fn now(&self) -> UnixMillis {
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
        let begun = self.jobs.change(id, |job| {
            begin(job);
            job.clone()
        });
        let Some(job) = begun.filter(|job| job.state == State::Running) else { return Ok(None) };
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
            done = self.parts(&job) => done,
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
        let ended = self.jobs.change(id, |job| {
            close(job, &outcome, (now, ended), awaited_ms);
            job.clone()
        });
        let filed = self.file(id).await;
        filed.unwrap_or_else(|error| tracing::error!(id, "how a job ended cannot be filed: {error}"));
        ended.iter().for_each(tell);
    }

    /// Works on every part, a few side by side: of those alone it is in memory what the archive lists.
    async fn parts(&self, job: &Job) -> Result<Option<UnixMillis>, WorkError> {
        // Told before anything is fetched.
        for part in &job.parts {
            self.held(part)?;
        }
        let parts = stream::iter(0..job.parts.len()).map(|at| self.part(job, at));
        let mut parts = std::pin::pin!(parts.buffer_unordered(PARTS_AT_ONCE));
        let (mut look_again, mut failures) = (None::<UnixMillis>, Failures::default());
        while let Some(ended) = parts.next().await {
            let (resumes, failed) = ended?;
            look_again = look_again.into_iter().chain(resumes).min();
            failures = failures.and(failed);
        }
        failures.told().map_or(Ok(look_again), Err)
    }

    /// What the store holds of a part's series.
    pub(super) fn held(&self, part: &Part) -> Result<Held, WorkError> {
        let symbol = Symbol::new(&part.symbol).ok();
        let held = symbol.and_then(|symbol| Held::of(&self.taker.library, &self.desk, &symbol, part.series));
        held.ok_or_else(|| WorkError::UnknownContract(part.symbol.clone()))
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

    pub(super) async fn follow_one(&self, held: Held, span: Span) -> Result<(), WorkError> {
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

    /// Files a job as it is.
    pub(super) async fn file(&self, id: u64) -> io::Result<()> {
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

/// What did not come, though others went on.
#[derive(Default)]
pub(super) struct Failures {
    files: usize,
    first: Option<(String, TakeError)>,
    /// Of REST, or of listings.
    other: Option<WorkError>,
}

impl Failures {
    pub(super) fn note_file(&mut self, name: String, error: TakeError) {
        self.files += 1;
        self.first.get_or_insert((name, error));
    }

    pub(super) fn note(&mut self, error: WorkError) {
        self.other.get_or_insert(error);
    }

    /// These and others.
    fn and(self, others: Self) -> Self {
        let (first, other) = (self.first.or(others.first), self.other.or(others.other));
        Self { files: self.files + others.files, first, other }
    }

    /// The error that they come to.
    fn told(self) -> Option<WorkError> {
        let count = self.files;
        self.first.map(|(name, source)| WorkError::Files { count, name, source }).or(self.other)
    }
}
