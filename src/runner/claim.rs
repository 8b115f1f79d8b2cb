//! A claimed message: rendered, committed in the outbox under our epoch, and free to be handed over.

use super::turn::TurnError;
use crate::{
    channel::Message,
    clock::Micros,
    engine::{
        self,
        program::{Outbound, Program},
        response::Response,
        state::{Customer, Properties},
    },
    keys::{CustomerKey, Keys, MessageKey},
    link,
    personal::Personal,
    store::OutboxRow,
    template,
};
use std::{collections::BTreeMap, sync::Arc};

/// What the dispatcher gets once the claim is committed.
#[derive(Debug, Clone)]
pub struct Claim {
    pub key: MessageKey,
    pub customer: CustomerKey,
    pub adapter: String,
    /// By the store's clock.
    pub at: Micros,
    /// Hand-overs tried, this one included.
    pub attempt: u32,
    /// What of the provider's answer is kept.
    pub response: Option<Arc<Response>>,
    pub message: Message,
}

/// Renders `row` for the customer as now. Without keys, for links are made with them, nothing is rendered.
pub fn claim(
    keys: Option<&Keys>,
    program: &Program,
    outbound: &Outbound,
    row: &OutboxRow,
    customer: &Customer,
    to: Option<String>,
    now: Micros,
) -> Result<Claim, TurnError> {
    let (content, unsubscribe) = match keys {
        Some(keys) => {
            let page = program.public_url.as_deref().filter(|_| program.asks_consent(outbound));
            let leave = link::Leave {
                message: row.key,
                customer: row.customer,
                purpose: outbound.purpose.clone(),
            };
            let unsubscribe = page.map(|url| link::unsubscribe(keys, url, &program.namespace, &leave));
            let known = engine::Known {
                profile: &program.profile,
                id: customer.id.expose(),
                attributes: customer.attributes.expose(),
                now,
            };
            let view = known.view(|name| outbound.reads(name));
            let content = render(keys, program, outbound, row, &view, customer, unsubscribe.as_deref())?;
            (content, unsubscribe)
        }
        None => (BTreeMap::new(), None),
    };
    Ok(Claim {
        key: row.key,
        customer: row.customer,
        adapter: outbound.adapter.clone(),
        at: now,
        attempt: row.attempts + 1,
        response: outbound.response.clone(),
        message: Message {
            key: row.key,
            namespace: program.namespace.clone(),
            journey: program.journey.clone(),
            touchpoint: outbound.touchpoint.clone(),
            purpose: outbound.purpose.clone(),
            customer_id: customer.id.clone(),
            to: to.map(Personal::new),
            with: row.with.clone(),
            content,
            wants_answer: outbound.response.is_some(),
            unsubscribe: unsubscribe.map(Personal::new),
        },
    })
}

fn render(
    keys: &Keys,
    program: &Program,
    outbound: &Outbound,
    row: &OutboxRow,
    view: &Properties,
    customer: &Customer,
    unsubscribe: Option<&str>,
) -> Result<BTreeMap<String, Personal<String>>, TurnError> {
    let tracked = |address: &str| match &program.public_url {
        Some(url) => link::tracked(keys, url, &program.namespace, row.key, address),
        None => address.to_owned(),
    };
    let values = template::Values {
        customer: view,
        customer_id: customer.id.expose(),
        to: None,
        with: row.with.expose(),
        content: None,
        link: &tracked,
        unsubscribe,
    };
    let locale = engine::locale_of(&program.profile, customer);
    outbound
        .render(&values, locale.as_deref())
        .map_err(|_| TurnError::Render)
}
