//! What does an answer of the archive's host mean, and when is it asked again?

use crate::{
    history::download::host::GetError,
    net::{Backoff, FetchError, with_causes},
};
use std::time::Duration;

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// Failures in a row after which a file is left to a later job: about two minutes.
const ATTEMPTS_MAX: u32 = 8;
/// What the host asks to wait is believed up to here.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(10);

/// What a status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The body is what was asked for.
    Here,
    /// There is no such file, or not yet.
    Absent,
    /// The body is of no use, as what is held of the file is no part of it any more.
    Anew,
    /// It may be otherwise later.
    Later,
    /// It will not be otherwise.
    Never,
}

/// The meaning of a status.
pub(super) const fn said(status: u16) -> Said {
    match status {
        200 | 206 => Said::Here,
        404 | 410 => Said::Absent,
        416 => Said::Anew,
        403 | 407 | 408 | 425 | 429 | 500..=599 => Said::Later,
        _ => Said::Never,
    }
}

/// Whether it is the way that failed, rather than the host.
pub(super) const fn blames_way(failure: &GetError) -> bool {
    matches!(failure, GetError::Fetch(FetchError::Connect(_) | FetchError::Timeout) | GetError::Status(403 | 407 | 429))
}

/// Whether no other attempt would mend it.
pub(super) const fn is_final(failure: &GetError) -> bool {
    matches!(
        failure,
        GetError::TooLong { .. }
            | GetError::Staging(_)
            | GetError::Fetch(FetchError::Url(_) | FetchError::TooLarge { .. })
    )
}

/// The attempts at one file.
pub(super) struct Tries {
    backoff: Backoff,
}

impl Tries {
    pub(super) fn new(seed: u64) -> Self {
        Self { backoff: Backoff::new(RETRY.0, RETRY.1, RETRY.1, seed) }
    }

    /// Something of it came: the host is there.
    pub(super) fn progressed(&mut self) {
        self.backoff.stable(RETRY.1);
    }

    /// Waits before the next attempt, at least as long as the host asks; gives `failure` back after the last.
    pub(super) async fn wait(
        &mut self,
        url: &str,
        failure: GetError,
        retry_after: Option<&str>,
    ) -> Result<(), GetError> {
        let asked = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let wait = self.backoff.delay().max(asked.unwrap_or_default().min(RETRY_AFTER_MAX));
        if self.backoff.failures() >= ATTEMPTS_MAX {
            return Err(failure);
        }
        tracing::debug!(url, retry_ms = wait.as_millis(), "{}", with_causes(&failure));
        tokio::time::sleep(wait).await;
        Ok(())
    }
}
