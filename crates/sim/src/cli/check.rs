//! `simctl check`: simulates scenarios and says whether their expectations hold.

use super::run::{Execute, What, load, simulate};
use super::{Console, End, show};

/// `simctl check`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl check scenarios/*.toml
  simctl check scenarios/drain.toml --replications 3 --quiet")]
pub struct Args {
    #[command(flatten)]
    what: What,
}

/// Runs the verb.
pub fn run(args: &Args, console: &mut Console, execute: Execute) -> End {
    let jobs = match load(&args.what, console) {
        Ok(jobs) => jobs,
        Err(end) => return end,
    };
    let (mut end, mut held, mut all) = (End::Held, 0, 0);
    for job in jobs {
        let done = simulate(job, &args.what, console, execute);
        let name = console.paint(1, &done.results.manifest.name);
        let none = if done.verdicts.is_empty() { ": nothing is expected of it" } else { "" };
        console.say(&format!("{name}{none}\n"));
        for line in show::verdicts(&done, console.color) {
            console.say(&format!("{line}\n"));
        }
        held += done.verdicts.iter().filter(|verdict| verdict.held).count();
        all += done.verdicts.len();
        end = end.max(done.end());
    }
    console.say(&format!("{held} of {} held\n", show::counted(all, "expectation", "expectations")));
    end
}
