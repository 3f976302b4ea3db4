//! What does Binance USD-M say on its streams and in its REST bodies, and what does it want to hear?

pub mod archive;
mod calls;
pub mod control;
mod cursor;
mod decode;
mod event;
mod field;
pub mod rest;
mod routes;
mod rows;
mod standing;
mod strict;
mod ticker;
mod tolerant;
mod value;

pub use calls::{
    AGG_TRADES_REACH_MS, AGG_TRADES_ROWS_MAX, Call, FUNDING_ROWS_MAX, OPEN_INTEREST_REACH_MS, OPEN_INTEREST_ROWS_MAX,
    Pool,
};
pub use decode::{Decoded, Decoder};
pub use event::{ContractNotice, DecodeError, Event, Kline, Outcome, Refusal, Reply};
pub use routes::{
    DepthSpeed, KLINE_INTERVALS, Route, RouteError, Routes, StreamKind, canary, market_stream_name, offers_klines,
    stream_name,
};
pub use rows::Rows;
pub use standing::Standing;
pub use value::ValueError;
