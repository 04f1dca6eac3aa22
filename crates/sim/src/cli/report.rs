//! `simctl report`: draws result folders again from their CSV files.

use std::io;
use std::path::PathBuf;

use super::run::{Done, kinds};
use super::{Console, End, Format, show};
use crate::metrics::METRICS;
use crate::outside;
use crate::report::plot::Kind;
use crate::report::{self, folder};

/// `simctl report`
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  simctl report results/*
  simctl report results/drain --plots svg,pdf
  simctl report results/drain --format csv > drain.csv")]
pub struct Args {
    /// Result folders
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// How to print the comparison
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Kinds of files of the pictures
    #[arg(long, value_enum, value_name = "KIND", value_delimiter = ',', default_value = "png")]
    plots: Vec<Kind>,
    /// Draw no pictures
    #[arg(long, conflicts_with = "plots")]
    no_plots: bool,
}

/// Runs the verb. A folder that is none is an error; the others are drawn all the same. Expectations count as in a run.
pub fn run(args: &Args, console: &mut Console) -> End {
    let mut end = End::Held;
    let mut all = Vec::new();
    // `results/*` matches the README beside the folders too.
    for dir in args.dirs.iter().filter(|dir| !dir.is_file() || args.dirs.len() == 1) {
        let drawn = if folder::is_ours(dir) {
            report::redraw(dir, METRICS, &kinds(&args.plots, args.no_plots))
        } else {
            let why = format!("{}: not a result folder (no manifest.toml of simctl)", outside::shown_path(dir));
            Err(io::Error::new(io::ErrorKind::InvalidData, why))
        };
        match drawn {
            Err(error) => {
                console.tell(&format!("error: {error}"));
                end = end.max(if error.kind() == io::ErrorKind::InvalidData { End::WrongInput } else { End::Io });
            }
            Ok(results) => {
                let done = Done { dir: Some(dir.clone()), ..Done::of(results, console) };
                end = end.max(done.end());
                if args.format == Format::Table {
                    show::table(&done, console);
                }
                all.push(done);
            }
        }
    }
    match args.format {
        Format::Table => {}
        Format::Json => console.say(&show::json(&all)),
        Format::Csv => console.say(&show::csv(&all)),
    }
    end
}
