//! Is the process alive, is it ready, and what are its figures?

use crate::{
    api::{Shared, error::ApiError, params::Params},
    book::{Replica, State},
    market::Contract,
    metrics::Labels,
};
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use std::fmt::Write as _;

/// Alive: whoever can answer is.
pub(in crate::api) async fn livez() -> HttpResponse {
    plain(StatusCode::OK, "ok\n".to_owned())
}

/// Ready: not stopping, and every stream followed that may bring something. `verbose` lists the checks, `exclude` leaves
/// some out. A store that does not write is said, and is no reason to be not ready.
pub(in crate::api) async fn readyz(request: HttpRequest, shared: web::Data<Shared>) -> Result<HttpResponse, ApiError> {
    let params = Params::read(request.query_string(), "verbose, exclude")?;
    let excluded: Vec<_> = params.text("exclude").unwrap_or_default().split(',').collect();
    let is_followed = |contract: &Contract| contract.is_over() || contract.stream.is_followed();
    let feeds = shared.contracts.iter().map(|contract| (format!("feed:{}", contract.symbol), is_followed(&contract)));
    let checks = std::iter::once(("not_stopping".to_owned(), !shared.readiness.is_stopping())).chain(feeds);
    let checks: Vec<_> = checks.filter(|(name, _)| !excluded.contains(&name.as_str())).collect();
    let ready = checks.iter().all(|(_, passed)| *passed);
    let mut text = String::new();
    for (name, passed) in checks.iter().filter(|(_, passed)| !passed || params.text("verbose").is_some()) {
        // Writing to a string cannot fail.
        writeln!(text, "{} {name}", if *passed { "[+]" } else { "[-]" }).unwrap_or_default();
    }
    if let Some(reason) = shared.readiness.degraded() {
        // Still ready: what is live is served, and only what is to be stored waits.
        writeln!(text, "degraded: {reason}").unwrap_or_default();
    }
    for task in shared.readiness.down() {
        // Still ready, too: only what heals waits, and it is about to be started again.
        writeln!(text, "down: {}", task.as_str()).unwrap_or_default();
    }
    text.push_str(if ready { "ready\n" } else { "not ready\n" });
    Ok(plain(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text))
}

/// Every figure, as Prometheus text.
pub(in crate::api) async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    if let Some(bytes) = resident_bytes() {
        shared.metrics.process_resident_memory_bytes.set(bytes);
    }
    count_books(&shared);
    match shared.metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

/// Says how the order books stand now.
fn count_books(shared: &Shared) {
    let books = shared.contracts.iter().filter_map(|contract| Some(contract.book.as_ref()?.read(Replica::state)));
    let states: Vec<State> = books.collect();
    for state in State::ALL {
        let count = states.iter().filter(|other| **other == state).count();
        let gauge = shared.metrics.book_states.get_or_create(&Labels::new([("state", state.name())]));
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Resident memory as Linux tells it; nothing elsewhere.
fn resident_bytes() -> Option<i64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: i64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * i64::try_from(rustix::param::page_size()).ok()?)
}

fn plain(status: StatusCode, text: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}
