//! Journey: dereference, validate, build, apply, status; one pass is all of them, whatever it was called for.

mod apply;
mod build;
mod dereference;
mod figures;
mod group;
mod remove;
mod status;
mod validate;

pub use dereference::runner_name;
pub use figures::Numbers;

use super::{
    cache::Stocked,
    context::Context,
    definition,
    error::Error,
    namespace,
    queue::Next,
    unit::{Kind, Unit},
};
use crate::api::Journey;

/// The finalizer on every Journey: the store is cleaned before the object goes. docs/deletion.md tells the way out when no operator is left.
pub const FINALIZER: &str = "journey.dev/store";

/// One pass over one journey.
pub async fn settle(context: &Context, namespace: &str, name: &str) -> Result<Next, Error> {
    let unit = Unit::object(Kind::Journey, namespace, name);
    let Some(object) = Journey::kept(&context.cache).get(namespace, name) else {
        context.written.forget(&unit);
        context.numbers.forget(&unit);
        context.metrics.kpis(namespace, name, &[]);
        context.metrics.forget_backlog(namespace, name);
        return Ok(Next::Rest);
    };
    let object = match &object.0 {
        Ok(object) => object,
        Err(invalid) if invalid.metadata.deletion_timestamp.is_some() => {
            return remove::settle(context, namespace, name, &invalid.metadata).await;
        }
        Err(invalid) => {
            return definition::unreadable::<Journey>(context, &unit, &invalid.metadata, &invalid.error).await;
        }
    };
    if object.metadata.deletion_timestamp.is_some() {
        return remove::settle(context, namespace, name, &object.metadata).await;
    }
    let object = apply::keep_finalizer(context, object).await?;

    let facts = dereference::read(context, object, namespace, name).await?;
    let judged = validate::judge(&facts);
    let ground = match namespace::prepare(context, namespace).await {
        Err(error) if error.is_namespace_ending() => return Ok(Next::Rest),
        other => other?,
    };
    let programmed = apply::program(context, &facts, &judged).await?;
    let drawn = dereference::runner(context, &facts, &judged, &programmed).await?;
    if let Some(drawn) = drawn {
        let runner = build::runner(&facts, &drawn, &ground, &context.settings);
        apply::runner(context, &facts, runner).await?;
    }
    let figures = figures::read(context, &unit, &facts, &judged).await;
    status::write(context, &unit, &facts, &judged, &programmed, &figures).await?;

    match programmed {
        // Everything that can be said is said; what failed is tried again, later each time.
        apply::Programmed::StoreDown { error, .. } => Err(error),
        apply::Programmed::Now { .. } | apply::Programmed::LastGood { .. } | apply::Programmed::Never => {
            let waits = !facts.secrets.missing.is_empty();
            Ok(Next::After(if waits {
                super::SOON
            } else {
                context.settings.status_interval
            }))
        }
    }
}
