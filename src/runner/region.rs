//! A runner whose pod was placed before the policies named regions, or named others, may not go on where it is. It does nothing until it may: the
//! operator replaces it by one that is placed in the regions, and customers wait for that one.

use super::pump::{Options, REFRESH};
use crate::store::{Result, Store};
use tokio_util::sync::CancellationToken;

/// Returns when the policies let it run where it is, or at `shutdown`.
pub(super) async fn stand_aside(options: &Options, store: &dyn Store, shutdown: &CancellationToken) {
    tracing::warn!("the policies name other regions than this pod is bound to: it stands aside until it is replaced");
    options
        .ready
        .down("the policies name other regions than this pod is bound to");
    let mut known = -1;
    loop {
        match allowed(options, store, &mut known).await {
            Ok(Some(true)) => return,
            Ok(Some(false) | None) => {}
            Err(error) => tracing::debug!(%error, "it is not known whether it may run; it is asked again"),
        }
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(REFRESH) => {}
        }
    }
}

/// None: nothing has changed since `known`.
async fn allowed(options: &Options, store: &dyn Store, known: &mut i64) -> Result<Option<bool>> {
    let Some(stored) = store.programs(&options.namespace, *known).await? else {
        return Ok(None);
    };
    let loaded = (options.compiler)(&stored, &options.journey)?;
    *known = loaded.version;
    Ok(Some(loaded.may_run_in(options.regions.as_ref())))
}
