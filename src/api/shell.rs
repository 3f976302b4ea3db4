//! What is done around every request?

use crate::{
    api::{Shared, error::ApiError},
    metrics::Labels,
};
use actix_web::{
    HttpMessage, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::PayloadError,
    http::{StatusCode, header},
    middleware::Next,
    web,
};
use futures_util::StreamExt;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// An address and header lines together, without what separates them.
const HEAD_BYTES_MAX: usize = 32 << 10;
const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-request-id");
/// A client's own request id is taken up to so many bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// Checks the head and the body, passes the request on, and dresses and counts the answer.
pub(in crate::api) async fn around<B: MessageBody + 'static>(
    shared: web::Data<Shared>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let id = request_id(&request);
    let refused = match refuse_head(&request).or_else(|| refuse_host(&request, &shared)) {
        Some(refusal) => Some(refusal),
        None => refuse_body(&mut request, &shared).await,
    };
    let mut response = match refused {
        Some(refusal) => request.into_response(refusal),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    dress(&mut response, &id);
    count(&response, &shared, started);
    Ok(response)
}

/// Refuses a long head: actix itself takes 128 KiB.
fn refuse_head(request: &ServiceRequest) -> Option<HttpResponse> {
    let lines = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    let bytes = lines.sum::<usize>() + request.uri().path().len() + request.query_string().len();
    (bytes > HEAD_BYTES_MAX).then(|| ApiError::Head(HEAD_BYTES_MAX).error_response())
}

/// A server on a loopback address answers only to loopback names: a page elsewhere may have rebound its own name to us.
fn refuse_host(request: &ServiceRequest, shared: &Shared) -> Option<HttpResponse> {
    if !shared.options.listen.ip().is_loopback() {
        return None;
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    let loopback = name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    (!loopback).then(|| ApiError::Host(host.chars().take(128).collect()).error_response())
}

/// Reads a body away within its limits: no route wants one, and actix itself sets no time for it.
async fn refuse_body(request: &mut ServiceRequest, shared: &Shared) -> Option<HttpResponse> {
    let has_body = request.headers().contains_key(header::TRANSFER_ENCODING)
        || request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if !has_body || request.headers().contains_key(header::UPGRADE) {
        return None;
    }
    let mut payload = request.take_payload();
    let bytes_max = shared.options.body_bytes_max;
    let read_all = async {
        let mut bytes = 0;
        while let Some(chunk) = payload.next().await {
            bytes += chunk?.len();
            if bytes > bytes_max {
                return Err(PayloadError::Overflow);
            }
        }
        Ok(())
    };
    let (status, text) = match tokio::time::timeout(shared.options.body_timeout, read_all).await {
        Ok(Ok(())) => return None,
        Ok(Err(PayloadError::Overflow)) => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large\n"),
        Ok(Err(_)) => (StatusCode::BAD_REQUEST, "the body cannot be read\n"),
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "the body takes too long\n"),
    };
    Some(HttpResponse::build(status).force_close().content_type("text/plain; charset=utf-8").body(text))
}

fn request_id(request: &ServiceRequest) -> header::HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = request.headers().get(&REQUEST_ID).filter(|id| id.len() <= REQUEST_ID_BYTES_MAX);
    // A counter that only has to differ: `Relaxed` serves.
    given.cloned().unwrap_or_else(|| header::HeaderValue::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

fn dress(response: &mut ServiceResponse, id: &header::HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    for (name, value) in fixed {
        headers.insert(name, header::HeaderValue::from_static(value));
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
