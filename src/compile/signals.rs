//! What the policies of a namespace hear of signals that others send.

use super::Manifests;
use crate::{
    api::{
        privacy_policy::{self, Basis, Purpose},
        text::Name,
    },
    consent::{OptOut, Rule, Rules, TcfRule},
};
use std::collections::{BTreeMap, BTreeSet};

/// By purpose what each policy that names it hears.
pub fn rules(manifests: &Manifests) -> Rules {
    let mut rules: Rules = BTreeMap::new();
    for purpose in purposes(manifests) {
        let heard = rules.entry(purpose.name.to_string()).or_default();
        heard.push(purpose.signals.as_ref().map(|signals| rule(purpose.basis, signals)));
    }
    rules.retain(|_, policies| policies.iter().any(Option::is_some));
    rules
}

/// Purposes to which a customer can say no.
pub fn refusable(manifests: &Manifests) -> BTreeSet<String> {
    let refusable = purposes(manifests).filter(|purpose| can_be_refused(purpose.basis));
    refusable.map(|purpose| purpose.name.to_string()).collect()
}

/// Whether customers can withdraw from a purpose by an answer on the channel: some touchpoint understands it.
pub fn hears_answers(manifests: &Manifests, channel: &str, purpose: &str) -> bool {
    manifests.touchpoints.values().any(|touchpoint| {
        let reply = touchpoint.inbound.as_ref().and_then(|inbound| inbound.reply.as_ref());
        let speaks_of = |purposes: &Vec<Name>| purposes.iter().any(|named| named.as_str() == purpose);
        touchpoint.channel.as_str() == channel
            && reply.is_some_and(|reply| reply.purposes.as_ref().is_none_or(speaks_of))
    })
}

/// Consent is withdrawn (GDPR article 7(3)), to the others one objects (article 21(1)).
fn can_be_refused(basis: Basis) -> bool {
    match basis {
        Basis::Consent | Basis::LegitimateInterest | Basis::PublicTask => true,
        Basis::Contract | Basis::LegalObligation | Basis::VitalInterests => false,
    }
}

fn purposes(manifests: &Manifests) -> impl Iterator<Item = &Purpose> {
    manifests.policies.values().flat_map(|policy| &policy.purposes)
}

fn rule(basis: Basis, signals: &privacy_policy::Signals) -> Rule {
    let privacy_policy::Signals {
        categories,
        tcf,
        gpp,
        gpc,
    } = signals;
    Rule {
        categories: categories.clone().unwrap_or_default(),
        tcf: tcf.as_ref().map(|tcf| tcf_rule(basis, tcf)),
        opt_outs: gpp.iter().flatten().copied().map(opt_out).collect(),
        gpc: *gpc == Some(true),
    }
}

/// Ids that are none, which the CRD refuses, name what no string has.
fn tcf_rule(basis: Basis, tcf: &privacy_policy::Tcf) -> TcfRule {
    let privacy_policy::Tcf {
        purposes,
        special_features,
        vendor,
    } = tcf;
    let id = |id: &i32| u8::try_from(*id).unwrap_or(0);
    TcfRule {
        purposes: purposes.iter().map(id).collect(),
        special_features: special_features.iter().flatten().map(id).collect(),
        vendor: vendor.map(|vendor| u16::try_from(vendor).unwrap_or(0)),
        objection: basis != Basis::Consent,
    }
}

fn opt_out(opt_out: privacy_policy::OptOut) -> OptOut {
    match opt_out {
        privacy_policy::OptOut::Sale => OptOut::Sale,
        privacy_policy::OptOut::Sharing => OptOut::Sharing,
        privacy_policy::OptOut::TargetedAdvertising => OptOut::TargetedAdvertising,
    }
}
