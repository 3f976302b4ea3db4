//! What becomes of a configuration that changes while the server runs?
//!
//! Files are read again every few seconds, and at once on SIGHUP, rather than watched: editors and orchestrators replace
//! files and directories, and a watch on the old one sees nothing of it.

use crate::{
    cli::{args::Common, failure::Failure},
    config::{Assignment, Config, Settings},
};
use std::time::Duration;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

/// Between looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Keys that a running server takes over.
const TAKEN: [&str; 19] = [
    "symbols",
    "override",
    "series.funding",
    "series.large_trade_usd",
    "tape",
    "ring.trades",
    "book.symbols",
    "book.levels",
    "book.tick_sizes",
    "store.trades_days",
    "store.candles_days",
    "store.marks_days",
    "store.funding_days",
    "store.open_interest_days",
    "store.liquidations_days",
    "store.books_days",
    "store.trades_bytes_max",
    "store.candles_bytes_max",
    "store.bytes_max",
];

/// The configuration as it was last taken over, and where it comes from.
pub(super) struct Reloads {
    common: Common,
    flags: Vec<Assignment>,
    settings: Settings,
    /// What was found at the last look, if it is another: a file may be being written.
    found: Option<Settings>,
    /// What was last said to be wrong, so that it is said once.
    problem: Option<String>,
    hangups: Signal,
    looks: tokio::time::Interval,
}

impl Reloads {
    /// Follows what `settings` were gathered from. Must be called inside a runtime.
    ///
    /// # Errors
    ///
    /// When signals cannot be listened to.
    pub(super) fn new(common: Common, flags: Vec<Assignment>, settings: Settings) -> std::io::Result<Self> {
        let hangups = signal(SignalKind::hangup())?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { common, flags, settings, found: None, problem: None, hangups, looks })
    }

    /// Waits for a configuration that selects other contracts.
    pub(super) async fn next(&mut self) -> Config {
        loop {
            let told = tokio::select! {
                _ = self.hangups.recv() => true,
                _ = self.looks.tick() => false,
            };
            let found = self.look(told);
            if let Some(config) = self.tell(found, told) {
                return config;
            }
        }
    }

    /// Says what a look found, if it is news or somebody asked for it.
    fn tell(&mut self, found: Result<Option<Config>, String>, told: bool) -> Option<Config> {
        let (found, problem) = found.map_or_else(|problem| (None, Some(problem)), |config| (config, None));
        if problem.is_some() && (told || self.problem != problem) {
            let problem = problem.clone().unwrap_or_default();
            tracing::error!("the changed configuration is not taken over: {problem}");
        }
        if problem.is_some() {
            self.problem = problem;
        }
        found
    }

    /// A configuration that differs in what a running server takes over, as soon as two looks have found it, or at once if
    /// `told`; what else differs is told.
    fn look(&mut self, told: bool) -> Result<Option<Config>, String> {
        let gathered = self.common.clone().settings(self.flags.clone());
        let settings = gathered.map_err(|failure: Failure| failure.to_string())?;
        if self.settings.come_from_a_file() && !settings.come_from_a_file() {
            return Err("its file is gone, and what it said holds on".to_owned());
        }
        let before = self.found.replace(settings.clone());
        let changed: Vec<&str> = settings.changed_from(&self.settings).collect();
        if changed.is_empty() {
            self.problem = None;
            return Ok(None);
        }
        if !told && before.is_none_or(|before| settings.changed_from(&before).next().is_some()) {
            return Ok(None);
        }
        let config = Config::new(&settings).map_err(|problems| problems.to_string())?;
        let (taken, left): (Vec<&str>, Vec<&str>) = changed.into_iter().partition(|key| TAKEN.contains(key));
        if !left.is_empty() {
            tracing::warn!(keys = left.join(", "), "what the configuration says of these keys needs a restart");
        }
        let is_taken = !taken.is_empty();
        (self.settings, self.problem) = (settings, None);
        Ok(is_taken.then_some(config))
    }
}
