//! PrivacyPolicy: nothing is built for it, so a pass dereferences, validates and writes status. Whether it holds is not what the store has, but what
//! runners and gateways say that they run by.

mod conflict;
mod dereference;
mod programmed;
mod status;
mod validate;

pub use dereference::Stored;

use super::{
    cache::Stocked,
    context::Context,
    definition,
    error::Error,
    queue::Next,
    unit::{Kind, Unit},
};
use crate::api::PrivacyPolicy;
use std::time::Duration;

/// How soon runners and gateways are asked again that have not said yet that they run by it.
const AGAIN: Duration = Duration::from_secs(1);

/// One pass over one policy.
pub async fn settle(context: &Context, namespace: &str, name: &str) -> Result<Next, Error> {
    let unit = Unit::object(Kind::PrivacyPolicy, namespace, name);
    let Some(object) = PrivacyPolicy::kept(&context.cache).get(namespace, name) else {
        context.written.forget(&unit);
        return Ok(Next::Rest);
    };
    let object = match &object.0 {
        Ok(object) => object,
        Err(invalid) => {
            return definition::unreadable::<PrivacyPolicy>(context, &unit, &invalid.metadata, &invalid.error).await;
        }
    };
    if object.metadata.deletion_timestamp.is_some() {
        return Ok(Next::Rest);
    }
    let facts = dereference::read(context, namespace, name).await;
    let judged = validate::judge(&facts);
    status::write(context, &unit, object, &facts, &judged).await?;
    Ok(match (&facts.seen, judged.programmed.holds()) {
        // Everything that can be said is said; the store is asked again, later each time.
        (Err(_), _) => Next::Failed,
        (Ok(_), false) => Next::After(AGAIN),
        // A runner that starts says by itself what it runs by; that it does is looked at as often as figures are.
        (Ok(_), true) => Next::After(context.settings.status_interval),
    })
}
