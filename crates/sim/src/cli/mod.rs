//! `simctl`: one file per verb.

pub mod stack;

/// Runs the command line and says with which code the process ends.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
