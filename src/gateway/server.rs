//! Connections in bounded number and time, over HTTP/1.1 and HTTP/2.

use super::limit::Limits;
use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;

/// Pause after a connection could not be taken (out of file descriptors): the next try would fail as well.
const PAUSE: Duration = Duration::from_millis(100);
/// Streams of one HTTP/2 connection.
const STREAMS: u32 = 128;

/// Takes connections until `shutdown`, then lets the requests under way finish.
pub async fn run(listener: TcpListener, router: Router, limits: &Limits, shutdown: &CancellationToken) -> io::Result<()> {
    let builder = builder(limits);
    let service = TowerToHyperService::new(router);
    let open = Arc::new(Semaphore::new(limits.connections));
    let finishing = GracefulShutdown::new();
    loop {
        // At the limit the system's own queue of connections fills up, and no request is begun that cannot be served.
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            permit = Arc::clone(&open).acquire_owned() => permit.map_err(io::Error::other)?,
        };
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!("a connection was not taken: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            },
        };
        // Answers are small: they go out at once.
        let _unsupported = stream.set_nodelay(true);
        let connection = builder.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        let connection = finishing.watch(connection);
        tokio::spawn(async move {
            // How a connection ends is its client's affair.
            let _ended = connection.await;
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace, finishing.shutdown()).await.is_err() {
        tracing::warn!("requests were cut off: they took longer than the grace period");
    }
    Ok(())
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.header_timeout).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(32 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}
