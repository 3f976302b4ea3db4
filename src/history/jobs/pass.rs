//! What is there to do for a part of a job, and what became of it?

use crate::{
    exchange::binance::archive::{Cadence, Folder, Period},
    history::{
        download::{GetError, Host, Published},
        jobs::{
            file::{Rows, Taken},
            held::{Held, holes_in},
            job::{NAMED_MAX, Part, Want},
            series::Series,
        },
        plan::{Known, Plan, Rules, Span, Task, periods, plan},
    },
    model::UnixMillis,
    store::{
        coverage::{Coverage, Reach},
        ledger::ArchiveFile,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

/// One series of one contract while it is worked on.
pub(super) struct Pass {
    pub(super) held: Held,
    span: Span,
    /// Nothing is fetched but what was read before and is another file now.
    replaced_only: bool,
    awaited_ms: i64,
    published: BTreeMap<Period, Published>,
    /// When the first file of all begins.
    begin: Option<UnixMillis>,
    /// Files that were tried and are of no use now.
    useless: BTreeSet<Period>,
    /// Files that were taken before and are planned for all the same: their rows are not all held any more.
    again: BTreeSet<Period>,
    /// Files that were read since the archive was asked.
    read: BTreeSet<Period>,
    /// What REST was asked for.
    asked: Option<Span>,
    last: Plan,
    refused: Vec<String>,
}

impl Pass {
    /// Asks the archive what it has.
    pub(super) async fn new(host: &Host, held: Held, want: &Want, awaited_ms: i64) -> Result<Self, GetError> {
        let (span, replaced_only) = (want.span(), want.replaced_only);
        let mut published: BTreeMap<Period, Published> = BTreeMap::new();
        let folders = held.folders();
        for folder in &folders {
            published.extend(host.files(folder, span).await?);
        }
        let mut begin = published.keys().map(|period| period.start()).min();
        if begin.is_none_or(|begin| begin > span.0) {
            for folder in &folders {
                let first = host.first(folder).await?.map(|period| period.start());
                begin = begin.into_iter().chain(first).min();
            }
        }
        let (useless, last, refused) = (BTreeSet::new(), Plan::default(), Vec::new());
        let (again, read) = (BTreeSet::new(), BTreeSet::new());
        let pass = Self {
            held,
            span,
            replaced_only,
            awaited_ms,
            published,
            begin,
            useless,
            again,
            read,
            asked: None,
            last,
            refused,
        };
        Ok(pass)
    }

    /// What is to be done now: files, those included that were replaced since they were taken; without any, what to ask REST
    /// for.
    pub(super) async fn tasks(&mut self, now: UnixMillis) -> io::Result<Vec<Task>> {
        let (held, span, reach) = (self.held.clone(), self.span, reach(self.held.series, now));
        let look = move || {
            let coverage = held.coverage(reach);
            let spans = held.spans(span, &coverage);
            (coverage, spans)
        };
        let (coverage, spans) = tokio::task::spawn_blocking(look).await.map_err(io::Error::other)?;
        let rules = Rules { dataset: self.held.series.dataset(), awaited_ms: self.awaited_ms };
        self.last = plan(span, &rules, &Known { published: &self.published, begin: self.begin, held: &spans, now });
        let mut files: BTreeMap<Period, Published> = BTreeMap::new();
        if self.replaced_only {
            self.last = Plan::default();
        }
        let witnesses = if self.replaced_only { Vec::new() } else { self.other_sources(&coverage, now) };
        let lost = self.last.files.iter().chain(&witnesses).filter(|file| self.taken(file).is_some());
        self.again = lost.map(|file| file.place.period()).collect();
        let others = witnesses.into_iter().chain(self.replaced());
        let useful = |file: &Published| !self.useless.contains(&file.place.period());
        for file in self.last.files.iter().cloned().chain(others).filter(useful) {
            files.entry(file.place.period()).or_insert(file);
        }
        if !files.is_empty() {
            return Ok(files.into_values().map(Task::File).collect());
        }
        // The edges of what is asked for move with time: only what lies beyond both is another stretch.
        let is_new = |span: &&Span| self.asked.is_none_or(|(from, to)| span.0 < from || to < span.0);
        let rest: Vec<Span> = self.last.rest.iter().filter(is_new).copied().collect();
        let all = self.asked.into_iter().chain(rest.iter().copied());
        self.asked = all.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        Ok(rest.into_iter().map(Task::Rest).collect())
    }

    /// What only REST has.
    pub(super) async fn rest(&mut self, now: UnixMillis) -> io::Result<Vec<Span>> {
        self.tasks(now).await?;
        Ok(self.last.rest.clone())
    }

    /// Files that may have, or be a witness of, what others stepped over: a hole is called absent only when both archives
    /// lack it.
    fn other_sources(&self, coverage: &Coverage, now: UnixMillis) -> Vec<Published> {
        if self.held.series != Series::Trades {
            return Vec::new();
        }
        let mut files = Vec::new();
        for hole in holes_in(coverage, self.span) {
            let (Some(before), Some(after)) = hole.times else { continue };
            for cadence in [Cadence::Daily, Cadence::Monthly] {
                let is_witness = self.held.stepped_over(hole, cadence);
                let of_hole =
                    periods(cadence, (before, after.plus(1))).filter_map(|period| self.published.get(&period));
                // Of one that the first version read it is not known where it begins and ends.
                let is_news = |file: &&Published| self.taken(file).is_none_or(|taken| taken.stamp.is_none());
                files.extend(of_hole.filter(|file| !is_witness && file.is_trusted(now) && is_news(file)).cloned());
            }
        }
        files
    }

    /// Files that were put there anew after they had been taken: the venue replaces them without a word.
    fn replaced(&self) -> Vec<Published> {
        let is_other = |file: &&Published| self.taken(file).is_some_and(|taken| is_replaced(&taken, file));
        self.published.values().filter(is_other).cloned().collect()
    }

    fn taken(&self, file: &Published) -> Option<ArchiveFile> {
        self.held.library.ledger().archive(&file.place.key())
    }

    /// Asks the archive once more of the files that were read: one may have been replaced after it had been listed. Whether
    /// one was.
    pub(super) async fn look_after(&mut self, host: &Host) -> Result<bool, GetError> {
        let read = std::mem::take(&mut self.read);
        let mut is_other = false;
        for folder in self.held.folders() {
            let own = || read.iter().filter(|period| period.cadence() == folder.cadence());
            let Some((first, last)) = own().next().zip(own().next_back()) else { continue };
            for (period, file) in host.files(&folder, (first.start(), last.end())).await? {
                if read.contains(&period) && self.taken(&file).is_some_and(|taken| is_replaced(&taken, &file)) {
                    tracing::info!(file = %file.place, "a file of the archive was replaced while it was read");
                    self.useless.remove(&period);
                    self.published.insert(period, file);
                    is_other = true;
                }
            }
        }
        Ok(is_other)
    }

    /// Whether a file is to be read though it was before.
    pub(super) fn is_again(&self, file: &Published) -> bool {
        self.again.contains(&file.place.period())
    }

    /// Notes what became of a file.
    pub(super) fn note(&mut self, file: &Published, taken: &Taken, part: &mut Part) {
        let period = file.place.period();
        match taken {
            Taken::Adopted(Rows { read, counts }) => {
                part.rows += read;
                part.rows_new += counts.new;
                part.conflicts += counts.conflicts;
                self.read.insert(period);
                // Once is enough, whatever it lacks.
                if self.again.contains(&period) {
                    self.useless.insert(period);
                }
            }
            // Asked for once, that is settled.
            Taken::Known => _ = self.useless.insert(period),
            Taken::NotThere => self.forget(period),
            Taken::Refused(why) => {
                tracing::warn!(file = %file.place, "a file of the archive is refused: {why}");
                self.refused.push(format!("{}: {why}", file.place));
                self.forget(period);
            }
        }
        part.files_done += 1;
        part.bytes_done += file.bytes;
    }

    /// What cannot be used is planned for as if it were not published.
    pub(super) fn forget(&mut self, period: Period) {
        self.published.remove(&period);
        self.useless.insert(period);
    }

    /// How it stands after the last round. Reads the disk.
    pub(super) fn stand(&self, now: UnixMillis) -> Stand {
        let names = |periods: &[Period]| periods.iter().take(NAMED_MAX).map(|period| self.name(*period)).collect();
        self.held.take_back();
        let coverage = self.held.coverage(reach(self.held.series, now));
        let raw = self.held.series == Series::RawTrades;
        Stand {
            awaited: names(&self.last.awaited),
            absent: names(&self.last.absent),
            refused: self.refused.iter().take(NAMED_MAX).cloned().collect(),
            ids_missing: if raw { 0 } else { holes_in(&coverage, self.span).map(|hole| hole.ids.count()).sum() },
        }
    }

    /// When it is worth looking again: once the next awaited file is due, else in an hour.
    pub(super) fn look_again(&self, now: UnixMillis) -> Option<UnixMillis> {
        let soon = now.plus(UnixMillis::HOUR);
        let due = |period: &Period| period.published_from().plus(UnixMillis::HOUR / 2).max(soon);
        let awaited = self.last.awaited.iter().map(due).min();
        awaited.or_else(|| (!self.refused.is_empty()).then_some(soon))
    }

    fn name(&self, period: Period) -> String {
        let folder = Folder::new(self.held.symbol.clone(), self.held.series.dataset(), period.cadence());
        folder.map_or_else(|_| period.to_string(), |folder| folder.place(period.start()).to_string())
    }
}

/// How a part stands.
pub(super) struct Stand {
    awaited: Vec<String>,
    absent: Vec<String>,
    refused: Vec<String>,
    ids_missing: u64,
}

impl Stand {
    pub(super) fn tell(self, part: &mut Part) {
        (part.awaited, part.absent, part.refused) = (self.awaited, self.absent, self.refused);
        part.ids_missing = self.ids_missing;
    }
}

/// Whether the venue lists another file than the one that was read.
pub(super) fn is_replaced(taken: &ArchiveFile, listed: &Published) -> bool {
    match taken.stamp {
        Some(stamp) => stamp != listed.stamp(),
        None => listed.modified.is_some_and(|modified| modified > taken.at),
    }
}

/// How far back live sources give such rows.
const fn reach(series: Series, now: UnixMillis) -> Reach {
    Reach { now, back_ms: series.reach_ms() }
}
