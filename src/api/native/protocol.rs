//! What may a session ask for, and how is it answered?

use crate::{
    live::{Channel, ReplayError, SlowPolicy, Unavailable},
    model::{Timeframe, TimeframeError},
};
use serde_json::{Map, Value, json};

/// Rows of a snapshot at most.
const SNAPSHOT_MAX: u64 = 10_000;
/// Rows of all snapshots together that one request may ask for.
pub(super) const SNAPSHOT_ROWS_MAX: usize = 50_000;

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Request {
    /// Whatever scalar the client chose; its answer bears it.
    pub(super) id: Value,
    pub(super) op: Op,
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Op {
    /// One subscription, or several in a batch; each succeeds or fails alone.
    Subscribe { wishes: Vec<Result<Wish, RequestError>>, batch: bool },
    /// Ends subscriptions by number.
    Unsubscribe(Vec<u32>),
    /// Names the subscriptions.
    List,
    /// Asks for a sign of life.
    Ping,
}

/// One subscription.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wish {
    pub(super) channel: Channel,
    pub(super) symbol: String,
    pub(super) snapshot: usize,
    /// The newest trade that the client has: those after it come first.
    pub(super) resume_after: Option<u64>,
    pub(super) closed_only: bool,
    pub(super) on_slow: SlowPolicy,
}

impl Wish {
    /// The channel's name on the wire.
    pub(super) fn channel_name(&self) -> &'static str {
        match self.channel {
            Channel::Trades => "trades",
            Channel::Candles(_) => "candles",
        }
    }

    /// The rule of its candles.
    pub(super) fn timeframe(&self) -> Option<Timeframe> {
        match self.channel {
            Channel::Trades => None,
            Channel::Candles(timeframe) => Some(timeframe),
        }
    }

    /// Whether another one for the same symbol would be served in the same way.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let options = |wish: &Self| (wish.channel, wish.snapshot, wish.resume_after, wish.closed_only, wish.on_slow);
        options(self) == options(other)
    }
}

/// Why a request, or one subscription of it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the message is not JSON: {0}")]
    NotJson(String),
    #[error("the message is not an object with an `op`")]
    NoOp,
    #[error("`{0}` is no op: send subscribe, unsubscribe, list or ping")]
    UnknownOp(String),
    #[error("`{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}` must be {expected}")]
    WrongType { field: &'static str, expected: &'static str },
    #[error("`{0}` is no field of this request: it has {1}")]
    UnknownField(String, &'static str),
    #[error("`{0}` is no channel: there are trades and candles")]
    UnknownChannel(String),
    #[error("`{0}` is not recorded here: see /api/v1/symbols")]
    UnknownSymbol(String),
    #[error(transparent)]
    Interval(#[from] TimeframeError),
    #[error("no subscription of this session has the number {0}")]
    UnknownSub(u32),
    #[error("subscription {0} of this session is the same already")]
    AlreadySubscribed(u32),
    #[error("this session has {0} subscriptions, and no more are allowed")]
    TooMany(usize),
    #[error("this session follows {0} intervals, and no more are allowed")]
    TooManyIntervals(usize),
    #[error("{SNAPSHOT_ROWS_MAX} rows of snapshots may be on their way, not {0}: ask for the rest when they have come")]
    TooManyRows(usize),
    #[error("more than {0} requests in a second")]
    TooFast(u32),
    #[error("`resume_after` and `snapshot` both say where a subscription begins: send one of them")]
    TwoBeginnings,
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl RequestError {
    /// A stable word for programs, and the HTTP status that fits.
    pub(super) fn code(&self) -> (&'static str, u16) {
        match self {
            Self::NotJson(_) => ("not_json", 400),
            Self::NoOp | Self::UnknownOp(_) => ("unknown_op", 400),
            Self::Missing { .. } => ("missing_field", 400),
            Self::WrongType { .. } => ("wrong_type", 400),
            Self::UnknownField(..) => ("unknown_field", 400),
            Self::UnknownChannel(_) => ("unknown_channel", 400),
            Self::UnknownSymbol(_) => ("unknown_symbol", 404),
            Self::Interval(_) => ("bad_interval", 400),
            Self::UnknownSub(_) => ("unknown_sub", 404),
            Self::AlreadySubscribed(_) => ("already_subscribed", 409),
            Self::TooMany(_) => ("too_many_subscriptions", 429),
            Self::TooManyIntervals(_) => ("too_many_intervals", 429),
            Self::TooManyRows(_) => ("too_many_snapshot_rows", 400),
            Self::TooFast(_) => ("too_many_requests", 429),
            Self::TwoBeginnings => ("two_beginnings", 400),
            Self::Replay(ReplayError::NothingHeld) => ("nothing_held", 503),
            Self::Replay(ReplayError::Beyond { .. }) => ("resume_beyond_newest", 409),
            Self::Unavailable(_) => ("unavailable", 503),
        }
    }

    /// The members of RFC 9457, and the subscription that there is already.
    pub(super) fn problem(&self) -> Value {
        let (code, status) = self.code();
        let mut problem = json!({
            "type": format!("urn:tapedeck:problem:{code}"),
            "title": code.replace('_', " "),
            "status": status,
            "detail": self.to_string(),
            "code": code,
        });
        if let Self::AlreadySubscribed(sub) = self {
            problem["sub"] = (*sub).into();
        }
        problem
    }
}

/// Reads one message. An error comes with the request's id, as far as there was one.
pub(super) fn parse(text: &str) -> Result<Request, (Value, RequestError)> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| (Value::Null, RequestError::NotJson(error.to_string())))?;
    let Value::Object(mut fields) = value else { return Err((Value::Null, RequestError::NoOp)) };
    let id = fields.remove("id").unwrap_or(Value::Null);
    if id.is_object() || id.is_array() {
        return Err((Value::Null, RequestError::WrongType { field: "id", expected: "a scalar" }));
    }
    match op(fields) {
        Ok(op) => Ok(Request { id, op }),
        Err(error) => Err((id, error)),
    }
}

fn op(mut fields: Map<String, Value>) -> Result<Op, RequestError> {
    let op = text(&mut fields, "op")?.ok_or(RequestError::NoOp)?;
    match op.as_str() {
        "subscribe" => subscribe(fields),
        "unsubscribe" => unsubscribe(fields),
        "list" => nothing_else(&fields, "op and id").map(|()| Op::List),
        "ping" => nothing_else(&fields, "op and id").map(|()| Op::Ping),
        _ => Err(RequestError::UnknownOp(op)),
    }
}

fn subscribe(mut fields: Map<String, Value>) -> Result<Op, RequestError> {
    let Some(subs) = fields.remove("subs") else {
        return Ok(Op::Subscribe { wishes: vec![Ok(wish(fields)?)], batch: false });
    };
    nothing_else(&fields, "op, id and subs")?;
    let wrong = RequestError::WrongType { field: "subs", expected: "a list of objects" };
    let Value::Array(subs) = subs else { return Err(wrong) };
    let one = |sub| match sub {
        Value::Object(fields) => wish(fields),
        _ => Err(wrong.clone()),
    };
    let wishes: Vec<Result<Wish, _>> = subs.into_iter().map(one).collect();
    // A fault of the request as a whole: which of its subscriptions should go without?
    let rows = wishes.iter().flatten().map(|wish| wish.snapshot).sum();
    if rows > SNAPSHOT_ROWS_MAX {
        Err(RequestError::TooManyRows(rows))
    } else {
        Ok(Op::Subscribe { wishes, batch: true })
    }
}

fn wish(mut fields: Map<String, Value>) -> Result<Wish, RequestError> {
    let channel = text(&mut fields, "channel")?.ok_or(RequestError::Missing { field: "channel" })?;
    let symbol = text(&mut fields, "symbol")?.ok_or(RequestError::Missing { field: "symbol" })?;
    let snapshot = number(&mut fields, "snapshot", "a whole number up to 10000", SNAPSHOT_MAX)?.unwrap_or(0);
    let on_slow = text(&mut fields, "on_slow")?;
    let mut resume_after = None;
    let (channel, usual, closed_only, known) = match channel.as_str() {
        "trades" => {
            resume_after = number(&mut fields, "resume_after", "the id of a trade", i64::MAX.unsigned_abs())?;
            let known = "channel, symbol, snapshot, resume_after and on_slow";
            (Channel::Trades, SlowPolicy::Gap, false, known)
        }
        "candles" => {
            let interval = match fields.remove("interval") {
                Some(Value::Number(minutes)) => Some(minutes.to_string()),
                Some(Value::String(text)) => Some(text),
                Some(_) => return Err(RequestError::WrongType { field: "interval", expected: "text such as \"5m\"" }),
                None => None,
            };
            let interval = interval.ok_or(RequestError::Missing { field: "interval" })?;
            let closed_only = boolean(&mut fields, "closed_only")?.unwrap_or(false);
            let known = "channel, symbol, interval, snapshot, closed_only and on_slow";
            (Channel::Candles(Timeframe::parse(&interval)?), SlowPolicy::Conflate, closed_only, known)
        }
        _ => return Err(RequestError::UnknownChannel(channel)),
    };
    nothing_else(&fields, known)?;
    let on_slow = match on_slow.as_deref() {
        None => usual,
        Some("conflate") => SlowPolicy::Conflate,
        Some("gap") => SlowPolicy::Gap,
        Some("close") => SlowPolicy::Close,
        Some(_) => return Err(RequestError::WrongType { field: "on_slow", expected: "conflate, gap or close" }),
    };
    let snapshot = usize::try_from(snapshot).unwrap_or(0);
    if resume_after.is_some() && snapshot > 0 {
        return Err(RequestError::TwoBeginnings);
    }
    Ok(Wish { channel, symbol, snapshot, resume_after, closed_only, on_slow })
}

fn unsubscribe(mut fields: Map<String, Value>) -> Result<Op, RequestError> {
    const EXPECTED: &str = "the number of a subscription";
    let wrong = RequestError::WrongType { field: "sub", expected: EXPECTED };
    let one = |value: &Value| value.as_u64().and_then(|sub| u32::try_from(sub).ok()).ok_or_else(|| wrong.clone());
    let subs = match (fields.remove("sub"), fields.remove("subs")) {
        (Some(sub), None) => vec![one(&sub)?],
        (None, Some(Value::Array(subs))) => subs.iter().map(one).collect::<Result<_, _>>()?,
        (None, Some(_)) => return Err(RequestError::WrongType { field: "subs", expected: "a list of numbers" }),
        _ => return Err(RequestError::Missing { field: "sub" }),
    };
    nothing_else(&fields, "op, id and sub or subs")?;
    Ok(Op::Unsubscribe(subs))
}

fn text(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, RequestError> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RequestError::WrongType { field, expected: "text" }),
    }
}

fn boolean(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<bool>, RequestError> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(_) => Err(RequestError::WrongType { field, expected: "true or false" }),
    }
}

fn number(
    fields: &mut Map<String, Value>,
    field: &'static str,
    expected: &'static str,
    max: u64,
) -> Result<Option<u64>, RequestError> {
    let Some(value) = fields.remove(field) else { return Ok(None) };
    let number = value.as_u64().filter(|number| *number <= max);
    number.map(Some).ok_or(RequestError::WrongType { field, expected })
}

fn nothing_else(fields: &Map<String, Value>, known: &'static str) -> Result<(), RequestError> {
    match fields.keys().next() {
        Some(field) => Err(RequestError::UnknownField(field.chars().take(64).collect(), known)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_read_with_its_defaults() {
        let request = parse(r#"{"op":"subscribe","id":"x","channel":"candles","symbol":"btcusdt","interval":"60m"}"#);
        let wish = Wish {
            channel: Channel::Candles(Timeframe::parse("1h").expect("an hour")),
            symbol: "btcusdt".to_owned(),
            snapshot: 0,
            resume_after: None,
            closed_only: false,
            on_slow: SlowPolicy::Conflate,
        };
        assert_eq!(request, Ok(Request { id: "x".into(), op: Op::Subscribe { wishes: vec![Ok(wish)], batch: false } }));
    }

    #[test]
    fn what_is_wrong_is_named_and_the_id_comes_back() {
        let check = |text: &str, code: &str, named: &str| {
            let (_, error) = parse(text).expect_err(text);
            assert_eq!(error.code().0, code, "{text}");
            assert!(error.to_string().contains(named), "{error}");
        };
        check("{", "not_json", "not JSON");
        check("[]", "unknown_op", "`op`");
        check(r#"{"op":"buy"}"#, "unknown_op", "`buy`");
        check(r#"{"op":"subscribe","channel":"trades"}"#, "missing_field", "`symbol`");
        check(r#"{"op":"subscribe","channel":"news","symbol":"A"}"#, "unknown_channel", "`news`");
        check(r#"{"op":"subscribe","channel":"candles","symbol":"A","interval":"1x"}"#, "bad_interval", "`1x`");
        check(r#"{"op":"subscribe","channel":"trades","symbol":"A","snapshot":-1}"#, "wrong_type", "`snapshot`");
        check(r#"{"op":"subscribe","channel":"trades","symbol":"A","colour":1}"#, "unknown_field", "`colour`");
        let resume = |rest: &str| format!(r#"{{"op":"subscribe","channel":"trades","symbol":"A",{rest}}}"#);
        check(&resume(r#""resume_after":"7""#), "wrong_type", "`resume_after`");
        check(&resume(r#""resume_after":7,"snapshot":1"#), "two_beginnings", "`snapshot`");
        check(r#"{"op":"unsubscribe","sub":"a"}"#, "wrong_type", "`sub`");
        check(r#"{"op":"ping","id":[1]}"#, "wrong_type", "`id`");
        assert_eq!(parse(r#"{"op":"buy","id":7}"#).expect_err("no op").0, Value::from(7));
    }

    #[test]
    fn one_bad_wish_of_a_batch_leaves_the_others() {
        let text = r#"{"op":"subscribe","subs":[{"channel":"trades","symbol":"A"},{"channel":"x","symbol":"A"},3]}"#;
        let Ok(Request { op: Op::Subscribe { wishes, batch: true }, .. }) = parse(text) else { panic!("a batch") };
        assert_eq!(wishes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, false]);
    }

    #[test]
    fn the_snapshots_of_a_request_have_a_bound_together() {
        let ask = |snapshots: &[usize]| {
            let sub = |rows: &usize| json!({"channel": "trades", "symbol": "A", "snapshot": rows});
            let subs: Vec<_> = snapshots.iter().map(sub).collect();
            parse(&json!({"op": "subscribe", "id": 7, "subs": subs}).to_string())
        };
        assert!(ask(&[10_000; 5]).is_ok());
        let (id, error) = ask(&[10_000, 10_000, 10_000, 10_000, 10_000, 1]).expect_err("one row too many");
        assert_eq!((id, error.code().0), (7.into(), "too_many_snapshot_rows"));
        assert!(error.to_string().contains("50000") && error.to_string().contains("50001"), "{error}");
    }
}
