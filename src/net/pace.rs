//! How often may something be sent?

use std::{collections::VecDeque, time::Duration};
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);

/// At most so many messages in any second, however it is cut.
#[derive(Debug)]
pub struct Pace {
    per_second_max: u32,
    sent: VecDeque<Instant>,
}

impl Pace {
    /// At most `per_second_max` a second, at least one.
    pub fn new(per_second_max: u32) -> Self {
        Self { per_second_max: per_second_max.max(1), sent: VecDeque::new() }
    }

    /// Waits until another message may go, and counts it.
    pub async fn ready(&mut self) {
        if self.sent.len() >= self.per_second_max as usize
            && let Some(oldest) = self.sent.pop_front()
        {
            tokio::time::sleep_until(oldest + WINDOW).await;
        }
        self.sent.push_back(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_than_its_share() {
        let mut pace = Pace::new(5);
        let mut times = Vec::new();
        for _ in 0..23 {
            pace.ready().await;
            times.push(Instant::now());
        }
        assert!(times.windows(6).all(|six| six[5] - six[0] >= WINDOW));
        assert!(times[22] - times[0] < Duration::from_secs(5));
    }
}
