use super::{
    program::Programs,
    state::{Customer, Enrollment, Input, Turn},
};
use crate::clock::Micros;

/// Applies one input to all enrollments of one customer in one journey. Changes them in place, appends new ones, gives what is to be done.
pub fn apply(_programs: &Programs, _enrollments: &mut Vec<Enrollment>, _input: &Input, _customer: &Customer, _now: Micros) -> Turn {
    todo!()
}
