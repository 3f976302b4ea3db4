//! How is it asked for that a contract be recorded from now on, or not any more?

use crate::{market::AddError, model::Symbol};
use tokio::sync::{mpsc, oneshot};

/// Changes that wait to be made; who asks for one waits for its answer.
const CHANGES_MAX: usize = 64;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// To be recorded.
    Begin,
    /// Not to be recorded any more.
    End,
}

/// A change that somebody waits for.
#[derive(Debug)]
pub struct Change {
    /// Of which contract.
    pub symbol: Symbol,
    /// Which.
    pub wish: Wish,
    /// Who waits.
    pub answer: oneshot::Sender<Result<(), ChangeError>>,
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// It cannot be recorded.
    #[error(transparent)]
    Add(#[from] AddError),
    /// Nobody records it.
    #[error("`{0}` is not recorded")]
    NotRecorded(Symbol),
    /// The venue does not know it.
    #[error("the exchange does not list `{symbol}`; did you mean `{nearest}`?")]
    Unlisted {
        /// As it was asked for.
        symbol: Symbol,
        /// The listed one that looks most like it.
        nearest: Symbol,
    },
    /// What the venue lists has not been read yet.
    #[error("what the exchange lists is not known yet: try again")]
    ListingUnknown,
    /// The store has no number for it.
    #[error("the store cannot note `{symbol}`: {reason}")]
    Store {
        /// Which.
        symbol: Symbol,
        /// What the disk says.
        reason: String,
    },
    /// Too many changes wait, or everything is about to end.
    #[error("too many changes wait: try again")]
    Busy,
}

/// Where changes are asked for. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Roster(mpsc::Sender<Change>);

impl Roster {
    /// A roster, and where its changes come out.
    pub fn new() -> (Self, mpsc::Receiver<Change>) {
        let (sender, changes) = mpsc::channel(CHANGES_MAX);
        (Self(sender), changes)
    }

    /// Asks for a change and waits until it is made.
    ///
    /// # Errors
    ///
    /// When it is not made.
    pub async fn ask(&self, symbol: Symbol, wish: Wish) -> Result<(), ChangeError> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Change { symbol, wish, answer }).map_err(|_| ChangeError::Busy)?;
        answered.await.unwrap_or(Err(ChangeError::Busy))
    }
}
