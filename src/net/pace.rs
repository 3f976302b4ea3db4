//! How are requests kept under a venue's rate?

use std::{collections::VecDeque, time::Duration};
use tokio::time::{Instant, sleep_until};

/// At most so many messages in any second. The venue counts when they arrive, so pace some way under its limit.
#[derive(Debug)]
pub struct Pace {
    /// When the last messages went, oldest first; never more than the limit.
    sent: VecDeque<Instant>,
    count_max: usize,
}

const SECOND: Duration = Duration::from_secs(1);

impl Pace {
    /// `count_max` messages in any half-open second; 0 counts as 1.
    pub fn per_second(count_max: usize) -> Self {
        let count_max = count_max.max(1);
        Self { sent: VecDeque::with_capacity(count_max), count_max }
    }

    /// Waits until one more message may go, and counts it. Cancelled, it has counted nothing.
    pub async fn ready(&mut self) {
        if let Some(&oldest) = self.sent.front()
            && self.sent.len() == self.count_max
        {
            sleep_until(oldest + SECOND).await;
            self.sent.pop_front();
        }
        self.sent.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{advance, timeout};

    /// The most instants that fall into one half-open second, by looking at every second that begins at an instant.
    fn busiest_second(sent: &[Instant]) -> usize {
        sent.iter().map(|from| sent.iter().filter(|at| *at >= from && **at < *from + SECOND).count()).max().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_second_holds_more_than_the_limit() {
        let mut pace = Pace::per_second(5);
        let started = Instant::now();
        let mut sent = Vec::new();
        for round in 0..40_u64 {
            pace.ready().await;
            sent.push(Instant::now());
            advance(Duration::from_millis(round * 37 % 290)).await;
        }
        assert_eq!(busiest_second(&sent), 5);
        assert!(started.elapsed() < Duration::from_secs(11), "slower than the limit demands: {:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_within_the_limit_does_not_wait() {
        let mut pace = Pace::per_second(5);
        let started = Instant::now();
        for _ in 0..5 {
            pace.ready().await;
        }
        assert_eq!(started.elapsed(), Duration::ZERO);
        pace.ready().await;
        assert_eq!(started.elapsed(), SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_counts_nothing() {
        let mut pace = Pace::per_second(1);
        let started = Instant::now();
        pace.ready().await;
        for _ in 0..9 {
            assert!(timeout(Duration::from_millis(100), pace.ready()).await.is_err());
        }
        pace.ready().await;
        assert_eq!(started.elapsed(), SECOND);
    }
}
