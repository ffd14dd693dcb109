//! The figures as a picture: a row for each engine, a dot for each program, a mark for the mean.

use std::fmt::Write;

use crate::figures::Figures;
use crate::report::digits;

const LEFT: f64 = 170.0;
const RIGHT: f64 = 80.0;
const WIDTH: f64 = 900.0;
const TOP: f64 = 70.0;
const ROW: f64 = 34.0;
const BOTTOM: f64 = 50.0;

/// Ratios at which there is a line.
const LINES: [f64; 10] = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0];

pub(crate) fn svg(figures: &Figures) -> String {
    let means: Vec<_> = figures
        .means
        .iter()
        .skip(1)
        .filter(|mean| mean.all.is_finite())
        .collect();
    let shown = figures.figures.iter().map(|figure| figure.ratio);
    let scale = Scale::of(shown.filter(|ratio| ratio.is_finite()));
    let bottom = TOP + ROW * means.len() as f64;
    let height = bottom + BOTTOM;

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"17\" fill=\"#1a1a1a\">CPU time, times native code \
         (clang -O3)</text>\n\
         <text x=\"16\" y=\"46\" fill=\"#666666\">A dot is a program, the bar ends at the geometric \
         mean; the scale is logarithmic.</text>\n"
    );
    for ratio in LINES.into_iter().filter(|ratio| scale.shows(*ratio)) {
        let x = scale.x(ratio);
        let colour = if ratio == 1.0 { "#888888" } else { "#e2e2e2" };
        _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#666666\">{ratio}</text>",
            bottom + 20.0
        );
    }
    for (row, mean) in means.iter().enumerate() {
        let middle = TOP + ROW * (row as f64 + 0.5);
        let (one, end) = (scale.x(1.0), scale.x(mean.all));
        let colour = colour(&mean.engine);
        _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#1a1a1a\">{}</text>\n\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"14\" fill=\"{colour}\" \
             fill-opacity=\"0.35\"/>",
            LEFT - 14.0,
            middle + 4.5,
            escaped(&mean.engine),
            one.min(end),
            middle - 7.0,
            (end - one).abs(),
        );
        let of_engine = figures.figures.iter().filter(|f| f.engine == mean.engine);
        for figure in of_engine.filter(|figure| figure.ratio.is_finite()) {
            _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{middle:.1}\" r=\"3.5\" fill=\"{colour}\" \
                 fill-opacity=\"0.8\"><title>{}: {}</title></circle>",
                scale.x(figure.ratio),
                escaped(&figure.program),
                digits(figure.ratio)
            );
        }
        _ = writeln!(
            svg,
            "<line x1=\"{end:.1}\" y1=\"{:.1}\" x2=\"{end:.1}\" y2=\"{:.1}\" stroke=\"#1a1a1a\" \
             stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1a1a1a\">{}</text>",
            middle - 10.0,
            middle + 10.0,
            WIDTH - RIGHT + 16.0,
            middle + 4.5,
            digits(mean.all)
        );
    }
    svg + "</svg>\n"
}

/// From ratios to places.
struct Scale {
    lowest: f64,
    highest: f64,
}

impl Scale {
    /// With a little room on both sides, and 1 in it.
    fn of(ratios: impl Iterator<Item = f64>) -> Self {
        let (lowest, highest) = ratios
            .fold((1.0, 1.0_f64), |(lowest, highest): (f64, f64), ratio| {
                (lowest.min(ratio), highest.max(ratio))
            });
        Self {
            lowest: lowest * 0.9,
            highest: highest * 1.1,
        }
    }

    fn shows(&self, ratio: f64) -> bool {
        ratio >= self.lowest && ratio <= self.highest
    }

    fn x(&self, ratio: f64) -> f64 {
        let part = (ratio / self.lowest).ln() / (self.highest / self.lowest).ln();
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }
}

/// Ours stand out.
fn colour(engine: &str) -> &'static str {
    match engine {
        _ if engine.starts_with("wasmtime") => "#7a5195",
        _ if engine.starts_with("node") => "#3f8f3f",
        "gcc" | "wamr" | "wasmi" => "#777777",
        _ => "#d1495b",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
