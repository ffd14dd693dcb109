//! Figures out of samples: medians, spreads, geometric means.

use serde::Serialize;

use crate::engines::Engine;
use crate::measure::{Sample, Samples};
use crate::programs::Program;

/// One program in one engine.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) program: String,
    pub(crate) engine: String,
    /// CPU time, the median of the rounds.
    pub(crate) seconds: f64,
    /// Of the CPU time to that of native code beside it, the median.
    pub(crate) ratio: f64,
    /// The lowest and the highest ratio.
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
    pub(crate) rounds: usize,
}

/// An engine's geometric means.
#[derive(Debug, Serialize)]
pub(crate) struct Mean {
    pub(crate) engine: String,
    /// Of the median ratios of all programs that the engine has.
    pub(crate) all: f64,
    /// The same without those whose source has vectors in it.
    pub(crate) without_vectors: f64,
    pub(crate) programs: usize,
    /// The middle one of the programs' spreads: how far highest and lowest are apart, of the median.
    pub(crate) spread: f64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) programs: Vec<String>,
    pub(crate) engines: Vec<String>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) means: Vec<Mean>,
}

impl Figures {
    pub(crate) fn of(programs: &[Program], engines: &[Engine], samples: &Samples) -> Self {
        let mut figures = Vec::new();
        let mut means = Vec::new();
        for engine in engines {
            let of_engine: Vec<(&Program, Figure)> = programs
                .iter()
                .filter_map(|program| {
                    let key = (program.name.clone(), engine.name.clone());
                    let figure = figure(key.0.clone(), key.1.clone(), samples.get(&key)?);
                    Some((program, figure))
                })
                .collect();
            let ratios = of_engine.iter().map(|(_, figure)| figure.ratio).collect();
            let scalar = of_engine.iter().filter(|(program, _)| !program.vectors);
            means.push(Mean {
                engine: engine.name.clone(),
                all: geometric_mean(ratios),
                without_vectors: geometric_mean(scalar.map(|(_, figure)| figure.ratio).collect()),
                programs: of_engine.len(),
                spread: median(
                    of_engine
                        .iter()
                        .map(|(_, figure)| figure.spread())
                        .collect(),
                ),
            });
            figures.extend(of_engine.into_iter().map(|(_, figure)| figure));
        }
        Self {
            programs: programs.iter().map(|p| p.name.clone()).collect(),
            engines: engines.iter().map(|e| e.name.clone()).collect(),
            figures,
            means,
        }
    }

    pub(crate) fn get(&self, program: &str, engine: &str) -> Option<&Figure> {
        self.figures
            .iter()
            .find(|figure| figure.program == program && figure.engine == engine)
    }
}

impl Figure {
    fn spread(&self) -> f64 {
        (self.highest - self.lowest) / self.ratio
    }
}

fn figure(program: String, engine: String, samples: &[Sample]) -> Figure {
    let ratios: Vec<f64> = samples.iter().map(|s| s.seconds / s.native).collect();
    Figure {
        program,
        engine,
        seconds: median(samples.iter().map(|s| s.seconds).collect()),
        lowest: ratios.iter().copied().fold(f64::INFINITY, f64::min),
        highest: ratios.iter().copied().fold(0.0, f64::max),
        rounds: ratios.len(),
        ratio: median(ratios),
    }
}

/// Not a number if there are none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => f64::NAN,
        (1, Some(value)) => *value,
        (_, Some(value)) => (values[middle - 1] + value) / 2.0,
    }
}

fn geometric_mean(values: Vec<f64>) -> f64 {
    let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
    (logarithms / values.len() as f64).exp()
}
