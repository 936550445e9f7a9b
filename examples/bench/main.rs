//! `./dev bench`: what the engine's cost depends on, as tables, and as plots in `docs/bench/`.
//!
//! One worker, in this process, without a kernel around it. Every figure is a row of [`FIGURES`]; naming it
//! measures it alone. Memory and loading are measured in a process of their own each.

mod alone;
mod engine;
mod figures;
mod plot;
mod report;
mod traffic;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use figures::{FIGURES, Setting};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub type Fallible<T> = Result<T, Box<dyn Error>>;

/// What the engine's cost depends on: prints tables, and writes them as CSV and SVG.
#[derive(Parser)]
struct Arguments {
    /// Figures to measure; all of them where none is named. `list` names them.
    figures: Vec<String>,
    /// Where plots and their data are written
    #[arg(long, default_value = "docs/bench")]
    out: PathBuf,
    /// Measurements of each point; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measures one thing in this process and prints it: what the figures call themselves
    #[arg(long, num_args = 1.., hide = true)]
    alone: Option<Vec<String>>,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Arguments) -> Fallible<()> {
    if let Some(what) = arguments.alone {
        return alone::measure(&what);
    }
    if arguments.figures.iter().any(|name| name == "list") {
        for figure in FIGURES {
            println!("{:<10} {}", figure.name, figure.title);
        }
        return Ok(());
    }
    for name in &arguments.figures {
        if !FIGURES.iter().any(|figure| figure.name == name) {
            return Err(format!("there is no figure `{name}`; `list` names them").into());
        }
    }
    std::fs::create_dir_all(&arguments.out)?;
    let setting = Setting::new(arguments.rounds)?;
    let wanted = |name: &str| {
        arguments.figures.is_empty() || arguments.figures.iter().any(|wanted| wanted == name)
    };
    for figure in FIGURES.iter().filter(|figure| wanted(figure.name)) {
        if figure.needs_corpus && setting.corpus.is_none() {
            println!("{}: skipped, STOPGAP_CORPUS is not set\n", figure.title);
            continue;
        }
        let started = Instant::now();
        let report = (figure.measure)(&setting)?;
        setting.done();
        report.publish(figure.name, figure.title, &arguments.out)?;
        println!(
            "./dev bench {} took {:.0} s\n",
            figure.name,
            started.elapsed().as_secs_f64()
        );
    }
    Ok(())
}
