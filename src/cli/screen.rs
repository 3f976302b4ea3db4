//! What does the demonstration write on the screen? Text only: whoever calls decides when and where.

use crate::model::Symbol;
use std::{net::SocketAddr, time::Duration};

/// Between two lines where the line cannot be refreshed.
const PLAIN_LINE_EVERY: Duration = Duration::from_secs(10);
/// Back to the start of the line, and away with what stands there.
const REFRESH: &str = "\r\x1b[2K";

/// What flows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// Trades of the last second.
    pub trades_per_s: u64,
    /// Trades since the start.
    pub trades: u64,
    /// Candles closed since the start.
    pub candles_closed: u64,
    /// WebSocket sessions open.
    pub subscribers: u64,
    /// Holes in the tape that are open.
    pub gaps: u64,
    /// Since the start.
    pub uptime: Duration,
}

/// Turns one [`Status`] a second into text: one line that refreshes itself on a terminal, a line each 10 s elsewhere.
#[derive(Debug)]
pub struct Screen {
    terminal: bool,
    written: Option<Duration>,
}

impl Screen {
    /// For a terminal, or for a file or pipe.
    pub fn new(terminal: bool) -> Self {
        Self { terminal, written: None }
    }

    /// What to write for `status`, if anything.
    pub fn next(&mut self, status: &Status) -> Option<String> {
        let line = line(status);
        if self.terminal {
            return Some(REFRESH.to_owned() + &line);
        }
        let due = self.written.is_none_or(|written| status.uptime >= written + PLAIN_LINE_EVERY);
        due.then(|| {
            self.written = Some(status.uptime);
            line + "\n"
        })
    }

    /// What to write at the end, so that the prompt starts on a line of its own.
    pub fn end(&self) -> &'static str {
        if self.terminal { "\n" } else { "" }
    }
}

/// Where to look; `address` is where the server is reached.
pub fn banner(address: SocketAddr, symbols: &[Symbol]) -> String {
    let names: Vec<&str> = symbols.iter().map(Symbol::as_str).collect();
    let symbol = names.first().copied().unwrap_or("BTCUSDT");
    format!(
        "\
tapedeck demo: a simulated exchange, recorded and served by this process. Ctrl-C stops it.

  {names}

  health    http://{address}/livez  /readyz  /metrics
  symbols   http://{address}/api/v1/symbols
  candles   http://{address}/api/v1/candles?symbol={symbol}&interval=1m&limit=10
  trades    http://{address}/api/v1/trades?symbol={symbol}&limit=10
  book      http://{address}/api/v1/book?symbol={symbol}&levels=5
  live      websocat ws://{address}/api/v1/ws
            {{\"op\":\"subscribe\",\"id\":1,\"channel\":\"candles\",\"symbol\":\"{symbol}\",\"interval\":\"1m\"}}

",
        names = names.join(" "),
    )
}

fn line(status: &Status) -> String {
    format!(
        "{}  trades {} ({}/s)  candles {}  subscribers {}  gaps {}",
        clock_face(status.uptime),
        grouped(status.trades),
        grouped(status.trades_per_s),
        grouped(status.candles_closed),
        grouped(status.subscribers),
        grouped(status.gaps),
    )
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Hours, minutes and seconds.
fn clock_face(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(seconds: u64) -> Status {
        Status {
            trades_per_s: 1_234,
            trades: 1_000_000,
            candles_closed: 42,
            subscribers: 1,
            gaps: 0,
            uptime: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn a_terminal_has_one_line_that_refreshes() {
        let mut screen = Screen::new(true);
        let line = "\r\x1b[2K1:01:01  trades 1,000,000 (1,234/s)  candles 42  subscribers 1  gaps 0";
        assert_eq!(screen.next(&status(3661)).as_deref(), Some(line));
        assert!(screen.next(&status(3662)).is_some_and(|text| !text.contains('\n')));
        assert_eq!(screen.end(), "\n");
    }

    #[test]
    fn elsewhere_a_line_comes_at_once_and_each_ten_seconds() {
        let mut screen = Screen::new(false);
        let written: Vec<u64> = (1..=31).filter(|second| screen.next(&status(*second)).is_some()).collect();
        assert_eq!(written, [1, 11, 21, 31]);
        let text = screen.next(&status(41)).expect("due");
        assert!(
            text.starts_with("0:00:41  trades ") && text.ends_with('\n') && !text.contains(['\r', '\x1b']),
            "{text:?}"
        );
        assert_eq!(screen.end(), "");
    }

    #[test]
    fn a_day_of_a_busy_market_fits_a_line_of_a_terminal() {
        let busy = Status { trades: 9_999_999, candles_closed: 99_999, subscribers: 999, gaps: 9, ..status(86_399) };
        let text = line(&busy);
        assert!(text.len() < 80, "{} in {text:?}", text.len());
    }

    #[test]
    fn digits_come_in_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn the_banner_names_every_symbol_and_every_door() {
        let symbols = ["ETHUSDT", "币安人生USDT"].map(|text| Symbol::new(text).expect(text));
        let text = banner(SocketAddr::from(([127, 0, 0, 1], 8600)), &symbols);
        assert!(text.contains("  ETHUSDT 币安人生USDT\n"));
        for door in ["/livez", "/readyz", "/metrics", "/api/v1/symbols", "/api/v1/candles?symbol=ETHUSDT&"] {
            assert!(text.contains(door), "{door}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
}
