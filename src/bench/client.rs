//! A connection to the gateway. By hyper itself: the senders share the machine with what they measure, and need no client that follows
//! redirects, keeps a pool and knows proxies.

use super::BenchError;
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{Request, header},
};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::time::{Duration, Instant};
use tokio::{net::TcpStream, task::JoinHandle};

/// The gateway closes a connection that has been silent for longer; the sender does so first, so that no request meets the end.
const IDLE: Duration = Duration::from_secs(3);
/// Of an answer: it counts events, and lists those put aside.
const LONGEST: usize = 4 << 20;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client {
    address: String,
    path: &'static str,
    bearer: String,
    open: Option<Open>,
}

struct Open {
    sender: SendRequest<Body>,
    used: Instant,
    carrying: JoinHandle<()>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

pub struct Answer {
    pub status: u16,
    /// Seconds, where it says so.
    pub retry_after: Option<u64>,
    pub body: Bytes,
}

impl Client {
    /// `address` is HOST:PORT; nothing is connected yet.
    pub fn new(address: &str, path: &'static str, key: &str) -> Self {
        Self {
            address: address.to_owned(),
            path,
            bearer: format!("Bearer {key}"),
            open: None,
        }
    }

    pub async fn post(&mut self, kind: &'static str, body: String) -> Result<Answer, BenchError> {
        match tokio::time::timeout(PATIENCE, self.ask(kind, body)).await {
            Ok(answer) => answer,
            Err(_) => Err(BenchError::Gateway(format!(
                "no answer within {} s",
                PATIENCE.as_secs()
            ))),
        }
    }

    async fn ask(&mut self, kind: &'static str, body: String) -> Result<Answer, BenchError> {
        let failed = |error: &dyn std::fmt::Display| BenchError::Gateway(error.to_string());
        let request = Request::post(self.path)
            .header(header::HOST, &self.address)
            .header(header::AUTHORIZATION, &self.bearer)
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body))
            .map_err(|error| failed(&error))?;
        let open = self.connection().await?;
        let answer = open
            .sender
            .send_request(request)
            .await
            .map_err(|error| failed(&error))?;
        let (head, body) = answer.into_parts();
        let after = head.headers.get(header::RETRY_AFTER);
        let retry_after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        let body = to_bytes(Body::new(body), LONGEST).await;
        open.used = Instant::now();
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after,
            body: body.map_err(|error| failed(&error))?,
        })
    }

    async fn connection(&mut self) -> Result<&mut Open, BenchError> {
        let of_use = |open: &Open| open.used.elapsed() < IDLE && !open.sender.is_closed();
        if !self.open.as_ref().is_some_and(of_use) {
            self.open = None;
        }
        if let Some(open) = self.open.as_mut()
            && open.sender.ready().await.is_err()
        {
            self.open = None;
        }
        let open = match self.open.take() {
            Some(open) => open,
            None => connect(&self.address).await?,
        };
        Ok(self.open.insert(open))
    }
}

async fn connect(address: &str) -> Result<Open, BenchError> {
    let io = |error| BenchError::Io("the gateway's address", error);
    let stream = TcpStream::connect(address).await.map_err(io)?;
    stream.set_nodelay(true).map_err(io)?;
    let made = http1::handshake(TokioIo::new(stream)).await;
    let (sender, connection) = made.map_err(|error| BenchError::Gateway(error.to_string()))?;
    let carrying = tokio::spawn(async move {
        // Whoever sends hears of an error.
        let _ended = connection.await;
    });
    Ok(Open {
        sender,
        used: Instant::now(),
        carrying,
    })
}
