//! What is done around every request?

use crate::{
    api::{Shared, error::ApiError},
    metrics::Labels,
};
use actix_web::{
    HttpMessage, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, StatusCode, header},
    middleware::Next,
    web,
};
use futures_util::StreamExt;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::time::Instant;

const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
/// An address and header lines together; actix itself takes 128 KiB and 96 headers.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A client's own request id is taken up to so many bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Checks head, host and body, passes the request on, and dresses and counts the answer.
pub(in crate::api) async fn around<B: MessageBody + 'static>(
    shared: web::Data<Shared>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let preflight = request.method() == Method::OPTIONS;
    let response = match check(&mut request, &shared).await {
        Err(error) => request.error_response(error),
        Ok(()) if preflight => request.into_response(HttpResponse::NoContent().finish()),
        // Handlers' errors come as answers; an error here is a layer's own, and there is no layer that has one.
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
    };
    let mut response = explain(response, &id);
    dress(&mut response, &id, preflight);
    count(&response, &shared, started);
    Ok(response)
}

async fn check(request: &mut ServiceRequest, shared: &Shared) -> Result<(), ApiError> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    if target + headers.sum::<usize>() > HEAD_BYTES_MAX {
        return Err(ApiError::Head(HEAD_BYTES_MAX));
    }
    check_host(request, shared)?;
    drain_body(request, shared).await
}

/// A server on a loopback address answers only to loopback names: a page elsewhere may have rebound its own name to us.
fn check_host(request: &ServiceRequest, shared: &Shared) -> Result<(), ApiError> {
    let mut hosts = request.headers().get_all(header::HOST);
    let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
    if hosts.next().is_some() {
        return Err(ApiError::ManyHosts);
    }
    if !shared.options.listen.ip().is_loopback() || is_loopback_name(host) {
        return Ok(());
    }
    Err(ApiError::Host(host.chars().take(128).collect()))
}

fn is_loopback_name(host: &str) -> bool {
    let name = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Reads a body within its limits, before any route sees it: actix itself sets no time for it.
async fn drain_body(request: &mut ServiceRequest, shared: &Shared) -> Result<(), ApiError> {
    let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
        || request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if !has_body || request.headers().contains_key(header::UPGRADE) {
        return Ok(());
    }
    let mut payload = request.take_payload();
    let bytes_max = shared.options.body_bytes_max;
    let read_all = async {
        let mut body = web::BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::BodyBroken)?;
            if chunk.len() > bytes_max - body.len() {
                return Err(ApiError::BodyTooLarge(bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    let body =
        tokio::time::timeout(shared.options.body_timeout, read_all).await.unwrap_or(Err(ApiError::BodyTooSlow))?;
    let (_, mut read) = actix_http::h1::Payload::create(true);
    read.unread_data(body);
    request.set_payload(read.into());
    Ok(())
}

/// Puts a refusal into words, with the request's own name in them.
fn explain(response: ServiceResponse, id: &header::HeaderValue) -> ServiceResponse {
    let Some(error) = response.response().error() else { return response };
    let other = ApiError::Other(response.status());
    let error = error.as_error::<ApiError>().unwrap_or(&other);
    let problem = error.problem(response.request().path(), id.to_str().unwrap_or_default());
    let mut response = response.map_body(|_, _| BoxBody::new(problem));
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
    response
}

fn request_id(request: &ServiceRequest) -> header::HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = request.headers().get(&REQUEST_ID).filter(|id| id.len() <= REQUEST_ID_BYTES_MAX);
    // A counter that only has to differ: `Relaxed` serves.
    given.cloned().unwrap_or_else(|| header::HeaderValue::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn dress(response: &mut ServiceResponse, id: &header::HeaderValue, preflight: bool) {
    let readable = response.request().path().starts_with("/api/") && response.request().path() != "/api/v1/ws";
    let always = [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-cache")];
    // Any page may read, without credentials: there are no cookies that would open more.
    let for_pages = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "x-request-id, retry-after, x-tapedeck-complete"),
    ];
    let for_preflight = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "accept, content-type, x-request-id"),
    ];
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    let asked = for_preflight.into_iter().filter(|_| readable && preflight);
    for (name, value) in always.into_iter().chain(for_pages.into_iter().filter(|_| readable)).chain(asked) {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    if preflight {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD, OPTIONS"));
    }
}

fn count(response: &ServiceResponse, shared: &Shared, started: Instant) {
    let request = response.request();
    let route = request.match_pattern().unwrap_or_else(|| "other".to_owned());
    let method = match request.method().as_str() {
        method @ ("GET" | "HEAD" | "POST" | "OPTIONS") => method,
        _ => "other",
    };
    let labels = Labels::new([("route", &route), ("method", method), ("status", response.status().as_str())]);
    shared.metrics.http_requests.get_or_create(&labels).inc();
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        shared.metrics.http_request_duration_seconds.observe(started.elapsed().as_secs_f64());
    }
}
