//! Do contracts come and go by the API and by the configuration's file, in a running program?

use super::*;

const JSON: &str = "Content-Type: application/json\r\n";

fn recorded(address: SocketAddr) -> Vec<String> {
    let (_, answer) = ask(address, "GET", "/api/v1/symbols", "", "");
    let data = answer["data"].as_array().expect("a list");
    let mut symbols: Vec<_> = data.iter().map(|row| row["symbol"].as_str().expect("text").to_owned()).collect();
    symbols.sort();
    symbols
}

fn trades(address: SocketAddr, symbol: &str) -> Option<u64> {
    let (status, answer) = ask(address, "GET", &format!("/api/v1/symbols/{symbol}"), "", "");
    (status == 200).then(|| answer["data"]["newest_id"].as_u64())?
}

/// What is stored of a contract that is not recorded any more is answered, and that it is gone.
fn is_served_though_gone(address: SocketAddr, escaped: &str) {
    let rows = |target: &str| ask(address, "GET", target, "", "").1["data"].as_array().map_or(0, Vec::len);
    assert!(rows(&format!("/api/v1/trades?symbol={escaped}&limit=10")) == 10, "what is stored is served");
    let (_, answer) = ask(address, "GET", "/api/v1/symbols?stored=true", "", "");
    let past = answer["data"].as_array().expect("a list").iter().find(|row| row["symbol"] == "币安人生USDT");
    assert_eq!(past.expect("it is stored")["state"], "not_recorded");
    let (_, answer) = ask(address, "GET", &format!("/api/v1/announcements?symbol={escaped}"), "", "");
    let told: Vec<_> = answer["data"].as_array().expect("a list").iter().map(|row| &row["event"]).collect();
    assert_eq!(told, ["recorded", "ended"]);
}

#[test]
fn contracts_come_and_go_by_api_and_by_file_and_what_is_stored_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, store) = (folder.path().join("mine.toml"), folder.path().join("store"));
    let write =
        |symbols: &str, more: &str| std::fs::write(&file, format!("symbols = {symbols}\n{more}")).expect("written");
    write(r#"["BTCUSDT"]"#, "");
    let exchange = free_address();
    let upstream = exchange.to_string();
    // So lively that no minute passes without a trade of the one that is watched.
    let paces = r#"sim.trades_per_minute={BTCUSDT=600,1000SHIBUSDT=60,BTCUSDT_261225=60,"币安人生USDT"=12000}"#;
    let _exchange = Program::start(&["sim", "--listen", &upstream, "--set", paces], Stdio::null());
    let (file_name, dir) = (file.to_str().expect("a name"), format!("store.dir={}", store.display()));
    let (mut program, address) = Program::serve(exchange, &["--config", file_name, "--set", &dir]);
    until("listing", || Some(()).filter(|()| counter(address, "rest_requests", "exchangeInfo") > 0));

    let add = |symbol: &str| {
        until("known listing", || {
            let body = format!(r#"{{"symbol": "{symbol}"}}"#);
            Some(ask(address, "POST", "/api/v1/symbols", JSON, &body)).filter(|(status, _)| *status != 503)
        })
    };
    let (status, answer) = add("币安人生USDT");
    assert_eq!((status, &answer["data"]["symbol"]), (201, &Value::from("币安人生USDT")), "{answer}");
    assert_eq!(add("btcusdt").0, 409);
    let (status, answer) = add("BTCUSD");
    assert_eq!((status, answer["code"].as_str()), (404, Some("unknown_symbol")));
    assert!(answer["detail"].as_str().expect("text").contains("did you mean `BTCUSDT`?"), "{answer}");
    assert_eq!(ask(address, "POST", "/api/v1/symbols", JSON, "{}").0, 400);
    assert_eq!(ask(address, "POST", "/api/v1/symbols", "", r#"{"symbol": "SOLUSDT"}"#).0, 415);
    let escaped = "%E5%B8%81%E5%AE%89%E4%BA%BA%E7%94%9FUSDT";
    until("trade", || trades(address, escaped));

    for figure in ["mark", "open-interest", "funding?limit=1&", "tickers", "open-interest?period=1d&"] {
        let joint = if figure.contains('?') { "" } else { "?" };
        let target = format!("/api/v1/{figure}{joint}symbol=BTCUSDT");
        until(figure, || {
            let (_, answer) = ask(address, "GET", &target, "", "");
            answer["data"].as_array().filter(|rows| !rows.is_empty()).map(Vec::len)
        });
    }

    write(r#"["BTCUSDT", "1000*", "BTCUSDT_*"]"#, "[server]\nflush_ms = 50\n");
    kill_process(Pid::from_child(&program.child), Signal::HUP).expect("it runs");
    let all = ["1000SHIBUSDT", "BTCUSDT", "BTCUSDT_261225", "币安人生USDT"];
    until("reload", || Some(()).filter(|()| recorded(address) == all));
    program.stderr.line(&["needs a restart", "server.flush_ms"]);
    write("[7]", "");
    program.stderr.line(&["not taken over", "`symbols[0]` takes a string"]);
    std::fs::remove_file(&file).expect("removed");
    program.stderr.line(&["not taken over", "cannot be read"]);
    assert_eq!(recorded(address), all);
    // Without a signal, once it has been the same for two looks.
    write(r#""btcusdt""#, "");
    until("reload", || Some(()).filter(|()| recorded(address) == ["BTCUSDT", "币安人生USDT"]));

    let newest = until("trade", || trades(address, escaped));
    assert_eq!(ask(address, "DELETE", &format!("/api/v1/symbols/{escaped}"), "", "").0, 204);
    assert_eq!(ask(address, "DELETE", &format!("/api/v1/symbols/{escaped}"), "", "").0, 404);
    is_served_though_gone(address, escaped);
    assert_eq!(add("币安人生USDT").0, 201);
    let stored = until("trade", || {
        let (_, answer) = ask(address, "GET", &format!("/api/v1/symbols/{escaped}"), "", "");
        answer["data"]["held_from_id"].as_u64().filter(|_| answer["data"]["newest_id"].as_u64() > Some(newest))
    });
    assert!(stored <= newest, "it goes on behind what was stored before");
    program.terminate();
    assert_eq!(program.exit_code(), Some(0));
}
