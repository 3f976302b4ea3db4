//! Does the configuration say what was meant, and do errors name what is wrong?

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};
use tapedeck::{
    config::{Aged, Ages, Assignment, Config, DEMO, LogFormat, Settings, Sources, TapeKind},
    market::Series,
    model::Symbol,
};
use tempfile::TempDir;

fn file(text: &str) -> Sources {
    Sources { files: vec![(Path::new("my.toml").into(), Ok(text.to_owned()))], ..Sources::default() }
}

fn env(variables: &[(&str, &str)]) -> Sources {
    let env = variables.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect();
    Sources { env, ..Sources::default() }
}

fn flag(key: &str, text: &str) -> Assignment {
    Assignment { flag: "--set", key: key.to_owned(), text: text.to_owned() }
}

fn load(sources: Sources) -> Result<Config, String> {
    let settings = Settings::gather(sources).map_err(|problems| problems.to_string())?;
    Config::new(&settings).map_err(|problems| problems.to_string())
}

fn error(sources: Sources) -> String {
    load(sources).expect_err("this is wrong")
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect(text)
}

#[test]
fn the_defaults_load() {
    let config = load(Sources::default()).expect("valid");
    assert_eq!(config.symbols.named, [symbol("BTCUSDT")]);
    assert_eq!(config.server.listen, SocketAddr::from(([127, 0, 0, 1], 8600)));
    assert_eq!(config.session.flush, Duration::ZERO);
    assert_eq!(config.session.heartbeat, Duration::from_secs(15));
    assert_eq!(config.binance.rest_url, "https://fapi.binance.com");
    assert_eq!(config.binance.ws_url, "wss://fstream.binance.com");
    assert_eq!(config.binance.extra_ca_file, None);
    assert_eq!(config.candle.grace, Duration::from_millis(300));
    assert_eq!(config.log.format, LogFormat::Auto);
    assert_eq!(config.contract(&symbol("BTCUSDT")).ring_trades.get(), 8192);
    assert_eq!(config.contract(&symbol("BTCUSDT")).tape, TapeKind::Aggregate);
}

#[test]
fn the_built_in_file_and_the_demo_load_as_files_too() {
    let defaults = include_str!("../../config/tapedeck.toml");
    load(file(defaults)).expect("valid");
    let demo = load(file(DEMO)).expect("valid");
    assert_eq!(demo.binance.ws_url, format!("ws://{}", demo.sim.listen));
    assert_eq!(demo.binance.rest_url, format!("http://{}", demo.sim.listen));
    assert!(demo.symbols.named.contains(&symbol("币安人生USDT")));
}

#[test]
fn each_layer_overrides_the_one_below_and_is_remembered() {
    let text = "[server]\nping_ms = 1001\nheartbeat_ms = 1001\n\n[log]\nlevel = \"warn\"\n";
    let sources = Sources {
        flags: vec![flag("server.ping_ms", "1003"), flag("sim.seed", "1"), flag("sim.seed", "9")],
        ..Sources {
            env: env(&[("TAPEDECK__SERVER__PING_MS", "1002"), ("TAPEDECK__SERVER__HEARTBEAT_MS", "1002")]).env,
            ..file(text)
        }
    };
    let settings = Settings::gather(sources).expect("valid");
    let told = |key: &str| {
        let setting = settings.get(key).expect(key);
        format!("{} {}", setting.value, setting.origin)
    };
    assert_eq!(told("server.ping_ms"), "1003 flag:--set");
    assert_eq!(told("server.heartbeat_ms"), "1002 env:TAPEDECK__SERVER__HEARTBEAT_MS");
    assert_eq!(told("log.level"), "\"warn\" file:my.toml:6");
    assert_eq!(told("server.slow_cut_ms"), "5000 default");
    assert_eq!(told("sim.seed"), "9 flag:--set");
}

#[test]
fn unknown_keys_are_told_with_their_place_and_the_nearest_right_one() {
    for (text, expected) in [
        (
            "[server]\nlissten = \"a\"",
            "file:my.toml:2: there is no key `server.lissten`; did you mean `server.listen`?",
        ),
        (
            "\n[sevrer]\nlisten = \"a\"",
            "file:my.toml:3: there is no key `sevrer.listen`; did you mean `server.listen`?",
        ),
        ("symbol = []", "file:my.toml:1: there is no key `symbol`; did you mean `symbols`?"),
        ("listen = \"a\"", "file:my.toml:1: there is no key `listen`; did you mean `server.listen`?"),
        (
            "[venue.binnace]\nws_url = \"a\"",
            "file:my.toml:2: there is no key `venue.binnace.ws_url`; did you mean `venue.binance.ws_url`?",
        ),
    ] {
        assert_eq!(error(file(text)), expected);
    }
    assert_eq!(
        error(env(&[("TAPEDECK__SERVER__LISTN", "a")])),
        "env:TAPEDECK__SERVER__LISTN: there is no key `server.listn`; did you mean `TAPEDECK__SERVER__LISTEN`?"
    );
    assert_eq!(
        error(Sources { flags: vec![flag("ring.trade", "1")], ..Sources::default() }),
        "flag:--set: there is no key `ring.trade`; did you mean `ring.trades`?"
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let text = "symbol = []\n[server]\nping_ms = \"fast\"\n[sim]\nsped = 2\n";
    assert_eq!(error(file(text)).lines().count(), 3, "{}", error(file(text)));
    let text = "[server]\nping_ms = 0\nslow_cut_ms = 0\n";
    assert_eq!(error(file(text)).lines().count(), 2, "{}", error(file(text)));
}

#[test]
fn wrong_types_are_told_with_both() {
    for (text, expected) in [
        ("symbols = 7", "file:my.toml:1: `symbols` takes a list, not an integer"),
        ("symbols = [\"BTCUSDT\", 7]", "file:my.toml:1: `symbols` = [\"BTCUSDT\", 7]: `symbols[1]` takes a string"),
        ("server.listen = 8600", "file:my.toml:1: `server.listen` takes a string, not an integer"),
        ("server.ping_ms = 1.5", "file:my.toml:1: `server.ping_ms` takes an integer, not a decimal number"),
        ("server = 5", "file:my.toml:1: `server` takes keys inside it, not a value of its own"),
        ("[server.listen]\nport = 1", "file:my.toml:1: `server.listen` takes a string, not a table"),
    ] {
        assert_eq!(error(file(text)), expected);
    }
    assert_eq!(
        error(env(&[("TAPEDECK__SERVER__PING_MS", "20s")])),
        "env:TAPEDECK__SERVER__PING_MS: `server.ping_ms` takes an integer, not `20s`"
    );
}

#[test]
fn values_that_will_not_do_are_told_with_the_reason() {
    for (text, reason) in [
        ("symbols = []", "must name at least one"),
        ("symbols = [\"BTCUSDT\", \"btcusdt\"]", "names BTCUSDT twice"),
        ("symbols = [\"../etc\"]", "a symbol holds '.', which no symbol may"),
        ("symbols = [\"../*\"]", "a symbol holds '.', which no symbol may"),
        ("symbols = [\"*usdt\", \"*USDT\"]", "names *USDT twice"),
        ("tape = \"trades\"", "must be one of aggTrade, trade"),
        ("ring.trades = 63", "must be from 64 to 16777216"),
        ("server.listen = \"localhost\"", "must be an IP address and a port, such as 127.0.0.1:8600"),
        ("server.listen = \"127.0.0.1:99999\"", "must be an IP address and a port, such as 127.0.0.1:8600"),
        ("server.connections_max = 0", "must be from 1 to 1000000"),
        ("server.header_timeout_ms = 999", "must be from 1000 to 600000"),
        (
            "server.allowed_origins = [\"a.example/\"]",
            "`a.example/` is no origin, such as https://charts.example.com, nor `*`",
        ),
        (
            "venue.binance.ws_url = \"ws://fstream.binance.com\"",
            "plain ws is accepted for this machine only (localhost, 127.0.0.1, ::1); write wss",
        ),
        (
            "venue.binance.rest_url = \"fapi\"",
            "must be an https:// address with a host, without user, password, query or fragment",
        ),
        (
            "venue.binance.routes = { aggTrade = \"Market!\" }",
            "the path for `aggTrade` must be lower-case letters, such as market",
        ),
        ("venue.binance.streams_per_connection_max = 1024", "must be from 1 to 1023"),
        ("log.level = \"inof\"", "`inof` must be error, warn, info, debug, trace or off, or module=level"),
        ("log.format = \"xml\"", "must be one of auto, text, json"),
        ("sim.trades_per_minute = { BTCUSDT = \"many\" }", "`sim.trades_per_minute.BTCUSDT` takes an integer"),
    ] {
        let error = error(file(text));
        assert!(error.starts_with("file:my.toml:1: `") && error.ends_with(&format!(": {reason}")), "{error}");
    }
}

#[test]
fn a_broken_file_is_told_with_its_line() {
    let error = error(file("symbols = [\n\"BTCUSDT\"\nlisten = 1"));
    assert!(error.starts_with("my.toml: TOML parse error at line 3"), "{error}");
}

#[test]
fn the_environment_is_read_by_type() {
    let config = load(env(&[
        ("TAPEDECK__SYMBOLS", "btcusdt, 币安人生USDT"),
        ("TAPEDECK__SERVER__ALLOWED_ORIGINS", ""),
        ("TAPEDECK__RING__TRADES", "1000"),
        ("TAPEDECK__OVERRIDE", r#"[{ match = "BTC*", tape = "trade" }]"#),
        ("TAPEDECK__VENUE__BINANCE__ROUTES", r#"{ aggTrade = "market" }"#),
        ("TAPEDECK__VENUE__BINANCE__EXTRA_CA_FILE", "/etc/ca.pem"),
        ("TAPEDECK_SERVICE_HOST", "10.0.0.1"),
        ("UNRELATED", "1"),
    ]))
    .expect("valid");
    assert_eq!(config.symbols.named, [symbol("BTCUSDT"), symbol("币安人生USDT")]);
    assert_eq!(config.contract(&symbol("ETHUSDT")).ring_trades.get(), 1024);
    assert_eq!(config.contract(&symbol("BTCUSDT")).tape, TapeKind::Raw);
    assert_eq!(config.binance.routes["aggTrade"], "market");
    assert_eq!(config.binance.extra_ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
    let sources = Sources { env: vec![("TAPEDECK__SYMBOLS".to_owned(), None)], ..Sources::default() };
    assert_eq!(error(sources), "env:TAPEDECK__SYMBOLS: its value is not valid UTF-8");
}

#[test]
fn names_that_others_use_are_understood() {
    let config = load(env(&[
        ("TRACKED_SYMBOL", "[BTCUSDT,XRPUSDT]"),
        ("LOG_LEVEL", "INFO"),
        ("API_HOST", "0.0.0.0"),
        ("APP_PORT", "8000"),
        ("BINANCE_BASE_URL", ""),
    ]))
    .expect("valid");
    assert_eq!(config.symbols.named, [symbol("BTCUSDT"), symbol("XRPUSDT")]);
    assert_eq!(config.server.listen, SocketAddr::from(([0, 0, 0, 0], 8000)));
    assert_eq!(config.log.filter, "INFO");
    assert_eq!(config.binance.rest_url, "https://fapi.binance.com", "empty counts as unset");
    let both = [("SYMBOLS", "A"), ("TRACKED_SYMBOL", "B"), ("SUPPORTED_SYMBOLS", "C"), ("API_HOST", "::1")];
    let config = load(env(&both)).expect("valid");
    assert_eq!(config.symbols.named, [symbol("A")], "the first of the list wins");
    assert_eq!(config.server.listen.to_string(), "[::1]:8600");
    let config = load(env(&[("SYMBOLS", "A"), ("TAPEDECK__SYMBOLS", "B")])).expect("valid");
    assert_eq!(config.symbols.named, [symbol("B")], "our own name wins");
    let error = error(env(&[("APP_PORT", "http")]));
    assert!(error.starts_with("env:APP_PORT: `server.listen` = \"127.0.0.1:http\": "), "{error}");
}

#[test]
fn of_overrides_that_fit_the_last_wins_key_by_key() {
    let text = r#"
        symbols = ["BTCUSDT", "BTCUSDT_261225", "ETHUSDT"]
        ring = { trades = 5000 }
        [[override]]
        match = "BTC*"
        tape = "trade"
        ring_trades = 65536
        [[override]]
        match = "btcusdt_??????"
        ring_trades = 100
        [[override]]
        match = "SOL*"
        ring_trades = 64
    "#;
    let config = load(file(text)).expect("valid");
    let told = |text: &str| {
        let contract = config.contract(&symbol(text));
        (contract.tape, contract.ring_trades.get())
    };
    assert_eq!(told("BTCUSDT"), (TapeKind::Raw, 65536));
    assert_eq!(told("BTCUSDT_261225"), (TapeKind::Raw, 128));
    assert_eq!(told("ETHUSDT"), (TapeKind::Aggregate, 8192));
}

#[test]
fn what_is_kept_beside_trades_is_said_for_all_and_for_some() {
    let text = r#"
        series = { liquidations = false }
        [[override]]
        match = "BTC*"
        large_trade_usd = 5000000
        series = ["trades", "marks", "liquidations"]
    "#;
    let config =
        load(Sources { env: env(&[("LARGE_TRADE_THRESHOLD_USD", "250000")]).env, ..file(text) }).expect("valid");
    let told = |text: &str| {
        let contract = config.contract(&symbol(text));
        let kept = Series::NAMES.into_iter().filter(|(_, series)| contract.series.contains(*series));
        (kept.map(|(name, _)| name).collect::<Vec<_>>(), contract.large_trade_usd)
    };
    assert_eq!(told("ETHUSDT"), (vec!["marks", "funding", "open_interest"], 250_000));
    assert_eq!(told("BTCUSDT"), (vec!["marks"], 5_000_000), "what is switched off stays off");
    let off = load(file("series = { marks_every_ms = 0, open_interest_ms = 0, funding = false, tickers = false }"));
    let off = off.expect("valid");
    assert_eq!((off.series.marks_every, off.series.open_interest, off.series.tickers), (None, None, false));
    assert_eq!(off.series.stored(), [Series::Liquidations].into_iter().collect());
    for (text, reason) in [
        ("series = { marks_every_ms = -1 }", "must be from 0 to 3600000"),
        ("series = { open_interest_ms = 86400001 }", "must be from 0 to 86400000"),
        ("series = { funding = 1 }", "takes true or false, not an integer"),
        ("store = { marks_days = 40000 }", "must be from 0 to 36500"),
    ] {
        let error = error(file(text));
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn overrides_are_checked_inside() {
    for (text, reason) in [
        ("tape = \"trade\"", "`override[0].match` takes a pattern of symbols, such as \"BTC*\""),
        (
            "match = \"A\"\nring_trade = 1",
            "`override[0].ring_trade` is no key of an override; did you mean `ring_trades`?",
        ),
        ("match = \"A\"\nring_trades = \"1\"", "`override[0].ring_trades` takes an integer"),
        ("match = \"A\"\nring_trades = 1", "must be from 64 to 16777216"),
        ("match = \"A\"\ntape = \"x\"", "must be one of aggTrade, trade"),
        ("match = \"A\"\nbook = 1", "`override[0].book` takes true or false"),
        ("match = \"A\"\nbook_levels = 201", "must be from 1 to 200"),
        (
            "match = \"A\"\ntick_sizes = \"1x\"",
            "`override[0].tick_sizes` takes a list of strings, such as [\"1x\", \"0.5\"]",
        ),
        ("match = \"A\"\nseries = \"trades\"", "`override[0].series` takes a list of series, such as [\"trades\"]"),
        (
            "match = \"A\"\nseries = [\"marks\"]",
            "`override[0].series` takes a list that names \"trades\", which are always recorded",
        ),
        (
            "match = \"A\"\nseries = [\"trades\", \"mark\"]",
            "`override[0].series[1]` takes \"trades\", \"marks\", \"funding\", \"open_interest\" or \"liquidations\"",
        ),
        ("match = \"A\"\nlarge_trade_usd = -1", "must be from 0 to 1000000000000"),
        ("match = \"A\"\nlarge_trade_usd = 1.5", "`override[0].large_trade_usd` takes an integer"),
    ] {
        let error = error(file(&format!("[[override]]\n{text}\n")));
        assert!(error.starts_with("file:my.toml:1: `override` = ") && error.ends_with(reason), "{error}");
    }
}

#[test]
fn books_are_kept_of_what_is_selected_and_overrides_say_otherwise() {
    let text = r#"
        symbols = "all"
        [book]
        symbols = ["ETHUSDT", "BTC*"]
        levels = 20
        tick_sizes = ["1x", "0.5"]
        [[override]]
        match = "BTCUSDT_*"
        book = false
        [[override]]
        match = "SOL*"
        book = true
        book_levels = 5
        tick_sizes = []
    "#;
    let config = load(file(text)).expect("valid");
    let told = |text: &str| {
        let contract = config.contract(&symbol(text));
        let steps: Vec<_> = contract.tick_sizes.iter().map(ToString::to_string).collect();
        (contract.book, contract.book_levels.get(), steps.join(" "))
    };
    let general = |is_kept| (is_kept, 20, "1x 0.5".to_owned());
    assert_eq!(["ETHUSDT", "BTCUSDT"].map(told), [general(true), general(true)]);
    assert_eq!(["BTCUSDT_261225", "XRPUSDT"].map(told), [general(false), general(false)]);
    assert_eq!(told("SOLUSDT"), (true, 5, String::new()));
    assert!(!load(Sources::default()).expect("valid").contract(&symbol("BTCUSDT")).book, "none is kept unasked");
}

#[test]
fn overrides_say_for_how_long_what_is_stored_of_a_contract_is_kept() {
    let text = r#"
        [store]
        trades_days = 30
        books_days = 7
        [[override]]
        match = "BTC*"
        trades_days = 0
        books_days = 90
        [[override]]
        match = "BTCUSDT_*"
        books_days = 1
    "#;
    let config = load(file(text)).expect("valid");
    let days = |text: &str, aged| config.contract(&symbol(text)).ages.of(aged).map(|age| age.as_secs() / 86_400);
    let told = |text: &str| [Aged::Trades, Aged::Books, Aged::Marks].map(|aged| days(text, aged));
    assert_eq!(told("ETHUSDT"), [Some(30), Some(7), None]);
    assert_eq!(told("BTCUSDT"), [None, Some(90), None], "0 is for ever");
    assert_eq!(told("BTCUSDT_261225"), [None, Some(1), None], "the last that says it wins");
    assert_eq!(load(Sources::default()).expect("valid").ages(), Ages::default(), "nothing goes unasked");
    for (text, reason) in [
        ("books_days = 36501", "must be from 0 to 36500"),
        ("books_days = \"1\"", "`override[0].books_days` takes an integer"),
        ("book_days = 1", "`override[0].book_days` is no key of an override; did you mean `books_days`?"),
    ] {
        let error = error(file(&format!("[[override]]\nmatch = \"A\"\n{text}\n")));
        assert!(error.ends_with(reason), "{error}");
    }
}

#[test]
fn a_book_that_cannot_be_meant_is_refused() {
    for (text, reason) in [
        ("symbols = [1]", "`book.symbols[0]` takes a string"),
        ("symbols = [\"A\", \"a\"]", "names A twice"),
        ("speed = \"250ms\"", "must be one of 100ms, 0ms"),
        ("levels = 0", "must be from 1 to 200"),
        ("record_ms = -1", "must be from 0 to 86400000"),
        ("tick_sizes = [\"10x\", \"10x\"]", "names 10x twice"),
        ("tick_sizes = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]", "must name at most 8"),
        (
            "tick_sizes = [\"0x\"]",
            "`0x` is no tick size: write a step of prices such as 0.5, or so many of the contract's own such as 10x",
        ),
    ] {
        let error = error(file(&format!("[book]\n{text}\n")));
        assert!(error.starts_with("file:my.toml:2: `book.") && error.ends_with(reason), "{error}");
    }
    let error = error(file("[book]\ntick_sizes = [\"-1\"]"));
    assert!(error.contains("`-1` is no tick size"), "{error}");
}

#[test]
fn no_thread_count_is_zero_and_a_given_one_is_kept() {
    let config = load(file("threads = { http = 7 }")).expect("valid");
    assert_eq!(config.threads.http.get(), 7);
    let cpus = std::thread::available_parallelism().expect("known").get();
    assert_eq!(config.threads.ingest.get(), (cpus / 4).max(1));
}

/// The program in an empty folder without an environment.
struct Program(TempDir);

impl Program {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary folder"))
    }

    fn run(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
        command.args(arguments).current_dir(self.0.path()).env_clear().envs(variables.iter().copied());
        command.output().expect("it runs")
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[test]
fn config_show_tells_every_value_and_its_origin() {
    let program = Program::new();
    fs::write(program.0.path().join("tapedeck.toml"), "[server]\nflush_ms = 50\n").expect("written");
    let arguments = ["config", "show", "--listen", "0.0.0.0:9000", "--set", "ring.trades=4096"];
    let output = program.run(&arguments, &[("SYMBOLS", "BTCUSDT,币安人生USDT")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = stdout(&output);
    let start: String = shown.lines().take(5).map(|line| line.to_owned() + "\n").collect();
    let expected = r#"symbols = ["BTCUSDT", "币安人生USDT"]                          # env:SYMBOLS
tape = "aggTrade"                                          # default
override = []                                              # default
server.listen = "0.0.0.0:9000"                             # flag:--listen
server.connections_max = 10000                             # default
"#;
    assert_eq!(start, expected);
    let line = |start: &str| {
        shown
            .lines()
            .find(|line| line.starts_with(start))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    assert_eq!(line("server.flush_ms").as_deref(), Some("server.flush_ms = 50 # file:tapedeck.toml:2"));
    assert_eq!(line("ring.trades").as_deref(), Some("ring.trades = 4096 # flag:--set"));

    let again = load(file(&shown)).expect("what is shown is a configuration");
    assert_eq!(again.symbols.named, [symbol("BTCUSDT"), symbol("币安人生USDT")]);
    assert_eq!(again.session.flush, Duration::from_millis(50));
}

#[test]
fn config_check_ends_with_0_or_2() {
    let program = Program::new();
    let output = program.run(&["config", "check"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("the configuration is valid; 0 of "));

    fs::write(program.0.path().join("wrong.toml"), "[server]\nlissten = \"a\"\n").expect("written");
    for (arguments, variables) in [
        (&["config", "check", "--config", "wrong.toml"][..], &[][..]),
        (&["config", "check"], &[("TAPEDECK_CONFIG", "wrong.toml")]),
        (&["serve", "--config", "wrong.toml"], &[]),
        (&["demo", "--config", "wrong.toml"], &[]),
        (&["sim", "--config", "wrong.toml"], &[]),
    ] {
        let output = program.run(arguments, variables);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let expected = "tapedeck: file:wrong.toml:2: there is no key `server.lissten`; did you mean `server.listen`?\n";
        assert_eq!(stderr(&output), expected, "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}

#[test]
fn a_named_file_must_exist() {
    let output = Program::new().run(&["config", "check", "--config", "none.toml"], &[]);
    assert_eq!(output.status.code(), Some(2));
    let expected = "tapedeck: none.toml: cannot be read: No such file or directory (os error 2)\n";
    assert_eq!(stderr(&output), expected);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for arguments in [&["config", "check", "--set", "nonsense"][..], &["fly"], &[]] {
        assert_eq!(Program::new().run(arguments, &[]).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(Program::new().run(&["--version"], &[]).status.code(), Some(0));
}

#[test]
fn healthcheck_ends_with_1_when_nobody_answers() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let output = Program::new().run(&["healthcheck", "--listen", &address], &[]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.starts_with(&format!("tapedeck: {address} does not answer: ")), "{told}");
    let output = Program::new().run(&["healthcheck", "--listen", "nowhere"], &[]);
    assert_eq!(output.status.code(), Some(1), "not 2, which Docker reserves");
}
