//! How is a figure taken, and how is it told?

use std::time::{Duration, Instant};

/// The median time of `runs` runs after one that does not count.
pub(crate) fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    run();
    let mut times: Vec<Duration> = (0..runs).map(|_| timed(&mut run)).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// How long one run takes.
pub(crate) fn timed(mut run: impl FnMut()) -> Duration {
    let begun = Instant::now();
    run();
    begun.elapsed()
}

/// One line: what, how much, and what the budget says.
pub(crate) fn tell(number: &str, what: &str, figure: &str, budget: &str) {
    println!("| {number} | {what} | {figure} | {budget} |");
}

/// Milliseconds, or microseconds when there are few.
pub(crate) fn shown(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 0.1 { format!("{:.1} us", millis * 1e3) } else { format!("{millis:.2} ms") }
}
