//! How is the server put together: sockets, limits, routes?

use crate::api::{
    Options, Shared,
    connection::{Places, admit},
    native,
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, dev::Server, http::header, web};
use std::{any::Any, io, net::SocketAddr, sync::Arc};

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
    let (listen, places) = (options.listen, Places::default());
    let admitted = (Arc::clone(&options), Arc::clone(&shared.metrics));
    let shared = web::Data::new(shared);
    let bound = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .route("/livez", web::get().to(livez))
            .route("/metrics", web::get().to(metrics))
            .route("/api/v1/ws", web::get().to(native::open))
    })
    .on_connect(move |connection: &dyn Any, data| {
        if let Some(grip) = admit(connection, &places, &admitted.0, &admitted.1) {
            data.insert(grip);
        }
    })
    .workers(options.workers)
    .max_connections(options.connections_max)
    .client_request_timeout(options.header_timeout)
    .disable_signals()
    .bind(listen)
    .map_err(|source| ServeError::Bind { listen, source })?;
    let address = bound.addrs().first().copied().unwrap_or(listen);
    Ok((bound.run(), address))
}

/// Whether a page of this request's origin may open a WebSocket: one without an origin is no page.
pub(in crate::api) fn origin_allowed(request: &HttpRequest, options: &Options) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let Ok(origin) = origin.to_str() else { return false };
    let own = origin.split_once("://").is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host));
    own || options.allowed_origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
}

async fn livez() -> impl Responder {
    "ok"
}

async fn metrics(shared: web::Data<Shared>) -> HttpResponse {
    match shared.metrics.text() {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}
