//! Does the simulated exchange publish one tape, whole, by every door, and misbehave as the venue does?

mod archive;
mod book;
mod limits;
mod market;
mod recording;
mod rest;
mod rest_faults;
mod socket;
mod streams;

use futures_util::StreamExt;
use serde_json::Value;
use std::sync::Arc;
use tapedeck::{
    clock::Clock,
    model::{IdRange, Price, Quantity, Symbol, Trade, UnixMillis},
    sim::{Contract, Exchange, Options, Pace, Response, respond, serve_connection},
};
use tokio::io::DuplexStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// 2026-11-20 10:00:30 UTC: in the middle of a minute.
const START: i64 = 1_795_168_830_000;

fn exchange_with(start: i64, change: impl FnOnce(&mut Options)) -> Arc<Exchange> {
    let mut options = Options::default();
    change(&mut options);
    Exchange::open(&options, Clock::starting_at(UnixMillis::new(start))).expect("no recording, no error")
}

fn exchange(start: i64) -> Arc<Exchange> {
    exchange_with(start, |_| {})
}

fn symbol(text: &str) -> Symbol {
    Symbol::new(text).expect("a symbol")
}

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

/// A contract above 100 trades a second, whose blocks are seconds.
fn busy(pace: Pace) -> Contract {
    let mut contract =
        Contract::perpetual("BUSYUSDT", Price::from_units(300_000_000), (4, 1), 60_000).expect("a symbol");
    contract.pace = pace;
    contract
}

fn get(exchange: &Exchange, target: &str) -> (Response, Value) {
    let response = respond(exchange, target);
    let body = serde_json::from_str(&response.body).expect("JSON");
    (response, body)
}

fn units(value: &Value) -> i64 {
    Price::parse(value.as_str().expect("decimal text").as_bytes()).expect("decimal").units()
}

fn trade_of(row: &Value) -> Trade {
    let number = |name: &str| row[name].as_u64().expect("a number");
    Trade {
        id: number("a"),
        price: Price::from_units(units(&row["p"])),
        quantity: Quantity::from_units(units(&row["q"])),
        first_id: number("f"),
        last_id: number("l"),
        time: at(row["T"].as_i64().expect("a number")),
        buyer_is_maker: row["m"].as_bool().expect("a flag"),
    }
}

type Client = WebSocketStream<DuplexStream>;

async fn connect(exchange: &Arc<Exchange>, path: &str) -> Client {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_connection(exchange.clone(), theirs));
    client_async(format!("ws://sim{path}"), ours).await.expect("a handshake").0
}

async fn next_json(client: &mut Client) -> Value {
    loop {
        match client.next().await.expect("open").expect("a frame") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Ping(_) => {}
            other => panic!("{other:?}"),
        }
    }
}
