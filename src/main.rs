use std::process::ExitCode;

/// Flows come and go, each with a few small pieces of memory: this allocator is markedly faster at
/// that than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stopgap::cli::main()
}
