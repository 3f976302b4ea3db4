//! How are log lines written? To standard error only, times in UTC; whoever collects them rotates them.

use crate::config::{Log, LogFormat};
use std::io::{self, IsTerminal as _};
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging for the whole process; a second call changes nothing.
pub(super) fn start(log: &Log) {
    let terminal = io::stderr().is_terminal();
    // A line that cannot be written has nowhere to be told of: telling standard error would panic.
    let lines = fmt().log_internal_errors(false).with_env_filter(EnvFilter::new(&log.filter)).with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Auto if !terminal => lines.json().flatten_event(true).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
        LogFormat::Text if !terminal => lines.with_ansi(false).try_init(),
        LogFormat::Auto | LogFormat::Text => lines.try_init(),
    };
    if let Err(error) = started {
        tracing::debug!(%error, "logging was started already");
    }
}
