//! `tapedeck inspect`: what is this file of a store, and where is it damaged?

use crate::{
    cli::{failure::Failure, table::table},
    store::{
        files::RealDisk,
        inspect::{Inspection, Table, What, inspect},
    },
};
use anyhow::{Context as _, anyhow};
use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Without `--all`, so many rows from each end of a table.
const ROWS_SHOWN: usize = 20;

/// `tapedeck inspect`
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file: STORE, MANIFEST, a journal file (.tdj) or a segment (.tds). It is only read
    file: PathBuf,
    /// Every row of every table, and a segment's blocks, too
    #[arg(long)]
    all: bool,
}

/// Exit 0 when the file is whole, 2 when it is damaged, 1 when it cannot be read or is no file of a store.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let shown = args.file.display();
    let found = look(&args.file, args.all).with_context(|| format!("{shown} cannot be read"))?;
    if found.what == What::Stranger {
        return Err(anyhow!("{shown} is {}: those are STORE, MANIFEST, *.tdj and *.tds", found.what).into());
    }
    io::stdout().write_all(text(&args.file, &found, args.all).as_bytes())?;
    if found.damage.is_empty() { Ok(()) } else { Err(Failure::Answer(2)) }
}

fn look(file: &Path, all: bool) -> io::Result<Inspection> {
    let name = file.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    inspect(&RealDisk::new(folder), name, all)
}

fn text(file: &Path, found: &Inspection, all: bool) -> String {
    let mut text = format!("{} is {}\n", file.display(), found.what);
    let widest = found.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in found.fields.iter().filter(|(_, value)| !value.is_empty()) {
        text += &format!("  {name:<widest$}  {value}\n");
    }
    found.tables.iter().for_each(|table| text += &titled(table, all));
    text += &lines("notes", &found.notes);
    text += &if found.damage.is_empty() { "\nwhole\n".to_owned() } else { lines("damage", &found.damage) };
    text
}

fn lines(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{title}\n{}", lines.iter().map(|line| format!("  {line}\n")).collect::<String>())
}

fn titled(shown: &Table, all: bool) -> String {
    let count = shown.rows.len();
    if count == 0 {
        return format!("\n{}: none\n", shown.title);
    }
    let text = table(&shown.columns, &shown.rows);
    let mut lines: Vec<&str> = text.lines().collect();
    let left_out = format!("  ... {} more: --all", count.saturating_sub(2 * ROWS_SHOWN));
    if !all && count > 2 * ROWS_SHOWN {
        // The heads stand above the rows.
        lines.splice(1 + ROWS_SHOWN..=count - ROWS_SHOWN, [&*left_out]);
    }
    format!("\n{}\n{}\n", shown.title, lines.join("\n"))
}
