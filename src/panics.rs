//! Defects of ours, caught where one customer's must not hold up the others, and told without personal data.

use std::{
    cell::RefCell,
    panic::{self, AssertUnwindSafe},
};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Something panicked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked {
    /// File and line.
    pub place: String,
}

/// From now on a panic is logged with its place, and with what it said only where that is fixed in the source: what is formatted into a
/// message (a text that was cut, a key that was not found) may be somebody's.
pub fn tell_without_personal_data() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line()));
        let said = panic.payload().downcast_ref::<&'static str>().copied();
        tracing::error!(place, said, "a defect of journey: please tell its makers");
        PLACE.with(|last| last.replace(place));
    }));
}

/// Runs `work`. When it panics, whatever it can change must be put right by the caller.
///
/// # Errors
/// It panicked.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let watched = || {
        #[cfg(test)]
        trip::here();
        let done = work();
        #[cfg(test)]
        trip::here();
        done
    };
    panic::catch_unwind(AssertUnwindSafe(watched)).map_err(|_| Panicked {
        place: PLACE
            .with(RefCell::take)
            .unwrap_or_else(|| "an unknown place".to_owned()),
    })
}

/// Lets tests put a defect before and behind whatever is caught.
#[cfg(test)]
pub mod trip {
    use std::cell::Cell;

    thread_local! {
        static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    /// The one that comes after `n` others on this thread panics.
    pub fn after(n: u32) {
        LEFT.set(Some(n));
    }

    /// Whether it has come; then nothing is set any more.
    pub fn came() -> bool {
        LEFT.take().is_none()
    }

    pub(super) fn here() {
        match LEFT.get() {
            None => {}
            Some(0) => {
                LEFT.set(None);
                panic!("a defect, on purpose");
            }
            Some(n) => LEFT.set(Some(n - 1)),
        }
    }
}
