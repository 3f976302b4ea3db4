//! How are figures fetched that no stream brings: open interest, settled fundings, the terms of funding?
//!
//! Each task goes on for ever, asks one thing at a time, takes from the process's one budget behind repairs, and starts from
//! what the store holds: after a panic or a restart nothing is asked for that is held.

mod funding;
mod open_interest;
mod past;
mod settlements;

use crate::{
    exchange::binance::{Call, DecodeError},
    history::{
        budget::{CallError, Priority},
        rest::Source,
    },
    market::{Bells, Contract, Contracts, Series},
    metrics::{Labels, Metrics},
    model::UnixMillis,
    net::{Backoff, with_causes},
    store::{
        Records,
        record::{Origin, Timed},
    },
};
use std::{sync::Arc, time::Duration};

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(5));
/// A figure whose time is so far ahead of the venue's clock is no figure.
const AHEAD_MS_MAX: i64 = UnixMillis::MINUTE;

/// What every poller stands on. Cheap to clone.
#[derive(Clone)]
pub struct Polling {
    /// Whose figures are fetched.
    pub contracts: Arc<Contracts>,
    /// Rung when a contract has a new figure.
    pub bells: Bells,
    /// Where the venue is asked.
    pub source: Source,
    /// Where failures are counted.
    pub metrics: Arc<Metrics>,
}

impl std::fmt::Debug for Polling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Polling").finish_non_exhaustive()
    }
}

/// Why a figure is not known yet.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the venue answers HTTP {0}")]
    Status(u16),
    #[error("the venue's answer is not understood")]
    Decode(#[from] DecodeError),
    #[error("the venue's answer is of a time to come")]
    Ahead,
    #[error("the store has no room")]
    StoreFull,
}

impl PollError {
    /// A label from a closed set.
    const fn name(&self) -> &'static str {
        match self {
            Self::Call(_) => "no_answer",
            Self::Status(_) => "status",
            Self::Decode(_) => "decode",
            Self::Ahead => "ahead",
            Self::StoreFull => "store_full",
        }
    }

    /// Whether the venue refused this request for what it asks, so that asking again is in vain.
    const fn is_refusal(&self) -> bool {
        matches!(self, Self::Status(400 | 404))
    }
}

impl Polling {
    /// Contracts of which a series is kept and that may still have news.
    fn following(&self, series: Series) -> impl Iterator<Item = Arc<Contract>> + use<> {
        let wanted =
            move |contract: &Arc<Contract>| contract.kept.load().series.contains(series) && !contract.is_over();
        self.contracts.iter().filter(wanted)
    }

    async fn ask<T>(
        &self,
        call: &Call,
        priority: Priority,
        read: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
    ) -> Result<T, PollError> {
        let Source { fetch, budget, rest_url, .. } = &self.source;
        let response = budget.get(&**fetch, rest_url, call, priority).await?;
        if response.status == 200 { Ok(read(&response.body)?) } else { Err(PollError::Status(response.status)) }
    }

    /// The venue's time.
    fn now(&self) -> UnixMillis {
        self.source.budget.now()
    }

    /// Stores records, ascending.
    fn keep<R: Timed>(&self, records: &Records, rows: &[R]) -> Result<(), PollError> {
        if records.keep(Origin::Rest, rows) {
            return Ok(());
        }
        self.metrics.mailbox_full.get_or_create(&Labels::new([("queue", "storage")])).inc();
        Err(PollError::StoreFull)
    }

    /// Counts and tells a failure.
    fn note(&self, what: &'static str, error: &PollError) {
        self.metrics.poll_failures.get_or_create(&Labels::new([("figure", what), ("reason", error.name())])).inc();
        tracing::warn!(figure = what, "a figure is not known, and asked for again later: {}", with_causes(error));
    }

    /// Counts and tells rows of an answer that are not understood: one of them must not hide the others.
    fn note_refused(&self, what: &'static str, rows: u64) {
        if rows > 0 {
            self.metrics.decode_errors.get_or_create(&Labels::new([("reason", "row")])).inc_by(rows);
            tracing::error!(figure = what, rows, "rows of the venue's answer are not understood, and are left out");
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(RETRY.0, RETRY.1, Duration::MAX, self.source.seed)
    }
}
