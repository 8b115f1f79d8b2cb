//! Why a request is refused as a whole, in JSON that tells its sender what to do. Nothing of a refused request has happened.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde_json::json;
use std::time::Duration;

/// Messages name paths, rules and limits, never a value that was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "no write key: send it as `Authorization: Bearer KEY`, or as the user name of HTTP Basic, or as writeKey in a Segment call"
    )]
    NoKey,
    #[error(
        "the write key is not known: compare it with the Secret that the http ChannelAdapter names; a new key is read within a second"
    )]
    UnknownKey,
    #[error("this write key is known to everyone: use that of an http ChannelAdapter which is not public")]
    PublicKey,
    #[error("no journey of this name offers that: see spec.choice of the Journey")]
    NotOffered,
    #[error("malformed request: {0}")]
    Malformed(String),
    #[error("media type not supported: {0}")]
    Unsupported(String),
    #[error("no such call: Segment calls here are track, identify, page, screen, group, alias and batch")]
    NoSuchCall,
    #[error("the request is too large: at most {limit} {what} are taken; send it in parts")]
    TooLarge { limit: usize, what: &'static str },
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("too many events a second from this source: send slower, or raise spec.limits of its ChannelAdapter")]
    TooFast { after: Duration },
    #[error("the gateway is busy: try again")]
    Busy,
    #[error("journey {journey}, which listens for it, has too many events waiting: nothing was taken, try again later")]
    Full { journey: String },
    #[error("the store is not available: nothing was taken, send it again")]
    Unavailable,
    #[error("the event cannot be kept: the operator of this gateway finds the cause in its log")]
    Broken,
}

impl Refusal {
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoKey | Self::UnknownKey => StatusCode::UNAUTHORIZED,
            Self::PublicKey => StatusCode::FORBIDDEN,
            Self::NotOffered => StatusCode::NOT_FOUND,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NoSuchCall => StatusCode::NOT_FOUND,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::Full { .. } | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What metrics and the answer call it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoKey => "NoKey",
            Self::UnknownKey => "UnknownKey",
            Self::PublicKey => "PublicKey",
            Self::NotOffered => "NotOffered",
            Self::Malformed(_) => "Malformed",
            Self::Unsupported(_) => "Unsupported",
            Self::NoSuchCall => "NoSuchCall",
            Self::TooLarge { .. } => "TooLarge",
            Self::TooSlow => "TooSlow",
            Self::TooFast { .. } => "TooFast",
            Self::Busy => "Busy",
            Self::Full { .. } => "Full",
            Self::Unavailable => "Unavailable",
            Self::Broken => "Broken",
        }
    }

    /// Whole seconds after which it is worth trying again, at least one (RFC 9110, 10.2.3).
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooFast { after } => Some(after.as_secs() + 1),
            Self::Busy | Self::Unavailable => Some(1),
            // It takes its time to catch up; sooner nobody looks.
            Self::Full { .. } => Some(10),
            Self::NoKey
            | Self::UnknownKey
            | Self::PublicKey
            | Self::NotOffered
            | Self::Malformed(_)
            | Self::Unsupported(_)
            | Self::NoSuchCall
            | Self::TooLarge { .. }
            | Self::TooSlow
            | Self::Broken => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"success": false, "error": {"code": self.name(), "message": self.to_string()}});
        let mut response = (self.status(), Json(body)).into_response();
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
