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
    store::{OutboxRow, placed},
    survey::mail,
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
            let locale = engine::locale_of(&program.profile, customer);
            let pages = Pages {
                keys,
                program,
                message: row.key,
                customer: row.customer,
                locale: locale.as_deref(),
                to: to.as_deref(),
                now,
            };
            let unsubscribe = pages.unsubscribe(outbound);
            let known = engine::Known {
                profile: &program.profile,
                id: customer.id.expose(),
                attributes: customer.attributes.expose(),
                now,
            };
            let view = known.view(|name| outbound.reads(name));
            let content = render(&pages, outbound, row, &view, customer, unsubscribe.as_deref())?;
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
            ends: None,
        },
    })
}

/// The telling that a message stays no longer: as that went out, nothing is rendered anew.
pub fn claim_end(
    namespace: &str,
    journey: &str,
    row: &OutboxRow,
    ends: &placed::Ending,
    customer: &Customer,
    now: Micros,
) -> Claim {
    Claim {
        key: row.key,
        customer: row.customer,
        adapter: ends.adapter.clone(),
        at: now,
        attempt: row.attempts + 1,
        response: None,
        message: Message {
            key: row.key,
            namespace: namespace.to_owned(),
            journey: journey.to_owned(),
            touchpoint: row.touchpoint.clone(),
            purpose: ends.purpose.clone(),
            customer_id: customer.id.clone(),
            to: ends.to.clone(),
            with: row.with.clone(),
            content: ends.content.clone(),
            wants_answer: false,
            unsubscribe: None,
            ends: Some(ends.message),
        },
    }
}

fn render(
    pages: &Pages<'_>,
    outbound: &Outbound,
    row: &OutboxRow,
    view: &Properties,
    customer: &Customer,
    unsubscribe: Option<&str>,
) -> Result<BTreeMap<String, Personal<String>>, TurnError> {
    if let Some(content) = pages.survey(outbound, unsubscribe) {
        return Ok(content);
    }
    let leave = pages.choice(&pages.program.journey, false);
    let (preferences, confirm) = (pages.preferences(), pages.confirm(outbound));
    let values = template::Values {
        customer: view,
        customer_id: customer.id.expose(),
        to: None,
        with: row.with.expose(),
        content: None,
        link: &|address| pages.tracked(address),
        unsubscribe,
        preferences: preferences.as_deref(),
        confirm: confirm.as_deref(),
        leave: leave.as_deref(),
        join: &|journey| pages.choice(journey, true).unwrap_or_default(),
    };
    outbound.render(&values, pages.locale).map_err(|_| TurnError::Render)
}

/// The gateway's pages that a message leads to.
pub struct Pages<'a> {
    pub keys: &'a Keys,
    pub program: &'a Program,
    pub message: MessageKey,
    pub customer: CustomerKey,
    /// The language that the pages are shown in.
    pub locale: Option<&'a str>,
    /// Where the message goes; None: the channel knows.
    pub to: Option<&'a str>,
    pub now: Micros,
}

impl Pages<'_> {
    fn tracked(&self, address: &str) -> String {
        match &self.program.public_url {
            Some(url) => link::tracked(self.keys, url, &self.program.namespace, self.message, address),
            None => address.to_owned(),
        }
    }

    /// None: the purpose needs none, or there is no page.
    pub fn unsubscribe(&self, outbound: &Outbound) -> Option<String> {
        let program = self.program;
        let url = program
            .public_url
            .as_deref()
            .filter(|_| program.asks_consent(outbound))?;
        let leave = link::Leave {
            message: self.message,
            customer: self.customer,
            purpose: outbound.purpose.clone(),
        };
        Some(link::unsubscribe(self.keys, url, &program.namespace, &leave))
    }

    /// Where the customer says what they want to hear; None: there is no page.
    pub fn preferences(&self) -> Option<String> {
        let url = self.program.public_url.as_deref()?;
        let page = link::preferences(self.keys, url, &self.program.namespace, self.customer);
        Some(link::in_language(&page, self.locale))
    }

    /// Where the customer confirms a consent for the address that this goes to; None: there is no page, or no address to confirm.
    pub fn confirm(&self, outbound: &Outbound) -> Option<String> {
        let (url, to) = (self.program.public_url.as_deref()?, self.to?);
        let confirm = link::Confirm {
            customer: self.customer,
            address: self.keys.address(&self.program.namespace, to),
            made: self.now,
            touchpoint: outbound.touchpoint.clone(),
        };
        let page = link::confirm(self.keys, url, &self.program.namespace, &confirm);
        Some(link::in_language(&page, self.locale))
    }

    /// The content of a survey; None: it is none.
    pub fn survey(&self, outbound: &Outbound, unsubscribe: Option<&str>) -> Option<BTreeMap<String, Personal<String>>> {
        let survey = outbound.survey.as_ref()?;
        // The compiler refuses a survey where there is no page.
        let url = self.program.public_url.as_deref().unwrap_or_default();
        let asked = link::Asked {
            message: self.message,
            touchpoint: outbound.touchpoint.clone(),
        };
        let page = link::survey(self.keys, url, &self.program.namespace, &asked);
        Some(mail::content(survey, &page, self.locale, unsubscribe))
    }

    /// Where the customer leaves or joins a journey.
    pub fn choice(&self, journey: &str, joins: bool) -> Option<String> {
        let url = self.program.public_url.as_deref()?;
        let chosen = link::Chosen {
            message: self.message,
            customer: self.customer,
            journey: journey.to_owned(),
            joins,
        };
        let page = link::choice(self.keys, url, &self.program.namespace, &chosen);
        Some(link::in_language(&page, self.locale))
    }
}
