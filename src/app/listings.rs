//! What does the venue's listing say of the contracts that are recorded?

use crate::{
    exchange::binance::rest,
    market::{Contracts, Listing},
    metrics::{Labels, Metrics},
    net::{Backoff, Fetch},
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
    while let Err(reason) = read_once(&*fetch, &url, &contracts, &metrics).await {
        let wait = backoff.delay() + RETRY.0;
        tracing::error!(url, reason, retry_ms = wait.as_millis(), "the venue's listing cannot be read");
        tokio::time::sleep(wait).await;
    }
}

async fn read_once(fetch: &dyn Fetch, url: &str, contracts: &Contracts, metrics: &Metrics) -> Result<(), String> {
    let count = |code: &str| {
        metrics.rest_requests.get_or_create(&Labels::new([("endpoint", "exchangeInfo"), ("code", code)])).inc();
    };
    let response = fetch.get(url).await.map_err(|error| {
        count("none");
        chain(&error)
    })?;
    count(&response.status.to_string());
    if response.status != 200 {
        return Err(format!("HTTP {}", response.status));
    }
    let info = rest::exchange_info(&response.body).map_err(|error| chain(&error))?;
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

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
