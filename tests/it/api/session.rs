//! Do WebSocket sessions keep the protocol, and do their limits hold?

use super::*;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Instant};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, protocol::CloseFrame},
};

const AGE: Duration = Duration::from_secs(150);

/// A client that keeps every message it has seen.
struct Client {
    socket: WebSocketStream<TcpStream>,
}

/// What came next.
#[derive(Debug)]
enum Next {
    Text(Value),
    Closed(Option<CloseFrame>),
    /// Without a closing handshake.
    Cut,
}

impl Client {
    /// Opens a session and hears its hello.
    async fn open(site: &Site, query: &str) -> Self {
        Self::over(site, site.connect().await, query).await
    }

    async fn over(site: &Site, stream: TcpStream, query: &str) -> Self {
        let url = format!("ws://{}/api/v1/ws{query}", site.address);
        let (socket, _) = timeout(PATIENCE, client_async(url, stream)).await.expect("in time").expect("upgraded");
        let mut client = Self { socket };
        assert_eq!(client.text().await["type"], "hello");
        client
    }

    async fn next(&mut self) -> Next {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("in time") {
                Some(Ok(Message::Text(text))) => return Next::Text(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => return Next::Closed(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Next::Cut,
            }
        }
    }

    async fn text(&mut self) -> Value {
        match self.next().await {
            Next::Text(value) => value,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, message: impl Into<Message>) {
        timeout(PATIENCE, self.socket.send(message.into())).await.expect("in time").expect("sent");
    }

    /// Sends a request; its answer, and the frames before it.
    async fn ask(&mut self, mut request: Value) -> (Value, Vec<Value>) {
        request["id"] = "q".into();
        self.send(request.to_string()).await;
        let mut before = Vec::new();
        loop {
            let value = self.text().await;
            if value["id"] == "q" {
                return (value, before);
            }
            before.push(value);
        }
    }

    /// Data frames until `enough` of them says so.
    async fn frames(&mut self, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut frames = Vec::new();
        while !enough(&frames) {
            let value = self.text().await;
            if value.get("seq").is_some() {
                frames.push(value);
            }
        }
        frames
    }

    /// The code of the close, whatever comes before it; none when cut.
    async fn close_code(&mut self) -> Option<u16> {
        loop {
            match self.next().await {
                Next::Text(_) => {}
                Next::Closed(frame) => return frame.map(|frame| frame.code.into()),
                Next::Cut => return None,
            }
        }
    }
}

fn trades_of(symbol: &str, snapshot: u32) -> Value {
    json!({"op": "subscribe", "channel": "trades", "symbol": symbol, "snapshot": snapshot})
}

fn candles_of(symbol: &str, interval: &str) -> Value {
    json!({"op": "subscribe", "channel": "candles", "symbol": symbol, "interval": interval, "snapshot": 3})
}

fn rows(frames: &[Value], sub: &Value) -> Vec<Value> {
    let own = frames.iter().filter(|frame| &frame["sub"] == sub);
    own.flat_map(|frame| frame["data"].as_array().expect("rows").clone()).collect()
}

/// Trades as frames carry them are the published ones, each once.
fn assert_published(site: &Site, rows: &[Value]) {
    let ids: Vec<u64> = rows.iter().map(|row| row["id"].as_u64().expect("an id")).collect();
    let (first, last) = (ids[0], ids[ids.len() - 1]);
    let truth = site.truth(first, last);
    assert_eq!(ids, truth.iter().map(|trade| trade.id).collect::<Vec<_>>(), "no hole, no overlap");
    for (row, trade) in rows.iter().zip(&truth) {
        // Numbers are exact on the wire; here they have become doubles, as in most clients.
        let number = |text: String| text.parse::<f64>().expect("a number");
        assert_eq!(row["price"].as_f64(), Some(number(trade.price.to_string())));
        assert_eq!(row["quantity"].as_f64(), Some(number(trade.quantity.to_string())));
        assert_eq!((&row["time"], &row["last_id"]), (&trade.time.get().into(), &trade.last_id.into()));
    }
}

#[test]
fn subscriptions_are_acknowledged_then_whole() {
    with_site(AGE, options(), async |site| {
        let mut client = Client::open(&site, "").await;
        let mut subs = Vec::new();
        let mut frames = Vec::new();
        for request in [trades_of("btcusdt", 20), candles_of("BTCUSDT", "1m"), candles_of("BTCUSDT", "7m")] {
            let (ack, before) = client.ask(request).await;
            assert_eq!(ack["type"], "ack", "{ack}");
            assert!(before.iter().all(|frame| frame["sub"] != ack["sub"]), "the ack comes first");
            subs.push(ack["sub"].clone());
            frames.extend(before.into_iter().filter(|frame| frame.get("seq").is_some()));
        }
        frames.extend(client.frames(|frames| frames.len() >= 60).await);
        for sub in &subs {
            let own: Vec<_> = frames.iter().filter(|frame| &frame["sub"] == sub).collect();
            assert_eq!(own[0]["type"], "snapshot");
            assert!(own[1..].iter().all(|frame| frame["type"] == "update"), "{own:?}");
            assert!(own.iter().zip(0..).all(|(frame, seq)| frame["seq"] == seq), "seq has no gap");
        }
        let first = frames.iter().find(|frame| frame["sub"] == subs[0]).expect("a snapshot");
        assert_eq!(first["data"].as_array().map(Vec::len), Some(20));
        assert_published(&site, &rows(&frames, &subs[0]));
        for sub in &subs[1..] {
            let open = rows(&frames, sub).pop().expect("a candle");
            let ids = (open["first_id"].as_u64().expect("an id"), open["last_id"].as_u64().expect("an id"));
            assert_eq!(open["trades"], site.truth(ids.0, ids.1).len(), "{open}");
        }
    });
}
