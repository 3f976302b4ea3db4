//! Does `tapedeck backfill` bring the past into a store, say how it went, and leave a running server's store to it?

use super::*;
use serde_json::json;
use tapedeck::{
    model::{Symbol, UnixMillis},
    sim::Exchange,
    store::{files::RealDisk, verify::verify},
};

const SYMBOL: &str = "XRPUSDT";
const DAY: i64 = UnixMillis::DAY;

/// A store, and an exchange to fill it from.
struct Setting {
    exchange: Arc<Exchange>,
    upstream: SocketAddr,
    folder: tempfile::TempDir,
    /// Midnight.
    today: i64,
}

impl Setting {
    fn new() -> Self {
        let (exchange, upstream) = kill::exchange_of(&[(SYMBOL, 6), ("BTCUSDT", 6)]);
        let today = exchange.now().floor(DAY, 0).get();
        Self { exchange, upstream, folder: tempfile::tempdir().expect("a folder"), today }
    }

    fn dir(&self) -> String {
        self.folder.path().join("tape").display().to_string()
    }

    fn sets(&self) -> [String; 3] {
        let upstream = self.upstream;
        [
            format!("venue.binance.rest_url=http://{upstream}"),
            format!("venue.binance.archive_url=http://{upstream}/archive"),
            format!("store.dir={}", self.dir()),
        ]
    }

    /// Runs `tapedeck backfill`: its exit code, what it printed, and what it wrote to standard error.
    fn run(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let sets = self.sets();
        let mut all = vec!["backfill"];
        all.extend_from_slice(args);
        sets.iter().for_each(|set| all.extend(["--set", set]));
        let mut program = Program::start(&all, Stdio::piped());
        let stdout = Transcript::of(program.child.stdout.take().expect("piped"));
        let code = program.exit_code();
        thread::sleep(10 * LOOK_EVERY);
        (code, stdout.text(), written(&program))
    }

    fn truth(&self, from: i64, to: i64) -> u64 {
        let symbol = Symbol::new(SYMBOL).expect("a symbol");
        self.exchange.truth(&symbol, UnixMillis::new(from), UnixMillis::new(to)).len() as u64
    }
}

fn days(count: i64, today: i64) -> String {
    (today - count * DAY).to_string()
}

#[test]
fn the_past_comes_once_and_more_of_it_costs_what_is_missing() {
    let setting = Setting::new();
    let (from, to) = (days(5, setting.today), days(3, setting.today));
    let (code, stdout, stderr) = setting.run(&[SYMBOL, "--from", &from, "--to", &to]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let rows = setting.truth(setting.today - 5 * DAY, setting.today - 3 * DAY);
    assert_eq!(stdout, format!("{SYMBOL} trades: 2 files, {} rows, {rows} new\n", grouped(rows)));
    assert!(stderr.contains(&format!("{SYMBOL} trades: ")), "plain lines: {stderr}");
    let earlier = days(6, setting.today);
    let (code, stdout, stderr) = setting.run(&[SYMBOL, "--from", &earlier, "--to", &to]);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let more = setting.truth(setting.today - 6 * DAY, setting.today - 5 * DAY);
    assert_eq!(stdout, format!("{SYMBOL} trades: 1 file, {} rows, {more} new\n", grouped(more)));
    let report = verify(&RealDisk::new(std::path::Path::new(&setting.dir())), |_| {}).expect("a store");
    assert!(!report.is_damaged() && report.findings.is_empty(), "{report:?}");
    let trades = report.months.iter().filter(|month| month.kind == tapedeck::store::record::Kind::Trade);
    assert_eq!(trades.map(|month| month.rows).sum::<u64>(), rows + more);
}

/// As the program writes counts.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let (mut out, len) = (String::new(), digits.len());
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (len - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[test]
fn what_cannot_be_had_is_refused_in_words() {
    let setting = Setting::new();
    let (from, to) = (days(5, setting.today), days(3, setting.today));
    for (args, code, words) in [
        (vec!["NOPEUSDT", "--from", from.as_str()], 1, "the symbol `NOPEUSDT` is not known"),
        (vec![SYMBOL, "--from", &to, "--to", &from], 1, "the range is empty"),
        (vec![SYMBOL, "--from", "1999-01-01"], 1, "was listed at"),
        (vec![SYMBOL, "--from", "yesterday"], 2, "a time is written as"),
        (vec![SYMBOL, "--from", &from, "--series", "books"], 2, "there are trades, raw_trades"),
        (vec!["--from", &from], 2, "SYMBOL"),
        (vec![SYMBOL, "--from", &from, "--set", "backfill.downloads=0"], 2, "must be from 1 to 32"),
    ] {
        let (found, _, stderr) = setting.run(&args);
        assert!(found == Some(code) && stderr.contains(words), "{args:?}: {found:?} {stderr}");
    }
}

/// Submits a job.
fn post(address: SocketAddr, body: &Value) -> (u16, Value) {
    ask(address, "POST", "/api/v1/backfill", "Content-Type: application/json\r\n", &body.to_string())
}

fn assert_what_cannot_be_had_is_refused(address: SocketAddr, (from, to): (i64, i64)) {
    let refused = |body: Value| {
        let (status, problem) = post(address, &body);
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    };
    let refusal = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(refused(json!({"symbol": "NOPEUSDT", "from": from})), refusal(404, "unknown_symbol"));
    assert_eq!(refused(json!({"symbol": SYMBOL, "from": to, "to": from})), refusal(422, "empty_range"));
    assert_eq!(refused(json!({"symbol": SYMBOL, "from": "1999-01-01"})), refusal(422, "before_listing"));
    assert_eq!(refused(json!({"symbol": SYMBOL, "from": "soon"})), refusal(400, "bad_time"));
    assert_eq!(refused(json!({"symbol": SYMBOL, "from": from, "too": to})), refusal(400, "bad_body"));
    assert_eq!(refused(json!({"from": from})), refusal(400, "bad_body"));
    let candles = json!({"symbol": SYMBOL, "from": from, "series": ["candles"]});
    assert_eq!(refused(candles), refusal(422, "trades_kept"));
}

#[test]
fn a_server_takes_jobs_and_keeps_others_from_its_store() {
    let setting = Setting::new();
    let sets = setting.sets();
    let more = ["--symbols", SYMBOL, "--set", &sets[1], "--set", &sets[2]];
    let (mut server, address) = Program::serve(setting.upstream, &more);
    let (from, to) = (setting.today - 5 * DAY, setting.today - 3 * DAY);
    let (code, _, stderr) = setting.run(&[SYMBOL, "--from", &from.to_string()]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("a server writes to this store") && stderr.contains("/api/v1/backfill"), "{stderr}");
    until("a listing", || get(address, "/api/v1/symbols").filter(|(_, body)| body.contains("onboard_time")));
    let post = |body: &Value| post(address, body);
    assert_what_cannot_be_had_is_refused(address, (from, to));
    let body = json!({"symbol": SYMBOL, "from": from, "to": to});
    let (status, _) = ask(address, "POST", "/api/v1/backfill", "Content-Type: text/plain\r\n", &body.to_string());
    assert_eq!(status, 415, "as a page elsewhere could send it");
    let (status, job) = post(&body);
    assert_eq!((status, job["data"]["state"].as_str()), (202, Some("queued")), "{job}");
    let target = format!("/api/v1/jobs/{}", job["data"]["id"]);
    let done = until("end of the job", || {
        let (_, body) = get(address, &target)?;
        let job: Value = serde_json::from_str(&body).ok()?;
        (job["data"]["state"] == "done").then_some(job)
    });
    assert_eq!(done["data"]["parts"][0]["rows_new"], setting.truth(from, to));
    assert_eq!(get(address, "/api/v1/jobs/77").map(|(status, _)| status), Some(404));
    let (status, cancelled) = ask(address, "DELETE", &target, "", "");
    assert_eq!((status, cancelled["data"]["state"].as_str()), (200, Some("done")), "what is over stays so");
    let (_, listed) = get(address, "/api/v1/jobs").expect("it serves");
    assert!(listed.contains("\"count\":1"), "{listed}");
    let (_, weight) = get(address, "/api/v1/admin/weight").expect("it serves");
    let weight: Value = serde_json::from_str(&weight).expect("JSON");
    assert!(weight["data"]["limit"].as_u64() >= Some(1_000), "{weight}");
    // What was filled in is served at once.
    let query = format!("/api/v1/trades?symbol={SYMBOL}&start={from}&end={to}&limit=10000");
    let (_, trades) = get(address, &query).expect("it serves");
    let trades: Value = serde_json::from_str(&trades).expect("JSON");
    assert_eq!(trades["data"].as_array().map(|rows| rows.len() as u64), Some(setting.truth(from, to).min(10_000)));
    server.terminate();
    assert_eq!(server.exit_code(), Some(0));
}
