//! How fast customers are let in.

use super::Compiler;
use crate::{compile::value::span, engine::program::Pace};

impl Compiler<'_> {
    pub(super) fn pace(&mut self) -> Option<Pace> {
        let of = self.spec.entry.pace.as_ref()?;
        Some(Pace {
            at_most: u32::try_from(of.at_most).unwrap_or_default(),
            per: span(&mut self.report, "spec.entry.pace.per", &of.per)?,
        })
    }
}
