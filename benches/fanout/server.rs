//! What do the server's own figures and the kernel say of it while it runs?

use crate::rig::{client::connect, process::Process, text::digits};
use anyhow::{Context as _, ensure};
use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(5);

/// `/metrics`.
pub(crate) fn metrics(process: &Process) -> anyhow::Result<String> {
    let mut stream = connect(process.address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", process.address)?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("no answer from /metrics")?;
    ensure!(text.starts_with("HTTP/1.1 200"), "/metrics: {}", text.lines().next().unwrap_or_default());
    Ok(text)
}

/// Sessions that were ended by the server, by reason: all of them, and those that were too slow.
pub(crate) fn cuts(metrics: &str) -> (u64, u64) {
    let lines = metrics.lines().filter(|line| line.starts_with("tapedeck_ws_cut_total{"));
    let counted = lines.filter_map(|line| line.rsplit_once(' '));
    counted.fold((0, 0), |(all, slow), (labels, count)| {
        let count = digits(count.as_bytes());
        (all + count, if labels.contains("slow_consumer") { slow + count } else { slow })
    })
}
