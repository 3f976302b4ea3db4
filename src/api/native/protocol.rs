//! What may a session ask for?

use crate::api::native::{
    fields::{nothing_else, text},
    request_error::{RequestError, SNAPSHOT_ROWS_MAX},
    wish::{Wish, wish},
};
use serde_json::{Map, Value};

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
    let rows = wishes.iter().flatten().map(Wish::snapshot_rows).sum();
    if rows > SNAPSHOT_ROWS_MAX {
        Err(RequestError::TooManyRows(rows))
    } else {
        Ok(Op::Subscribe { wishes, batch: true })
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        live::{Channel, SlowPolicy},
        model::Timeframe,
    };
    use serde_json::json;

    #[test]
    fn a_wish_is_read_with_its_defaults() {
        let request = parse(r#"{"op":"subscribe","id":"x","channel":"candles","symbol":"btcusdt","interval":"60m"}"#);
        let wish = Wish {
            channel: Channel::Candles(Timeframe::parse("1h").expect("an hour")),
            symbol: "btcusdt".to_owned(),
            snapshot: 0,
            resume_after: None,
            step: None,
            notional_min: None,
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
        let view = |group: &str| format!(r#"{{"op":"subscribe","channel":"book_view","symbol":"A","group":{group}}}"#);
        ["0", "\"x\"", "\"0x\"", "-1", "true"].iter().for_each(|group| check(&view(group), "wrong_type", "10x"));
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
        let books = |count: usize, more: Value| {
            let subs = [vec![json!({"channel": "book", "symbol": "A"}); count], vec![more]].concat();
            parse(&json!({"op": "subscribe", "subs": subs}).to_string()).map_err(|(_, error)| error)
        };
        let view = |levels: u32| json!({"channel": "book_view", "symbol": "A", "levels": levels});
        assert!(books(24, view(1_000)).is_ok());
        assert_eq!(
            books(24, json!({"channel": "trades", "symbol": "A", "snapshot": 2_001})),
            Err(RequestError::TooManyRows(50_001))
        );
        assert_eq!(books(25, view(1)), Err(RequestError::TooManyRows(50_002)));
    }
}
