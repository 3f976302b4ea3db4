//! What does the storage thread have done to segments, and when: merging, giving up, reading through?

use crate::{
    clock::Now,
    store::{
        manifest::{Manifest, SegmentEntry},
        plan::{Damaged, Merges, Plan, plans},
        recovery::Finding,
        retention::{self, Owner, Retention},
        seal::{Done, Job, Sealed, Seals, Taken},
    },
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// What is done to segments.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// When they are merged.
    pub merges: Merges,
    /// When they are given up.
    pub retention: Retention,
    /// One is read to its end every so many milliseconds, in turn; never when none.
    pub scrub_ms: Option<i64>,
}

impl Default for Upkeep {
    fn default() -> Self {
        // A year of 800 contracts is read through in a week.
        Self { merges: Merges::default(), retention: Retention::default(), scrub_ms: Some(60_000) }
    }
}

/// What was done to segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Merges that were done.
    pub merges: u64,
    /// Merges that were given up because an input is damaged: it stays as it is.
    pub skipped: u64,
    /// Merges that the disk refused, and that are tried again.
    pub failed: u64,
    /// Segments given up.
    pub given_up: u64,
    /// Segments read to their end.
    pub checked: u64,
    /// What was found wrong on that, ever.
    pub findings: u64,
}

/// Decides what is asked of the sealer.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    upkeep: Upkeep,
    plan_due_ms: Option<i64>,
    check_due_ms: Option<i64>,
    /// Inputs of the merge under way.
    merging: Vec<u64>,
    /// Inputs of merges that failed: others go first.
    later: Vec<Vec<u64>>,
    checking: bool,
    last_checked: Option<u64>,
    /// Not merged any more until the next start.
    damaged: HashSet<Damaged>,
    /// What was wrong with a segment when it was last read.
    findings: BTreeMap<u64, Vec<Finding>>,
    counts: Tally,
}

impl Keeper {
    pub(super) fn set(&mut self, upkeep: Upkeep) {
        self.upkeep = upkeep;
        (self.plan_due_ms, self.check_due_ms) = (None, None);
    }

    pub(super) fn retain(&mut self, retention: Retention) {
        (self.upkeep.retention, self.plan_due_ms) = (retention, None);
    }

    pub(super) fn counts(&self) -> Tally {
        self.counts
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values().flatten()
    }

    /// Asks for what is due, and says what is to be given up. `manifest` lists everything that was made.
    pub(super) fn step(&mut self, now: Now, manifest: &Manifest, seals: &Seals) -> Option<Sealed> {
        if self.merging.is_empty() && self.plan_due_ms.is_none_or(|due| due <= now.monotonic_ms) {
            self.plan_due_ms = Some(now.monotonic_ms.saturating_add(self.upkeep.merges.every_ms));
            let due = retention::due(&manifest.segments, &manifest.contracts, &self.upkeep.retention, now.wall);
            if !due.segments.is_empty() {
                return Some(self.give_up(due.segments, manifest));
            }
            self.ask_for_merge(due.thinned, now, manifest, seals);
        }
        self.ask_for_check(now, manifest, seals);
        None
    }

    fn give_up(&mut self, numbers: Vec<u64>, manifest: &Manifest) -> Sealed {
        self.counts.given_up += numbers.len() as u64;
        tracing::info!(segments = numbers.len(), "segments are given up, as the configuration says");
        let entry = |number| manifest.segments.iter().find(|entry| entry.number == number);
        let taken = |entry: &SegmentEntry| Taken { segment: entry.number, path: entry.path(), contract: None };
        Sealed::of_segments(Vec::new(), numbers.into_iter().filter_map(entry).map(taken).collect())
    }

    fn ask_for_merge(&mut self, thinned: Vec<(u64, BTreeSet<Owner>)>, now: Now, manifest: &Manifest, seals: &Seals) {
        let mut plans = self.thinnings(thinned, manifest);
        plans.extend(self::plans(&manifest.segments, now.wall, &self.upkeep.merges, &self.damaged));
        if plans.iter().all(|plan| self.later.contains(&plan.inputs)) {
            self.later.clear();
        }
        let Some(plan) = plans.into_iter().find(|plan| !self.later.contains(&plan.inputs)) else { return };
        let inputs = manifest.segments.iter().filter(|entry| plan.inputs.contains(&entry.number));
        let (inputs, merging) = (inputs.cloned().collect(), plan.inputs.clone());
        if seals.ask(Job::Merge(plan, inputs)) {
            self.merging = merging;
        }
    }

    /// Segments that are written anew without what in them is given up.
    fn thinnings(&self, thinned: Vec<(u64, BTreeSet<Owner>)>, manifest: &Manifest) -> Vec<Plan> {
        let is_whole = |number: u64| self.damaged.iter().all(|damaged| damaged.segment != number);
        let thinned = thinned.into_iter().filter(|(number, _)| is_whole(*number));
        let plan = |(number, without)| {
            let entry = manifest.segments.iter().find(|entry| entry.number == number)?;
            Some(Plan { level: entry.level, contract: entry.only_contract(), without, inputs: vec![number] })
        };
        thinned.filter_map(plan).collect()
    }

    fn ask_for_check(&mut self, now: Now, manifest: &Manifest, seals: &Seals) {
        let Some(every_ms) = self.upkeep.scrub_ms else { return };
        let due = *self.check_due_ms.get_or_insert(now.monotonic_ms.saturating_add(every_ms));
        if self.checking || !self.merging.is_empty() || due > now.monotonic_ms {
            return;
        }
        self.check_due_ms = Some(now.monotonic_ms.saturating_add(every_ms));
        if let Some(entry) = self.next_to_check(manifest) {
            self.last_checked = Some(entry.number);
            self.checking = seals.ask(Job::Check(entry.clone()));
        }
    }

    /// The segment whose turn it is: by number, and round again.
    fn next_to_check<'a>(&self, manifest: &'a Manifest) -> Option<&'a SegmentEntry> {
        let after = |entry: &&SegmentEntry| self.last_checked.is_none_or(|last| entry.number > last);
        let next = manifest.segments.iter().filter(after).min_by_key(|entry| entry.number);
        next.or_else(|| manifest.segments.iter().min_by_key(|entry| entry.number))
    }

    /// Notes what came of a job, and hands on what is to be listed.
    pub(super) fn note(&mut self, done: Done, manifest: &Manifest) -> Option<Sealed> {
        match done {
            Done::Sealed(sealed) | Done::Filled(sealed) => return Some(sealed),
            Done::Merged(sealed) => {
                self.merging.clear();
                self.counts.merges += 1;
                return Some(sealed);
            }
            Done::Skipped(damaged) => {
                self.merging.clear();
                self.counts.skipped += 1;
                self.damaged.insert(damaged);
                tracing::error!(damaged.segment, damaged.contract, "a segment is damaged and stays unmerged");
            }
            Done::Failed(inputs, error) => {
                self.merging.clear();
                self.later.push(inputs);
                self.counts.failed += 1;
                tracing::warn!("segments wait to be merged: {error}");
            }
            Done::Checked(number, findings) => self.note_check(number, findings, manifest),
        }
        None
    }

    fn note_check(&mut self, number: u64, findings: Vec<Finding>, manifest: &Manifest) {
        self.checking = false;
        let is_listed = |number: u64| manifest.segments.iter().any(|entry| entry.number == number);
        self.findings.retain(|checked, _| *checked != number && is_listed(*checked));
        // One that was replaced meanwhile may have been gone when it was to be read.
        if !is_listed(number) {
            return;
        }
        self.counts.checked += 1;
        self.counts.findings += findings.len() as u64;
        for finding in &findings {
            tracing::error!("{finding}");
            if let Finding::BlockDamaged { contract, .. } = finding {
                self.damaged.insert(Damaged { segment: number, contract: Some(*contract) });
            }
        }
        if !findings.is_empty() {
            self.findings.insert(number, findings);
        }
    }
}
