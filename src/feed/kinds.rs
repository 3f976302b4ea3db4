//! Does every stream of all contracts that a connection carries bring something?

use crate::{
    exchange::binance::StreamKind,
    feed::{Carried, PlannedStream},
    model::UnixMillis,
};

/// The streams of all contracts on one connection.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    watched: Vec<Watched>,
    /// The venue's second in which the newest frame was sent.
    second: i64,
    lacking: Option<StreamKind>,
}

#[derive(Debug)]
struct Watched {
    kind: StreamKind,
    /// When it spoke last, or was asked for.
    heard: Option<UnixMillis>,
    has_spoken: bool,
}

impl Kinds {
    /// Says what is carried now.
    pub(super) fn carry(&mut self, streams: &[PlannedStream]) {
        let kinds = streams.iter().filter_map(|stream| match stream.carried {
            Carried::Market(kind) if silence_ms_max(kind).is_some() => Some(kind),
            _ => None,
        });
        let watched = kinds.map(|kind| {
            let known = self.watched.iter().position(|watched| watched.kind == kind);
            known.map_or_else(|| Watched { kind, heard: None, has_spoken: false }, |at| self.watched.swap_remove(at))
        });
        self.watched = watched.collect();
    }

    /// Notes that a stream has spoken.
    pub(super) fn note(&mut self, kind: StreamKind, sent: UnixMillis) {
        if let Some(watched) = self.watched.iter_mut().find(|watched| watched.kind == kind) {
            (watched.heard, watched.has_spoken) = (Some(sent), true);
        }
    }

    /// Notes when a frame of any stream was sent: who is silent meanwhile for too long is lacking.
    pub(super) fn note_sent(&mut self, sent: UnixMillis) {
        let second = sent.get().div_euclid(UnixMillis::SECOND);
        if std::mem::replace(&mut self.second, second) == second {
            return;
        }
        for watched in &mut self.watched {
            let since = *watched.heard.get_or_insert(sent);
            let is_late = silence_ms_max(watched.kind).is_some_and(|max| sent.since(since) > max);
            self.lacking = self.lacking.or(is_late.then_some(watched.kind));
        }
    }

    /// One that is silent though others on its connection speak.
    pub(super) fn lacking(&self) -> Option<StreamKind> {
        self.lacking
    }

    /// Whether each has spoken.
    pub(super) fn have_spoken(&self) -> bool {
        self.watched.iter().all(|watched| watched.has_spoken)
    }
}

/// For how long a stream that always has something to say may say nothing; none for one that may.
const fn silence_ms_max(kind: StreamKind) -> Option<i64> {
    match kind {
        // Once a second (measured 2026-10-07).
        StreamKind::MarkPrice | StreamKind::Ticker => Some(10_000),
        // Of each contract about every five.
        StreamKind::BookTicker => Some(15_000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(kind: StreamKind) -> PlannedStream {
        PlannedStream { carried: Carried::Market(kind), name: String::new(), asks: 0 }
    }

    #[test]
    fn one_that_is_silent_while_others_speak_is_lacking_and_one_that_may_be_is_not() {
        let mut kinds = Kinds::default();
        kinds.carry(&[StreamKind::MarkPrice, StreamKind::Ticker, StreamKind::ForceOrder].map(planned));
        let at = |second: i64| UnixMillis::new(1_000_000 + second * 1_000);
        for second in 0..60 {
            kinds.note_sent(at(second));
            kinds.note(StreamKind::MarkPrice, at(second));
            if second < 40 {
                kinds.note(StreamKind::Ticker, at(second));
            }
            assert_eq!(kinds.lacking(), (second > 49).then_some(StreamKind::Ticker), "{second}");
        }
        assert!(kinds.have_spoken());
        let mut mute = Kinds::default();
        mute.carry(&[planned(StreamKind::Ticker)]);
        assert!(!mute.have_spoken());
        let found = (0..60).find(|second| {
            mute.note_sent(at(*second));
            mute.lacking().is_some()
        });
        assert_eq!(found, Some(11), "one that never spoke");
    }
}
