//! Which requests become sessions?

use crate::{
    api::{
        Shared,
        connection::Grip,
        error::ApiError,
        guard::Guard,
        http::origin_allowed,
        native::session::{SUBPROTOCOL, SessionActor},
        params::Params,
    },
    live::Cut,
};
use actix_web::{HttpRequest, HttpResponse, http::header, web};
use actix_web_actors::ws;
use std::{cell::Cell, rc::Rc, time::Duration};

/// The longest flush interval that a connection may ask for.
const FLUSH_MS_MAX: u64 = 1_000;

/// Upgrades a request to a session.
pub(in crate::api) async fn open(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Shared>,
) -> Result<HttpResponse, actix_web::Error> {
    if !origin_allowed(&request, &shared.options) {
        return Err(ApiError::Origin.into());
    }
    if shared.readiness.is_stopping() {
        return Err(ApiError::Stopping.into());
    }
    let flush = flush_interval(request.query_string())?;
    let cut = request.conn_data::<Grip>().map_or_else(|| Cut::new(|| {}), Grip::cut);
    let bytes_max = shared.options.session.message_bytes_max;
    check_handshake(&request)?;
    let oversized = Rc::new(Cell::new(false));
    let session = SessionActor::new(shared.get_ref().clone(), cut, flush, Rc::clone(&oversized));
    let payload = Guard::new(payload, bytes_max as u64, oversized);
    ws::WsResponseBuilder::new(session, &request, payload).frame_size(bytes_max).protocols(&[SUBPROTOCOL]).start()
}

/// A proper handshake that offers no subprotocol, or ours among others.
fn check_handshake(request: &HttpRequest) -> Result<(), ApiError> {
    ws::handshake(request).map_err(ApiError::Handshake)?;
    let mut offers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).peekable();
    let ours = |offer: &header::HeaderValue| {
        offer.to_str().is_ok_and(|names| names.split(',').any(|name| name.trim() == SUBPROTOCOL))
    };
    if offers.peek().is_none() || offers.any(ours) { Ok(()) } else { Err(ApiError::Subprotocol(SUBPROTOCOL)) }
}

/// The one parameter of the upgrade's address: `flush_ms`.
fn flush_interval(query: &str) -> Result<Option<Duration>, ApiError> {
    let params = Params::read(query, "flush_ms")?;
    let millis = params.text("flush_ms").map(str::parse).transpose();
    let millis = millis.ok().filter(|millis| millis.is_none_or(|millis| millis <= FLUSH_MS_MAX));
    let wrong = ApiError::Invalid { param: "flush_ms", expected: "a whole number from 0 to 1000" };
    Ok(millis.ok_or(wrong)?.map(Duration::from_millis))
}
