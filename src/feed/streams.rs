//! What does one connection carry?

use crate::{
    exchange::binance::{StreamKind, canary, market_stream_name},
    market::Contract,
    model::ContractId,
};
use std::sync::Arc;

/// What a stream brings.
#[derive(Clone, Debug)]
pub enum Carried {
    /// A contract's trades.
    Trades(Arc<Contract>),
    /// Changes of a contract's order book.
    Book(Arc<Contract>),
    /// Something of all contracts.
    Market(StreamKind),
}

/// Which stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKey {
    /// See [`Carried::Trades`].
    Trades(ContractId),
    /// See [`Carried::Book`].
    Book(ContractId),
    /// See [`Carried::Market`].
    Market(StreamKind),
}

/// Streams that share connections: large frames of one class do not hold up another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Trades.
    Trades,
    /// Order books.
    Books,
    /// What concerns all contracts.
    Market,
}

impl Carried {
    /// Which one it is.
    pub fn key(&self) -> StreamKey {
        match self {
            Self::Trades(contract) => StreamKey::Trades(contract.id),
            Self::Book(contract) => StreamKey::Book(contract.id),
            Self::Market(kind) => StreamKey::Market(*kind),
        }
    }

    /// With which others it may share a connection.
    pub const fn class(&self) -> Class {
        match self {
            Self::Trades(_) => Class::Trades,
            Self::Book(_) => Class::Books,
            Self::Market(_) => Class::Market,
        }
    }
}

/// One stream.
#[derive(Clone, Debug)]
pub struct PlannedStream {
    /// What it brings.
    pub carried: Carried,
    /// Its name.
    pub name: String,
    /// How often it was to be asked for anew.
    pub asks: u32,
}

/// What one connection carries, and where.
#[derive(Clone, Debug)]
pub struct Streams {
    /// What of.
    pub class: Class,
    /// The path of the venue's host that the streams belong to.
    pub home: &'static str,
    /// The path that they are asked for on.
    pub path: &'static str,
    /// How often the connection was to be opened anew.
    pub renewals: u32,
    /// What is asked for there.
    pub list: Vec<PlannedStream>,
}

impl Streams {
    /// What is asked for beside them, since it always has something to say.
    pub fn canary(&self) -> &'static str {
        match self.class {
            Class::Trades => canary(self.path),
            // Where these do not come, it shall not either: the path may be another for now.
            Class::Market => canary(self.home),
            // The other canary of this path is a book, too.
            Class::Books => market_stream_name(StreamKind::BookTicker).unwrap_or_else(|| canary(self.path)),
        }
    }
}
