//! What was met in a file, beside the rows themselves?

use crate::model::IdRange;

/// Runs listed one by one; a month of raw trades has some hundred thousand.
pub const RUNS_MAX: usize = 1 << 20;
/// Conflicts listed one by one.
pub const CONFLICTS_MAX: usize = 1_024;

/// Two rows of one key that are not equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict<R> {
    /// The one that came first and was handed out.
    pub taken: R,
    /// The other.
    pub other: R,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<R> {
    /// Rows handed out.
    pub rows: u64,
    /// The runs of keys handed out, of tables whose keys are dense; at most [`RUNS_MAX`].
    pub runs: Vec<IdRange>,
    /// Runs beyond those listed.
    pub runs_omitted: u64,
    /// Rows that were there before, and equal: dropped.
    pub duplicates: u64,
    /// Rows that were there before, and not equal; at most [`CONFLICTS_MAX`].
    pub conflicts: Vec<Conflict<R>>,
    /// Conflicts beyond those listed.
    pub conflicts_omitted: u64,
    /// Rows of another time than the file's: left out.
    pub outside: u64,
    /// The first of them.
    pub outside_first: Option<R>,
    /// Lines without figures: left out.
    pub blank: u64,
    /// Rows handed out whose amount is 0, a known defect of the venue's files (2023-03 to 2023-05): another source may know
    /// better.
    pub hollow: u64,
}

impl<R> Default for Tally<R> {
    fn default() -> Self {
        Self {
            rows: 0,
            runs: Vec::new(),
            runs_omitted: 0,
            duplicates: 0,
            conflicts: Vec::new(),
            conflicts_omitted: 0,
            outside: 0,
            outside_first: None,
            blank: 0,
            hollow: 0,
        }
    }
}

impl<R: Copy + PartialEq> Tally<R> {
    pub(super) fn run(&mut self, run: Option<IdRange>) {
        match run {
            Some(run) if self.runs.len() < RUNS_MAX => self.runs.push(run),
            Some(_) => self.runs_omitted += 1,
            None => {}
        }
    }

    /// A key came again.
    pub(super) fn again(&mut self, taken: R, other: R) {
        if taken == other {
            self.duplicates += 1;
        } else if self.conflicts.len() < CONFLICTS_MAX {
            self.conflicts.push(Conflict { taken, other });
        } else {
            self.conflicts_omitted += 1;
        }
    }

    pub(super) fn leave_out(&mut self, row: R) {
        self.outside += 1;
        self.outside_first.get_or_insert(row);
    }
}
