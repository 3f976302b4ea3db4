//! What would the venue have sent? A simulated Binance USD-M exchange: WebSocket routes and REST and archive over one port
//! or over in-memory streams, from a generated market or from a recording.
//!
//! The generated market is a pure function of (seed, symbol, absolute time): any page, stream or truth is recomputed,
//! never remembered, so two processes with one seed publish the same tape.

mod aggregate;
mod answer;
mod archive;
mod block;
mod book;
mod contract;
mod control;
mod day;
mod depth_faults;
mod exchange;
mod faults;
mod feed;
mod fetch;
mod host;
mod json;
mod kline;
mod liquidation;
mod malformed;
mod many;
mod mark;
mod market;
mod noise;
mod outage;
mod recorder;
mod recording;
mod rest;
mod schedule;
mod series;
mod server;
mod socket;
mod stream;
mod stream_faults;
mod truth;

pub use aggregate::{Aggregator, Published};
pub use answer::{Answer, Delivery, Request};
pub use archive::{ArchiveFault, ArchiveFaults, Defect};
pub use block::{Execution, Fill};
pub use contract::{Contract, Kind, Pace, Status, default_contracts};
pub use depth_faults::{DepthFault, DepthFaults, SnapshotFault};
pub use exchange::{Exchange, Options, Timers};
pub use faults::{Ending, Faults};
pub use fetch::{Download, ExchangeFetch};
pub use host::{Host, HostFault};
pub use kline::Kline;
pub use malformed::Malformed;
pub use many::many_contracts;
pub use outage::{ExchangeDialer, Outage, Outages};
pub use recorder::record;
pub use recording::{Recording, RecordingError};
pub use rest::{Response, RestFault, RestFaults, respond};
pub use schedule::{Fault, Schedule, Severity};
pub use server::{Server, answer, serve_connection};
pub use socket::SocketError;
pub use stream_faults::{Path, StreamFaults};
