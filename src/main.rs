//! argv to one function per subcommand, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    journey::cli::main()
}
