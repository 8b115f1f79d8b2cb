//! How a message stays: in a slot that the gateway shows, or with a webhook that is told of the end.

use super::{Code, report::Report, value::span, world::World};
use crate::{
    api::{channel_adapter::ChannelAdapterSpec, touchpoint::Outbound as OutboundSpec},
    engine::program::Stay,
};

/// None: it is gone once it is sent.
pub fn stay(report: &mut Report, world: &World<'_>, spec: &OutboundSpec) -> Option<Stay> {
    let path = "spec.outbound.lasts";
    let lasts = spec.lasts.as_ref().and_then(|text| span(report, path, text));
    let adapter = world.manifests.adapters.get(spec.adapter.as_str())?;
    let told = ends(adapter);
    if spec.lasts.is_some() && spec.slot.is_none() {
        if adapter.smtp.is_some() {
            let message = format!("adapter '{}' cannot take back what it has sent", spec.adapter);
            let help = "leave lasts out, or name an adapter with inApp or webhook".to_owned();
            report.error(Code::LastsNowhere, path, message, help);
        } else if adapter.webhook.is_some() && !told {
            let message = format!(
                "adapter '{}' is not told when it is over: only the journey is",
                spec.adapter
            );
            let help = "add end to the adapter's webhook".to_owned();
            report.warning(Code::EndIsNotTold, path, message, help);
        }
    }
    let stays = spec.slot.is_some() || spec.lasts.is_some() || told;
    stays.then(|| Stay {
        slot: spec.slot.as_ref().map(ToString::to_string),
        lasts,
        told,
    })
}

fn ends(adapter: &ChannelAdapterSpec) -> bool {
    adapter.webhook.as_ref().is_some_and(|webhook| webhook.end.is_some())
}

/// Slots and the adapters that show them belong together.
pub fn fits(report: &mut Report, name: &str, adapter: &ChannelAdapterSpec, spec: &OutboundSpec) {
    match (&adapter.in_app, &spec.slot) {
        (Some(_), None) => {
            let message = format!("adapter '{name}' shows messages in slots, and this names none");
            let help = "add slot: the place on site or app".to_owned();
            report.error(Code::InAppWithoutSlot, "spec.outbound.slot", message, help);
        }
        (None, Some(_)) => {
            let message = format!("adapter '{name}' has no slots");
            let help = "name an adapter with inApp, or leave slot out".to_owned();
            report.error(Code::SlotWithoutInApp, "spec.outbound.slot", message, help);
        }
        (Some(_), Some(_)) if spec.content.is_empty() => {
            let help = "add content: site and app get its fields as they are".to_owned();
            let message = "a slot without content shows nothing";
            report.error(Code::SlotWithoutContent, "spec.outbound.content", message, help);
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}
