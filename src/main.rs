use std::process::ExitCode;

fn main() -> ExitCode {
    stopgap::cli::main()
}
