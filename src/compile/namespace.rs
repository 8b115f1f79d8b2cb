//! A whole namespace at once: every object by itself, every journey with what it sends, and the journeys together.

use super::{Diagnostic, Manifests, Object, journey, lint, object, world::World};
use std::collections::HashSet;

/// All that there is to say, each thing once. What the objects have in common is worked out once for all of them.
pub fn check(manifests: &Manifests) -> Vec<Diagnostic> {
    let Manifests {
        namespace: _,
        journeys,
        touchpoints,
        adapters,
        policies,
        profiles: _,
        // Only a touchpoint gives their texts a meaning, and is told what is wrong with them.
        config_maps: _,
        // What is known of journeys that are not here.
        chained: _,
        choices: _,
    } = manifests;
    let world = World::of(manifests);
    let mut found = world.found.clone();
    let kinds = [
        ("PrivacyPolicy", policies.keys().collect::<Vec<_>>()),
        ("ChannelAdapter", adapters.keys().collect()),
        ("Touchpoint", touchpoints.keys().collect()),
    ];
    for (kind, names) in kinds {
        for name in names {
            let of = Object {
                kind: kind.to_owned(),
                name: name.clone(),
            };
            found.append(&mut object::definition(&world, &of));
        }
    }
    for name in journeys.keys() {
        found.append(&mut match journey::compile_in(&world, name) {
            Ok(compiled) => compiled.warnings,
            Err(more) => more,
        });
    }
    found.append(&mut lint::namespace(&world));
    // A touchpoint is looked at by itself and by every journey that sends it.
    let mut told = HashSet::new();
    found.retain(|one| told.insert((one.code, one.object.clone(), one.path.clone(), one.message.clone())));
    found
}
