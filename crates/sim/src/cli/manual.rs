//! `simctl completions` and `simctl man`: the command line for shells and for readers of manuals.

use std::fs;
use std::path::PathBuf;

use clap::Command;
use clap_complete::Shell;

use super::{Console, End};
use crate::report::folder::about;

/// `simctl completions`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl completions bash > ~/.local/share/bash-completion/completions/simctl
  simctl completions zsh > ~/.zfunc/_simctl
  simctl completions fish > ~/.config/fish/completions/simctl.fish")]
pub struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// `simctl man`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl man ~/.local/share/man/man1    (then `man simctl-run`)")]
pub struct Man {
    /// Folder for the pages, which is made if it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

/// Prints the completions of a shell.
pub fn completions(args: &Completions, mut command: Command, console: &mut Console) -> End {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "simctl", &mut script);
    console.say(&String::from_utf8_lossy(&script));
    End::Held
}

/// Writes a page for the command and one for each of its verbs, and says so.
pub fn pages(args: &Man, command: Command, console: &mut Console) -> End {
    let made = fs::create_dir_all(&args.dir).and_then(|()| clap_mangen::generate_to(command, &args.dir));
    match made {
        Ok(()) => End::Held,
        Err(error) => {
            console.tell(&format!("error: {}", about(&args.dir, &error)));
            End::Io
        }
    }
}
