//! `simctl`: the simulator's command line.

fn main() -> std::process::ExitCode {
    sim::cli::main()
}
