//! What was this process told to do, and by whom? The only reader of configuration files and of the environment.
//!
//! `config/tapedeck.toml` is built in. It is the list of all keys and the one place where defaults stand; everything
//! else overlays it: a file, then the environment, then flags. [`Settings`] remembers for each key who had the last
//! word, [`Config`] is the checked result, in which nothing is optional that has to be decided.

mod ages;
mod alias;
mod backfill;
mod book;
mod glob;
mod options;
mod origin;
mod problem;
mod reader;
mod series;
mod settings;
mod sources;
mod symbols;
mod url;

pub use ages::{Aged, Ages};
pub use backfill::Backfill;
pub use book::{Book, BookSpeed};
pub use options::{Binance, Candle, Config, Log, LogFormat, Repair, Server, Session, Sim, Store, SyncWhen, Threads};
pub use origin::Origin;
pub use problem::{Problem, Problems, Reason, nearest};
pub use series::Series;
pub use settings::{Setting, Settings};
pub use sources::{Assignment, Sources};
pub use symbols::{Contract, Selection, TapeKind};

/// `config/demo.toml`: what `tapedeck demo` changes.
pub const DEMO: &str = include_str!("../../config/demo.toml");
