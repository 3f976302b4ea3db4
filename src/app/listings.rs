//! What does the venue's listing say of the contracts that are recorded?

use crate::{
    exchange::binance::{DecodeError, rest},
    market::{Contracts, Listing},
    metrics::{Labels, Metrics},
    net::{Backoff, Fetch, FetchError, with_causes},
};
use std::{sync::Arc, time::Duration};

/// The first and the longest wait after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));

/// Reads the listing until it has succeeded once. Capture does not wait for it.
pub(super) async fn read(
    fetch: Arc<dyn Fetch>,
    rest_url: String,
    contracts: Arc<Contracts>,
    metrics: Arc<Metrics>,
    seed: u64,
) {
    let mut backoff = Backoff::new(RETRY.0, RETRY.1, Duration::MAX, seed);
    let url = format!("{rest_url}/fapi/v1/exchangeInfo");
    while let Err(error) = read_once(&*fetch, &url, &contracts, &metrics).await {
        let wait = backoff.delay() + RETRY.0;
        tracing::error!(url, retry_ms = wait.as_millis(), "{}", with_causes(&error));
        tokio::time::sleep(wait).await;
    }
}

/// Why the listing is not known.
#[derive(Debug, thiserror::Error)]
enum ListingError {
    #[error("the venue's listing cannot be fetched")]
    Fetch(#[from] FetchError),
    #[error("the venue answers HTTP {0} instead of its listing")]
    Status(u16),
    #[error("the venue's listing cannot be read")]
    Decode(#[from] DecodeError),
}

async fn read_once(fetch: &dyn Fetch, url: &str, contracts: &Contracts, metrics: &Metrics) -> Result<(), ListingError> {
    let count = |code: &str| {
        metrics.rest_requests.get_or_create(&Labels::new([("endpoint", "exchangeInfo"), ("code", code)])).inc();
    };
    let response = fetch.get(url).await.inspect_err(|_| count("none"))?;
    count(&response.status.to_string());
    if response.status != 200 {
        return Err(ListingError::Status(response.status));
    }
    let info = rest::exchange_info(&response.body)?;
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
