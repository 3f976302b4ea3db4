//! How is the server put together: sockets, limits, routes?

use crate::api::{
    Options, Shared,
    connection::{Places, admit},
    error::{ApiError, READ},
    health, native, shell,
};
use actix_web::{
    App, HttpRequest, HttpServer, Resource, Responder, Route,
    dev::{HttpServiceFactory, Server},
    guard,
    http::header,
    middleware::{Compress, from_fn},
    web,
};
use std::{any::Any, io, net::SocketAddr, sync::Arc, time::Duration};

/// An idle connection is kept so long.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// Connections above the limit that are accepted to be turned away.
const SPARE_CONNECTIONS: usize = 256;

/// What resources allow to which something can be added, and those that can be removed.
const ADD: &str = "GET, HEAD, POST, OPTIONS";
const REMOVE: &str = "GET, HEAD, DELETE, OPTIONS";

/// Why the server does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("server.listen: cannot listen on {listen}")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The refusal.
        source: io::Error,
    },
}

/// Binds and makes the server; it serves once it is polled.
///
/// # Errors
///
/// When the address cannot be bound.
pub fn serve(shared: Shared) -> Result<(Server, SocketAddr), ServeError> {
    let options = Arc::clone(&shared.options);
    let (listen, places) = (options.listen, Places::new(&shared.metrics));
    let limits = Arc::clone(&options);
    let shared = web::Data::new(shared);
    let bound =
        HttpServer::new(move || App::new().app_data(shared.clone()).wrap(from_fn(shell::around)).configure(routes))
            .on_connect(move |connection: &dyn Any, data| {
                if let Some(grip) = admit(connection, &places, &limits) {
                    data.insert(grip);
                }
            })
            .workers(options.workers)
            // Connections beyond the limit are turned away with an answer; this is only the last resort, a thread.
            .max_connections(options.connections_max.saturating_add(SPARE_CONNECTIONS))
            .client_request_timeout(options.header_timeout)
            .keep_alive(KEEP_ALIVE)
            .disable_signals()
            .bind(listen)
            .map_err(|source| ServeError::Bind { listen, source })?;
    let address = bound.addrs().first().copied().unwrap_or(listen);
    Ok((bound.run(), address))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(resource("/livez", READ, [read().to(health::livez)]))
        .service(resource("/readyz", READ, [read().to(health::readyz)]))
        .service(resource("/healthz", READ, [read().to(health::readyz)]))
        .service(resource("/metrics", READ, [read().to(health::metrics)]))
        .service(resource(
            "/api/v1/symbols",
            ADD,
            [read().to(native::symbols::list), web::post().to(native::symbols::add)],
        ))
        .service(resource(
            "/api/v1/symbols/{symbol}",
            REMOVE,
            [read().to(native::symbols::one), web::delete().to(native::symbols::remove)],
        ))
        .service(resource("/api/v1/trades", READ, [read().to(native::rest::trades)]))
        .service(resource("/api/v1/candles", READ, [read().to(native::rest::candles)]))
        .configure(figures)
        .service(resource("/api/v1/coverage", READ, [read().to(native::coverage::coverage)]))
        .service(resource("/api/v1/announcements", READ, [read().to(native::announcements::list)]))
        .service(resource("/api/v1/book", READ, [read().to(native::book::now)]))
        .service(resource("/api/v1/book/snapshots", READ, [read().to(native::book::snapshots)]))
        .service(resource("/api/v1/admin/weight", READ, [read().to(native::jobs::weight)]))
        .service(resource("/api/v1/jobs", READ, [read().to(native::jobs::list)]))
        .service(resource("/api/v1/backfill", "POST, OPTIONS", [web::post().to(native::jobs::submit)]))
        .service(resource(
            "/api/v1/jobs/{id}",
            REMOVE,
            [read().to(native::jobs::one), web::delete().to(native::jobs::cancel)],
        ))
        .service(web::resource("/api/v1/ws").route(web::get().to(native::open)))
        .default_service(web::to(not_found));
}

/// What there is of a contract beside its trades.
fn figures(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/v1/mark", READ, [read().to(native::series::mark)]))
        .service(resource("/api/v1/funding", READ, [read().to(native::series::funding)]))
        .service(resource("/api/v1/open-interest", READ, [read().to(native::series::open_interest)]))
        .service(resource("/api/v1/liquidations", READ, [read().to(native::series::liquidations)]))
        .service(resource("/api/v1/tickers", READ, [read().to(native::tickers::tickers)]))
        .service(resource("/api/v1/book-tickers", READ, [read().to(native::tickers::best)]))
        .service(resource("/api/v1/daily-opens", READ, [read().to(native::tickers::daily_opens)]));
}

/// GET and HEAD.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn not_found(request: HttpRequest) -> impl Responder {
    Err::<&str, _>(ApiError::NotFound(request.path().chars().take(128).collect()))
}

/// A resource; whatever it does not answer is told what it does.
fn resource<const N: usize>(
    path: &str,
    allowed: &'static str,
    routes: [Route; N],
) -> impl HttpServiceFactory + 'static {
    let refuse = move |request: HttpRequest| async move {
        Err::<&str, _>(ApiError::Method { method: request.method().to_string(), allowed })
    };
    let resource = web::resource(path).default_service(web::to(refuse)).wrap(Compress::default());
    routes.into_iter().fold(resource, Resource::route)
}

/// Whether a page of this request's origin may open a WebSocket: one without an origin is no page.
pub(in crate::api) fn origin_allowed(request: &HttpRequest, options: &Options) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Ok(origin) = origin.to_str() else { return false };
    let own = origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host));
    own || options.allowed_origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}
