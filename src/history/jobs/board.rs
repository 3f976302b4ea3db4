//! Who submits jobs, calls them off and asks how they stand, while others do them?

use crate::{
    clock::Clock,
    history::jobs::{
        cabinet::Cabinet,
        job::{Job, State, Want},
    },
    model::UnixMillis,
    store::files::Disk,
};
use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::Notify;

/// Jobs that are not over.
const OPEN_MAX: usize = 64;

/// Why a job is not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Too many are there.
    #[error("{OPEN_MAX} jobs are not over yet: wait for one, or cancel one")]
    TooMany,
    /// It could not be filed.
    #[error("the job cannot be filed")]
    Io(#[from] io::Error),
}

/// All jobs of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    cabinet: Cabinet,
    /// Ascending by number. Not held while the disk is written.
    jobs: Mutex<Vec<Job>>,
    /// Held by who files jobs; taken before `jobs`.
    filing: Mutex<()>,
    /// Something was submitted or called off.
    news: Notify,
    /// The same, for who asks REST.
    submitted: Notify,
}

impl Jobs {
    /// The jobs that are filed in a store. One that was running when the process ended waits for its turn again.
    ///
    /// # Errors
    ///
    /// When the disk fails.
    pub fn open(disk: Arc<dyn Disk>, clock: Clock) -> io::Result<Self> {
        let (cabinet, mut jobs) = Cabinet::open(disk)?;
        cabinet.clear(&mut jobs)?;
        for job in jobs.iter_mut().filter(|job| job.state == State::Running) {
            job.state = State::Queued;
        }
        Ok(Self(Arc::new(Shared {
            clock,
            cabinet,
            jobs: Mutex::new(jobs),
            filing: Mutex::new(()),
            news: Notify::new(),
            submitted: Notify::new(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Job>> {
        self.0.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job, which was checked, and files it: from here on it outlives the process. One that waits and wants the same,
    /// up to its end, is extended instead. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When there are too many, or it cannot be filed.
    pub fn submit(&self, want: Want) -> Result<Job, SubmitError> {
        let _filing = self.file_in_order();
        let mut jobs = self.lock();
        let mut queued = jobs.iter_mut().filter(|job| job.state == State::Queued);
        if let Some(same) = queued.find(|job| Want { to: want.to, ..job.want.clone() } == want) {
            same.want.to = same.want.to.max(want.to);
            // Somebody wants it now.
            same.resumes = None;
            self.0.cabinet.put(same)?;
            self.tell();
            return Ok(same.clone());
        }
        if jobs.iter().filter(|job| !job.state.is_over()).count() >= OPEN_MAX {
            return Err(SubmitError::TooMany);
        }
        let id = jobs.last().map_or(1, |job| job.id + 1);
        let job = Job::new(id, want, self.0.clock.wall());
        self.0.cabinet.put(&job)?;
        jobs.push(job.clone());
        self.0.cabinet.clear(&mut jobs)?;
        drop(jobs);
        self.tell();
        Ok(job)
    }

    /// Files a job that nobody asked for; whether it is filed. If not, what it is for is looked at again later.
    pub(super) async fn ask_for(&self, want: Want) -> bool {
        let (jobs, symbols) = (self.clone(), want.symbols.join(" "));
        let submitted = if self.have_room() {
            let submitted = tokio::task::spawn_blocking(move || jobs.submit(want)).await.map_err(io::Error::other);
            submitted.map_err(SubmitError::from).flatten()
        } else {
            Err(SubmitError::TooMany)
        };
        // That it begins is said by whoever does it.
        let refused = submitted.as_ref().err();
        refused.into_iter().for_each(|error| tracing::warn!(symbols, "what is missing or was replaced waits: {error}"));
        submitted.is_ok()
    }

    fn tell(&self) {
        self.0.news.notify_one();
        self.0.submitted.notify_one();
    }

    /// All of them, ascending by number.
    pub fn list(&self) -> Vec<Job> {
        self.lock().clone()
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<Job> {
        self.lock().iter().find(|job| job.id == id).cloned()
    }

    /// Calls a job off and says how it stands then; nothing for an unknown one. What it had fetched stays, and one that is
    /// over stays what it is. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// When that cannot be filed.
    pub fn cancel(&self, id: u64) -> io::Result<Option<Job>> {
        let (now, filing) = (self.0.clock.wall(), self.file_in_order());
        let cancel = |job: &mut Job| {
            if !job.state.is_over() {
                (job.state, job.ended, job.resumes) = (State::Cancelled, Some(now.get()), None);
            }
            job.clone()
        };
        let Some(job) = self.change(id, cancel) else { return Ok(None) };
        self.0.cabinet.put(&job)?;
        drop(filing);
        self.0.news.notify_waiters();
        Ok(Some(job))
    }

    /// Changes a job, in memory; what `change` gives, if there is the job.
    pub(super) fn change<R>(&self, id: u64, change: impl FnOnce(&mut Job) -> R) -> Option<R> {
        self.lock().iter_mut().find(|job| job.id == id).map(change)
    }

    /// Files a job as it is now. Blocks on the disk.
    pub(super) fn file(&self, id: u64) -> io::Result<()> {
        let _filing = self.file_in_order();
        self.get(id).map_or(Ok(()), |job| self.0.cabinet.put(&job))
    }

    /// Of two that file one job at once, one would take the other's file away; those who only ask do not wait for the disk.
    fn file_in_order(&self) -> MutexGuard<'_, ()> {
        self.0.filing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for jobs that nobody asked for.
    fn have_room(&self) -> bool {
        2 * self.lock().iter().filter(|job| !job.state.is_over()).count() < OPEN_MAX
    }

    /// The oldest job whose turn has come, else when the next one's will.
    pub(super) fn next(&self, now: UnixMillis) -> Result<Job, Option<UnixMillis>> {
        let jobs = self.lock();
        let queued = || jobs.iter().filter(|job| job.state == State::Queued);
        let due = queued().find(|job| job.resumes.is_none_or(|resumes| resumes <= now.get()));
        due.cloned().ok_or_else(|| queued().filter_map(|job| job.resumes).min().map(UnixMillis::new))
    }

    /// Jobs that are being done, or whose turn has come.
    pub(super) fn due(&self, now: UnixMillis) -> Vec<Job> {
        let is_due = |job: &&Job| job.resumes.is_none_or(|resumes| resumes <= now.get());
        self.lock().iter().filter(|job| !job.state.is_over()).filter(is_due).cloned().collect()
    }

    /// Jobs that are being done by nobody wait for their turn again, not before `resumes`.
    pub(super) fn requeue(&self, resumes: UnixMillis) {
        for job in self.lock().iter_mut().filter(|job| job.state == State::Running) {
            (job.state, job.resumes) = (State::Queued, Some(resumes.get()));
        }
    }

    /// Waits until something is submitted.
    pub(super) async fn submitted(&self) {
        self.0.submitted.notified().await;
    }

    /// Waits until something is submitted or called off.
    pub(super) async fn news(&self) {
        self.0.news.notified().await;
    }

    /// Waits until a job is called off.
    pub(super) async fn called_off(&self, id: u64) {
        loop {
            let news = self.0.news.notified();
            if self.get(id).is_none_or(|job| job.state == State::Cancelled) {
                return;
            }
            news.await;
        }
    }
}
