//! The priority of a journey: a number, or CEL for each customer.

use super::Compiler;
use crate::{
    api::text,
    compile::{Code, touchpoint::scope, value::text_with_cel},
    engine::program::Priority,
    expression::{OnMissing, Place, Type},
};

impl Compiler<'_> {
    /// None: it is none, and the report says why.
    pub(super) fn priority(&mut self) -> Option<Priority> {
        let path = "spec.priority";
        let of = match &self.spec.priority {
            text::Priority::Fixed(number) => {
                let fits = u8::try_from(*number).ok().filter(|number| *number <= 100);
                if let Some(number) = fits {
                    return Some(Priority::Fixed(number));
                }
                Err(number.to_string())
            }
            text::Priority::PerCustomer(source) if source.starts_with("${") => Ok(source),
            text::Priority::PerCustomer(source) => Err(source.clone()),
        };
        match of {
            Ok(source) => {
                let scope = scope(&[&self.world.customer]);
                let place = Place {
                    scope: &scope,
                    wants: Some(Type::Number),
                    missing: OnMissing::Refuse,
                };
                let of = text_with_cel(&mut self.report, path, source, &place, &mut self.layout)?;
                self.note(path, &of);
                Some(Priority::Of(of))
            }
            Err(what) => {
                let help = "write a number from 0 to 100, or \"${CEL}\" that gives one".to_owned();
                let message = format!("'{what}' is no priority");
                self.report.error(Code::NoPriority, path, message, help);
                None
            }
        }
    }
}
