//! `backplane compile-component`: the compiler's process, which the server starts for itself.

use clap::Args;

/// Bounds of the compiler.
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// Address space in bytes.
    memory_bytes_max: u64,
    /// CPU time in seconds.
    cpu_seconds_max: u64,
}

/// Name of the hidden subcommand.
pub const NAME: &str = "compile-component";

/// Compiles standard input to standard output.
///
/// # Errors
/// When the input is not a component; the message is for the server's log.
pub fn run(args: &CompileArgs) -> anyhow::Result<()> {
    backplane_runtime::compile_component(args.memory_bytes_max, args.cpu_seconds_max)
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// Returns the command that runs this in a process of its own.
///
/// # Errors
/// When the operating system does not say where this program's file is.
pub fn command() -> std::io::Result<backplane_runtime::CompileCommand> {
    Ok(backplane_runtime::CompileCommand { program: std::env::current_exe()?, arguments: vec![NAME.into()] })
}
