//! Does the program itself keep its word: what it writes, what it answers, how it ends?
//!
//! Each test runs the real binary as a child process with an empty environment, in an empty folder, on loopback.

mod backfill;
mod coverage;
mod demo;
mod directory;
mod kill;
mod large;
mod pipes;
mod serve;
mod store;
mod symbols;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::{Message, WebSocket, client, protocol::CloseFrame};

/// Anything that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `find` finds something.
fn until<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "no {what} within {PATIENCE:?}");
        thread::sleep(LOOK_EVERY);
    }
}

/// An address on which nobody listens at the moment.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("bound")
}

/// Everything that came out of a pipe so far.
#[derive(Clone, Default)]
struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Transcript {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let transcript = Self::default();
        let written = transcript.clone();
        thread::spawn(move || {
            let mut piece = [0; 4_096];
            while let Ok(count @ 1..) = pipe.read(&mut piece) {
                written.0.lock().expect("no panic").extend_from_slice(&piece[..count]);
            }
        });
        transcript
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic")).into_owned()
    }

    /// The whole lines among it.
    fn lines(&self) -> Vec<String> {
        self.text().split_inclusive('\n').filter_map(|line| Some(line.strip_suffix('\n')?.to_owned())).collect()
    }

    /// The first line that contains all of `parts`, once it is there.
    fn line(&self, parts: &[&str]) -> String {
        until(&format!("line with {parts:?}"), || {
            self.lines().into_iter().find(|line| parts.iter().all(|part| line.contains(part)))
        })
    }
}

/// A running program. Dropping it kills it.
struct Program {
    child: Child,
    begun: Instant,
    stderr: Transcript,
    /// Where it runs: no configuration lies about there.
    _folder: tempfile::TempDir,
}

impl Program {
    fn start(args: &[&str], stdout: Stdio) -> Self {
        Self::spawn(args, stdout, Stdio::piped())
    }

    fn spawn(args: &[&str], stdout: Stdio, stderr: Stdio) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tapedeck"));
        command.args(args).env_clear().current_dir(folder.path());
        // Many run at once: two journal files of the usual length each would fill a small disk.
        command.env("TAPEDECK__STORE__JOURNAL_FILE_BYTES", "1048576");
        let begun = Instant::now();
        let spawned = command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn();
        let mut child = spawned.expect("started");
        let stderr = child.stderr.take().map(Transcript::of).unwrap_or_default();
        Self { child, begun, stderr, _folder: folder }
    }

    /// `serve` on a port of the system's choice against the exchange at `upstream`, and where it serves.
    fn serve(upstream: SocketAddr, more: &[&str]) -> (Self, SocketAddr) {
        let (rest, ws) = (format!("http://{upstream}"), format!("ws://{upstream}"));
        let (rest, ws) = (format!("venue.binance.rest_url={rest}"), format!("venue.binance.ws_url={ws}"));
        let args = ["serve", "--listen", "127.0.0.1:0", "--set", &rest, "--set", &ws];
        let program = Self::start(&[&args, more].concat(), Stdio::null());
        let line: Value = serde_json::from_str(&program.stderr.line(&["\"serving\""])).expect("JSON");
        let address = line["address"].as_str().and_then(|text| text.parse().ok()).expect("an address");
        (program, address)
    }

    /// Asks it to stop, as a service manager does.
    fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
    }

    /// The exit code, once it has ended by itself.
    fn exit_code(&mut self) -> Option<i32> {
        until("end", || self.child.try_wait().expect("a child")).code()
    }

    /// The most memory that it has had at once.
    fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB")?.trim().parse().ok());
        peak.expect("a peak")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // An error says that it has ended already.
        self.child.kill().unwrap_or_default();
        self.child.wait().expect("a child");
        if thread::panicking() {
            eprintln!("its standard error:\n{}", self.stderr.text());
        }
    }
}

/// Runs a command that ends by itself: its exit code, and what it wrote to standard error.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let mut program = Program::start(args, Stdio::null());
    let code = program.exit_code();
    (code, written(&program))
}

/// All that an ended program wrote to standard error: its end may be seen before its last words.
fn written(program: &Program) -> String {
    let text = || program.stderr.text();
    let mut before = text();
    loop {
        thread::sleep(5 * LOOK_EVERY);
        if text() == before {
            return before;
        }
        before = text();
    }
}

/// Status and body of an answer; nothing while nobody listens.
fn get(address: SocketAddr, target: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Some((status.expect("a status"), body.to_owned()))
}

/// The same of any request, with more header lines, each ended, and a body.
fn ask(address: SocketAddr, method: &str, target: &str, lines: &str, body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).expect("it serves");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{lines}");
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// The sum of a counter over the series whose labels contain `label`, as scrapers see it.
fn counter(address: SocketAddr, name: &str, label: &str) -> u64 {
    let (_, text) = get(address, "/metrics").expect("it serves");
    let series = text.lines().filter(|line| line.starts_with(&format!("tapedeck_{name}")) && line.contains(label));
    series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
}

/// A session with the program.
struct Client(WebSocket<TcpStream>);

impl Client {
    /// Opens a session and hears its hello.
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let (socket, _) = client(format!("ws://{address}/api/v1/ws"), stream).expect("upgraded");
        let mut client = Self(socket);
        assert_eq!(client.text()["type"], "hello");
        client
    }

    fn send(&mut self, text: &str) {
        self.0.send(Message::text(text.to_owned())).expect("sent");
    }

    /// The next text or close.
    fn next(&mut self) -> Message {
        loop {
            match self.0.read().expect("a message") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    fn text(&mut self) -> Value {
        match self.next() {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The next text of a kind.
    fn text_of(&mut self, kind: &str) -> Value {
        loop {
            let text = self.text();
            if text["type"] == kind {
                return text;
            }
        }
    }

    /// The code of the close, which comes next.
    fn close_code(&mut self) -> u16 {
        match self.next() {
            Message::Close(Some(CloseFrame { code, .. })) => code.into(),
            other => panic!("{other:?}"),
        }
    }
}
