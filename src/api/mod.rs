//! The custom resources of group journey.dev as Rust types: the public contract, and the one place where its shape is
//! written.
//!
//! Knows shape only, in the form of CEL rules that the API server runs; what a journey means is judged by `compile`,
//! which reads these types next. Knows no cluster and no client.
//!
//! Reading order: [`text`] strings with a shape · [`opaque`] what the server stores as it is · [`signal`] the one way to
//! notice something · [`journey`] with its [`step`]s and [`measure`]s · [`touchpoint`] · [`channel_adapter`] ·
//! [`customer_profile`] · [`privacy_policy`] with [`residency`] and [`retention`] · [`status`] · [`definitions`] the CRDs made of all that ·
//! [`shape`] what they refuse, told without a server.
#![allow(
    clippy::duplicated_attributes,
    reason = "clippy mistakes one printcolumn for a copy of another"
)]

pub mod channel_adapter;
pub mod customer_profile;
pub mod definitions;
pub mod editor;
pub mod journey;
pub mod measure;
pub mod opaque;
pub mod privacy_policy;
pub mod residency;
pub mod retention;
pub mod shape;
pub mod signal;
pub mod status;
pub mod step;
pub mod text;
pub mod touchpoint;

pub use channel_adapter::{ChannelAdapter, ChannelAdapterSpec};
pub use customer_profile::CustomerProfile;
pub use definitions::{crd_files, crds};
pub use editor::{schema, schema_files};
pub use journey::Journey;
pub use privacy_policy::{PrivacyPolicy, PrivacyPolicySpec};
pub use touchpoint::{Touchpoint, TouchpointSpec};
