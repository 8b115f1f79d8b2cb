//! A split: shares that add up, and ways that are there.

use super::Compiler;
use crate::{
    api::step::Split,
    compile::Code,
    engine::program::{Arm, StepAction},
};
use std::collections::BTreeSet;

impl Compiler<'_> {
    /// The split of step `n`; None: it cannot be made, and the report says why.
    pub(super) fn split(&mut self, n: usize, split: &Split) -> Option<StepAction> {
        let path = format!("spec.steps[{n}].split.arms");
        let (mut names, mut arms) = (BTreeSet::new(), vec![]);
        for (at, arm) in split.arms.iter().enumerate() {
            if !names.insert(arm.name.as_str()) {
                let message = format!("there are two arms '{}'", arm.name);
                let help = "give each arm its own name".to_owned();
                self.report
                    .error(Code::SameArmName, format!("{path}[{at}].name"), message, help);
            }
            let weight = u8::try_from(arm.weight).ok().filter(|weight| *weight <= 100);
            if weight.is_none() {
                let message = format!("{} is no percentage", arm.weight);
                let help = "write a whole number from 0 to 100".to_owned();
                self.report
                    .error(Code::ArmWeight, format!("{path}[{at}].weight"), message, help);
            }
            let next = self.index(&format!("{path}[{at}].next"), &arm.next);
            arms.extend(weight.zip(next).map(|(weight, next)| Arm {
                name: arm.name.to_string(),
                weight,
                next,
            }));
        }
        let sum: i64 = split.arms.iter().map(|arm| i64::from(arm.weight)).sum();
        if sum != 100 {
            let message = format!("the weights of the arms add up to {sum}");
            let help = "make them add up to 100: they are percentages".to_owned();
            self.report.error(Code::WeightsSum, path, message, help);
        }
        (arms.len() == split.arms.len()).then(|| StepAction::Split {
            salt: format!(
                "{}/{}/{}",
                self.world.manifests.namespace, self.name, self.spec.steps[n].name
            ),
            arms,
        })
    }
}
