//! Which web sites' scripts may call (the Fetch standard's CORS protocol): the origins of the http adapters. A preflight carries no key, so
//! it is answered for any adapter's origin; the key decides about the call itself.

use super::{Gateway, view::View};
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
            ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, RETRY_AFTER, VARY,
        },
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// Seconds for which a browser may remember a preflight's answer.
const REMEMBER: u64 = 600;
/// Bytes of header names that a preflight may ask for.
const ASKED_LIMIT: usize = 1024;

/// Answers preflights, and tells browsers which sites may read the other answers.
pub async fn answer(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with("/v1/") {
        return next.run(request).await;
    }
    let origin = allowed(&gateway.view(), request.headers());
    let preflight = request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if preflight {
        let asked = request.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| asked.len() <= ASKED_LIMIT).cloned();
        preflighted(origin.is_some(), asked)
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert("access-control-expose-headers", HeaderValue::from_name(RETRY_AFTER));
    }
    response
}

/// The request's origin, when an adapter names it. Origins are compared as browsers write them: scheme, host and port, without a path.
fn allowed(view: &View, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN)?;
    let mut named = view.intake.sources.values().flat_map(|source| &source.origins);
    named.any(|one| one.trim_end_matches('/').as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

fn preflighted(allowed: bool, asked: Option<HeaderValue>) -> Response {
    if !allowed {
        return (StatusCode::FORBIDDEN, "no http ChannelAdapter names this origin in spec.http.origins\n").into_response();
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(REMEMBER));
    if let Some(asked) = asked {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    response
}
