//! A journey as a picture that a person can read: boxes for entrances, steps and ends, lines for the ways between them. Pure: manifests in,
//! text out; reads the shape of a journey alone, so that one that does not compile can be looked at too.
//!
//! Reading order: [`Chart`] what is drawn · `journey` how a journey becomes one · `text` · `layout` and `route` where things stand ·
//! `svg`, `mermaid`, `dot` how it is written.

mod chart;
mod dot;
mod journey;
mod layout;
mod mermaid;
mod route;
mod svg;
mod text;

pub use chart::{Chart, Edge, Node, Place, Shape, Way};
pub use dot::dot;
pub use journey::chart;
pub use layout::Unplaceable;
pub use mermaid::mermaid;
pub use svg::svg;

#[cfg(test)]
mod tests;
