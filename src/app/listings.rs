//! What does the venue's listing say of the contracts that are recorded?

use crate::{
    exchange::binance::{Call, DecodeError, rest},
    history::budget::{Budget, CallError, Priority},
    market::{Contracts, Listing},
    net::{Backoff, Fetch, with_causes},
};
use std::{sync::Arc, time::Duration};

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Reads the listing, and with it the limit of `budget`, until it has succeeded once. Capture does not wait for it.
pub(super) async fn read(
    fetch: Arc<dyn Fetch>,
    budget: Budget,
    rest_url: String,
    contracts: Arc<Contracts>,
    seed: u64,
) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, Duration::MAX, seed);
    while let Err(error) = read_once(&*fetch, &budget, &rest_url, &contracts).await {
        let wait = backoff.delay() + RETRY.0;
        tracing::error!(rest_url, retry_ms = wait.as_millis(), "{}", with_causes(&error));
        tokio::time::sleep(wait).await;
    }
}

/// Why the listing is not known.
#[derive(Debug, thiserror::Error)]
enum ListingError {
    #[error("the venue's listing cannot be fetched")]
    Call(#[from] CallError),
    #[error("the venue answers HTTP {0} instead of its listing")]
    Status(u16),
    #[error("the venue's listing cannot be read")]
    Decode(#[from] DecodeError),
}

async fn read_once(
    fetch: &dyn Fetch,
    budget: &Budget,
    rest_url: &str,
    contracts: &Contracts,
) -> Result<(), ListingError> {
    let response = budget.get(fetch, rest_url, &Call::exchange_info(), Priority::Listing).await?;
    if response.status != 200 {
        return Err(ListingError::Status(response.status));
    }
    let info = rest::exchange_info(&response.body)?;
    info.weight_per_minute.into_iter().for_each(|limit| budget.set_limit(limit));
    for contract in contracts.iter() {
        let Some(listed) = info.contracts.iter().find(|listed| listed.symbol == contract.symbol) else {
            tracing::error!(symbol = %contract.symbol, "the venue does not list this symbol: nothing will come for it");
            continue;
        };
        contract.listing.store(Some(Arc::new(Listing {
            status: listed.status.clone(),
            contract_type: listed.contract_type.clone(),
            onboard_time: listed.onboard_date,
            base_asset: listed.base_asset.clone(),
            quote_asset: listed.quote_asset.clone(),
            tick_size: listed.tick_size,
            step_size: listed.step_size,
        })));
    }
    Ok(())
}
