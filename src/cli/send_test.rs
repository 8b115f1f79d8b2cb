//! `journey send-test TOUCHPOINT --to ADDRESS`: renders a touchpoint with sample data and sends it through its real adapter, outside every
//! count: no customer, no consent, no cap, no enrollment; tracked links are plain ones. It belongs into a runner's pod, which has the
//! Secrets of its journey's adapters, and whose environment gives every flag but the address:
//! `kubectl -n NAMESPACE exec deploy/JOURNEY-runner -- journey send-test TOUCHPOINT --to ADDRESS`.

use super::store_args::StoreArgs;
use crate::{
    channel::{self, Message, Reads, Reply, Secrets},
    clock,
    engine::{
        Known,
        program::{Outbound, Profile, Program},
        state::Properties,
    },
    expression::Type,
    keys::{CustomerKey, Keys, MessageKey},
    personal::Personal,
    runner::{Pages, programs::compile_all},
    store::Store as _,
    template,
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode, sync::Arc};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// An outbound touchpoint that a journey of the namespace sends
    touchpoint: String,
    /// The address to send to, instead of the customer's
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// An attribute of the sample customer; left out: its default, or a sample of its type
    #[arg(long = "attribute", value_name = "NAME=VALUE", value_parser = assignment)]
    attributes: Vec<(String, Value)>,
    /// What the step gives to the content; left out: a sample
    #[arg(long = "with", value_name = "NAME=VALUE", value_parser = assignment)]
    with: Vec<(String, Value)>,
    /// The language of the sample customer, such as de-AT; left out: the content without translation
    #[arg(long, value_name = "TAG")]
    locale: Option<String>,
    /// Namespace of the touchpoint
    #[arg(long, env = "JOURNEY_NAMESPACE")]
    namespace: String,
    /// The journey in whose name it is sent; left out: the first one that sends the touchpoint
    #[arg(long, env = "JOURNEY_NAME", value_name = "NAME")]
    journey: Option<String>,
    /// Folder with the adapters' Secrets, as SECRET/KEY
    #[arg(long, env = "JOURNEY_SECRETS", default_value = "/etc/journey/secrets")]
    secrets: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
}

/// Exit code 1: it was not sent.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let keys = args.store.keys()?;
    let store = args.store.open(keys.clone(), 1)?;
    let stored = store
        .programs(&args.namespace, -1)
        .await?
        .context("the store gave no programs")?;
    let mut programs = Vec::new();
    for journey in &stored.journeys {
        programs.extend(compile_all(&stored, &journey.row.journey)?.programs.current);
    }
    let (program, outbound) = chosen(&programs, &args)?;
    let message = render(&keys, program, outbound, &args)?;
    let spec = program
        .adapters
        .get(&outbound.adapter)
        .with_context(|| format!("no adapter {}", outbound.adapter))?;
    let reads = Reads {
        content: outbound.fields().into_iter().map(str::to_owned).collect(),
        with: message.with.expose().keys().cloned().collect(),
    };
    let channel = channel::open(spec, &Secrets::new(&args.secrets), reads)
        .with_context(|| format!("adapter {}", outbound.adapter))?;
    let told = match channel.hand_over(&message).await {
        Reply::Sent | Reply::Answered(_) => {
            println!("sent by adapter {}, as message {}", outbound.adapter, message.key);
            return Ok(ExitCode::SUCCESS);
        }
        Reply::Refused(reason) => format!("refused for good: {reason}"),
        Reply::TryLater { reason, .. } => format!("not accepted now: {reason}"),
        Reply::Unknown(reason) => format!("it may or may not have gone out: {reason}"),
    };
    eprintln!("adapter {}: {told}", outbound.adapter);
    Ok(ExitCode::FAILURE)
}

fn chosen<'p>(programs: &'p [Arc<Program>], args: &Args) -> anyhow::Result<(&'p Arc<Program>, &'p Outbound)> {
    let sends = |program: &'p Arc<Program>| Some((program, program.outbound.get(&args.touchpoint)?));
    let mut sending = programs.iter().filter_map(sends);
    let wanted = |program: &Program| args.journey.as_ref().is_none_or(|journey| *journey == program.journey);
    if let Some(found) = sending.clone().find(|(program, _)| wanted(program)) {
        return Ok(found);
    }
    let (namespace, touchpoint) = (&args.namespace, &args.touchpoint);
    match (sending.next(), &args.journey) {
        (Some((other, _)), Some(journey)) => bail!(
            "journey {journey} does not send touchpoint {touchpoint}, but {other} does: \
             kubectl -n {namespace} exec deploy/{other}-runner -- journey send-test {touchpoint} --to ...",
            other = other.journey
        ),
        (Some(_) | None, _) => bail!("no running journey of namespace {namespace} sends touchpoint {touchpoint}"),
    }
}

fn render(keys: &Keys, program: &Arc<Program>, outbound: &Outbound, args: &Args) -> anyhow::Result<Message> {
    let mut attributes = samples(&program.profile);
    attributes.extend(args.attributes.iter().cloned());
    let derived = |name: &String| program.profile.attributes.get(name).is_some_and(|of| of.is.is_some());
    if let Some((name, _)) = args.attributes.iter().find(|(name, _)| derived(name)) {
        bail!("customer.{name} is derived: give the attributes that it follows from");
    }
    let sample = Known {
        profile: &program.profile,
        id: "sample",
        attributes: &attributes,
        now: clock::now(),
    };
    let customer = sample.view(|_| true);
    let mut with: Properties = program
        .gives(&outbound.touchpoint)
        .map(|name| (name.to_owned(), json!(format!("sample {name}"))))
        .collect();
    with.extend(args.with.iter().cloned());
    let key = MessageKey(*uuid::Uuid::new_v4().as_bytes());
    // The pages behind it open as a customer's would; they are about nobody, so pressing their buttons changes nothing.
    let pages = Pages {
        keys,
        program,
        message: key,
        customer: CustomerKey(*uuid::Uuid::new_v4().as_bytes()),
        locale: args.locale.as_deref(),
        to: Some(&args.to),
        now: clock::now(),
    };
    let unsubscribe = pages.unsubscribe(outbound);
    let (preferences, confirm) = (pages.preferences(), pages.confirm(outbound));
    let leave = pages.choice(&program.journey, false);
    let values = template::Values {
        customer: &customer,
        customer_id: "sample",
        with: &with,
        content: None,
        to: None,
        link: &|address| address.to_owned(),
        unsubscribe: unsubscribe.as_deref(),
        preferences: preferences.as_deref(),
        confirm: confirm.as_deref(),
        leave: leave.as_deref(),
        join: &|journey| pages.choice(journey, true).unwrap_or_default(),
    };
    let content = match pages.survey(outbound, unsubscribe.as_deref()) {
        Some(content) => content,
        None => outbound
            .render(&values, args.locale.as_deref())
            .map_err(|(field, error)| anyhow::Error::new(error).context(format!("content.{field}")))?,
    };
    Ok(Message {
        key,
        namespace: program.namespace.clone(),
        journey: program.journey.clone(),
        touchpoint: outbound.touchpoint.clone(),
        purpose: outbound.purpose.clone(),
        customer_id: "sample".to_owned().into(),
        to: Some(args.to.clone().into()),
        with: with.into(),
        content,
        wants_answer: false,
        unsubscribe: unsubscribe.map(Personal::new),
        ends: None,
    })
}

/// Every attribute with its default, or something of its type.
fn samples(profile: &Profile) -> Properties {
    let sample = |ty: &Type| match ty {
        Type::Bool => json!(true),
        Type::Int => json!(3),
        Type::Number => json!(0.5),
        Type::Text(Some(values)) => json!(values.first()),
        Type::Text(None) => json!("sample"),
        Type::Instant => json!("2026-01-01T12:00:00Z"),
        Type::Duration => json!("1h"),
        Type::List(_) => json!([]),
        Type::Object(_) | Type::Opaque => Value::Null,
    };
    let value = |attribute: &crate::engine::program::Attribute| {
        attribute.default.clone().unwrap_or_else(|| sample(&attribute.ty))
    };
    profile
        .attributes
        .iter()
        .filter(|(_, attribute)| attribute.is.is_none())
        .map(|(name, attribute)| (name.clone(), value(attribute)))
        .collect()
}

/// `name=value`; a value that reads as JSON is that, else it is text.
fn assignment(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((
        name.to_owned(),
        serde_json::from_str(value).unwrap_or_else(|_| json!(value)),
    ))
}
