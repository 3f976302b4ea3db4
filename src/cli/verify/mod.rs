//! `tapedeck verify`: is the store intact, and what does it lack?

mod coverage;
mod json;
mod klines;
mod text;

use crate::{
    cli::{args::Common, failure::Failure},
    model::Symbol,
    store::{
        files::{Disk, RealDisk},
        identity::IdentityError,
        verify::{Progress, Report, VerifyError, verify},
    },
};
use anyhow::{Context as _, anyhow};
use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// `tapedeck verify`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Holes count as a fault, too: exit 2
    #[arg(long)]
    strict: bool,
    /// Prints everything as one JSON object
    #[arg(long)]
    json: bool,
    /// Instead compares the stored minutes with the exchange's own: zips of its archive, as SYMBOL-1m-2026-03.zip,
    /// checked by their CHECKSUM where it lies beside them, CSVs of that name, or directories of either
    #[arg(long, value_name = "DIR_OR_ZIP", num_args = 1.., conflicts_with = "strict")]
    against_klines: Vec<PathBuf>,
    /// Only minutes of these symbols, separated by commas
    #[arg(long, value_name = "SYMBOLS", value_delimiter = ',', requires = "against_klines", value_parser = Symbol::new)]
    symbol: Vec<Symbol>,
}

/// Which store is meant.
#[derive(Debug, clap::Args)]
pub(super) struct Place {
    /// The store's directory [default: store.dir of the configuration]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl Place {
    /// The directory, which is there. With `--data-dir` no configuration is read.
    pub(super) fn directory(self) -> Result<PathBuf, Failure> {
        let dir = match self.data_dir {
            Some(dir) => dir,
            // 2 has another meaning here.
            None => {
                self.common.load(Vec::new()).map_err(|failure| anyhow!("{failure}"))?.store.dir.ok_or_else(|| {
                    anyhow!(
                        "no store is named: give its directory with --data-dir, or set store.dir in the configuration"
                    )
                })?
            }
        };
        if dir.is_dir() {
            return Ok(dir);
        }
        let shown = dir.display();
        Err(anyhow!("{shown} is no directory: name the store's with --data-dir, or set store.dir").into())
    }

    /// What is said when a store cannot be checked. Only a damaged one is exit 2.
    pub(super) fn refuse(dir: &Path, error: VerifyError) -> Failure {
        let shown = dir.display();
        match error {
            VerifyError::Identity(IdentityError::Missing) => {
                anyhow!("{shown} is no store: it has no file STORE; name the store's directory with --data-dir").into()
            }
            VerifyError::Identity(error @ IdentityError::Damaged) => {
                // The exit code stands even when nobody reads there.
                writeln!(io::stderr(), "tapedeck: {shown}: {error}").unwrap_or_default();
                Failure::Answer(2)
            }
            error => anyhow::Error::from(error).context(shown.to_string()).into(),
        }
    }
}

/// Progress, for who watches.
pub(super) struct Meter {
    shown: bool,
}

impl Meter {
    /// Shows nothing unless standard error is a terminal.
    pub(super) fn new() -> Self {
        Self { shown: io::stderr().is_terminal() }
    }

    pub(super) fn show(&mut self, progress: &Progress<'_>) {
        self.line(format_args!("checking {} of {}: {}", progress.done + 1, progress.all, progress.path));
    }

    /// Shows a line in place of the one before.
    fn line(&self, line: fmt::Arguments<'_>) {
        if self.shown {
            write!(io::stderr(), "\r\x1b[K{line}").unwrap_or_default();
        }
    }

    /// Leaves a clean line.
    pub(super) fn end(&self) {
        if self.shown {
            io::stderr().write_all(b"\r\x1b[K").unwrap_or_default();
        }
    }
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let dir = args.place.directory()?;
    if !args.against_klines.is_empty() {
        return klines::run(&dir, &args.against_klines, &args.symbol, args.json);
    }
    let mut meter = Meter::new();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&dir));
    let checked = verify(&*disk, |progress| meter.show(&progress));
    meter.end();
    let report = checked.map_err(|error| Place::refuse(&dir, error))?;
    let covered = coverage::of(&disk, &report).with_context(|| dir.display().to_string())?;
    let verdict = Verdict::of(&report, args.strict);
    let write = if args.json { json::report } else { text::report };
    let out = write(&dir, &report, &covered, verdict);
    io::stdout().write_all(out.as_bytes())?;
    if verdict.is_good() { Ok(()) } else { Err(Failure::Answer(2)) }
}

/// What the check comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Intact,
    /// Nothing is damaged, and ids are missing, which is a fault if so asked.
    Holes {
        strict: bool,
    },
    Damaged,
}

impl Verdict {
    fn of(report: &Report, strict: bool) -> Self {
        if report.is_damaged() {
            Self::Damaged
        } else if report.holes().next().is_some() {
            Self::Holes { strict }
        } else {
            Self::Intact
        }
    }

    fn is_good(self) -> bool {
        matches!(self, Self::Intact | Self::Holes { strict: false })
    }
}
