//! Where a customer may be sent to: what a round looks for on the suppression list before it decides, in the transaction that claims.

use crate::{
    clock::Micros,
    engine::{self, program::Programs},
    keys::{AddressKey, Keys},
    store::{AddressesOf, CustomerTurn},
};
use std::{collections::BTreeSet, sync::Arc};

/// For a round of these programs.
pub fn looked_for(programs: &Programs, keys: &Keys) -> AddressesOf {
    let (programs, keys) = (programs.clone(), keys.clone());
    AddressesOf(Some(Arc::new(move |turn: &CustomerTurn, now| {
        of(&programs, &keys, turn, now)
    })))
}

/// Every address that a message to the customer may go to by the programs that their enrollments walk, and by the one that they may enter now.
/// An address is read from the customer alone, so it does not matter how far they have come.
fn of(programs: &Programs, keys: &Keys, turn: &CustomerTurn, now: Micros) -> Vec<AddressKey> {
    let walked = turn.enrollments.iter().map(|enrollment| &enrollment.revision);
    let walked = walked.collect::<BTreeSet<_>>().into_iter();
    let walked = walked.filter_map(|revision| programs.revisions.get(revision));
    let mut written: BTreeSet<(&str, String)> = BTreeSet::new();
    for program in walked.chain(&programs.current) {
        for outbound in program.outbound.values() {
            let (id, attributes) = (turn.customer.id.expose(), turn.customer.attributes.expose());
            let to = engine::address(program, outbound, id, attributes, now);
            written.extend(to.map(|to| (program.namespace.as_str(), to)));
        }
    }
    let keyed = written.iter().map(|(namespace, to)| keys.address(namespace, to));
    keyed.collect()
}
