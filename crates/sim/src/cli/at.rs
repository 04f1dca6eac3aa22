//! `simctl at`: a run at a moment, as Docker's command line shows it.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Console, End};
use crate::docker::client::{self, COMMANDS, Said};
use crate::docker::engine::Engine;
use crate::outside;
use crate::scenario::{self, Scenario};
use crate::simulation::Simulation;

/// `simctl at`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl at scenarios/voting.toml 2m -- node ls
  simctl at scenarios/voting.toml 2m -- service ps voting_vote --no-trunc
  simctl at scenarios/rack-outage.toml 75s --strategy binpack -- service ls --format 'table {{.Name}}\\t{{.Replicas}}'
  simctl at scenarios/rack-outage.toml 75s                   what can be asked")]
pub struct Args {
    /// The scenario's file
    #[arg(value_name = "SCENARIO")]
    file: PathBuf,
    /// When, from the start of the run: 90s, 5m, 1h30m
    #[arg(value_name = "TIME")]
    time: String,
    /// Which of the scenario's strategies, or a placement strategy [default: the scenario's first]
    #[arg(long, short, value_name = "NAME")]
    strategy: Option<String>,
    /// Which of the runs, from 1
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    replication: u32,
    /// Root of all random streams, instead of the scenario's own
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// What `docker` is asked: without it, what it can be asked
    #[arg(last = true, value_name = "COMMAND")]
    words: Vec<String>,
}

/// Runs the verb. A name that is not there is wrong input.
pub fn run(args: &Args, console: &mut Console) -> End {
    match look(args, console) {
        Ok(end) => end,
        Err(why) => {
            let prefix = if why.starts_with("error") { "" } else { "error: " };
            console.tell(&format!("{prefix}{}", why.trim_end()));
            End::WrongInput
        }
    }
}

fn look(args: &Args, console: &mut Console) -> Result<End, String> {
    let mut scenario = scenario::load(&args.file).map_err(|complaints| complaints.to_string())?;
    scenario.seed = args.seed.unwrap_or(scenario.seed);
    let time = scenario::moment(&args.time, scenario.duration)?;
    let strategy = strategy(args, &scenario)?;
    let words: Vec<String> = args.words.iter().skip_while(|word| *word == "docker").cloned().collect();
    if words.is_empty() {
        console.say(&format!("After `--` may stand, as after `docker`:\n\n{COMMANDS}"));
        return Ok(End::Held);
    }
    let scenario = Arc::new(scenario);
    let mut run = Simulation::new(scenario, &strategy, args.replication)?;
    run.run_until(time);
    if run.now() < time {
        let now = run.now();
        return Err(format!("the run was given up at {now}: `simctl run` says why"));
    }
    let engine = Engine::leading(&run);
    let Said { out, err, failed } = match client::perform(&engine, &words) {
        Ok(said) => said,
        Err(error) if error.use_stderr() && client::is_order(&words) => {
            let words = outside::shown(&words.join(" "));
            return Err(format!(
                "`docker {words}`: `simctl at` only looks; what is done is an `[[event]]` of the scenario"
            ));
        }
        Err(error) => return Ok(help(&error, console)),
    };
    if !engine.is_led() {
        console.tell(&format!(
            "at {time} no manager leads: this is what was known last, and a real swarm would not answer"
        ));
    }
    console.say(&visible(&out));
    if !err.is_empty() {
        console.tell(&err);
    }
    Ok(if failed { End::WrongInput } else { End::Held })
}

/// What is wrong with the words, or what help says of them.
fn help(error: &clap::Error, console: &mut Console) -> End {
    let text = error.render().to_string();
    if error.use_stderr() && error.kind() != clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        console.tell(text.trim_end());
        console.tell("`simctl at SCENARIO TIME` lists what can be asked");
        return End::WrongInput;
    }
    console.say(&text);
    if error.use_stderr() { End::WrongInput } else { End::Held }
}

fn strategy(args: &Args, scenario: &Scenario) -> Result<String, String> {
    let Some(name) = &args.strategy else {
        return Ok(scenario.strategies.first().cloned().unwrap_or_else(|| "spread".to_string()));
    };
    match super::run::unknown_strategy(scenario, &args.file, name) {
        Some(complaint) => Err(complaint),
        None => Ok(name.clone()),
    }
}

/// What is printed, without what would steer a terminal; tabs are a part of Docker's layouts.
fn visible(text: &str) -> String {
    text.split_inclusive(['\n', '\t']).fold(String::new(), |mut out, part| {
        let end = part.len() - usize::from(part.ends_with(['\n', '\t']));
        out.push_str(&outside::shown_lines(&part[..end]));
        out.push_str(&part[end..]);
        out
    })
}
