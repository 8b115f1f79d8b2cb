//! Touchpoint, ChannelAdapter and CustomerProfile: nothing is built for one of them alone, so a pass dereferences, validates and
//! writes status. The same code for all three.

mod dereference;
mod validate;

use super::{
    cache::Stocked,
    condition::{self, Truth, Verdict, conditions, whole},
    context::Context,
    error::Error,
    queue::Next,
    reason::{Reason, Subject},
    secrets::Found,
    status,
    unit::{Declared, Unit},
};
use crate::{api::status::Status, clock};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// One pass over one object.
pub async fn settle<K: Stocked>(context: &Context, namespace: &str, name: &str) -> Result<Next, Error> {
    let unit = Unit::object(K::KIND, namespace, name);
    let Some(object) = K::kept(&context.cache).get(namespace, name) else {
        context.written.forget(&unit);
        return Ok(Next::Rest);
    };
    let object = match &object.0 {
        Ok(object) => object,
        Err(invalid) => return unreadable::<K>(context, &unit, &invalid.metadata, &invalid.error).await,
    };
    if object.meta().deletion_timestamp.is_some() {
        return Ok(Next::Rest);
    }
    let facts = dereference::read::<K>(context, namespace, name).await?;
    let verdicts = validate::judge::<K>(&facts);
    let before = status::before(context, &unit, object);
    write::<K>(context, &unit, object.meta(), &before, &verdicts).await?;
    let Found { missing, versions } = &facts.secrets;
    Ok(match (missing.is_empty(), versions.is_empty()) {
        (false, _) => Next::After(super::SOON),
        // Secrets are not watched: one that goes is noticed then.
        (true, false) => Next::After(context.settings.status_interval),
        (true, true) => Next::Rest,
    })
}

/// Tells the owner of an object that this version cannot read it. The others go on.
pub async fn unreadable<K: Declared>(
    context: &Context,
    unit: &Unit,
    meta: &ObjectMeta,
    why: &str,
) -> Result<Next, Error> {
    let message = format!(
        "{why}; apply the object anew as the CRD asks for it (kubectl explain {})",
        K::plural(&())
    );
    let accepted = Verdict::new(Subject::Accepted, Truth::False, Reason::Unreadable, message);
    let mut verdicts = whole(&[&accepted], Reason::Ready, "");
    verdicts.insert(0, accepted);
    let before = status::before_unread(context, unit);
    write::<K>(context, unit, meta, &before, &verdicts).await?;
    Ok(Next::Rest)
}

async fn write<K: Declared>(
    context: &Context,
    unit: &Unit,
    meta: &ObjectMeta,
    before: &status::Before,
    verdicts: &[condition::Verdict],
) -> Result<(), Error> {
    let conditions = conditions(&before.conditions, verdicts, meta.generation, clock::now());
    let status = Status {
        observed_generation: meta.generation,
        conditions: conditions.clone(),
    };
    status::write::<K>(context, unit, meta, before, serde_json::to_value(status)?, &conditions).await
}
