//! How does a request learn that it was refused? RFC 9457 problems; the only place that knows HTTP statuses of faults.

use crate::{
    api::followed::NotFollowed,
    history::jobs::{SubmitError, WantError},
    live::Unavailable,
    market::{AddError, ChangeError},
    model::{Price, SymbolError, TimeError, TimeframeError},
};
use actix_web::{
    HttpResponse, ResponseError,
    error::BlockingError,
    http::{StatusCode, header},
};
use actix_web_actors::ws::HandshakeError;
use serde_json::json;

/// What most resources allow.
pub(in crate::api) const READ: &str = "GET, HEAD, OPTIONS";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(in crate::api) enum ApiError {
    #[error("`{param}` is no parameter here: there are {known}")]
    UnknownParam { param: String, known: &'static str },
    #[error("`{param}` is given twice")]
    Repeated { param: String },
    #[error("`{param}` is missing")]
    Missing { param: &'static str },
    #[error("`{param}` must be {expected}")]
    Invalid { param: &'static str, expected: &'static str },
    #[error("`{param}`: {source}")]
    Time { param: &'static str, source: TimeError },
    #[error("`interval`: {0}")]
    Interval(#[from] TimeframeError),
    #[error("`start` is not before `end`")]
    EmptyRange,
    #[error("the symbol `{0}` is not recorded here: see /api/v1/symbols")]
    UnknownSymbol(String),
    #[error("`symbol` is missing: without it, there are only the newest figures, so no range, limit or period")]
    NeedsSymbol,
    #[error(
        "no order book of `{0}` is kept: name it in book.symbols of the configuration, or set book = true in an [[override]]"
    )]
    NoBook(String),
    #[error("`{param}` must be a multiple of the contract's own tick size, {tick}")]
    TickSize { param: &'static str, tick: Price },
    #[error(transparent)]
    NotFollowed(#[from] NotFollowed),
    #[error("nothing is stored here: set store.dir in the configuration")]
    NoStore,
    #[error("nothing is at `{0}`")]
    NotFound(String),
    #[error("`{method}` is not allowed here: {allowed} are")]
    Method { method: String, allowed: &'static str },
    #[error("the host `{0}` is not served: on a loopback address only localhost is")]
    Host(String),
    #[error("pages of this origin may not open a WebSocket: see server.allowed_origins")]
    Origin,
    #[error("the request names more than one host")]
    ManyHosts,
    #[error("the request's address and header lines are longer than {0} bytes")]
    Head(usize),
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body cannot be read")]
    BodyBroken,
    #[error("the body takes too long")]
    BodyTooSlow,
    #[error("{0}")]
    Handshake(HandshakeError),
    #[error("none of the offered subprotocols is spoken: offer `{0}`, or none")]
    Subprotocol(&'static str),
    #[error("this server is stopping")]
    Stopping,
    #[error("{}", .0.canonical_reason().unwrap_or("the request is refused"))]
    Other(StatusCode),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("the body must be JSON: send it as application/json")]
    MediaType,
    #[error("the body is not what is wanted here: {0}")]
    Body(String),
    #[error("`{param}`: {source}")]
    Moment { param: &'static str, source: crate::api::MomentError },
    #[error(transparent)]
    Want(#[from] WantError),
    #[error(transparent)]
    Submit(#[from] SubmitError),
    #[error("`symbol`: {0}")]
    Symbol(#[from] SymbolError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("there is no job {0}")]
    UnknownJob(String),
    #[error("the server has no thread for this now")]
    Busy(#[from] BlockingError),
}

impl ApiError {
    /// A stable word for programs, and the status.
    fn code(&self) -> (&'static str, StatusCode) {
        match self {
            Self::UnknownParam { .. } => ("unknown_parameter", StatusCode::BAD_REQUEST),
            Self::Repeated { .. } => ("repeated_parameter", StatusCode::BAD_REQUEST),
            Self::Missing { .. } => ("missing_parameter", StatusCode::BAD_REQUEST),
            Self::NeedsSymbol => ("missing_parameter", StatusCode::BAD_REQUEST),
            Self::Invalid { .. } => ("invalid_parameter", StatusCode::BAD_REQUEST),
            Self::Time { .. } => ("bad_time", StatusCode::BAD_REQUEST),
            Self::Interval(_) => ("bad_interval", StatusCode::BAD_REQUEST),
            Self::EmptyRange => ("empty_range", StatusCode::UNPROCESSABLE_ENTITY),
            Self::UnknownSymbol(_) => ("unknown_symbol", StatusCode::NOT_FOUND),
            Self::NoBook(_) => ("no_book", StatusCode::NOT_FOUND),
            Self::NotFollowed(_) => ("not_followed", StatusCode::NOT_FOUND),
            Self::TickSize { .. } => ("bad_tick_size", StatusCode::UNPROCESSABLE_ENTITY),
            Self::NoStore => ("no_store", StatusCode::NOT_FOUND),
            Self::NotFound(_) => ("not_found", StatusCode::NOT_FOUND),
            Self::Method { .. } => ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED),
            Self::Host(_) => ("misdirected", StatusCode::MISDIRECTED_REQUEST),
            Self::Origin => ("origin_refused", StatusCode::FORBIDDEN),
            Self::ManyHosts => ("many_hosts", StatusCode::BAD_REQUEST),
            Self::Head(_) => ("head_too_large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::Stopping => ("stopping", StatusCode::SERVICE_UNAVAILABLE),
            Self::BodyTooLarge(_) => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE),
            Self::BodyBroken => ("body_broken", StatusCode::BAD_REQUEST),
            Self::BodyTooSlow => ("body_too_slow", StatusCode::REQUEST_TIMEOUT),
            Self::Handshake(HandshakeError::GetMethodRequired) => {
                ("method_not_allowed", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::Handshake(HandshakeError::NoWebsocketUpgrade | HandshakeError::NoConnectionUpgrade) => {
                ("upgrade_required", StatusCode::UPGRADE_REQUIRED)
            }
            Self::Handshake(_) => ("bad_handshake", StatusCode::BAD_REQUEST),
            Self::Subprotocol(_) => ("unknown_subprotocol", StatusCode::BAD_REQUEST),
            Self::MediaType => ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE),
            Self::Body(_) => ("bad_body", StatusCode::BAD_REQUEST),
            Self::Moment { .. } => ("bad_time", StatusCode::BAD_REQUEST),
            Self::Want(WantError::UnknownSymbol(_)) => ("unknown_symbol", StatusCode::NOT_FOUND),
            Self::Want(WantError::BeforeListing { .. }) => ("before_listing", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Want(WantError::OtherTape { .. }) => ("other_tape", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Want(WantError::TradesKept { .. }) => ("trades_kept", StatusCode::UNPROCESSABLE_ENTITY),
            Self::Want(WantError::EmptyRange { .. } | WantError::Future { .. }) => {
                ("empty_range", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::Want(WantError::Symbols | WantError::NoSeries) => ("bad_body", StatusCode::BAD_REQUEST),
            Self::Submit(SubmitError::TooMany) => ("too_many_jobs", StatusCode::TOO_MANY_REQUESTS),
            Self::Submit(SubmitError::Io(_)) => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::Symbol(_) => ("bad_symbol", StatusCode::BAD_REQUEST),
            Self::Change(ChangeError::Add(AddError::Known(_))) => ("already_recorded", StatusCode::CONFLICT),
            Self::Change(ChangeError::NotRecorded(_) | ChangeError::Unlisted { .. }) => {
                ("unknown_symbol", StatusCode::NOT_FOUND)
            }
            Self::Change(_) => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
            Self::UnknownJob(_) => ("unknown_job", StatusCode::NOT_FOUND),
            Self::Other(status) => ("refused", *status),
            Self::Unavailable(_) | Self::Busy(_) => ("unavailable", StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    /// The parameter at fault.
    fn param(&self) -> Option<&str> {
        match self {
            Self::UnknownParam { param, .. } | Self::Repeated { param } => Some(param),
            Self::Missing { param } | Self::Invalid { param, .. } | Self::Time { param, .. } => Some(param),
            Self::TickSize { param, .. } => Some(param),
            Self::Interval(_) => Some("interval"),
            Self::EmptyRange => Some("start"),
            Self::Moment { param, .. } => Some(param),
            Self::Want(WantError::EmptyRange { .. } | WantError::Future { .. } | WantError::BeforeListing { .. }) => {
                Some("from")
            }
            Self::Want(WantError::UnknownSymbol(_) | WantError::Symbols) => Some("symbols"),
            Self::Want(WantError::NoSeries | WantError::TradesKept { .. } | WantError::OtherTape { .. }) => {
                Some("series")
            }
            Self::NeedsSymbol => Some("symbol"),
            Self::UnknownSymbol(_) | Self::Symbol(_) | Self::Change(_) | Self::NoBook(_) => Some("symbol"),
            _ => None,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.code().1
    }

    /// Status and headers. The body is written around the request, since it names it.
    fn error_response(&self) -> HttpResponse {
        let (_, status) = self.code();
        let allowed = if let Self::Method { allowed, .. } = self { allowed } else { READ };
        let mut response = HttpResponse::build(status);
        match status {
            StatusCode::SERVICE_UNAVAILABLE => response.insert_header((header::RETRY_AFTER, "1")),
            StatusCode::METHOD_NOT_ALLOWED => response.insert_header((header::ALLOW, allowed)),
            StatusCode::UPGRADE_REQUIRED => response.insert_header((header::UPGRADE, "websocket")),
            // What is left of such a request is not worth reading.
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => response.force_close(),
            _ => &mut response,
        };
        response.finish()
    }
}

impl ApiError {
    /// The members of RFC 9457, as text.
    pub(in crate::api) fn problem(&self, instance: &str, request_id: &str) -> String {
        let (code, status) = self.code();
        let detail = self.to_string();
        let errors: Vec<_> = self.param().map(|param| json!({"param": param, "detail": detail})).into_iter().collect();
        let problem = json!({
            "type": format!("urn:tapedeck:problem:{code}"),
            "title": code.replace('_', " "),
            "status": status.as_u16(),
            "detail": detail,
            "instance": instance,
            "code": code,
            "request_id": request_id,
            "errors": errors,
        });
        problem.to_string()
    }
}
