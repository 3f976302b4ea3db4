//! How is a recording of our own written?

use crate::sim::{exchange::Exchange, feed::Feed, stream::Route};
use std::{
    io::{self, Write},
    sync::Arc,
};

/// Writes what `streams` carry in the next `millis` of the exchange's time, without waiting for it to pass: lines of
/// `<time in ns> <combined frame>`.
///
/// # Errors
///
/// When `out` fails.
pub fn record(exchange: &Arc<Exchange>, streams: &[&str], millis: i64, out: &mut impl Write) -> io::Result<()> {
    let mut feed = Feed::new(exchange.clone(), Route::Every, true);
    for name in streams {
        feed.subscribe(name).map_err(io::Error::other)?;
    }
    let end = exchange.now().plus(millis).get();
    let mut frame = String::new();
    while let Some(due) = feed.next_due().filter(|due| *due < end) {
        frame.clear();
        feed.write_due(due, &mut frame);
        if frame.is_empty() {
            continue;
        }
        writeln!(out, "{due}000000 {frame}")?;
    }
    Ok(())
}
