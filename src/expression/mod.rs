//! The expression room: CEL in YAML strings becomes a checked tree over slots.
//!
//! [`compile`] takes a source and its [`Place`] (what may be named, what type is wanted, what a missing value means) and gives a
//! [`Program`], or every mistake with its span. [`Program::eval`] takes a [`Record`] and nothing else: no clock, no maps, no I/O, and the
//! same record gives the same value. Nothing panics, whatever the source or the record; [`limits`] bound the work.
//!
//! ```text
//! source --token--> tokens --syntax--> Ast (bounded height) --check--> Node tree, reads --tree, call--> Val
//!                                  Scope, Layout ---^                    Record ---^
//! ```
//!
//! This room knows nothing of Kubernetes, journeys or storage. Which step's result is there, and which attributes are, arrives as the
//! [`Scope`]; what they are, as the [`Record`].

mod ast;
mod call;
mod check;
pub mod diagnostic;
mod outlook;
mod program;
mod prove;
pub mod record;
mod syntax;
pub mod time;
mod token;
mod tree;
pub mod types;
mod value;

pub use diagnostic::{Code, Diagnostic, Span};
pub use outlook::RECHECK;
pub use program::{OnMissing, Place, Program, compile, compile_text};
pub use record::{Layout, ReadPath, Record, Slot};
pub use tree::Fault;
pub use types::{Field, Scope, Type};
pub use value::{Val, Value};

/// What keeps hostile input cheap. Each is checked before the work it bounds.
pub mod limits {
    /// Bytes of an expression, or of a text with `${...}`.
    pub const SOURCE: usize = 4096;
    /// Height of the tree; `&&` and `||` count once, however many they join. A tree of this height fits a stack of 1 MiB.
    pub const HEIGHT: usize = 32;
    /// Bytes of a text that an expression makes.
    pub const TEXT: usize = 16 * 1024;
    /// Bytes of a pattern.
    pub const PATTERN: usize = 256;
    /// Bytes of a pattern's automaton.
    pub const PATTERN_MEMORY: usize = 256 * 1024;
    /// Mistakes reported for one expression.
    pub const DIAGNOSTICS: usize = 20;
    /// Bytes of one report's message, and of its help.
    pub const MESSAGE: usize = 400;
    /// Steps of one evaluation: a node, an item of a list, or 64 bytes of text.
    pub const FUEL: u32 = 20_000;
}
