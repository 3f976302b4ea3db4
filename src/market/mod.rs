//! What happened to one contract? Order, identity and holes of its trades, and the hot end of its tape.
//!
//! Nothing here hears of a venue: whoever reads a venue's stream hands over [`Batch`]es of [`Print`]s.

mod aside;
mod bell;
mod book;
mod contract;
mod figures;
mod flow;
mod handle;
mod holes;
mod keeper;
mod kept;
mod news;
mod roster;
mod scales;
mod sequencer;
mod shelving;
mod stream;
mod symbol;
mod tape;

pub use aside::{Aside, Repairs};
pub use bell::{Bell, Bells, Rings};
pub use book::{BookActor, BookNews, BookPost, BookSpec, BookUpdates};
pub use contract::{
    AddError, CONTRACTS_MAX, Contract, Contracts, Ending, Healed, Listing, OVER, Spec, State, TapeKind,
};
pub use figures::{Arrivals, DayOpen, Figures, LIQUIDATIONS_KEPT, NumberedLiquidation};
pub use flow::{Flow, Side, VenueClock};
pub use handle::{Batch, Crash, Fetched, Lost, Refused, Stored, SymbolHandle};
pub use holes::Holes;
pub use keeper::Keeper;
pub use kept::{Kept, Series, SeriesSet};
pub use news::{Announcement, Announcements, News, difference};
pub use roster::{Change, ChangeError, Roster, Wish};
pub use scales::Scales;
pub use sequencer::{Ordered, Print, Sequencer};
pub use shelving::Shelving;
pub use stream::{Stream, Trouble};
pub use symbol::{SymbolActor, SymbolState};
pub use tape::{Reading, Tape, TapeReader, TapeWriter};
