//! What does the store cost: to write, in bytes, and to read, beside what the machine allows?
//!
//! `cargo bench --bench store -- [--csv FILE] [--rows N] [--dir DIR]`: the trades of an aggTrades CSV of the venue's archive, or generated
//! ones. Each figure is the median of several runs in one process; `docs/performance.md` sets them beside the peers', taken
//! in the same hour over the same CSV.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#![expect(clippy::float_arithmetic, reason = "times and ratios are measured, no money is counted")]

mod data;
mod measure;
mod reading;
mod rig;
mod writing;

use std::{env, path::PathBuf};

/// What was asked for.
struct Asked {
    csv: Option<PathBuf>,
    rows: usize,
    dir: PathBuf,
}

fn asked() -> Asked {
    let mut asked = Asked { csv: None, rows: 2_000_000, dir: env::temp_dir().join("tapedeck-bench-store") };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--csv" => asked.csv = args.next().map(PathBuf::from),
            "--rows" => asked.rows = args.next().and_then(|text| text.parse().ok()).unwrap_or(asked.rows),
            "--dir" => asked.dir = args.next().map_or(asked.dir, PathBuf::from),
            _ => {}
        }
    }
    asked
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked = asked();
    let trades = match &asked.csv {
        Some(path) => data::of_csv(path, asked.rows)?,
        None => data::generated(asked.rows),
    };
    println!("{} trades", trades.len());
    writing::append(&asked.dir, &trades)?;
    writing::restart(&asked.dir, &trades)?;
    reading::all(&asked.dir, &trades)?;
    Ok(())
}
