//! `fokker`: train score networks with a Fokker–Planck regulariser, sample them both ways, measure
//! the gap.
//!
//! Exit codes: 0 done, 1 failed while working, 2 bad input, 130 and 143 interrupted.

mod args;
mod explain;
mod how;
mod interrupt;
mod progress;
mod report;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use args::{Arguments, Command, Means, Recipe};
use clap::Parser;
use fokker_experiment::{
    Error, Experiment, Method, Protocol, Solving, Summary, TargetSource, compare, comparison_table,
    distance, explain, gap, import, report as report_folder, residual_at, residual_report, run,
    sample_checkpoint, template, tune, tuned_weights, write_comparison,
};
use interrupt::Interrupt;
use progress::Follower;
use report::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    progress::set_up_log(arguments.quiet, arguments.verbose);
    // What looks at signals listens; the rest is ended by them as any program is.
    let listening =
        if arguments.listens() { Interrupt::listen() } else { Ok(Interrupt::default()) };
    let interrupt = match listening {
        Ok(interrupt) => interrupt,
        Err(failure) => return failure.print(),
    };
    match (execute(&arguments, &interrupt), interrupt.exit_code()) {
        (Ok(()), _) => ExitCode::SUCCESS,
        (Err(Failure::Work(Error::Cancelled)), Some(code)) => {
            tracing::warn!("interrupted");
            ExitCode::from(code)
        }
        (Err(failure), _) => failure.print(),
    }
}

fn execute(arguments: &Arguments, interrupt: &Interrupt) -> Result<(), Failure> {
    arguments.check()?;
    let mut pool = rayon::ThreadPoolBuilder::new();
    if let Some(threads) = arguments.threads {
        pool = pool.num_threads(threads.into());
    }
    let pool = pool.build().map_err(|error| Failure::Threads(error.to_string()))?;
    pool.install(|| match &arguments.command {
        Command::Init { target, recipe } => {
            print(&template(target, recipe.diffusion().as_ref(), recipe.preset()?)?)
        }
        Command::Tune { data, minutes, out, recipe, force } => {
            let experiment = to_tune(data, recipe, arguments.seed)?;
            let follower = Follower::new(interrupt, arguments.quiet);
            let tuned = tune(&experiment, *minutes, out, *force, &follower)?;
            drop(follower);
            if arguments.json {
                return print_json(&tuned);
            }
            tracing::info!("results: {}", out.display());
            print(&tuned.table())
        }
        Command::Run { config, out, cell, force } => {
            let out = out.as_deref();
            run_experiment(arguments, interrupt, config, out, cell.as_deref(), *force)
        }
        Command::Report { folder } => print(&report_folder(folder)?),
        Command::Compare { runs, figure, table } => {
            let found = compare(runs, figure.as_deref())?;
            if let Some(table) = table {
                write_comparison(table, &found)?;
            }
            if arguments.json { print_json(&found) } else { print(&comparison_table(&found)) }
        }
        Command::Gap { models, target, n, how, ode_solver, figure, means, bootstrap } => {
            let mut protocol = protocol(arguments, *means);
            protocol.sampling = how.sampling(*n)?;
            if let Some(solver) = *ode_solver {
                let sde = protocol.sampling.solving(Method::Sde);
                protocol.sampling.ode = Some(Solving { solver, ..sde });
            }
            protocol.measurement.bootstrap = *bootstrap as usize;
            let follower = Follower::new(interrupt, arguments.quiet);
            let cells = gap(models, target, &protocol, figure.as_deref(), &follower)?;
            drop(follower);
            if arguments.json {
                return print_line(&Summary { cells }.to_json()?);
            }
            print(&text::gap(&cells, &protocol))
        }
        Command::Explain(asked) => {
            let mut protocol =
                Protocol { seed: arguments.seed.unwrap_or(0), ..Protocol::default() };
            protocol.measurement.extent = asked.extent;
            protocol.sampling.particles = asked.n as usize;
            let (target, figure) = (asked.target.as_ref(), asked.figure.as_deref());
            let follower = Follower::new(interrupt, arguments.quiet);
            let report =
                explain(&asked.model, target, &protocol, &asked.explanation(), figure, &follower)?;
            drop(follower);
            if arguments.json {
                return print_json(&report);
            }
            print(&explain::text(&report))
        }
        Command::Residual { model, at: Some(at), out: Some(out), precision, .. } => {
            let points = residual_at(model, at, out, (*precision).into())?;
            if arguments.json {
                return print_json(&serde_json::json!({
                    "out": out.display().to_string(), "points": points,
                }));
            }
            tracing::info!("{points} points: {}", out.display());
            Ok(())
        }
        Command::Residual { model, target, precision, means, .. } => {
            let protocol = protocol(arguments, *means);
            let target = target.as_ref();
            let report = residual_report(model, target, &protocol, (*precision).into())?;
            if arguments.json {
                return print_json(&report);
            }
            print(&text::residual(&report, &protocol))
        }
        Command::Import { state_dict, network, out } => {
            let found = import(state_dict, network, out)?;
            if arguments.json {
                return print_json(&found);
            }
            tracing::info!(
                "{} parameters, {} dimensions, hidden layers {:?}: {}",
                found.parameters,
                found.dim,
                found.hidden,
                out.display()
            );
            Ok(())
        }
        Command::Solvers if arguments.json => print_json(&text::solver_list()),
        Command::Solvers => print(&text::solvers()),
        Command::Sample { checkpoint, method, n, out, how } => {
            let seed = arguments.seed.unwrap_or(0);
            let method = Method::from(*method);
            if how.lambda.is_some() && method == Method::Ode {
                return Err(Failure::Option { option: "--lambda", command: "sample --method ode" });
            }
            let sampling = how.sampling(*n)?;
            let follower = Follower::new(interrupt, arguments.quiet);
            let cost = sample_checkpoint(checkpoint, out, method, &sampling, seed, &follower)?;
            drop(follower);
            let evaluations = cost.evaluations_per_particle();
            let each = |steps: u64| steps as f64 / cost.particles.max(1) as f64;
            if arguments.json {
                return print_json(&serde_json::json!({
                    "out": out.display().to_string(), "method": method.as_str(), "n": n, "seed": seed,
                    "sampling": sampling.solving(method), "lambda": how.lambda.as_ref().map(ToString::to_string),
                    "evaluations": evaluations, "accepted": each(cost.accepted), "rejected": each(cost.rejected),
                    "seconds": cost.seconds,
                }));
            }
            let (name, seconds) = (method.as_str().to_uppercase(), cost.seconds);
            tracing::info!(
                "{n} points by the {name}, {evaluations:.0} evaluations each, {seconds:.1} s: {}",
                out.display()
            );
            Ok(())
        }
        Command::W2(w2) => {
            let found = distance(&w2.a, &w2.b, &w2.comparison(arguments.seed.unwrap_or(0)))?;
            if arguments.json {
                return print_json(&found);
            }
            print(&text::distance(&found))
        }
    })
}

fn run_experiment(
    arguments: &Arguments,
    interrupt: &Interrupt,
    config: &Path,
    out: Option<&Path>,
    cell: Option<&str>,
    force: bool,
) -> Result<(), Failure> {
    let mut experiment = Experiment::load(config)?;
    experiment.seed = arguments.seed.unwrap_or(experiment.seed);
    let out = out.map_or_else(|| default_folder(config, experiment.seed), Path::to_owned);
    let follower = Follower::new(interrupt, arguments.quiet);
    let cell = cell.map(|stem| experiment.cell(stem)).transpose()?;
    let summary = run(&experiment, &out, cell.as_ref(), force, &follower)?;
    drop(follower);
    let (finished, all) = (summary.cells.len(), experiment.cells().len());
    if finished < all {
        tracing::info!("{finished} of {all} cells are finished");
    }
    tracing::info!("results: {}", out.display());
    if arguments.json {
        print_line(&summary.to_json()?)
    } else {
        print(&summary.table(&experiment))
    }
}

/// The experiment whose weight is to be chosen: that of a configuration, or the recipe's for a target.
fn to_tune(data: &str, recipe: &Recipe, seed: Option<u64>) -> Result<Experiment, Failure> {
    let mut experiment = if data.ends_with(".ron") {
        if recipe.is_given() {
            return Err(Failure::Option {
                option: "--preset, --sde and --network",
                command: "tune CONFIG",
            });
        }
        Experiment::load(Path::new(data))?
    } else {
        let target: TargetSource = data.parse().map_err(Failure::Target)?;
        let text = template(&target, recipe.diffusion().as_ref(), recipe.preset()?)?;
        let mut experiment = Experiment::of_text(Path::new("recipe"), text)?;
        experiment.training.residual_weights = tuned_weights(&experiment);
        experiment
    };
    experiment.seed = seed.unwrap_or(experiment.seed);
    Ok(experiment)
}

/// What the options of a command say of how models are measured.
fn protocol(arguments: &Arguments, means: Means) -> Protocol {
    let mut protocol = Protocol { seed: arguments.seed.unwrap_or(0), ..Protocol::default() };
    protocol.measurement.extent = means.extent;
    protocol.measurement.residual_points = means.points as usize;
    protocol.collocation.extent = means.extent;
    protocol.collocation.t_min = means.t_min;
    protocol
}

/// `runs/NAME-SEED` for the configuration file `NAME.ron`.
fn default_folder(config: &Path, seed: u64) -> PathBuf {
    let stem = config.file_stem().unwrap_or_default().to_string_lossy();
    PathBuf::from("runs").join(format!("{stem}-{seed}"))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Output)
}

fn print_line(text: &str) -> Result<(), Failure> {
    print(&format!("{text}\n"))
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print_line(&serde_json::to_string(value).map_err(|error| Failure::Output(error.into()))?)
}
