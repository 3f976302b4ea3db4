//! Who starts a background task again that panicked?

use crate::{
    api::{Background, Readiness},
    metrics::{Labels, Metrics},
};
use std::{sync::Arc, time::Duration};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

/// How long a task stays down after its first panic, and at most after further ones.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(5));
/// A task that ran for so long rests as after its first panic.
const STABLE_AFTER: Duration = Duration::from_mins(10);

/// Where it is said and counted that a task panicked. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Where it is said.
    pub readiness: Arc<Readiness>,
    /// Where it is counted.
    pub metrics: Arc<Metrics>,
}

impl Keeping {
    /// Runs what `raise` makes, and makes it again when it panics; `raise` is told how often that happened. It ends when the
    /// task does, and takes the task with it when it is dropped.
    pub async fn keep<T>(self, name: Background, raise: impl FnMut(u32) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.keep_by(name, raise, |tasks, task| drop(tasks.spawn(task))).await;
    }

    /// The same of what stays on the thread that polls it; inside an actix system.
    pub async fn keep_here<T>(self, name: Background, raise: impl FnMut(u32) -> T)
    where
        T: Future<Output = ()> + 'static,
    {
        self.keep_by(name, raise, |tasks, task| drop(tasks.spawn_local(task))).await;
    }

    async fn keep_by<T>(self, name: Background, mut raise: impl FnMut(u32) -> T, spawn: impl Fn(&mut JoinSet<()>, T)) {
        let (mut rest, mut panics) = (REST.0, 0);
        loop {
            let (mut task, began) = (JoinSet::new(), Instant::now());
            spawn(&mut task, raise(panics));
            let is_over = !matches!(task.join_next().await, Some(Err(error)) if error.is_panic());
            if is_over {
                return;
            }
            panics += 1;
            rest = if began.elapsed() >= STABLE_AFTER { REST.0 } else { rest };
            self.metrics.task_restarts.get_or_create(&Labels::new([("task", name.as_str())])).inc();
            tracing::error!(
                task = name.as_str(),
                rest_s = rest.as_secs(),
                "a background task panicked and is started again"
            );
            self.readiness.set_down(name, true);
            sleep(rest).await;
            self.readiness.set_down(name, false);
            rest = (2 * rest).min(REST.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test(start_paused = true)]
    async fn what_panics_is_named_counted_and_started_again_ever_later() {
        let keeping = Keeping { readiness: Arc::default(), metrics: Arc::default() };
        let (starts, counted) = (Arc::new(AtomicU32::new(0)), Arc::clone(&keeping.metrics));
        let (readiness, noted) = (Arc::clone(&keeping.readiness), Arc::clone(&starts));
        let kept = tokio::spawn(keeping.keep(Background::Sweep, move |panics| {
            noted.store(panics + 1, Ordering::Relaxed);
            async move {
                // The third goes on, for ever.
                assert!(panics >= 2, "planted");
                std::future::pending().await
            }
        }));
        let down = || readiness.down().map(Background::as_str).collect::<Vec<_>>();
        sleep(Duration::from_millis(500)).await;
        assert_eq!((down(), starts.load(Ordering::Relaxed)), (vec!["sweep"], 1));
        sleep(Duration::from_secs(1)).await;
        assert_eq!((down(), starts.load(Ordering::Relaxed)), (vec!["sweep"], 2), "at once down again");
        sleep(Duration::from_secs(2)).await;
        assert_eq!((down(), starts.load(Ordering::Relaxed)), (vec![], 3));
        let restarts = counted.task_restarts.get_or_create(&Labels::new([("task", "sweep")])).get();
        assert_eq!(restarts, 2);
        kept.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn what_stays_on_its_thread_is_started_again_too() {
        let keeping = Keeping { readiness: Arc::default(), metrics: Arc::default() };
        let starts = std::rc::Rc::new(std::cell::Cell::new(0));
        let noted = std::rc::Rc::clone(&starts);
        let raise = move |panics| {
            let noted = std::rc::Rc::clone(&noted);
            async move {
                noted.set(noted.get() + 1);
                assert!(panics > 0, "planted");
            }
        };
        tokio::task::LocalSet::new().run_until(keeping.keep_here(Background::Registry, raise)).await;
        assert_eq!(starts.get(), 2);
    }
}
