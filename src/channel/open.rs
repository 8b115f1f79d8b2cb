//! From an adapter's spec to its channel.

use super::{Channel, SecretError, Secrets, TrustError, log::Log, smtp::Smtp, trust, webhook::Webhook};
use crate::{
    api::channel_adapter::{CA_KEY, ChannelAdapterSpec},
    template,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// One attempt, where the adapter names no timeout.
const TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the adapter takes events in; it cannot send")]
    Inward,
    #[error("the gateway shows the adapter's messages: nothing is handed over")]
    Hosted,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the adapter's client cannot be made: {0}")]
    Client(String),
    #[error("the adapter's body, line {line}: {message}")]
    Body { line: usize, message: String },
}

/// What bodies of this adapter may read: fields of the content and of `with` of the touchpoints that use it.
#[derive(Debug, Clone, Default)]
pub struct Reads {
    pub content: BTreeSet<String>,
    pub with: BTreeSet<String>,
}

pub fn open(spec: &ChannelAdapterSpec, secrets: &Secrets, reads: Reads) -> Result<Arc<dyn Channel>, OpenError> {
    let timeout = spec.timeout.as_ref().map_or(TIMEOUT, |timeout| {
        Duration::from_micros(timeout.micros().unsigned_abs())
    });
    if let Some(smtp) = &spec.smtp {
        return Ok(Arc::new(Smtp::new(smtp.clone(), secrets.clone(), timeout)));
    }
    if let Some(webhook) = &spec.webhook {
        let ca = webhook.ca.as_ref().map(|ca| secrets.bytes(ca, CA_KEY)).transpose()?;
        let mut tls = trust::tls(ca.as_deref())?;
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .timeout(timeout)
            // A server that cannot be reached has got nothing: that is to be known before the attempt is over.
            .connect_timeout(timeout / 2)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(32)
            .user_agent(concat!("journey-operator/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| OpenError::Client(error.to_string()))?;
        let place = template::Place {
            with: reads.with,
            content: reads.content,
            to: true,
            ..template::Place::default()
        };
        let body = webhook
            .body
            .as_ref()
            .map(|body| template::compile(&body.0, &place))
            .transpose()
            .map_err(|mistakes| {
                let first = mistakes.into_iter().next();
                OpenError::Body {
                    line: first.as_ref().map_or(1, |mistake| mistake.line),
                    message: first.map_or_else(|| "it does not compile".into(), |mistake| mistake.message),
                }
            })?;
        return Ok(Arc::new(Webhook::new(webhook.clone(), secrets.clone(), client, body)));
    }
    match spec.log {
        Some(_) => Ok(Arc::new(Log)),
        None if spec.in_app.is_some() => Err(OpenError::Hosted),
        None => Err(OpenError::Inward),
    }
}
