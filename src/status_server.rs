//! /livez, /readyz and /metrics of every role, on an address of their own that no customer reaches.
//!
//! A role makes a [`Registry`] and some [`Flag`]s, gives them to a [`Status`], and raises and lowers the flags as it goes. Knows no role.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Something that has to hold, or the role is not ready or not alive. Cheap to clone: all clones are one flag.
#[derive(Debug, Clone)]
pub struct Flag {
    name: &'static str,
    /// Why it is down; None: it is up.
    down: Arc<RwLock<Option<String>>>,
}

impl Flag {
    /// A flag that is down until it is raised.
    pub fn lowered(name: &'static str) -> Self {
        Self {
            name,
            down: Arc::new(RwLock::new(Some("not yet".into()))),
        }
    }

    /// A flag that is up until it is lowered.
    pub fn raised(name: &'static str) -> Self {
        Self {
            name,
            down: Arc::default(),
        }
    }

    pub fn up(&self) {
        self.why_down(None);
    }

    /// `why` is shown to operators, without personal data.
    pub fn down(&self, why: impl Into<String>) {
        self.why_down(Some(why.into()));
    }

    pub fn is_up(&self) -> bool {
        self.why().is_none()
    }

    fn why_down(&self, to: Option<String>) {
        *self.down.write().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn why(&self) -> Option<String> {
        self.down.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a role shows of itself.
#[derive(Debug, Default)]
pub struct Status {
    registry: Registry,
    live: Vec<Flag>,
    ready: Vec<Flag>,
}

impl Status {
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            live: vec![],
            ready: vec![],
        }
    }

    /// A flag without which the process has to be started anew.
    #[must_use]
    pub fn live(mut self, flag: Flag) -> Self {
        self.live.push(flag);
        self
    }

    /// A flag without which nobody should be sent here.
    #[must_use]
    pub fn ready(mut self, flag: Flag) -> Self {
        self.ready.push(flag);
        self
    }
}

/// Serves until `shutdown`. The error is that of the socket.
pub async fn serve(listener: TcpListener, status: Status, shutdown: CancellationToken) -> io::Result<()> {
    axum::serve(listener, router(status))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

/// Binds the address first, so that a port taken by another is an error at the start.
pub async fn bind(address: &str) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("{address}: {error}")))
}

fn router(status: Status) -> Router {
    Router::new()
        .route(
            "/livez",
            get(|State(status): State<Arc<Status>>| async move { flags(&status.live) }),
        )
        .route(
            "/readyz",
            get(|State(status): State<Arc<Status>>| async move { flags(&status.ready) }),
        )
        .route(
            "/metrics",
            get(|State(status): State<Arc<Status>>| async move { metrics(&status.registry) }),
        )
        .with_state(Arc::new(status))
}

/// 200 when all are up, else 503; a line for each, as Kubernetes' own components answer.
fn flags(flags: &[Flag]) -> Response {
    let mut text = String::new();
    let mut status = StatusCode::OK;
    for flag in flags {
        match flag.why() {
            None => text.push_str(&format!("[+]{} ok\n", flag.name)),
            Some(why) => {
                status = StatusCode::SERVICE_UNAVAILABLE;
                text.push_str(&format!("[-]{} failed: {why}\n", flag.name));
            }
        }
    }
    text.push_str(if status == StatusCode::OK { "ok\n" } else { "failed\n" });
    (status, text).into_response()
}

fn metrics(registry: &Registry) -> Response {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => (
            [(
                CONTENT_TYPE,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
            )],
            text,
        )
            .into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt;

    async fn get_from(router: &Router, path: &str) -> (StatusCode, String) {
        let response = router
            .clone()
            .oneshot(Request::get(path).body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_role_is_ready_when_all_its_flags_are_up_and_says_which_is_not() {
        let (programs, store) = (Flag::lowered("programs"), Flag::raised("store"));
        let mut registry = Registry::default();
        let counter: Counter = Counter::default();
        registry.register("journey_things", "Things", counter.clone());
        counter.inc();
        let router = router(Status::new(registry).ready(programs.clone()).ready(store.clone()));

        let (status, text) = get_from(&router, "/readyz").await;
        assert_eq!(
            (status, text.as_str()),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "[-]programs failed: not yet\n[+]store ok\nfailed\n"
            )
        );
        programs.up();
        assert_eq!(get_from(&router, "/readyz").await.0, StatusCode::OK);
        store.down("the store is not available");
        assert_eq!(get_from(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(get_from(&router, "/livez").await, (StatusCode::OK, "ok\n".into()));
        let (_, metrics) = get_from(&router, "/metrics").await;
        assert!(metrics.contains("journey_things_total 1\n"), "{metrics}");
    }
}
