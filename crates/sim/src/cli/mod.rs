//! `simctl`: one file per verb.

use clap::Parser;

pub mod conform;
pub mod stack;

#[derive(Parser)]
enum Cli {
    /// Replay recorded decisions of the real SwarmKit and compare
    Conform(conform::Args),
    /// Read stack files
    Stack(stack::Args),
}

/// Runs the command line and says with which code the process ends.
pub fn main() -> std::process::ExitCode {
    match Cli::parse() {
        Cli::Conform(args) => conform::run(args),
        Cli::Stack(args) => stack::run(args),
    }
}
