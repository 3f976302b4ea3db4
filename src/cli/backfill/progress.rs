//! How far is a back-fill, on a terminal or elsewhere?

use crate::history::jobs::{Job, Part};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// Between two lines where nothing can be refreshed.
const LINE_EVERY: Duration = Duration::from_secs(5);
const TEMPLATE: &str = "{prefix:>24} [{bar:30}] {bytes}/{total_bytes} {msg}";

/// Bars on a terminal, one a contract and series; plain lines elsewhere. Both go to standard error.
pub(super) struct Progress {
    bars: Option<(MultiProgress, Vec<ProgressBar>)>,
    written: Option<Instant>,
}

impl Progress {
    /// How often it is to be shown.
    pub(super) const EVERY: Duration = Duration::from_millis(200);

    pub(super) fn new() -> Self {
        let bars = io::stderr().is_terminal().then(|| (MultiProgress::new(), Vec::new()));
        Self { bars, written: None }
    }

    pub(super) fn show(&mut self, job: &Job) {
        match &mut self.bars {
            Some((all, bars)) => {
                for part in &job.parts[bars.len().min(job.parts.len())..] {
                    bars.push(all.add(bar(part)));
                }
                bars.iter().zip(&job.parts).for_each(|(bar, part)| update(bar, part));
            }
            None if self.written.is_none_or(|written| written.elapsed() >= LINE_EVERY) => {
                self.written = Some(Instant::now());
                let lines: String = job.parts.iter().map(line).collect();
                io::stderr().write_all(lines.as_bytes()).unwrap_or_default();
            }
            None => {}
        }
    }

    /// Leaves a clean screen.
    pub(super) fn end(&self) {
        self.bars.iter().flat_map(|(_, bars)| bars).for_each(ProgressBar::abandon);
    }
}

fn bar(part: &Part) -> ProgressBar {
    let bar = ProgressBar::new(part.bytes);
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    bar.set_prefix(format!("{} {}", part.symbol, part.series.as_str()));
    bar
}

fn update(bar: &ProgressBar, part: &Part) {
    bar.set_length(part.bytes);
    bar.set_position(part.bytes_done);
    bar.set_message(format!("{}/{} files, {} rows", part.files_done, part.files, part.rows + part.rest_rows));
}

fn line(part: &Part) -> String {
    let Part { symbol, series, files_done, files, .. } = part;
    format!("{symbol} {}: {files_done} of {files} files, {} rows\n", series.as_str(), part.rows + part.rest_rows)
}
