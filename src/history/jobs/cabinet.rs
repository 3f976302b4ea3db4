//! How does a job outlive the process?

use crate::{
    history::jobs::job::Job,
    store::files::{self, Disk},
};
use std::{io, sync::Arc};

/// Below the store's directory: one file a job.
const DIRECTORY: &str = "jobs";
/// The longest file that is read.
const BYTES_MAX: u64 = 16 << 20;
/// Jobs that are over and still kept; the oldest go first.
const KEPT_MAX: usize = 256;

/// Where jobs are filed.
#[derive(Debug)]
pub(super) struct Cabinet {
    disk: Arc<dyn Disk>,
}

impl Cabinet {
    /// Makes the directory, and reads every job in it, ascending by number. What is no job is left alone.
    pub(super) fn open(disk: Arc<dyn Disk>) -> io::Result<(Self, Vec<Job>)> {
        disk.create_dir(DIRECTORY)?;
        disk.sync_dir("")?;
        let mut jobs = Vec::new();
        for name in disk.list(DIRECTORY)? {
            let Some(id) = name.strip_suffix(".json").and_then(|stem| stem.parse::<u64>().ok()) else { continue };
            match files::read_whole(&*disk, &path(id), BYTES_MAX) {
                Ok(bytes) => jobs.extend(parsed(id, &bytes)),
                // A job is no reason not to start: whoever wants it submits it again.
                Err(error) => tracing::error!(id, "a job's file cannot be read and is passed over: {error}"),
            }
        }
        jobs.sort_by_key(|job| job.id);
        Ok((Self { disk }, jobs))
    }

    /// Files a job, in place of what was filed of it before. Blocks on the disk.
    pub(super) fn put(&self, job: &Job) -> io::Result<()> {
        let bytes = serde_json::to_vec(job).map_err(io::Error::other)?;
        files::replace(&*self.disk, &path(job.id), &bytes)
    }

    /// Takes away the oldest jobs that are over, when there are too many; those taken are taken out of `jobs`, too.
    pub(super) fn clear(&self, jobs: &mut Vec<Job>) -> io::Result<()> {
        let over = jobs.iter().filter(|job| job.state.is_over()).map(|job| job.id);
        let over: Vec<u64> = over.collect();
        for id in over.iter().take(over.len().saturating_sub(KEPT_MAX)) {
            self.disk.unlink(&path(*id))?;
            jobs.retain(|job| job.id != *id);
        }
        Ok(())
    }
}

/// The job in a file, if that is what it holds.
fn parsed(id: u64, bytes: &[u8]) -> Option<Job> {
    let job = serde_json::from_slice::<Job>(bytes).ok().filter(|job| job.id == id);
    if job.is_none() {
        tracing::error!(id, "a job's file does not hold the job and is passed over");
    }
    job
}

fn path(id: u64) -> String {
    format!("{DIRECTORY}/{id:08}.json")
}
