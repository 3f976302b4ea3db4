//! Does the listing that the simulated exchange answers with read as the venue's does?

use tapedeck::{clock::Clock, exchange::binance::rest, sim};

#[tokio::test(start_paused = true)]
async fn every_contract_of_the_simulated_exchange_is_listed() {
    let exchange = sim::Exchange::open(&sim::Options::default(), Clock::system()).expect("no recording to open");
    let body = sim::respond(&exchange, "/fapi/v1/exchangeInfo").body;
    let info = rest::exchange_info(body.as_ref()).expect("a listing");
    let listed: Vec<_> = info.contracts.iter().map(|contract| &contract.symbol).collect();
    let expected: Vec<_> = exchange.contracts().iter().map(|contract| &contract.symbol).collect();
    assert_eq!((listed, info.refused), (expected, 0));
}
