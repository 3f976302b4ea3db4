//! What does Binance USD-M say on its streams and in its REST bodies, and what does it want to hear?

pub mod archive;
pub mod control;
mod cursor;
mod decode;
mod event;
pub mod rest;
mod routes;
mod strict;
mod tolerant;
mod value;

pub use decode::{Decoded, decode};
pub use event::{DecodeError, Event, Kline, Outcome, Refusal, Reply};
pub use routes::{KLINE_INTERVALS, Route, RouteError, Routes, StreamKind, offers_klines, stream_name};
pub use value::ValueError;
