//! How fast does a month of the archive become a store that can be asked, beside what the machine allows and what others do?
//!
//! `cargo bench --bench backfill -- [--rows N] [--csv FILE] [--dir DIR] [--runs N] [--python PYTHON]`: generated aggregate trades,
//! or those of a CSV of the venue, zipped once in DIR. Every run is a process of its own, so that each has its own peak of memory,
//! and all are taken in turn. With a Python that has them, DuckDB, Polars and ClickHouse (chdb) read the same zip.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]
#![expect(clippy::float_arithmetic, reason = "times and ratios are measured, no money is counted")]

#[path = "../store/data.rs"]
#[expect(dead_code, reason = "trades are not held, but written one by one")]
mod data;
#[path = "../archive/floor.rs"]
#[expect(dead_code, reason = "only one of the floors is wanted here")]
mod floor;
mod month;
mod ours;

use month::Month;
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

type Failure = Box<dyn std::error::Error>;

/// What others are called in `peers.py`, and here.
const PEERS: [(&str, &str); 4] = [
    ("polars", "Polars, unzipped to a file, streamed to Parquet"),
    ("duckdb", "DuckDB, unzipped to a file, read_csv"),
    ("duckdb-pipe", "DuckDB, unzip piped into read_csv"),
    ("clickhouse", "ClickHouse (chdb), unzip piped, seed 4's table"),
];

/// What was asked for.
struct Asked {
    csv: Option<PathBuf>,
    rows: usize,
    runs: usize,
    dir: PathBuf,
    python: Option<PathBuf>,
    /// What this process is to do for another one that measures.
    task: Option<String>,
}

fn asked() -> Option<Asked> {
    let dir = env::temp_dir().join("tapedeck-bench-backfill");
    let mut asked = Asked { csv: None, rows: 2_000_000, runs: 3, dir, python: None, task: None };
    let (mut args, mut bench) = (env::args().skip(1), false);
    let number = |text: Option<String>, usual| text.and_then(|text| text.parse().ok()).unwrap_or(usual);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--csv" => asked.csv = args.next().map(PathBuf::from),
            "--rows" => asked.rows = number(args.next(), asked.rows),
            "--runs" => asked.runs = number(args.next(), asked.runs),
            "--dir" => asked.dir = args.next().map_or(asked.dir, PathBuf::from),
            "--python" => asked.python = args.next().map(PathBuf::from),
            "--task" => asked.task = args.next(),
            "--bench" => bench = true,
            _ => {}
        }
    }
    // Test runners start every target; only `cargo bench` says so.
    bench.then_some(asked)
}

/// What one run came to.
#[derive(Clone, Copy)]
struct Run {
    seconds: f64,
    /// Of all cores, which neighbours hardly change.
    cpu_seconds: f64,
    peak_kib: u64,
}

/// A figure of a run.
type Of = fn(&Run) -> f64;

/// What is measured.
struct Figure {
    what: String,
    command: Vec<String>,
    runs: Vec<Run>,
}

impl Figure {
    fn take(&mut self, rows: u64) -> Result<(), Failure> {
        let (program, args) = self.command.split_first().ok_or("no program")?;
        let output = Command::new(program).args(args).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut words = text.lines().last().unwrap_or_default().split(' ');
        let mut next =
            || words.next().ok_or_else(|| format!("{}: {}", self.what, String::from_utf8_lossy(&output.stderr)));
        let run = Run { seconds: next()?.parse()?, cpu_seconds: next()?.parse()?, peak_kib: next()?.parse()? };
        let found: u64 = next()?.parse()?;
        assert_eq!(found, rows, "{}", self.what);
        self.runs.push(run);
        Ok(())
    }

    fn median(&self, of: Of) -> f64 {
        let mut seconds: Vec<f64> = self.runs.iter().map(of).collect();
        seconds.sort_by(f64::total_cmp);
        seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn peak_mib(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_kib).max().unwrap_or_default() / 1_024
    }
}

fn main() -> Result<(), Failure> {
    let Some(asked) = asked() else { return Ok(()) };
    if let Some(task) = &asked.task {
        let month = Month::found(&asked.dir)?;
        return match task.as_str() {
            "ours" => ours::run(&asked.dir, &month),
            _ => machine(&month),
        };
    }
    let month = Month::made(&asked.dir, asked.csv.as_deref(), asked.rows)?;
    let rows = month.rows;
    let a_row = |bytes: u64| bytes as f64 / rows as f64;
    println!("{rows} rows, {:.1} bytes a row of CSV, {:.1} of zip", a_row(month.csv_bytes), a_row(month.zip_bytes));
    let mut figures = figures(&asked, &month)?;
    for _ in 0..asked.runs {
        for figure in &mut figures {
            figure.take(rows)?;
        }
    }
    tell(&figures, rows);
    fs::remove_dir_all(asked.dir.join("store"))?;
    Ok(())
}

fn figures(asked: &Asked, month: &Month) -> Result<Vec<Figure>, Failure> {
    let text = |path: &Path| path.display().to_string();
    let own = |task: &str, what: &str| -> Result<Figure, Failure> {
        let args = ["--bench", "--dir", &text(&asked.dir), "--task", task].map(str::to_owned);
        let command = [text(&env::current_exe()?)].into_iter().chain(args).collect();
        Ok(Figure { what: what.to_owned(), command, runs: Vec::new() })
    };
    let mut figures = vec![
        own("floor", "inflate beside CRC and bare parse, two threads, nothing kept")?,
        own("ours", "this store: all checks, sealed, synced, 1-minute candles")?,
    ];
    if let Some(python) = &asked.python {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/backfill/peers.py");
        for (name, what) in PEERS {
            let command = vec![text(python), text(&script), name.to_owned(), text(&month.zip), text(&asked.dir)];
            figures.push(Figure { what: what.to_owned(), command, runs: Vec::new() });
        }
    }
    Ok(figures)
}

fn tell(figures: &[Figure], rows: u64) {
    let (wall, cpu): (Of, Of) = (|run| run.seconds, |run| run.cpu_seconds);
    let ours = |of: Of| figures.get(1).map_or(f64::NAN, |figure| figure.median(of));
    println!(
        "| what | M rows/s | seconds | CPU seconds | peak MiB | ours is | by CPU |\n|---|---|---|---|---|---|---|"
    );
    for figure in figures {
        let (seconds, cpu_seconds, peak) = (figure.median(wall), figure.median(cpu), figure.peak_mib());
        let (faster, cheaper) = (seconds / ours(wall), cpu_seconds / ours(cpu));
        let (what, rate) = (&figure.what, rows as f64 / seconds / 1e6);
        println!("| {what} | {rate:.2} | {seconds:.2} | {cpu_seconds:.2} | {peak} | {faster:.2} x | {cheaper:.2} x |");
    }
}

/// The machine's own pace.
fn machine(month: &Month) -> Result<(), Failure> {
    let zip = fs::read(&month.zip)?;
    let stopwatch = Stopwatch::start()?;
    let rows = floor::beside(floor::compressed(&zip));
    stopwatch.tell(rows)
}

/// Takes the time and the CPU time of this process.
struct Stopwatch {
    begun: Instant,
    cpu_seconds: f64,
}

impl Stopwatch {
    fn start() -> Result<Self, Failure> {
        Ok(Self { cpu_seconds: cpu_seconds()?, begun: Instant::now() })
    }

    /// The line that the measuring process reads: seconds, CPU seconds, peak of memory in KiB, rows.
    fn tell(&self, rows: u64) -> Result<(), Failure> {
        let (seconds, cpu_seconds) = (self.begun.elapsed().as_secs_f64(), cpu_seconds()? - self.cpu_seconds);
        let status = fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next());
        println!("{seconds} {cpu_seconds} {} {rows}", peak.ok_or("no VmHWM")?);
        Ok(())
    }
}

/// Of all threads so far, those that have ended included.
fn cpu_seconds() -> Result<f64, Failure> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let (_, fields) = text.rsplit_once(") ").ok_or("/proc/self/stat names no process")?;
    let ticks: Vec<u64> = fields.split(' ').skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<u64>() as f64 / rustix::param::clock_ticks_per_second() as f64)
}
