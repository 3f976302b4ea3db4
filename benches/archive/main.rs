//! How fast does a monthly zip of the archive become checked rows, beside what the machine allows?
//!
//! `cargo bench --bench archive -- [--rows N] [--csv FILE] [--runs N]`: generated aggregate trades, or those of a CSV of the venue.
//! All figures are medians of runs in turn in one process; the zip is in memory, as it would be in the page cache.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#![expect(clippy::float_arithmetic, reason = "times and ratios are measured, no money is counted")]

#[path = "../store/data.rs"]
mod data;
mod floor;

use std::{
    convert::Infallible,
    env,
    fmt::Write as _,
    io::{self, Cursor, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};
use tapedeck::{
    exchange::binance::archive::{AggTrades, Cadence, Dataset, Folder, Place, Sha256, Table as _},
    history::archive::{Limits, Wanted, read},
    model::{Symbol, Trade},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// What was asked for.
struct Asked {
    csv: Option<PathBuf>,
    rows: usize,
    runs: usize,
}

fn asked() -> Option<Asked> {
    let mut asked = Asked { csv: None, rows: 2_000_000, runs: 5 };
    let (mut args, mut bench) = (env::args().skip(1), false);
    let number = |text: Option<String>, usual| text.and_then(|text| text.parse().ok()).unwrap_or(usual);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--csv" => asked.csv = args.next().map(PathBuf::from),
            "--rows" => asked.rows = number(args.next(), asked.rows),
            "--runs" => asked.runs = number(args.next(), asked.runs),
            "--bench" => bench = true,
            _ => {}
        }
    }
    // Test runners start every target; only `cargo bench` says so.
    bench.then_some(asked)
}

/// The month's CSV as the venue writes it.
fn csv(trades: &[Trade]) -> Result<String, std::fmt::Error> {
    let mut text = AggTrades::COLUMNS.join(",") + "\n";
    for Trade { id, price, quantity, first_id, last_id, time, buyer_is_maker } in trades {
        writeln!(text, "{id},{price},{quantity},{first_id},{last_id},{time},{buyer_is_maker}")?;
    }
    Ok(text)
}

/// Zipped as hard as the venue's files are.
fn zipped(place: &Place, csv: &str) -> io::Result<Vec<u8>> {
    let options =
        SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).compression_level(Some(6));
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(place.entry_name(), options)?;
    writer.write_all(csv.as_bytes())?;
    Ok(writer.finish()?.into_inner())
}

fn sha256(bytes: &[u8]) -> Sha256 {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().try_into().unwrap_or_default()
}

/// What is measured, and what it came to in each run.
struct Figure<'a> {
    what: &'a str,
    run: Box<dyn Fn() -> u64 + 'a>,
    times: Vec<Duration>,
}

impl<'a> Figure<'a> {
    fn new(what: &'a str, run: impl Fn() -> u64 + 'a) -> Self {
        Self { what, run: Box::new(run), times: Vec::new() }
    }

    fn take(&mut self, expected: u64) {
        let begun = Instant::now();
        let rows = (self.run)();
        self.times.push(begun.elapsed());
        assert_eq!(rows, expected, "{}", self.what);
    }

    fn median(&mut self) -> Duration {
        self.times.sort_unstable();
        self.times[self.times.len() / 2]
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(asked) = asked() else { return Ok(()) };
    let trades = match &asked.csv {
        Some(path) => data::of_csv(path, asked.rows)?,
        None => data::generated(asked.rows),
    };
    let first = trades.first().ok_or("no trades")?;
    let place = Folder::new(Symbol::new("BTCUSDT")?, Dataset::AggTrades, Cadence::Monthly)?.place(first.time);
    let text = csv(&trades)?;
    let zip = zipped(&place, &text)?;
    let rows = trades.len() as u64;
    drop(trades);
    let a_row = |bytes: usize| bytes as f64 / rows as f64;
    println!("{rows} rows, {:.1} bytes a row of CSV, {:.1} of zip", a_row(text.len()), a_row(zip.len()));
    measure(&place, &text, &zip, rows, asked.runs);
    Ok(())
}

fn measure(place: &Place, text: &str, zip: &[u8], rows: u64, runs: usize) {
    let deflated = floor::compressed(zip);
    let wanted = Wanted { place, table: &AggTrades, sha256: sha256(zip), limits: Limits::default() };
    let whole = || {
        let stage = |count: &mut u64, rows: &[Trade]| {
            *count += rows.len() as u64;
            Ok(())
        };
        let found = read(&mut Cursor::new(zip), &wanted, || Ok::<_, Infallible>(0), stage);
        found.map_or(0, |found| found.staged.min(found.tally.rows))
    };
    let mut figures = [
        Figure::new("sha-256 of the zip", || u64::from(sha256(zip) == wanted.sha256) * rows),
        Figure::new("parse of the CSV, checked", || floor::parsed(text.as_bytes())),
        Figure::new("inflate", || if floor::inflated(deflated) == text.len() as u64 { rows } else { 0 }),
        Figure::new("inflate, then lines", || floor::lines(deflated) - 1),
        Figure::new("inflate beside CRC and bare parse, two threads", || floor::beside(deflated)),
        Figure::new("this reader: all checks, three threads", whole),
    ];
    for round in 0..=runs {
        for figure in &mut figures {
            figure.take(rows);
            // The first round warms up.
            figure.times.truncate(round);
        }
    }
    let rates = figures.each_mut().map(|figure| rows as f64 / figure.median().as_secs_f64() / 1e6);
    println!("| what | M rows/s |\n|---|---|");
    figures.iter().zip(rates).for_each(|(figure, rate)| println!("| {} | {rate:.2} |", figure.what));
    let [.., inflate, _, beside, reader] = rates;
    println!(
        "this reader: {:.0} % of inflate, {:.0} % of the two threads",
        reader / inflate * 100.0,
        reader / beside * 100.0
    );
}
