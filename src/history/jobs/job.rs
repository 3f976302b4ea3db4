//! What does a job want, and how far is it?

use crate::{history::jobs::series::Series, model::UnixMillis};
use serde::{Deserialize, Serialize};

/// Files named one by one in a part, of each sort; their number tells of the rest.
pub(super) const NAMED_MAX: usize = 64;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Want {
    /// Contracts by their tickers.
    pub symbols: Vec<String>,
    /// What of each.
    pub series: Vec<Series>,
    /// The first millisecond wanted.
    pub from: i64,
    /// The first millisecond that is not.
    pub to: i64,
    /// Whether it is only about files that were read and have been replaced since.
    #[serde(default)]
    pub replaced_only: bool,
}

impl Want {
    /// What is wanted of time.
    pub(super) fn span(&self) -> (UnixMillis, UnixMillis) {
        (UnixMillis::new(self.from), UnixMillis::new(self.to))
    }
}

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for its turn, or for files that are not published yet.
    Queued,
    /// It is being done.
    Running,
    /// All of it that there is has been fetched.
    Done,
    /// Some of it could not be fetched; the same job submitted again goes on.
    Failed,
    /// Somebody called it off; what it had fetched stays.
    Cancelled,
}

impl State {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen to it.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

/// A job. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// Where it stands.
    pub state: State,
    /// What is wanted.
    pub want: Want,
    /// When it was submitted.
    pub created: i64,
    /// When work on it began last.
    pub started: Option<i64>,
    /// When it was over.
    pub ended: Option<i64>,
    /// When it is looked at again, while it waits for files that are not published yet.
    pub resumes: Option<i64>,
    /// Why it failed.
    pub error: Option<String>,
    /// How far it is, by contract and series.
    pub parts: Vec<Part>,
    /// Bytes that arrived since work on it began last.
    #[serde(default)]
    pub bytes_arrived: u64,
}

/// How far one series of one contract is. Counts are of this job alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Part {
    /// Whose.
    pub symbol: String,
    /// What.
    pub series: Series,
    /// Files that were fetched, checked and adopted.
    pub files_done: u64,
    /// Files that are to be fetched, those included.
    pub files: u64,
    /// Bytes of the files done.
    pub bytes_done: u64,
    /// Bytes of all these files.
    pub bytes: u64,
    /// Rows that were read.
    pub rows: u64,
    /// Rows of them that nothing had held.
    pub rows_new: u64,
    /// Rows that differ from the held ones, which stay.
    pub conflicts: u64,
    /// Rows that came over REST.
    pub rest_rows: u64,
    /// Files that are not published yet.
    pub awaited: Vec<String>,
    /// Files that will not be published any more.
    pub absent: Vec<String>,
    /// Files that are not what they should be, and why.
    pub refused: Vec<String>,
    /// Ids that are still missing among those held; of series whose ids are dense.
    pub ids_missing: u64,
    /// Whether trades may have come that the stored minutes have not followed yet.
    #[serde(default)]
    pub minutes_due: bool,
}

impl Part {
    pub(super) fn new(symbol: &str, series: Series) -> Self {
        Self {
            symbol: symbol.to_owned(),
            series,
            files_done: 0,
            files: 0,
            bytes_done: 0,
            bytes: 0,
            rows: 0,
            rows_new: 0,
            conflicts: 0,
            rest_rows: 0,
            awaited: Vec::new(),
            absent: Vec::new(),
            refused: Vec::new(),
            ids_missing: 0,
            minutes_due: false,
        }
    }
}

impl Job {
    pub(super) fn new(id: u64, want: Want, now: UnixMillis) -> Self {
        let of_symbol =
            |symbol: &String| want.series.iter().map(|series| Part::new(symbol, *series)).collect::<Vec<_>>();
        let parts = want.symbols.iter().flat_map(of_symbol).collect();
        Self {
            id,
            state: State::Queued,
            want,
            created: now.get(),
            started: None,
            ended: None,
            resumes: None,
            error: None,
            parts,
            bytes_arrived: 0,
        }
    }

    /// What this job wants of time.
    pub fn span(&self) -> (UnixMillis, UnixMillis) {
        self.want.span()
    }

    /// Bytes that arrive in a second, on average since work on it began last.
    pub fn bytes_per_second(&self, now: UnixMillis) -> Option<u64> {
        let elapsed_ms = now.get().checked_sub(self.started?).filter(|elapsed_ms| *elapsed_ms > 0)?.unsigned_abs();
        (self.state == State::Running).then(|| self.bytes_arrived.saturating_mul(1_000) / elapsed_ms)
    }

    /// How long it will take to fetch the rest of its files at that rate.
    pub fn remaining_ms(&self, now: UnixMillis) -> Option<u64> {
        let rate = self.bytes_per_second(now).filter(|rate| *rate > 0)?;
        let left = self.parts.iter().map(|part| part.bytes.saturating_sub(part.bytes_done)).sum::<u64>();
        Some(left.saturating_mul(1_000) / rate)
    }
}
