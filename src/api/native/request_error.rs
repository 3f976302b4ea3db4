//! Why is a request of a session refused, and how is it told?

use crate::{
    api::{
        followed::NotFollowed,
        native::{step::StepError, wish::Choice},
    },
    live::{ReplayError, Unavailable},
    model::TimeframeError,
};
use serde_json::{Value, json};

/// Rows of all snapshots together that one request may ask for.
pub(super) const SNAPSHOT_ROWS_MAX: usize = 50_000;

/// Why a request, or one subscription of it, is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RequestError {
    #[error("the message is not JSON: {0}")]
    NotJson(String),
    #[error("the message is not an object with an `op`")]
    NoOp,
    #[error("`{0}` is no op: send subscribe, unsubscribe, list or ping")]
    UnknownOp(String),
    #[error("`{field}` is missing")]
    Missing { field: &'static str },
    #[error("`{field}` must be {expected}")]
    WrongType { field: &'static str, expected: &'static str },
    #[error("`{0}` is no field of this request: it has {1}")]
    UnknownField(String, &'static str),
    #[error(
        "`{0}` is no channel: there are trades, large_trades, candles, book, book_view, book_ticker, ticker, mark, \
             open_interest, liquidations and status"
    )]
    UnknownChannel(String),
    #[error("no order book of `{0}` is kept: `book.symbols` of the configuration says of which contracts one is")]
    NoBook(String),
    #[error("`group`: {0}")]
    Group(#[from] StepError),
    #[error(transparent)]
    NotFollowed(#[from] NotFollowed),
    #[error("`{0}` is not recorded here: see /api/v1/symbols")]
    UnknownSymbol(String),
    #[error(transparent)]
    Interval(#[from] TimeframeError),
    #[error("no subscription of this session has the number {0}")]
    UnknownSub(u32),
    #[error("subscription {0} of this session is the same already")]
    AlreadySubscribed(u32),
    #[error("this session has {0} subscriptions, and no more are allowed")]
    TooMany(usize),
    #[error("this session follows {1} different {kind}, and no more are allowed: see `limits.{kind}` of `hello`", kind = .0.kind())]
    TooManyChoices(Choice, usize),
    #[error(
        "{SNAPSHOT_ROWS_MAX} rows of snapshots may be on their way, where a book counts as 2000 and a view as its levels of both \
         sides, not {0}: ask for the rest when they have come"
    )]
    TooManyRows(usize),
    #[error("more than {0} requests in a second")]
    TooFast(u32),
    #[error("`resume_after` and `snapshot` both say where a subscription begins: send one of them")]
    TwoBeginnings,
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl RequestError {
    /// A stable word for programs, and the HTTP status that fits.
    pub(super) fn code(&self) -> (&'static str, u16) {
        match self {
            Self::NotJson(_) => ("not_json", 400),
            Self::NoOp | Self::UnknownOp(_) => ("unknown_op", 400),
            Self::Missing { .. } => ("missing_field", 400),
            Self::WrongType { .. } => ("wrong_type", 400),
            Self::UnknownField(..) => ("unknown_field", 400),
            Self::UnknownChannel(_) => ("unknown_channel", 400),
            Self::UnknownSymbol(_) => ("unknown_symbol", 404),
            Self::NoBook(_) => ("no_book", 404),
            Self::Group(StepError::Beyond) => ("wrong_type", 400),
            Self::Group(StepError::NoMultiple(_)) => ("bad_tick_size", 422),
            Self::Group(StepError::Unknown(_)) => ("unavailable", 503),
            Self::NotFollowed(_) => ("not_followed", 404),
            Self::Interval(_) => ("bad_interval", 400),
            Self::UnknownSub(_) => ("unknown_sub", 404),
            Self::AlreadySubscribed(_) => ("already_subscribed", 409),
            Self::TooMany(_) => ("too_many_subscriptions", 429),
            Self::TooManyChoices(Choice::Interval(_), _) => ("too_many_intervals", 429),
            Self::TooManyChoices(Choice::View(..), _) => ("too_many_views", 429),
            Self::TooManyChoices(Choice::NotionalMin(_), _) => ("too_many_min_notionals", 429),
            Self::TooManyRows(_) => ("too_many_snapshot_rows", 400),
            Self::TooFast(_) => ("too_many_requests", 429),
            Self::TwoBeginnings => ("two_beginnings", 400),
            Self::Replay(ReplayError::NothingHeld) => ("nothing_held", 503),
            Self::Replay(ReplayError::Beyond { .. }) => ("resume_beyond_newest", 409),
            Self::Unavailable(Unavailable::Crowded) => ("too_many_variants", 503),
            Self::Unavailable(_) => ("unavailable", 503),
        }
    }

    /// The members of RFC 9457, and the subscription that there is already.
    pub(super) fn problem(&self) -> Value {
        let (code, status) = self.code();
        let mut problem = json!({
            "type": format!("urn:tapedeck:problem:{code}"),
            "title": code.replace('_', " "),
            "status": status,
            "detail": self.to_string(),
            "code": code,
        });
        if let Self::AlreadySubscribed(sub) = self {
            problem["sub"] = (*sub).into();
        }
        problem
    }
}
