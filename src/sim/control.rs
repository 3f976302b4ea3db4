//! What does the venue answer to a control message?

use crate::sim::feed::{Feed, TooManyStreams};
use serde_json::{Value, json};

/// A reply, and whether the connection ends after it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) text: String,
    /// The reason of a close with 1008.
    pub(super) close: Option<&'static str>,
}

/// Answers one text frame. Every name is acknowledged, known or not (measured, 2026-10-07).
pub(super) fn answer(feed: &mut Feed, text: &str) -> Reply {
    match obey(feed, text) {
        Ok((result, id)) => Reply { text: json!({ "result": result, "id": id }).to_string(), close: None },
        Err(Refusal::Plain { code, msg }) => {
            Reply { text: json!({ "code": code, "msg": msg }).to_string(), close: None }
        }
        // The one error that is measured, and it is nested.
        Err(Refusal::TooManyStreams) => Reply {
            text: r#"{"error":{"code":4,"msg":"Too many subscriptions"}}"#.to_owned(),
            close: Some("Invalid request"),
        },
    }
}

enum Refusal {
    Plain { code: u8, msg: String },
    TooManyStreams,
}

impl From<TooManyStreams> for Refusal {
    fn from(_: TooManyStreams) -> Self {
        Self::TooManyStreams
    }
}

fn invalid(detail: &str) -> Refusal {
    Refusal::Plain { code: 2, msg: format!("Invalid request: {detail}") }
}

fn obey(feed: &mut Feed, text: &str) -> Result<(Value, u64), Refusal> {
    let request: Value = serde_json::from_str(text).map_err(|error| Refusal::Plain {
        code: 3,
        msg: format!("Invalid JSON: expected value at line {} column {}", error.line(), error.column()),
    })?;
    let Some(method) = request.get("method") else {
        return Err(invalid(&format!("missing field method at line 1 column {}", text.len())));
    };
    let id = request.get("id").and_then(Value::as_u64);
    let id = id.ok_or_else(|| invalid("request ID must be an unsigned integer"))?;
    let none = Vec::new();
    let params = match request.get("params") {
        None | Some(Value::Null) => &none,
        Some(params) => params.as_array().ok_or_else(|| invalid("params must be an array"))?,
    };
    let result = match method.as_str() {
        Some("SUBSCRIBE") => {
            for name in names(params)? {
                feed.subscribe(name)?;
            }
            Value::Null
        }
        Some("UNSUBSCRIBE") => {
            names(params)?.into_iter().for_each(|name| feed.unsubscribe(name));
            Value::Null
        }
        Some("LIST_SUBSCRIPTIONS") => feed.names().collect(),
        Some("SET_PROPERTY") => set_property(feed, params)?,
        Some("GET_PROPERTY") => match property(params, 1)? {
            "combined" => Value::Bool(feed.is_combined),
            _ => return Err(unknown_property()),
        },
        _ => return Err(unknown_variant(method)),
    };
    Ok((result, id))
}

fn names(params: &[Value]) -> Result<Vec<&str>, Refusal> {
    params.iter().map(|name| name.as_str().ok_or_else(|| invalid("stream names must be strings"))).collect()
}

fn property(params: &[Value], count: usize) -> Result<&str, Refusal> {
    if params.len() > count {
        return Err(invalid("too many parameters"));
    }
    let name = params.first().and_then(Value::as_str);
    name.ok_or_else(|| invalid("property name must be a string"))
}

fn set_property(feed: &mut Feed, params: &[Value]) -> Result<Value, Refusal> {
    if property(params, 2)? != "combined" {
        return Err(unknown_property());
    }
    match params.get(1).and_then(Value::as_bool) {
        Some(is_combined) => {
            feed.is_combined = is_combined;
            Ok(Value::Null)
        }
        None => Err(Refusal::Plain { code: 1, msg: "Invalid value type: expected Boolean".to_owned() }),
    }
}

fn unknown_property() -> Refusal {
    Refusal::Plain { code: 0, msg: "Unknown property".to_owned() }
}

fn unknown_variant(method: &Value) -> Refusal {
    let method = method.as_str().map_or_else(|| method.to_string(), str::to_owned);
    invalid(&format!(
        "unknown variant {method}, expected one of SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY"
    ))
}
