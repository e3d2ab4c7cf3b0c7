//! How close each solver comes to the law that it would converge to, against what it costs.
//!
//!     cargo run --release -p fokker-benches --example solvers -- OUT [MODEL.safetensors …]
//!
//! For the exact score of a mixture and for each model in the plane, the particles of a solver are compared with those
//! of a converged one that start from the same points and, with noise, follow the same Brownian paths: `W2²`, exact,
//! between their histograms on 64 × 64 nodes over ±3.5. What chance does to both is the same, so that few particles are enough.
//! The folder OUT gets `solvers.csv`, to which each problem and process is added when it is done, a figure of the best for each, and
//! `solvers.md`, the fewest evaluations with which each solver comes as close as the paper's. What `solvers.csv` knows
//! already is not done again.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use fokker_experiment::figures::{ScatterFigure, ScatterPoint, ScatterSeries, ScatterStyle};
use fokker_metrics::{Grid, Histogram, squared_w2};
use fokker_samplers::{LastStep, Noise, ReverseProcess, Sampler, Solver, Tolerance, Unobserved};
use fokker_score_net::Checkpoint;
use fokker_sde_core::{
    GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Score, Sde, Streams, TimeGrid,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Problem {
    name: String,
    score: Box<dyn Score<f32>>,
    sde: Box<dyn Sde>,
}

/// One way to solve: a point of the figure.
struct Way {
    name: String,
    sampler: Sampler,
    grid: TimeGrid,
}

/// A row of `solvers.csv`.
#[derive(Clone)]
struct Row {
    problem: String,
    process: String,
    way: String,
    evaluations: f64,
    w2sq: f64,
}

/// The scheme of Deveney et al. (2025), which the others are measured by.
const PAPER: &str = "euler paper";

fn main() -> Outcome<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let out = arguments.next().ok_or("usage: solvers OUT [MODEL.safetensors …]")?;
    std::fs::create_dir_all(&out)?;
    let table = out.join("solvers.csv");
    let mut rows = known(&table)?;
    let models: Vec<PathBuf> = arguments.collect();
    let problems = std::iter::once(Ok(mixture())).chain(models.iter().map(|model| read(model)));
    for problem in problems {
        let problem = problem?;
        for (process, name) in [(ReverseProcess::ODE, "ode"), (ReverseProcess::SDE, "sde")] {
            if !rows.iter().any(|row| row.problem == problem.name && row.process == name) {
                rows.extend(compare(&problem, &process, name)?);
                write(&table, &rows)?;
            }
            let own: Vec<Row> = rows
                .iter()
                .filter(|row| row.problem == problem.name && row.process == name)
                .cloned()
                .collect();
            let path = out.join(format!("solvers-{}-{name}.png", problem.name));
            std::fs::write(path, figure(&own).draw_png()?)?;
        }
    }
    std::fs::write(out.join("solvers.md"), summary(&rows)?)?;
    Ok(())
}

fn known(table: &Path) -> Outcome<Vec<Row>> {
    if !table.exists() {
        return Ok(Vec::new());
    }
    let text = std::fs::read_to_string(table)?;
    text.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [problem, process, way, evaluations, w2sq] = fields[..] else {
                return Err(format!("{}: `{line}` has not five fields", table.display()).into());
            };
            let [problem, process, way] = [problem, process, way].map(str::to_owned);
            let (evaluations, w2sq) = (evaluations.parse()?, w2sq.parse()?);
            Ok(Row { problem, process, way, evaluations, w2sq })
        })
        .collect()
}

fn write(table: &Path, rows: &[Row]) -> Outcome<()> {
    let mut text = "problem,process,solver and grid,evaluations,w2sq\n".to_owned();
    for Row { problem, process, way, evaluations, w2sq } in rows {
        writeln!(text, "{problem},{process},{way},{evaluations:.1},{w2sq:.3e}")?;
    }
    Ok(std::fs::write(table, text)?)
}

/// For each way the fewest evaluations that come as close as the paper's scheme, the best first.
fn ranking(rows: &[Row]) -> Vec<(String, f64)> {
    let limit = rows.iter().find(|row| row.way == PAPER).map_or(0.0, |row| row.w2sq);
    let mut ranking: Vec<(String, f64)> = Vec::new();
    for row in rows.iter().filter(|row| row.way != PAPER) {
        let evaluations = if row.w2sq <= limit { row.evaluations } else { f64::INFINITY };
        match ranking.iter_mut().find(|(way, _)| *way == row.way) {
            Some((_, fewest)) => *fewest = fewest.min(evaluations),
            None => ranking.push((row.way.clone(), evaluations)),
        }
    }
    ranking.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranking
}

/// The paper's scheme and the best others.
fn figure(rows: &[Row]) -> ScatterFigure {
    let best = ranking(rows).into_iter().map(|(way, _)| way).take(6);
    let series = std::iter::once(PAPER.to_owned()).chain(best).map(|way| ScatterSeries {
        points: rows
            .iter()
            .filter(|row| row.way == way)
            .map(|row| ScatterPoint { x: row.evaluations, y: row.w2sq, label: String::new() })
            .collect(),
        label: way,
        style: ScatterStyle::Joined,
    });
    let place = rows.first().map(|row| format!("{}, {}", row.problem, row.process.to_uppercase()));
    ScatterFigure {
        x_label: "evaluations of the score for each particle".to_owned(),
        y_label: "W2² to the converged law".to_owned(),
        note: place.unwrap_or_default(),
        series: series.collect(),
    }
}

/// Tables of the rankings, one for each process with a column for each problem.
fn summary(rows: &[Row]) -> Outcome<String> {
    let mut text = String::new();
    let mut problems: Vec<&str> = Vec::new();
    for row in rows {
        if !problems.contains(&row.problem.as_str()) {
            problems.push(&row.problem);
        }
    }
    for process in ["ode", "sde"] {
        let of = |problem: &str| -> Vec<Row> {
            let own = |row: &&Row| row.problem == problem && row.process == process;
            rows.iter().filter(own).cloned().collect()
        };
        let columns: Vec<Vec<Row>> = problems.iter().map(|problem| of(problem)).collect();
        writeln!(text, "| {} | {} |", process.to_uppercase(), problems.join(" | "))?;
        writeln!(text, "| --- |{}", " --- |".repeat(problems.len()))?;
        let paper = columns.iter().map(|rows| {
            let found = rows.iter().find(|row| row.way == PAPER);
            found.map_or("–".to_owned(), |row| format!("{:.5}", row.w2sq))
        });
        writeln!(text, "| W2² of the paper's | {} |", paper.collect::<Vec<_>>().join(" | "))?;
        let rankings: Vec<_> = columns.iter().map(|rows| ranking(rows)).collect();
        let fewest = |way: &str, ranking: &[(String, f64)]| {
            ranking
                .iter()
                .find(|(name, _)| name == way)
                .map_or(f64::INFINITY, |(_, fewest)| *fewest)
        };
        let mut ways: Vec<String> = Vec::new();
        for (way, _) in rankings.iter().flatten() {
            if !ways.contains(way) {
                ways.push(way.clone());
            }
        }
        // By the worst problem, then by the sum.
        let place = |way: &String| {
            let all = rankings.iter().map(|ranking| fewest(way, ranking));
            all.fold((0.0_f64, 0.0), |(worst, sum), n| (worst.max(n), sum + n.min(1e6)))
        };
        ways.sort_by(|a, b| {
            let (a, b) = (place(a), place(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        for way in &ways {
            let cells = rankings.iter().map(|ranking| match fewest(way, ranking) {
                n if n.is_finite() => format!("{n:.0}"),
                _ => "–".to_owned(),
            });
            writeln!(text, "| {way} | {} |", cells.collect::<Vec<_>>().join(" | "))?;
        }
        text.push('\n');
    }
    Ok(text)
}

fn mixture() -> Problem {
    let sde = OrnsteinUhlenbeck::PAPER;
    let score = Box::new(MixtureMarginals::new(GaussianMixture::nine_components(), sde));
    Problem { name: "mixture".to_owned(), score, sde: Box::new(sde) }
}

fn read(path: &Path) -> Outcome<Problem> {
    let Checkpoint { network, diffusion, .. } =
        Checkpoint::<f32>::from_bytes(&std::fs::read(path)?)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Problem { name, score: Box::new(network), sde: Box::new(diffusion) })
}

fn compare(problem: &Problem, process: &ReverseProcess, name: &str) -> Outcome<Vec<Row>> {
    let sde = problem.sde.as_ref();
    let particles = if process.is_ode() { 20_000 } else { 10_000 };
    let run = |sampler: &Sampler, grid: &TimeGrid| -> Outcome<(Histogram, f64)> {
        let score = problem.score.as_ref();
        let samples = sampler.sample(score, sde, grid, particles, Streams::new(0), &Unobserved)?;
        let histogram = Histogram::from_points(Grid::square(64, 3.5)?, samples.particles.view())?;
        Ok((histogram, samples.cost.evaluations_per_particle()))
    };
    let converged = run(&converged(process), &fine(process, sde)?)?.0;
    let mut rows = Vec::new();
    for Way { name: way, sampler, grid } in ways(process, sde)? {
        let (found, evaluations) = run(&sampler, &grid)?;
        let w2sq = squared_w2(&found, &converged)?.distance.value;
        println!("{:<12} {name} {way:<40} {evaluations:>6.0} {w2sq:.6}", problem.name);
        let (problem, process) = (problem.name.clone(), name.to_owned());
        rows.push(Row { problem, process, way, evaluations, w2sq });
    }
    Ok(rows)
}

/// The sampler whose law counts as converged.
fn converged(process: &ReverseProcess) -> Sampler {
    let process = process.clone();
    let (solver, tolerance) = match process.is_ode() {
        true => (Solver::DormandPrince, Some(Tolerance { absolute: 1e-5, relative: 1e-5 })),
        false => (Solver::Sra1, None),
    };
    Sampler { process, solver, tolerance, noise: Noise::Path, last_step: LastStep::Denoise }
}

/// Its grid, the last step of which starts at a log-SNR of 16.
fn fine(process: &ReverseProcess, sde: &dyn Sde) -> Outcome<TimeGrid> {
    let steps = if process.is_ode() { 100 } else { 3000 };
    Ok(GridRule::LogSnr { steps, t_min: Some(sde.time_of_log_snr(16.0)?) }.grid(sde)?)
}

fn ways(process: &ReverseProcess, sde: &dyn Sde) -> Outcome<Vec<Way>> {
    let sampler = |solver, last_step| Sampler {
        process: process.clone(),
        solver,
        tolerance: None,
        noise: Noise::Path,
        last_step,
    };
    let mut all = vec![Way {
        name: PAPER.to_owned(),
        sampler: sampler(Solver::Euler, LastStep::NoiseFree),
        grid: GridRule::PAPER.grid(sde)?,
    }];
    let budgets: &[usize] =
        if process.is_ode() { &[20, 30, 40, 60, 90, 120] } else { &[40, 75, 110, 150, 220, 300] };
    let t_min = None;
    for solver in Solver::ALL {
        let known = solver.properties();
        if solver.largest_lambda() < process.lambda(0.0) {
            continue;
        }
        // Without noise ancestral sampling is exponential Euler.
        if process.is_ode() && matches!(solver, Solver::Ancestral | Solver::PredictorCorrector) {
            continue;
        }
        for &budget in budgets {
            let steps = (budget - 1) / known.evaluations as usize + 1;
            let mut rules = vec![("log-snr", GridRule::LogSnr { steps, t_min })];
            if matches!(solver, Solver::DpmSolverPlusPlus2M | Solver::Heun | Solver::Sra1) {
                rules.push(("karras", GridRule::Karras { steps, rho: 7.0, t_min }));
                rules.push(("quadratic", GridRule::Quadratic { steps, t_min }));
                rules.push(("paper", GridRule::paper_with(steps)));
            }
            for (name, rule) in rules {
                all.push(Way {
                    name: format!("{solver} {name}"),
                    sampler: sampler(solver, LastStep::Denoise),
                    grid: rule.grid(sde)?,
                });
            }
        }
        if known.adaptive {
            for tolerance in [0.1, 0.03, 0.01, 0.003, 0.001] {
                let tolerance = Some(Tolerance { absolute: tolerance, relative: tolerance });
                all.push(Way {
                    name: format!("{solver} adaptive"),
                    sampler: Sampler { tolerance, ..sampler(solver, LastStep::Denoise) },
                    grid: GridRule::LogSnr { steps: 20, t_min }.grid(sde)?,
                });
            }
        }
    }
    Ok(all)
}
