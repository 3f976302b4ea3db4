//! How is one measurement made?

use crate::{
    drain::drain,
    probe::{Dialect, Probe, Tally},
    rig::{
        client::{Client, connect},
        exchange::Exchange,
        now_ns,
        process::{Meter, Process, Spent, free_address},
        trades::Trades,
    },
};
use anyhow::Context as _;
use std::{fmt, io, net::TcpStream, path::PathBuf, process::Command, thread, time::Duration};

const SYMBOL: &str = "BTCUSDT";
const WISH: &str = "\"channel\":\"trades\",\"symbol\":\"BTCUSDT\"";
const STREAM: &str = "/stream?streams=btcusdt@aggTrade";
/// The exchange writes this often, as its bursts come several trades to a segment.
const TICK_NS: u64 = 250_000;
/// Time for everything to come to rest before it is measured, and for the last bytes to arrive after.
const REST: Duration = Duration::from_millis(300);

/// What stands between exchange and subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    Direct,
    Relay(PathBuf),
    Tapedeck,
}

/// How trades are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Steady {
        per_second: u64,
        seconds: u64,
    },
    /// As fast as they are taken.
    Flood {
        trades: usize,
    },
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) arm: Arm,
    pub(crate) pace: Pace,
    pub(crate) subscribers: usize,
    pub(crate) ring_trades: usize,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Of the timed trades: at 50, 99 and 99.9 percent.
    pub(crate) latency_ns: [u64; 3],
    pub(crate) tally: Tally,
    /// Whether the session was ended for being slow.
    pub(crate) ended: bool,
    pub(crate) spent: Spent,
    /// All trades that were sent, and how long the exchange needed.
    pub(crate) sent: u64,
    pub(crate) sending_ns: u64,
    /// Messages and bytes of the timed subscriber, its timed trades, and how long those needed to come.
    pub(crate) frames: u64,
    pub(crate) timed: u64,
    pub(crate) coming_ns: u64,
    /// The most resident memory of the process under test.
    pub(crate) peak_kib: u64,
    /// The least that another subscriber was sent, in percent of the timed one's bytes.
    pub(crate) others_bytes_percent: Option<u64>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pace {
            Pace::Steady { per_second, .. } => write!(f, "{per_second} trades/s")?,
            Pace::Flood { trades } => write!(f, "{trades} trades flat out")?,
        }
        write!(f, " to {} by {}", self.subscribers, self.arm.name())
    }
}

impl Arm {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay(_) => "relay",
            Self::Tapedeck => "tapedeck",
        }
    }
}

impl Pace {
    /// Trades in all, and those among them that only warm everything up.
    fn counts(self) -> anyhow::Result<(usize, usize)> {
        Ok(match self {
            Self::Steady { per_second, seconds } => {
                let warm = per_second * 7 / 10;
                (usize::try_from(warm + per_second * seconds)?, usize::try_from(warm)?)
            }
            Self::Flood { trades } => (trades, trades / 10),
        })
    }
}

/// What stands between, and who listens there; the last client is the timed one.
fn stage(plan: &Plan, exchange: &Exchange) -> anyhow::Result<(Option<Process>, Vec<Client>, TcpStream)> {
    match &plan.arm {
        Arm::Direct => {
            let client = Client::open(connect(exchange.address)?, STREAM)?;
            Ok((None, vec![client], exchange.stream()?))
        }
        Arm::Relay(path) => {
            let address = free_address()?;
            let mut command = Command::new(path);
            command.arg("raw").args([exchange.address.port(), address.port()].map(|port| port.to_string()));
            let process = Process::start(&mut command, address, None)?;
            let stream = exchange.stream().context("the relay named by TAPEDECK_RELAY did not come")?;
            Ok((Some(process), vec![Client::open(connect(address)?, "/ws")?], stream))
        }
        Arm::Tapedeck => {
            let process = Process::tapedeck(exchange.address, &[SYMBOL], plan.ring_trades, "")?;
            let stream = exchange.stream()?;
            let subscribe = |_| Client::subscribe(connect(process.address)?, WISH);
            let clients = (0..plan.subscribers).map(subscribe).collect::<Result<_, _>>()?;
            Ok((Some(process), clients, stream))
        }
    }
}

/// Sends everything; the result is how long that took. The stream stays open for the caller to end.
fn send(trades: &mut Trades, stream: &mut TcpStream, pace: Pace) -> io::Result<u64> {
    let begun_ns = now_ns();
    match pace {
        Pace::Steady { per_second, .. } => trades.send_paced(stream, per_second, TICK_NS)?,
        Pace::Flood { trades: count } => trades.send_flat_out(stream, count)?,
    }
    Ok(now_ns() - begun_ns)
}

/// Measures once.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<Outcome> {
    let (count, warm) = plan.pace.counts()?;
    let (mut trades, exchange) = (Trades::build(SYMBOL, count), Exchange::start(&[SYMBOL])?);
    let (process, mut clients, mut stream) = stage(plan, &exchange)?;
    let mut client = clients.pop().context("there is a subscriber")?;
    let dialect = if plan.arm == Arm::Tapedeck { Dialect::Tapedeck } else { Dialect::Venue };
    let mut probe = Probe::new(dialect, trades.times.clone(), count, warm)?;
    let others = drain(clients);
    thread::sleep(REST);
    let (meter, pace) = (Meter::start(process.as_ref())?, plan.pace);
    let (spent, sending_ns) = thread::scope(|scope| {
        let sender = scope.spawn(|| send(&mut trades, &mut stream, pace));
        probe.read(&mut client, || sender.is_finished())?;
        let spent = meter.stop(process.as_ref())?;
        let sending_ns = sender.join().expect("the exchange does not panic").context("the exchange cannot send")?;
        anyhow::Ok((spent, sending_ns))
    })?;
    thread::sleep(REST);
    let peak_kib = process.as_ref().map_or(Ok(0), |process| process.memory_kib("VmHWM"))?;
    drop(process);
    let others = others.join().expect("emptying sockets does not panic")?;
    let others_bytes_percent = others.iter().min().map(|bytes| bytes * 100 / probe.bytes.max(1));
    Ok(Outcome {
        latency_ns: [0.5, 0.99, 0.999].map(|quantile| probe.latency.value_at_quantile(quantile)),
        tally: probe.tally()?,
        ended: probe.ended,
        spent,
        sent: count as u64,
        sending_ns,
        frames: probe.frames,
        timed: probe.latency.len(),
        coming_ns: probe.span_ns.1 - probe.span_ns.0,
        peak_kib,
        others_bytes_percent,
    })
}
