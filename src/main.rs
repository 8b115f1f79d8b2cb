//! argv to one function per subcommand, nothing else.

use std::process::ExitCode;

/// Rounds make and drop many small values on several threads: a fifth faster with it than with the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    journey::cli::main()
}
