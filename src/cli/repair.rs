//! `tapedeck repair`: what can be done about a damaged store, and shall it be done?

use crate::{
    cli::{
        failure::Failure,
        table::counted,
        verify::{Meter, Place},
    },
    clock::Clock,
    store::{
        files::{Disk, RealDisk},
        rebuild::{ContractRebuilt, rebuild},
        repair::{Done, Repair, RepairError},
    },
};
use anyhow::Context as _;
use std::{
    fmt::Display,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

/// `tapedeck repair`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Says what would be done, and changes nothing: exit 2 when there is something to do
    #[arg(long, group = "how")]
    dry_run: bool,
    /// Does it. Damaged files go to quarantine/ in the store; nothing is deleted
    #[arg(long, group = "how")]
    apply: bool,
    /// Computes the stored minutes anew from the trades
    #[arg(long, group = "how")]
    candles: bool,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let dir = args.place.directory()?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(&dir));
    if args.candles {
        let done = rebuild(&disk, Clock::system()).with_context(|| dir.display().to_string())?;
        return Ok(io::stdout().write_all(rebuilt_text(&done).as_bytes())?);
    }
    let mut meter = Meter::new();
    let planned = Repair::plan(&disk, |progress| meter.show(&progress));
    meter.end();
    let repair = match planned {
        Err(RepairError::Verify(error)) => return Err(Place::refuse(&dir, error)),
        planned => planned.with_context(|| dir.display().to_string())?,
    };
    let hopeless = !repair.hopeless().is_empty();
    if args.dry_run || repair.actions().is_empty() {
        let idle = repair.actions().is_empty();
        io::stdout().write_all(plan_text(&dir, &repair).as_bytes())?;
        return if idle && !hopeless { Ok(()) } else { Err(Failure::Answer(2)) };
    }
    io::stdout().write_all(listed("", repair.hopeless(), "cannot be repaired").as_bytes())?;
    let done = repair.apply(Clock::system()).with_context(|| dir.display().to_string())?;
    io::stdout().write_all(done_text(&dir, &done).as_bytes())?;
    if hopeless { Err(Failure::Answer(2)) } else { Ok(()) }
}

fn rebuilt_text(done: &[ContractRebuilt]) -> String {
    let line = |one: &ContractRebuilt| {
        let symbol = one.symbol.as_ref().map_or("(no name)", |symbol| symbol.as_str());
        let minutes = counted(one.rebuilt.minutes, "minute", "minutes");
        format!("{symbol}: {minutes} computed, {} put right\n", one.rebuilt.written)
    };
    if done.is_empty() { "there are no trades\n".to_owned() } else { done.iter().map(line).collect() }
}

fn plan_text(dir: &Path, repair: &Repair) -> String {
    let text = listed("", repair.hopeless(), "cannot be repaired");
    let actions = repair.actions();
    if actions.is_empty() {
        return format!("{text}{}: nothing to do\n", dir.display());
    }
    let text = listed(&text, actions, "to do");
    let count = counted(actions.len() as u64, "thing", "things");
    format!("{text}\n{}: {count} to do; nothing was changed, --apply does it\n", dir.display())
}

fn done_text(dir: &Path, done: &Done) -> String {
    let text = listed("", &done.made, "made");
    let aside: Vec<String> = done.aside.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
    let text = listed(&text, &aside, "put aside");
    format!("{text}\n{}: repaired; `tapedeck verify` lists what is missing now\n", dir.display())
}

fn listed(before: &str, lines: &[impl Display], title: &str) -> String {
    if lines.is_empty() {
        return before.to_owned();
    }
    let lines = lines.iter().map(|line| format!("  {line}\n")).collect::<String>();
    format!("{before}{title}\n{lines}")
}
