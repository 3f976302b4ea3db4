//! How much of each contract is open now?

use super::{AHEAD_MS_MAX, PollError, Polling, RETRY};
use crate::{
    exchange::binance::{Call, rest},
    history::budget::Priority,
    market::{Contract, Series},
    model::ContractId,
    store::record::OpenInterestRow,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, sleep_until};

/// How long it is waited for a contract when there is none.
const IDLE: Duration = Duration::from_secs(1);
/// What is polled, in logs and figures.
const FIGURE: &str = "open_interest";

impl Polling {
    /// Polls one contract after the other, for ever, so that each has its turn once in `period`, evenly spread.
    pub async fn poll_open_interest(self, period: Duration) {
        let (mut last, mut backoff, mut due) = (None, self.backoff(), Instant::now());
        loop {
            let Some((contract, count)) = self.next_after(last) else {
                sleep(IDLE).await;
                continue;
            };
            last = Some(contract.id);
            match self.poll(&contract).await {
                Ok(()) => backoff = self.backoff(),
                Err(error) => {
                    self.note(FIGURE, &error);
                    if !error.is_refusal() {
                        sleep(RETRY.0 + backoff.delay()).await;
                    }
                }
            }
            due += period / count;
            due += whole_rounds(due.elapsed(), period);
            sleep_until(due).await;
        }
    }

    /// Whose turn it is after another, and how many there are.
    fn next_after(&self, last: Option<ContractId>) -> Option<(Arc<Contract>, u32)> {
        let polled: Vec<_> = self.following(Series::OpenInterest).collect();
        let at = polled.partition_point(|contract| last.is_some_and(|last| contract.id <= last));
        let contract = polled.get(at).or(polled.first())?;
        Some((Arc::clone(contract), u32::try_from(polled.len()).unwrap_or(u32::MAX)))
    }

    async fn poll(&self, contract: &Contract) -> Result<(), PollError> {
        let (call, symbol) = (Call::open_interest(&contract.symbol), &contract.symbol);
        let open = self.ask(&call, Priority::Seam, |body| rest::open_interest(symbol, body)).await?;
        if open.time > self.now().plus(AHEAD_MS_MAX) {
            return Err(PollError::Ahead);
        }
        if !contract.figures.set_open_interest(open) {
            return Ok(());
        }
        self.bells.ring(contract.id);
        contract.records.get().map_or(Ok(()), |records| self.keep(records, &[OpenInterestRow::from(open)]))
    }
}

/// What of a delay is left out: a part of a round is caught up with, so that each keeps its times whatever fails.
fn whole_rounds(late: Duration, period: Duration) -> Duration {
    let rounds = late.as_nanos().checked_div(period.as_nanos()).unwrap_or(0);
    u32::try_from(rounds).map_or(late, |rounds| period.saturating_mul(rounds))
}
