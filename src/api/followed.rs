//! Which figures are followed, and which key of the configuration switches one off?

use crate::{
    market::{Contract, Series},
    model::ContractId,
};
use serde_json::Value;

/// Which figures of all contracts are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// What is open is asked for.
    pub open_interest: bool,
    /// Liquidations.
    pub liquidations: bool,
    /// Statistics of 24 hours.
    pub tickers: bool,
}

/// Why a figure is not followed: it would never come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::api) enum NotFollowed {
    #[error("open interest is not asked for: series.open_interest_ms of the configuration is 0")]
    OpenInterest,
    #[error(
        "open interest of `{0}` is not asked for: the `series` of its [[override]] does not name \"open_interest\""
    )]
    OpenInterestOf(String),
    #[error("liquidations are not followed: series.liquidations of the configuration is false")]
    Liquidations,
    #[error("statistics of 24 hours are not followed: series.tickers of the configuration is false")]
    Tickers,
}

impl Followed {
    /// Statistics of 24 hours come.
    pub(in crate::api) fn expect_tickers(self) -> Result<(), NotFollowed> {
        if self.tickers { Ok(()) } else { Err(NotFollowed::Tickers) }
    }

    /// Liquidations come.
    pub(in crate::api) fn expect_liquidations(self) -> Result<(), NotFollowed> {
        if self.liquidations { Ok(()) } else { Err(NotFollowed::Liquidations) }
    }

    /// What is open comes, of this contract or, without one, of any.
    pub(in crate::api) fn expect_open_interest(self, of: Option<&Contract>) -> Result<(), NotFollowed> {
        match of {
            _ if !self.open_interest => Err(NotFollowed::OpenInterest),
            Some(contract) if !is_kept(contract, Series::OpenInterest) => {
                Err(NotFollowed::OpenInterestOf(contract.symbol.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Tells in `meta` whether a contract's series goes on, and whether it is stored.
    pub(in crate::api) fn tell(self, meta: &mut Value, contract: &Contract, series: Series) {
        let (is_recorded, is_kept) = (contract.id != ContractId::NONE, is_kept(contract, series));
        let comes = match series {
            Series::Marks => true,
            Series::Funding => is_kept,
            Series::OpenInterest => self.expect_open_interest(Some(contract)).is_ok(),
            Series::Liquidations => self.liquidations,
        };
        meta["followed"] = (is_recorded && comes).into();
        meta["stored"] = (is_recorded && comes && is_kept).into();
    }
}

fn is_kept(contract: &Contract, series: Series) -> bool {
    contract.kept.load().series.contains(series)
}
