//! Which members does a request have?

use crate::api::native::request_error::RequestError;
use serde_json::{Map, Value};

pub(super) fn text(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, RequestError> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RequestError::WrongType { field, expected: "text" }),
    }
}

pub(super) fn boolean(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<bool>, RequestError> {
    match fields.remove(field) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(_) => Err(RequestError::WrongType { field, expected: "true or false" }),
    }
}

pub(super) fn number(
    fields: &mut Map<String, Value>,
    field: &'static str,
    expected: &'static str,
    max: u64,
) -> Result<Option<u64>, RequestError> {
    let Some(value) = fields.remove(field) else { return Ok(None) };
    let number = value.as_u64().filter(|number| *number <= max);
    number.map(Some).ok_or(RequestError::WrongType { field, expected })
}

pub(super) fn nothing_else(fields: &Map<String, Value>, known: &'static str) -> Result<(), RequestError> {
    match fields.keys().next() {
        Some(field) => Err(RequestError::UnknownField(field.chars().take(64).collect(), known)),
        None => Ok(()),
    }
}
