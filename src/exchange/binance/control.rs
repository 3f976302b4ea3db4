//! How are streams asked for on an open connection, and how fast may one ask?
//!
//! Every request is acknowledged, even for a stream that does not exist: only data proves that a stream flows.

use serde::Serialize;

/// Streams on one connection (Binance USD-M docs, since 2025-07-02). One more costs the connection: measured 2026-10-07, the
/// 1025th is refused with code 4 and the socket closed with 1008.
pub const STREAMS_PER_CONNECTION_MAX: usize = 1024;
/// Names in one SUBSCRIBE: 200 were accepted (measured 2026-10-07), more were never tried.
pub const NAMES_PER_REQUEST_MAX: usize = 200;
/// Messages we send a second: half of the documented 10, since the docs do not say whether pongs count.
pub const REQUESTS_PER_SECOND_MAX: u32 = 5;

#[derive(Serialize)]
struct Request<'a> {
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a [String]>,
    id: u64,
}

/// `{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}`; at most [`NAMES_PER_REQUEST_MAX`] names.
pub fn subscribe(id: u64, names: &[String]) -> String {
    Request { method: "SUBSCRIBE", params: Some(names), id }.text()
}

/// `{"method":"UNSUBSCRIBE","params":[..],"id":1}`; the venue acknowledges names that were never subscribed, too.
pub fn unsubscribe(id: u64, names: &[String]) -> String {
    Request { method: "UNSUBSCRIBE", params: Some(names), id }.text()
}

/// `{"method":"LIST_SUBSCRIPTIONS","id":1}`; the answer echoes unknown names, too.
pub fn list_subscriptions(id: u64) -> String {
    Request { method: "LIST_SUBSCRIPTIONS", params: None, id }.text()
}

impl Request<'_> {
    fn text(&self) -> String {
        // Strings and integers always serialise; an empty message would be answered with code 3, which is loud.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_the_docs_have_them() {
        let names = ["btcusdt@aggTrade".to_owned(), "币安人生usdt@kline_1m".to_owned()];
        assert_eq!(
            subscribe(1, &names),
            r#"{"method":"SUBSCRIBE","params":["btcusdt@aggTrade","币安人生usdt@kline_1m"],"id":1}"#
        );
        assert_eq!(unsubscribe(312, &names[..1]), r#"{"method":"UNSUBSCRIBE","params":["btcusdt@aggTrade"],"id":312}"#);
        assert_eq!(list_subscriptions(3), r#"{"method":"LIST_SUBSCRIPTIONS","id":3}"#);
    }
}
