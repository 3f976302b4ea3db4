//! `tapedeck backfill`: which past is fetched into a store, and how did it go?

mod progress;

use crate::{
    api::moment,
    app::{self, Filling, FillingError},
    cli::{
        args::{Common, flag},
        failure::Failure,
        healthcheck::reachable,
        logging,
        table::counted,
    },
    config::{Assignment, Config, TapeKind},
    history::jobs::{Job, Part, Series, State, Want},
    model::UnixMillis,
};
use anyhow::anyhow;
use progress::Progress;
use std::io::{self, Write as _};

/// After Ctrl-C, as shells count.
const INTERRUPTED: u8 = 130;

/// `tapedeck backfill`
///
/// Exit codes: 0 all that the exchange offers is there, 1 something could not be fetched now, 2 the command line or the
/// configuration is wrong, 130 interrupted. What was verified stays; the same command goes on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Symbols as the exchange lists them
    #[arg(required = true, value_name = "SYMBOL")]
    symbols: Vec<String>,
    /// The first moment: a date, RFC 3339, or milliseconds since 1970
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: UnixMillis,
    /// The moment after the last [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    to: Option<UnixMillis>,
    /// What: trades, raw_trades, candles (of contracts whose trades are not kept), open_interest, funding
    #[arg(long, value_name = "SERIES", value_delimiter = ',', value_parser = series)]
    series: Vec<Series>,
    /// The store's directory [default: store.dir of the configuration]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    #[command(flatten)]
    common: Common,
}

fn time(text: &str) -> Result<UnixMillis, String> {
    moment(text).map_err(|error| error.to_string())
}

fn series(text: &str) -> Result<Series, String> {
    let names = || Series::ALL.map(Series::as_str).join(", ");
    Series::parse(text).ok_or_else(|| format!("there are {}", names()))
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let Args { symbols, from, to, series, data_dir, common } = args;
    let joined = symbols.join(",");
    let more: Vec<Assignment> = flag("SYMBOL", "symbols", Some(&joined))
        .into_iter()
        .chain(flag("--data-dir", "store.dir", data_dir.as_deref()))
        .collect();
    let config = common.load(more)?;
    logging::start(&config.log);
    let want = wanted(&config, from, to, series);
    let filling = match Filling::open(&config) {
        Err(FillingError::Locked) => return Err(ask_the_server(&config, &want)),
        filling => filling.map_err(|error| told(&error))?,
    };
    let outcome = fill(&filling, want);
    filling.close();
    outcome
}

/// What the tapes of these contracts are made of, unless something else is asked for.
fn wanted(config: &Config, from: UnixMillis, to: Option<UnixMillis>, mut series: Vec<Series>) -> Want {
    if series.is_empty() {
        series.extend(config.symbols.named.iter().map(|symbol| match config.contract(symbol).tape {
            TapeKind::Aggregate => Series::Trades,
            TapeKind::Raw => Series::RawTrades,
        }));
    }
    let symbols = config.symbols.named.iter().map(ToString::to_string).collect();
    let to = to.map_or(i64::MAX, UnixMillis::get);
    Want { symbols, series, from: from.get(), to, replaced_only: false }
}

fn told(error: &FillingError) -> Failure {
    let text = match error {
        FillingError::Other(error) => format!("{error:#}"),
        error => crate::net::with_causes(error),
    };
    Failure::Run(anyhow!(text))
}

/// Two processes never write to one store; the one that does takes jobs.
fn ask_the_server(config: &Config, want: &Want) -> Failure {
    let mut body = serde_json::json!({"symbols": want.symbols, "series": want.series, "from": want.from});
    if want.to != i64::MAX {
        body["to"] = want.to.into();
    }
    Failure::Run(anyhow!(
        "a server writes to this store: give it the job, as in\n  curl -X POST -H 'content-type: application/json' -d '{body}' \
         http://{}/api/v1/backfill",
        reachable(config.server.listen),
    ))
}

fn fill(filling: &Filling, want: Want) -> Result<(), Failure> {
    let job = filling.submit(want).map_err(|error| told(&error))?;
    let mut progress = Progress::new();
    let shown = async {
        let mut ticks = tokio::time::interval(Progress::EVERY);
        loop {
            ticks.tick().await;
            filling.jobs.get(job.id).iter().for_each(|job| progress.show(job));
        }
    };
    let interrupted = async {
        match app::stop_signal() {
            Ok(stopped) => tokio::select! {
                () = shown => {}
                () = stopped => {}
            },
            // Then it can only be killed, which costs no more.
            Err(_) => shown.await,
        }
    };
    let ended = filling.finish(job.id, interrupted);
    progress.end();
    let Some(job) = ended else {
        io::stdout().write_all(b"interrupted: what was verified is kept, the same command goes on\n")?;
        return Err(Failure::Answer(INTERRUPTED));
    };
    io::stdout().write_all(job.parts.iter().map(summary).collect::<String>().as_bytes())?;
    match job.state {
        State::Done if job.parts.iter().all(|part| part.refused.is_empty()) => Ok(()),
        _ => Err(Failure::Run(anyhow!(failure(&job)))),
    }
}

fn failure(job: &Job) -> String {
    let refused =
        || job.parts.iter().any(|part| !part.refused.is_empty()).then_some("files of the archive are refused");
    let why = job.error.as_deref().or_else(refused).unwrap_or(job.state.as_str());
    format!("{why}; what was verified is kept, the same command goes on")
}

/// One part in a line, and a line for each file that did not come.
fn summary(part: &Part) -> String {
    let files = counted(part.files_done, "file", "files");
    let rows = counted(part.rows + part.rest_rows, "row", "rows");
    let mut text = format!("{} {}: {files}, {rows}, {} new", part.symbol, part.series.as_str(), part.rows_new);
    for (count, what) in [(part.conflicts, "conflicts"), (part.ids_missing, "ids missing")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text.push('\n');
    for (names, what) in
        [(&part.awaited, "is not published yet"), (&part.absent, "was never published"), (&part.refused, "was refused")]
    {
        text.extend(names.iter().map(|name| format!("  {what}: {name}\n")));
    }
    text
}
