//! Does the HTTP shell hold its limits, and say so properly?

use super::*;
use tapedeck::api::ServeError;

/// Writes `drop` again and again until the connection ends; what it said, and after how long.
async fn drip(site: &Site, head: &str, drop: &str) -> (Answer, Duration) {
    let started = std::time::Instant::now();
    let (mut reader, mut writer) = site.connect().await.into_split();
    writer.write_all(head.as_bytes()).await.expect("sent");
    let dripping = async {
        while writer.write_all(drop.as_bytes()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::future::pending::<()>().await;
    };
    let mut bytes = Vec::new();
    let reading = async {
        let _ended: Result<usize, _> = timeout(PATIENCE, reader.read_to_end(&mut bytes)).await.expect("in time");
    };
    tokio::select! { () = reading => {}, () = dripping => {} }
    (Answer::parse(&bytes), started.elapsed())
}

#[test]
fn readiness_waits_for_every_feed_and_ends_with_the_process() {
    with_site(Duration::ZERO, options(), async |site| {
        assert_eq!(site.get("/livez").await.body, "ok\n");
        let before = site.get("/readyz").await;
        assert_eq!(before.status, 503, "{}", before.body);
        assert!(before.body.contains("[-] feed:SOLUSDT"), "{}", before.body);
        timeout(PATIENCE, async { while site.get("/readyz").await.status != 200 {} }).await.expect("ready");
        let verbose = site.get("/readyz?verbose").await.body;
        assert_eq!(verbose, "[+] not_stopping\n[+] feed:BTCUSDT\n[+] feed:SOLUSDT\nready\n");
        site.shared.readiness.stop();
        assert_eq!(site.get("/readyz").await.status, 503);
        assert_eq!(site.get("/readyz?exclude=not_stopping").await.status, 200);
        assert_eq!(site.get("/livez").await.status, 200);
    });
}

#[test]
fn metrics_are_lines_of_name_labels_and_value() {
    with_site(Duration::from_secs(10), options(), async |site| {
        let answer = site.get("/metrics").await;
        assert!(answer.header("content-type").expect("typed").starts_with("text/plain; version=0.0.4"));
        let samples: Vec<_> = answer.body.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(samples.len() > 20, "{}", answer.body);
        for line in samples {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{line}");
            assert!(name.starts_with("tapedeck_") || name.starts_with("process_"), "{line}");
            assert!(labels.ends_with('}'), "{line}");
        }
    });
}

#[test]
fn slow_requests_are_cut_with_408() {
    with_site(Duration::ZERO, options(), async |site| {
        let (head, after) = drip(&site, "GET /livez HTTP/1.1\r\nHost: localhost\r\n", "X-A: b\r\n").await;
        assert_eq!(head.status, 408);
        assert!(after < Duration::from_secs(5), "{after:?}");
        let post = "POST /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000\r\n\r\n";
        let (body, after) = drip(&site, post, "x").await;
        assert_eq!(body.status, 408, "{}", body.body);
        assert!(after < Duration::from_secs(5), "{after:?}");
        assert_eq!(site.get("/livez").await.status, 200);
    });
}

#[test]
fn large_requests_are_refused() {
    with_site(Duration::ZERO, options(), async |site| {
        let declared = format!("Content-Length: 5000\r\n\r\n{}", "x".repeat(5_000));
        assert_eq!(site.ask("POST", "/livez", &declared).await.status, 413);
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n1388\r\n{}\r\n0\r\n", "x".repeat(5_000));
        assert_eq!(site.ask("POST", "/livez", &chunked).await.status, 413);
        let many: String = (0..50).map(|at| format!("X-{at}: {}\r\n", "y".repeat(2_000))).collect();
        assert_eq!(site.ask("GET", "/livez", &many).await.status, 431, "100 KB in 50 lines");
        let one = format!("X-A: {}\r\n", "y".repeat(100_000));
        assert_eq!(site.ask("GET", "/livez", &one).await.status, 431, "100 KB in one line");
        for (length, status) in [(40_000, 431), (100_000, 400)] {
            let target = format!("/livez?{}", "y".repeat(length));
            assert_eq!(site.get(&target).await.status, status, "{length} bytes of address");
        }
        assert_eq!(site.get("/livez").await.status, 200);
    });
}

#[test]
fn only_loopback_names_are_served_on_loopback() {
    with_site(Duration::ZERO, options(), async |site| {
        for (host, status) in [
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("10.0.0.1:80", 421),
            ("LOCALHOST:1", 200),
            ("127.0.0.1:99", 200),
            ("[::1]:5", 200),
        ] {
            let answer = site.send(&format!("GET /livez HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
            assert_eq!(answer.status, status, "{host}");
        }
    });
}

#[test]
fn refusals_are_problems_and_every_answer_bears_its_id() {
    with_site(Duration::ZERO, options(), async |site| {
        for (method, target, status, code) in
            [("GET", "/nothing", 404, "not_found"), ("DELETE", "/livez", 405, "method_not_allowed")]
        {
            let answer = site.ask(method, target, "X-Request-Id: abc-7\r\n").await;
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.header("x-request-id"), Some("abc-7"));
            assert_eq!((answer.status, &answer.json()["status"]), (status, &status.into()));
            assert_eq!(answer.json()["code"], code);
        }
        assert_eq!(
            site.ask("DELETE", "/livez", "").await.header("allow"),
            Some("get, head, options"),
            "RFC 9110 15.5.6"
        );
        let ids = [site.get("/livez").await, site.get("/livez").await];
        let [first, second] = ids.each_ref().map(|answer| answer.header("x-request-id").expect("an id"));
        assert_ne!(first, second);
        let (head, get) = (site.ask("HEAD", "/livez", "").await, site.get("/livez").await);
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), get.header("content-length"));
    });
}

#[test]
fn an_address_has_so_many_connections() {
    let few = Options { connections_per_ip_max: 2, ..options() };
    with_site(Duration::ZERO, few, async |site| {
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = site.connect().await;
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
            let mut first = [0; 12];
            timeout(PATIENCE, stream.read_exact(&mut first)).await.expect("in time").expect("answered");
            held.push(stream);
        }
        let refused = rest_of(&mut site.connect().await).await;
        assert!(refused.starts_with(b"HTTP/1.1 429 "), "the third is refused");
        drop(held);
        let again = async {
            loop {
                let mut stream = site.connect().await;
                // A place may not be free yet: then the write or the answer fails.
                let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                if stream.write_all(request).await.is_ok() && rest_of(&mut stream).await.starts_with(b"HTTP/1.1 200 ") {
                    return;
                }
            }
        };
        timeout(PATIENCE, again).await.expect("places come back");
        assert!(site.rig.counter("ws_cut_total") >= 1);
    });
}

#[test]
fn a_taken_port_is_named() {
    with_site(Duration::ZERO, options(), async |site| {
        let taken = Options { listen: site.address, ..options() };
        let error = api::serve(shared(&site.rig, taken)).map(drop).expect_err("taken");
        let ServeError::Bind { listen, .. } = &error;
        assert_eq!(*listen, site.address);
        assert!(error.to_string().contains(&site.address.to_string()), "{error}");
    });
}
