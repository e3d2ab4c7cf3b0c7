use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fokker_experiment::{Cell, Event, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use tracing::Level;

use crate::interrupt::Interrupt;

/// Sends log lines to stderr.
pub(crate) fn set_up_log(quiet: bool, verbose: bool) {
    let level = match (quiet, verbose) {
        (true, _) => Level::ERROR,
        (_, true) => Level::DEBUG,
        _ => Level::INFO,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .without_time()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
}

/// Shows how far the work is: a bar where stderr is a terminal, a line now and then where it is not.
pub(crate) struct Follower<'a> {
    interrupt: &'a Interrupt,
    bar: ProgressBar,
    phase: Mutex<Phase>,
}

/// A stretch of work with a length of its own.
struct Phase {
    name: String,
    start: Instant,
    /// When there was news of it last.
    heard: Instant,
    next_line: f64,
}

/// Between two log lines of a phase, as a share of it.
const LINE_EVERY: f64 = 0.1;

impl<'a> Follower<'a> {
    pub(crate) fn new(interrupt: &'a Interrupt, quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        let style = ProgressStyle::with_template(
            "{prefix:<32} {bar:24} {pos}/{len} {msg} {rate:>8} {eta:>4} left",
        )
        .map(|style| {
            style.with_key("rate", |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // A formatter that fails leaves a gap in the bar.
                let _ = write!(out, "{:.0}/s", state.per_sec());
            })
        });
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let start = Instant::now();
        let phase = Phase { name: String::new(), start, heard: start, next_line: 0.0 };
        Self { interrupt, bar, phase: Mutex::new(phase) }
    }

    /// Shows `done` of `all` in the phase `name`.
    fn advance(&self, name: &str, done: usize, all: usize, unit: &str, detail: &str) {
        let Ok(mut phase) = self.phase.lock() else { return };
        if phase.name != name {
            // It began when the one before it was heard of last, not with its own first news.
            let start = phase.heard;
            *phase = Phase { name: name.to_owned(), start, heard: start, next_line: LINE_EVERY };
            self.bar.reset();
            self.bar.set_length(all as u64);
            self.bar.set_prefix(name.to_owned());
        }
        phase.heard = Instant::now();
        // Blocks of particles arrive in any order; a bar only grows.
        self.bar.set_position(self.bar.position().max(done as u64));
        self.bar.set_message(detail.to_owned());
        let share = done as f64 / all as f64;
        if self.bar.is_hidden() && share >= phase.next_line {
            phase.next_line += LINE_EVERY * ((share - phase.next_line) / LINE_EVERY + 1.0).floor();
            let seconds = phase.start.elapsed().as_secs_f64().max(1e-9);
            let rate = done as f64 / seconds;
            let left = Duration::from_secs_f64((all - done) as f64 / rate).as_secs();
            tracing::info!("{name}: {done}/{all} {detail} {rate:.0} {unit}/s, {left} s left");
        }
    }
}

impl Progress for Follower<'_> {
    fn on(&self, event: Event<'_>) {
        match event {
            Event::Planned { what, weights, steps, particles } => self.bar.suspend(|| {
                tracing::info!(
                    "{what}: w_R = {weights:?}, {steps} training steps and {particles} particles each"
                );
            }),
            Event::Trained { cell, step, steps, losses } => {
                let name = format!("{cell}: training");
                let residual = losses.residual.map_or(f64::NAN, |residual| residual.mean);
                let detail = format!("loss {:<8.3} residual {residual:<9.2e}", losses.total);
                self.advance(&name, step, steps, "steps", &detail);
            }
            Event::Sampled { method, done, particles } => {
                let name = format!("sampling by the {}", method.as_str().to_uppercase());
                self.advance(&name, done, particles, "particles", "");
            }
            Event::Estimating { what, done, all } => self.advance(what, done, all, "batches", ""),
            Event::Measuring { name } => tracing::debug!("{name}: measuring"),
            Event::Finished { name, cell: Cell { distances, .. } } => self.bar.suspend(|| {
                tracing::info!(
                    "{name}: {} ODE–truth {:.4}, SDE–truth {:.4}, ODE–SDE {:.4} (floor {:.4})",
                    distances.distance.symbol(),
                    distances.w2sq_ode_truth,
                    distances.w2sq_sde_truth,
                    distances.w2sq_ode_sde,
                    distances.floor,
                );
            }),
        }
    }

    fn cancelled(&self) -> bool {
        self.interrupt.exit_code().is_some()
    }
}

impl Drop for Follower<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
