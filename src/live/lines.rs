//! Who listens to one topic, and what does each of them still get?

use crate::{
    live::{
        Delivery, DialectId, Encoder, Event, Figure, Rows, Subscriber,
        lag::{Lag, Verdict},
    },
    model::{IdRange, UnixMillis},
};
use actix::prelude::SendError;
use prometheus_client::metrics::counter::Counter;

/// What the publishers of a live thread share.
#[derive(Clone, Debug)]
pub(super) struct Publishing {
    /// By dialect number.
    pub(super) encoders: Vec<Encoder>,
    /// A mailbox that refuses for so long is given up.
    pub(super) slow_ms_max: i64,
    /// Rows not delivered to slow sessions, of this channel.
    pub(super) dropped: Counter,
    /// Sessions ended for slowness.
    pub(super) ended: Counter,
}

/// One subscription, and how far behind it is.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) subscriber: Subscriber,
    pub(super) closed_only: bool,
    lag: Lag,
    /// The newest trade id handed over.
    sent_to: Option<u64>,
    /// Ids up to it were handed over, are owed, or lie before its beginning.
    settled_to: Option<u64>,
    /// The earliest closed or corrected candle that was not handed over.
    candles_owed_from: Option<UnixMillis>,
    /// The newest candle that was handed over as closed.
    closed_to: Option<UnixMillis>,
    /// How many ids it was told are missing.
    missing_told: u64,
}

impl Line {
    /// A line whose trades come after `begins_after`.
    pub(super) fn new(subscriber: Subscriber, closed_only: bool, begins_after: Option<u64>) -> Self {
        let lag = Lag::default();
        Self {
            subscriber,
            closed_only,
            lag,
            sent_to: None,
            settled_to: begins_after,
            candles_owed_from: None,
            closed_to: None,
            missing_told: 0,
        }
    }

    /// Says how many ids are missing, unless it was told; later, when its mailbox is full.
    pub(super) fn tell_missing(&mut self, missing: u64) {
        if missing != self.missing_told && self.offer(Event::Missing(missing)) == Offer::Taken {
            self.missing_told = missing;
        }
    }

    /// Whether an earlier refusal has not been made good.
    pub(super) fn is_behind(&self) -> bool {
        !self.lag.is_clear()
    }

    /// The oldest run of ids that it was not given and has not been told of.
    pub(super) fn lost(&self) -> Option<IdRange> {
        self.lag.lost()
    }

    /// Notes that it has been told of that run.
    pub(super) fn named(&mut self) {
        self.lag.named();
    }

    /// Notes that ids were lost on our side.
    pub(super) fn owe_ids(&mut self, ids: IdRange, now_ms: i64) {
        self.lag.owe(ids, now_ms);
        self.settled_to = self.settled_to.max(Some(ids.last));
    }

    /// Notes that ids up to `id` that were not handed over are lost on our side.
    pub(super) fn owe_ids_to(&mut self, id: u64, now_ms: i64) {
        if let Some(ids) = IdRange::new(self.settled_to.map_or(1, |settled| settled + 1), id) {
            self.owe_ids(ids, now_ms);
        }
    }

    /// Notes that everything owed has been handed over.
    pub(super) fn caught_up(&mut self) {
        self.lag.cleared();
        self.candles_owed_from = None;
    }

    /// Notes that something was lost on our side.
    pub(super) fn late(&mut self, now_ms: i64) {
        self.lag.late(now_ms);
    }

    /// Notes that candles from `open_time` on were lost on our side.
    pub(super) fn owe_candles(&mut self, open_time: UnixMillis, now_ms: i64) {
        self.lag.late(now_ms);
        self.owe_candles_from(Some(open_time));
    }

    /// Notes that closed or corrected candles from `open_time` on were not handed over.
    pub(super) fn owe_candles_from(&mut self, open_time: Option<UnixMillis>) {
        self.candles_owed_from = match (self.candles_owed_from, open_time) {
            (Some(owed), Some(open_time)) => Some(owed.min(open_time)),
            (owed, open_time) => owed.or(open_time),
        };
    }

    /// Notes that every correction owed has been handed over; closed candles that follow may be refused yet.
    pub(super) fn owe_no_candles(&mut self) {
        self.candles_owed_from = None;
    }

    /// Notes the newest candle handed over as closed.
    pub(super) fn closed_to(&mut self, open_time: Option<UnixMillis>) {
        self.closed_to = self.closed_to.max(open_time);
    }

    /// Whether the candle was handed over as closed, so that only a correction may follow.
    pub(super) fn has_closed(&self, open_time: UnixMillis) -> bool {
        self.closed_to.is_some_and(|newest| open_time <= newest)
    }

    /// The earliest candle that was not handed over.
    pub(super) fn candles_owed_from(&self) -> Option<UnixMillis> {
        self.candles_owed_from
    }

    /// Notes the newest trade id handed over; repairs, whose ids lie below it, leave it alone.
    pub(super) fn sent_to(&mut self, id: u64) {
        self.sent_to = self.sent_to.max(Some(id));
        self.settled_to = self.settled_to.max(Some(id));
    }

    /// Hands an event over, or says that the mailbox is full or gone.
    pub(super) fn offer(&self, event: Event) -> Offer {
        let Subscriber { sub, mailbox, backlog, .. } = &self.subscriber;
        if !backlog.has_room() && !event.needs_no_room() {
            return if mailbox.connected() { Offer::Full } else { Offer::Gone };
        }
        let bytes = event.bytes();
        backlog.put(bytes);
        match mailbox.try_send(Delivery { sub: *sub, event }) {
            Ok(()) => Offer::Taken,
            Err(refusal) => {
                backlog.took(bytes);
                if matches!(refusal, SendError::Full(_)) { Offer::Full } else { Offer::Gone }
            }
        }
    }

    /// Decides what a refusal means. `false` ends the line.
    pub(super) fn refused(&mut self, ids: Option<IdRange>, rows: u64, now_ms: i64, publishing: &Publishing) -> bool {
        publishing.dropped.inc_by(rows);
        self.settled_to = self.settled_to.max(ids.map(|ids| ids.last));
        match self.lag.refused(ids, self.subscriber.on_slow, now_ms, publishing.slow_ms_max) {
            Verdict::Wait => true,
            Verdict::End => {
                publishing.ended.inc();
                self.end();
                false
            }
        }
    }

    /// Ends the session: a last word if the mailbox takes it, then the socket from outside, since a client that does not
    /// read has frozen its own session.
    fn end(&self) {
        let said = self.offer(Event::TooSlow(self.sent_to));
        let cut = self.subscriber.cut.clone();
        if said == Offer::Taken {
            actix::spawn(async move {
                tokio::time::sleep(LAST_WORD).await;
                cut.now();
            });
        } else {
            cut.now();
        }
    }
}

/// Time for a client that begins to read again to see why it is being closed.
const LAST_WORD: std::time::Duration = std::time::Duration::from_secs(1);

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Taken,
    Full,
    Gone,
}

/// The rows of one publication, encoded at most once a dialect.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    by_dialect: Vec<(DialectId, Rows)>,
}

impl Bodies {
    /// The rows in `dialect`; nothing when no encoder is registered for it.
    pub(super) fn rows(
        &mut self,
        dialect: DialectId,
        publishing: &Publishing,
        encode: impl Fn(&Encoder, &mut Vec<u8>) -> u32,
    ) -> Option<Rows> {
        if let Some((_, rows)) = self.by_dialect.iter().find(|(known, _)| *known == dialect) {
            return Some(rows.clone());
        }
        let encoder = publishing.encoders.get(usize::from(dialect.0))?;
        let mut body = Vec::with_capacity(BODY_BYTES);
        let count = encode(encoder, &mut body);
        let rows = Rows { body: body.into(), count };
        self.by_dialect.push((dialect, rows.clone()));
        Some(rows)
    }
}

impl Bodies {
    /// A figure in `dialect`, as one row.
    pub(super) fn figure(&mut self, dialect: DialectId, publishing: &Publishing, figure: &Figure) -> Option<Rows> {
        self.rows(dialect, publishing, |encoder, body| {
            (encoder.figure)(figure, body);
            1
        })
    }
}

/// Room that a body starts with: a handful of trades or two candles.
const BODY_BYTES: usize = 1_024;
