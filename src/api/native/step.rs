//! Which step of a contract's prices does a client mean?

use crate::{
    book::{Step, TickSize},
    market::{ChangeError, Contract},
    model::Price,
};

/// How a step is written.
pub(super) const STEP: &str = "a step of prices such as 0.5, or so many of the contract's own such as 10x";

/// Why a step is none of a contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StepError {
    /// So many of the contract's own are no price.
    #[error("it must be {STEP}")]
    Beyond,
    /// How many the contract's own is is not known yet.
    #[error(transparent)]
    Unknown(#[from] ChangeError),
    /// The contract's own does not divide it.
    #[error("it must be a multiple of the contract's own tick size, {0}")]
    NoMultiple(Price),
}

/// A step as the contract has it, whose own divides it, as far as that is known.
pub(super) fn tick_size(step: Step, contract: &Contract) -> Result<TickSize, StepError> {
    let size = size(step, contract)?;
    match tick_of(contract).filter(|tick| !size.is_multiple_of(*tick)) {
        Some(tick) => Err(StepError::NoMultiple(tick)),
        None => Ok(size),
    }
}

/// The same of any size: the contract's own may have been another.
pub(super) fn size(step: Step, contract: &Contract) -> Result<TickSize, StepError> {
    let tick = tick_of(contract);
    match (step.tick_size(tick), step) {
        (Some(size), _) => Ok(size),
        (None, Step::Ticks(_)) if tick.is_none() => Err(ChangeError::ListingUnknown.into()),
        (None, _) => Err(StepError::Beyond),
    }
}

/// The contract's own step of prices, once the listing has been read.
pub(super) fn tick_of(contract: &Contract) -> Option<Price> {
    contract.listing.load().as_ref().map(|listing| listing.tick_size)
}
