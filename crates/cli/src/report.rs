use std::io;
use std::process::ExitCode;

use fokker_experiment::{ConfigError, Error};
use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// Why the program ends without success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The work itself failed, or what it was given is bad.
    #[error(transparent)]
    Work(#[from] Error),
    /// An option that the command does not look at.
    #[error("`fokker {command}` has no use for {option}")]
    Option { option: &'static str, command: &'static str },
    /// What is to be learned is neither a law nor a file.
    #[error("{0}, or a configuration that ends in .ron")]
    Target(String),
    /// The result cannot be printed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
    /// No pool of threads.
    #[error("cannot start the worker threads: {0}")]
    Threads(String),
    /// No handlers of signals.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
}

impl Failure {
    /// Prints the error to stderr, with the place in the configuration it points to, and gives its
    /// exit code.
    pub(crate) fn print(self) -> ExitCode {
        let code = match &self {
            Self::Work(error) if error.is_bad_input() => 2,
            Self::Option { .. } | Self::Target(_) => 2,
            _ => 1,
        };
        let report = miette::Report::new(Pointed::new(self));
        // Where even stderr is closed there is nobody left to tell.
        let _ = io::Write::write_fmt(&mut io::stderr().lock(), format_args!("{report:?}\n"));
        ExitCode::from(code)
    }
}

/// The longest line that is shown; the message has the place in any case.
const LONGEST: usize = 300;

/// Whether the line of an error can be shown with those around it.
fn fits(error: &ConfigError) -> bool {
    let around = error.text.lines().skip(error.line.saturating_sub(2)).take(3);
    around.map(|line| line.chars().count()).all(|length| length <= LONGEST)
}

/// An error with the piece of the configuration that it is about.
#[derive(Debug)]
struct Pointed {
    failure: Failure,
    source: Option<(NamedSource<String>, usize)>,
}

impl Pointed {
    fn new(failure: Failure) -> Self {
        let source = match &failure {
            Failure::Work(Error::Config(error)) if fits(error) => {
                let name = error.path.display().to_string();
                Some((NamedSource::new(name, error.text.clone()), error.offset()))
            }
            _ => None,
        };
        Self { failure, source }
    }
}

impl std::fmt::Display for Pointed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.failure.fmt(f)
    }
}

impl std::error::Error for Pointed {}

impl Diagnostic for Pointed {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|(source, _)| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, offset) = self.source.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::at_offset(*offset, "here"))))
    }
}
