//! How is a run of ids fetched: by which calls, how often again, until what end?

use crate::{
    exchange::binance::{AGG_TRADES_REACH_MS, Call, DecodeError, Refusal, rest},
    history::{
        budget::{Budget, CallError, Priority},
        rest::{
            page::PageError,
            walk::{Piece, Walk, Want},
        },
    },
    model::{IdRange, Trade},
    net::{Backoff, Fetch, Response, with_causes},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Failures in a row after which a run is left to a later job: about two minutes.
const ATTEMPTS_MAX: u32 = 8;

/// Errors that pass: the venue's internal ones, those of overload, and too many requests (Binance USD-M docs).
const PASSING_CODES: [i64; 5] = [-1_000, -1_001, -1_003, -1_007, -1_008];

/// The venue's REST API as a source of trades.
#[derive(Clone)]
pub struct Source {
    /// Where answers come from.
    pub fetch: Arc<dyn Fetch>,
    /// What may be asked.
    pub budget: Budget,
    /// The host's URL, without a path.
    pub rest_url: String,
    /// Of the waits between attempts.
    pub seed: u64,
}

/// How many ids each kind of piece spoke of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filled {
    /// Trades fetched.
    pub trades: u64,
    /// Ids that wait for the archive.
    pub awaiting: u64,
    /// Ids that the venue steps over.
    pub absent: u64,
}

/// Why a run was not told to its end; what had been told stands.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// Nobody wants the pieces any more.
    #[error("ids {} to {} are not wanted any more", .left.first, .left.last)]
    Cancelled {
        /// What no piece was delivered of.
        left: IdRange,
    },
    /// The venue refuses, and would again.
    #[error("the venue refuses ids {} to {} with HTTP {status}: {refusal}", .left.first, .left.last)]
    Refused {
        /// What no piece was delivered of.
        left: IdRange,
        /// The status.
        status: u16,
        /// Its words, and the number of its error if it gave one.
        refusal: String,
    },
    /// Every attempt failed, in a way that may pass.
    #[error("ids {} to {} cannot be fetched now", .left.first, .left.last)]
    Exhausted {
        /// What no piece was delivered of.
        left: IdRange,
        /// Why the last attempt failed.
        source: AttemptError,
    },
}

impl FillError {
    /// Whether it lies in what was said of these ids, rather than in whether anything was said.
    pub fn is_about_ids(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Exhausted { source, .. } => matches!(source, AttemptError::Page(_) | AttemptError::Decode(_)),
            Self::Cancelled { .. } => false,
        }
    }

    /// What no piece was delivered of.
    pub fn left(&self) -> IdRange {
        match self {
            Self::Cancelled { left } | Self::Refused { left, .. } | Self::Exhausted { left, .. } => *left,
        }
    }
}

/// Why one attempt failed, in a way that may pass.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// No answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// An answer that is none.
    #[error("the venue answers HTTP {0}")]
    Status(u16),
    /// A body that cannot be read: cut short, or another contract's.
    #[error("the page cannot be read")]
    Decode(#[from] DecodeError),
    /// Rows that cannot be the ones asked for.
    #[error("the page is not the one asked for")]
    Page(#[from] PageError),
}

/// What an answer says.
enum Said {
    Page(Vec<Trade>),
    BeyondReach,
    Refused(String),
}

/// What one attempt came to.
enum Attempt {
    Pieces(Vec<Piece>),
    Refused { status: u16, refusal: String },
    Failed(AttemptError),
}

impl Source {
    /// Sends what becomes of each id wanted to `out`, in ascending order. Ends early when `out` is closed; dropped, it leaves
    /// nothing behind but the weight of a call that was out. Trades that fail a check are never sent.
    ///
    /// # Errors
    ///
    /// When not every id was told of; the error names those that are left.
    pub async fn fill(&self, want: &Want, priority: Priority, out: &mpsc::Sender<Piece>) -> Result<Filled, FillError> {
        let mut run = Run { want, left: want.ids, filled: Filled::default(), out };
        if self.is_out_of_reach(want) {
            run.deliver(Piece::AwaitingArchive(want.ids)).await?;
            return Ok(run.filled);
        }
        let mut walk = Walk::new(want);
        let mut backoff = Backoff::new(RETRY.0, RETRY.1, Duration::ZERO, self.seed ^ want.ids.first);
        while walk.left().is_some() {
            let attempt = tokio::select! {
                biased;
                () = out.closed() => return Err(FillError::Cancelled { left: run.left }),
                attempt = self.attempt(want, &mut walk, priority) => attempt,
            };
            match attempt {
                Attempt::Pieces(pieces) => {
                    backoff.stable(Duration::ZERO);
                    for piece in pieces {
                        run.deliver(piece).await?;
                    }
                }
                Attempt::Refused { status, refusal } => {
                    return Err(FillError::Refused { left: run.left, status, refusal });
                }
                Attempt::Failed(source) => run.wait(&mut backoff, source).await?,
            }
        }
        Ok(run.filled)
    }

    /// Whether even the youngest of the trades wanted is too old, so that asking is in vain.
    fn is_out_of_reach(&self, want: &Want) -> bool {
        want.not_after.is_some_and(|time| self.budget.now().since(time) > AGG_TRADES_REACH_MS)
    }

    async fn attempt(&self, want: &Want, walk: &mut Walk, priority: Priority) -> Attempt {
        let Some(wanted) = walk.wanted() else { return Attempt::Pieces(Vec::new()) };
        let call = Call::agg_trades(&want.symbol, wanted.from, wanted.rows);
        let answer = match self.budget.get(&*self.fetch, &self.rest_url, &call, priority).await {
            Ok(answer) => answer,
            Err(error) => return Attempt::Failed(error.into()),
        };
        match said(want, &answer) {
            Ok(Said::Page(page)) => match walk.take(page, self.budget.now()) {
                Ok(pieces) => Attempt::Pieces(pieces),
                Err(error) => Attempt::Failed(error.into()),
            },
            Ok(Said::BeyondReach) => Attempt::Pieces(walk.beyond_reach()),
            Ok(Said::Refused(refusal)) => Attempt::Refused { status: answer.status, refusal },
            Err(error) => Attempt::Failed(error),
        }
    }
}

/// What an answer means, or why it means nothing. After 403, 418 and 429 the budget waits as long as the venue wants; another
/// attempt is right then. After 451 none is.
fn said(want: &Want, answer: &Response) -> Result<Said, AttemptError> {
    let status = answer.status;
    if status == 200 {
        return Ok(Said::Page(rest::agg_trades_of(&want.symbol, &answer.body)?));
    }
    let refusal = rest::refusal(&answer.body);
    let passes = refusal.as_ref().and_then(|said| said.code).is_some_and(|code| PASSING_CODES.contains(&code));
    match (status, refusal) {
        (400, Some(refusal)) if refusal.is_beyond_reach() => Ok(Said::BeyondReach),
        (403 | 408 | 418 | 429, _) => Err(AttemptError::Status(status)),
        (400..=499, refusal) if !passes => Ok(Said::Refused(words(refusal))),
        _ => Err(AttemptError::Status(status)),
    }
}

fn words(refusal: Option<Refusal>) -> String {
    match refusal {
        Some(Refusal { code: Some(code), msg }) => format!("{msg} ({code})"),
        Some(Refusal { code: None, msg }) => msg,
        None => "no words".to_owned(),
    }
}

/// One run of ids on its way to those who want it.
struct Run<'a> {
    want: &'a Want,
    /// What no piece was delivered of.
    left: IdRange,
    filled: Filled,
    out: &'a mpsc::Sender<Piece>,
}

impl Run<'_> {
    async fn deliver(&mut self, piece: Piece) -> Result<(), FillError> {
        let Some(ids) = piece.ids() else { return Ok(()) };
        let sum = match piece {
            Piece::Trades(_) => &mut self.filled.trades,
            Piece::AwaitingArchive(_) => &mut self.filled.awaiting,
            Piece::Absent(_) => &mut self.filled.absent,
        };
        *sum += ids.count();
        if self.out.send(piece).await.is_err() {
            return Err(FillError::Cancelled { left: self.left });
        }
        self.left.first = self.left.last.min(ids.last.saturating_add(1));
        Ok(())
    }

    /// Waits before the next attempt, unless this was the last.
    async fn wait(&self, backoff: &mut Backoff, source: AttemptError) -> Result<(), FillError> {
        let wait = backoff.delay();
        if backoff.failures() >= ATTEMPTS_MAX {
            return Err(FillError::Exhausted { left: self.left, source });
        }
        let (symbol, first, last) = (&self.want.symbol, self.left.first, self.left.last);
        tracing::warn!(%symbol, first, last, retry_ms = wait.as_millis(), "a page failed: {}", with_causes(&source));
        tokio::select! {
            () = self.out.closed() => Err(FillError::Cancelled { left: self.left }),
            () = tokio::time::sleep(wait) => Ok(()),
        }
    }
}
