//! Skeleton.

use crate::{
    live::{CandleQuery, SessionKey, Subscription, Topic},
    model::Candle,
};
use actix::prelude::*;

/// Subscribe.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Subscribe(pub(super) Subscription);

/// Unsubscribe.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Unsubscribe {
    pub(super) topic: Topic,
    pub(super) session: SessionKey,
    pub(super) sub: u32,
}

/// Read.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Vec<Candle>")]
pub(super) struct ReadCandles(pub(super) CandleQuery);

/// Skeleton.
#[derive(Debug)]
pub struct TopicsActor;
impl Actor for TopicsActor {
    type Context = Context<Self>;
}
impl Handler<Subscribe> for TopicsActor {
    type Result = ();
    fn handle(&mut self, _: Subscribe, _: &mut Self::Context) {}
}
impl Handler<Unsubscribe> for TopicsActor {
    type Result = ();
    fn handle(&mut self, _: Unsubscribe, _: &mut Self::Context) {}
}
impl Handler<ReadCandles> for TopicsActor {
    type Result = MessageResult<ReadCandles>;
    fn handle(&mut self, _: ReadCandles, _: &mut Self::Context) -> Self::Result {
        MessageResult(Vec::new())
    }
}
