//! How are a session's requests answered? Each with one message, at once.

use crate::{
    api::native::{
        protocol::{Op, Request, parse},
        request_error::{RequestError, SNAPSHOT_ROWS_MAX},
        series::SAMPLE,
        session::{Context, SessionActor},
        wish::Wish,
    },
    live::{Channel, DialectId, Replay, Subscriber, Subscription, Topic},
    metrics::Labels,
    model::Symbol,
};
use actix::prelude::*;
use actix_http::ws::CloseCode;
use serde_json::{Value, json};
use std::{collections::BTreeSet, mem::discriminant};

/// The dialect's place among the encoders.
const DIALECT: DialectId = DialectId(0);
/// Messages that are no JSON, after which a session is closed.
const MALFORMED_MAX: u32 = 10;
/// Different intervals, views of books, and sizes of large trades, that one session may follow at a time: each is a publisher
/// of its own for every contract.
pub(super) const CHOICES_MAX: usize = 32;

impl SessionActor {
    /// Answers one text message, always with one message.
    pub(super) fn answer(&mut self, text: &str, context: &mut Context) {
        if self.is_too_fast(context) {
            let max = self.shared.options.session.requests_per_second_max;
            if !self.closing {
                self.refuse(&Value::Null, &RequestError::TooFast(max), context);
            }
            return;
        }
        match parse(text) {
            Ok(request) => self.serve(request, context),
            Err((id, error)) => {
                self.malformed += u32::from(matches!(error, RequestError::NotJson(_)));
                self.refuse(&id, &error, context);
                if self.malformed >= MALFORMED_MAX {
                    self.end(CloseCode::Policy, "too many messages that are not JSON", context);
                }
            }
        }
    }

    fn refuse(&mut self, id: &Value, error: &RequestError, context: &mut Context) {
        self.count_refused(error);
        self.say(&json!({"type": "error", "id": id, "problem": error.problem()}), context);
    }

    fn count_refused(&self, error: &RequestError) {
        self.shared.metrics.ws_refused.get_or_create(&Labels::new([("code", error.code().0)])).inc();
    }

    /// Counts a request or ping; whether it is one too many. Ends the session when that goes on.
    pub(super) fn is_too_fast(&mut self, context: &mut Context) -> bool {
        let max = self.shared.options.session.requests_per_second_max;
        let too_fast = self.rate.note(self.started_at.elapsed().as_secs(), max);
        if self.rate.is_abuse(max) {
            self.end(CloseCode::Policy, "too many requests", context);
        }
        too_fast
    }

    fn serve(&mut self, request: Request, context: &mut Context) {
        let Request { id, op } = request;
        match op {
            Op::Subscribe { wishes, batch } => self.subscribe_all(&id, wishes, batch, context),
            Op::Unsubscribe(subs) => match self.unsubscribe_all(&subs, context) {
                Ok(()) => self.say(&json!({"type": "ack", "id": id, "unsubscribed": subs}), context),
                Err(error) => self.refuse(&id, &error, context),
            },
            Op::List => {
                let subs: Vec<_> = self.subs.iter().map(|(sub, (_, wish))| self.described(*sub, wish)).collect();
                self.say(&json!({"type": "ack", "id": id, "subs": subs}), context);
            }
            Op::Ping => {
                let time = self.shared.clock.wall().get();
                self.say(&json!({"type": "pong", "id": id, "ts": time}), context);
            }
        }
    }

    fn subscribe_all(
        &mut self,
        id: &Value,
        wishes: Vec<Result<Wish, RequestError>>,
        batch: bool,
        context: &mut Context,
    ) {
        let outcomes: Vec<_> = wishes.into_iter().map(|wish| self.subscribe(wish?, context)).collect();
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            self.count_refused(error);
        }
        let described = |outcome: &Result<u32, RequestError>| match outcome {
            Ok(sub) => self.subs.get(sub).map_or(Value::Null, |(_, wish)| self.described(*sub, wish)),
            Err(error) => json!({"problem": error.problem()}),
        };
        let answer = match (&outcomes[..], batch) {
            ([Err(error)], false) => json!({"type": "error", "id": id, "problem": error.problem()}),
            ([outcome], false) => {
                let mut ack = described(outcome);
                ack["type"] = "ack".into();
                ack["id"] = id.clone();
                ack
            }
            _ => json!({"type": "ack", "id": id, "subs": outcomes.iter().map(described).collect::<Vec<_>>()}),
        };
        self.say(&answer, context);
    }

    /// How a subscription is named in answers.
    fn described(&self, sub: u32, wish: &Wish) -> Value {
        let symbol = self.shared.contracts.find(&wish.symbol).map(|contract| contract.symbol.clone());
        let symbol = symbol.as_ref().map(Symbol::as_str);
        let mut described = json!({"sub": sub, "channel": wish.channel.name(), "canonical": wish.canonical(symbol)});
        if wish.channel == Channel::Liquidations {
            described["note"] = SAMPLE.into();
        }
        described
    }

    fn subscribe(&mut self, wish: Wish, context: &mut Context) -> Result<u32, RequestError> {
        if wish.is_of_all() {
            return self.follow_announcements(wish, context);
        }
        let contract = self.shared.contracts.find(&wish.symbol);
        let contract = contract.ok_or_else(|| RequestError::UnknownSymbol(wish.symbol.chars().take(64).collect()))?;
        let wish = wish.of(&contract, self.shared.options.followed)?;
        let topic = Topic { contract: contract.id, channel: wish.channel };
        self.check_room(topic, &wish)?;
        let sub = self.next_sub;
        let replay = wish.resume_after.map(|after| Replay::begin(&contract, after)).transpose()?;
        let subscriber = Subscriber {
            session: self.key,
            sub,
            dialect: DIALECT,
            mailbox: context.address().recipient(),
            on_slow: wish.on_slow,
            cut: self.cut.clone(),
            backlog: self.backlog.clone(),
        };
        let subscription = Subscription::new(topic, wish.snapshot, wish.closed_only, subscriber);
        if replay.is_none() {
            self.shared.live.subscribe(subscription.clone())?;
            self.snapshots_due.insert(sub, wish.snapshot_rows());
        }
        self.outbox.open(sub, wish.channel.name(), contract.symbol.as_str());
        self.gauge(&wish, 1);
        self.subs.insert(sub, (topic, wish));
        self.next_sub += 1;
        if let Some(replay) = replay {
            self.begin_replay(contract, subscription, replay, context);
        }
        Ok(sub)
    }

    /// Whether a subscription is another one, and within the session's limits.
    pub(super) fn check_room(&self, topic: Topic, wish: &Wish) -> Result<(), RequestError> {
        let same = self.subs.iter().find(|(_, (other, held))| *other == topic && held.is_like(wish));
        if let Some((sub, _)) = same {
            return Err(RequestError::AlreadySubscribed(*sub));
        }
        let max = self.shared.options.session.subscriptions_max;
        if self.subs.len() >= max {
            return Err(RequestError::TooMany(max));
        }
        let rows = self.snapshots_due.values().sum::<usize>() + wish.snapshot_rows();
        if rows > SNAPSHOT_ROWS_MAX {
            return Err(RequestError::TooManyRows(rows));
        }
        let Some(choice) = wish.choice() else { return Ok(()) };
        let held = self.subs.values().filter_map(|(_, held)| held.choice());
        let alike = held.filter(|other| discriminant(other) == discriminant(&choice));
        let choices: BTreeSet<_> = alike.chain([choice]).collect();
        if choices.len() > CHOICES_MAX { Err(RequestError::TooManyChoices(choice, CHOICES_MAX)) } else { Ok(()) }
    }

    fn unsubscribe_all(&mut self, subs: &[u32], context: &mut Context) -> Result<(), RequestError> {
        if let Some(sub) = subs.iter().find(|sub| !self.subs.contains_key(sub)) {
            return Err(RequestError::UnknownSub(*sub));
        }
        for sub in subs {
            self.unsubscribe(*sub, context);
        }
        Ok(())
    }

    pub(super) fn unsubscribe(&mut self, sub: u32, context: &mut Context) {
        self.end_following(sub, context);
        let Some((topic, wish)) = self.subs.remove(&sub) else { return };
        self.outbox.close(sub);
        self.gauge(&wish, -1);
        if wish.is_of_all() {
            return;
        }
        if let Err(error) = self.shared.live.unsubscribe(topic, self.key, sub) {
            // The publisher drops the line when it finds the mailbox gone, or sweeps it within a minute.
            tracing::debug!(%error, "an unsubscription was not taken");
        }
    }

    /// Notes that a publisher has ended a subscription; its last frame is still to be written.
    pub(super) fn ended(&mut self, sub: u32) {
        self.snapshots_due.remove(&sub);
        if let Some((_, wish)) = self.subs.remove(&sub) {
            self.gauge(&wish, -1);
        }
    }

    pub(super) fn gauge(&self, wish: &Wish, by: i64) {
        self.shared.metrics.ws_subscriptions.get_or_create(&Labels::new([("channel", wish.channel.name())])).inc_by(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{api::native::session::tests::shared, live::Cut, model::ContractId};

    fn check(due: usize, request: &str) -> Result<(), RequestError> {
        System::new().block_on(async {
            let mut session = SessionActor::new(shared(), Cut::new(|| {}), None, Default::default());
            session.snapshots_due.insert(1, due);
            let Ok(Request { op: Op::Subscribe { mut wishes, .. }, .. }) = parse(request) else { panic!("{request}") };
            let wish = wishes.remove(0)?;
            session.check_room(Topic { contract: ContractId::new(1), channel: wish.channel }, &wish)
        })
    }

    #[test]
    fn books_on_their_way_leave_no_room_for_more() {
        let book = r#"{"op":"subscribe","channel":"book","symbol":"A"}"#;
        assert_eq!(check(48_000, book), Ok(()));
        assert_eq!(check(48_001, book), Err(RequestError::TooManyRows(50_001)));
        let view = r#"{"op":"subscribe","channel":"book_view","symbol":"A","levels":300}"#;
        assert_eq!(check(49_400, view), Ok(()));
        assert_eq!(check(49_401, view), Err(RequestError::TooManyRows(50_001)));
    }
}
