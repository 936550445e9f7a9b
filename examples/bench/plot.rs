//! Plots as SVG: lines over one axis, readable on a light and on a dark page.

use std::fmt::Write;

/// A named line of points.
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Plot<'a> {
    pub title: &'a str,
    /// With its unit.
    pub x: &'a str,
    pub y: &'a str,
    /// Whether equal steps to the right are equal factors.
    pub logarithmic: bool,
    pub series: &'a [Series],
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 60.0;
const Y_STEPS: u32 = 5;

/// Told apart by those who see fewer colours too, and clear on white and on black.
const COLOURS: [&str; 4] = ["#2f81c7", "#d9822b", "#3d9a5f", "#b0579a"];

impl Plot<'_> {
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|s| &s.points);
        let top = round_up(points().map(|p| p.1).fold(0.0, f64::max));
        let (low, high) = points().fold((f64::MAX, f64::MIN), |(low, high), p| {
            (low.min(p.0), high.max(p.0))
        });
        let scale = |x: f64| if self.logarithmic { x.max(1.0).ln() } else { x };
        let width = (scale(high) - scale(low)).max(f64::EPSILON);
        let at = |x: f64| LEFT + (WIDTH - LEFT - RIGHT) * (scale(x) - scale(low)) / width;
        let up = |y: f64| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / top;

        let mut svg = String::new();
        self.head(&mut svg);
        for step in 0..=Y_STEPS {
            let value = top * f64::from(step) / f64::from(Y_STEPS);
            let y = up(value);
            let right = WIDTH - RIGHT;
            line(&mut svg, "grid", (LEFT, y), (right, y));
            text(&mut svg, "end", (LEFT - 8.0, y + 4.0), &number(value));
        }
        let mut ticks: Vec<f64> = points().map(|p| p.0).collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        let mut free_from = f64::MIN;
        for x in ticks {
            // Labels that would run into each other are left out; the points are not.
            if at(x) < free_from {
                continue;
            }
            free_from = at(x) + 56.0;
            let (x, label) = (at(x), number(x));
            line(
                &mut svg,
                "axis",
                (x, HEIGHT - BOTTOM),
                (x, HEIGHT - BOTTOM + 5.0),
            );
            text(&mut svg, "middle", (x, HEIGHT - BOTTOM + 20.0), &label);
        }
        line(
            &mut svg,
            "axis",
            (LEFT, HEIGHT - BOTTOM),
            (WIDTH - RIGHT, HEIGHT - BOTTOM),
        );
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            let place = |p: &(f64, f64)| format!("{:.1},{:.1}", at(p.0), up(p.1));
            let path: Vec<String> = series.points.iter().map(place).collect();
            put(
                &mut svg,
                format_args!(
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                    path.join(" ")
                ),
            );
            for p in &series.points {
                let (x, y) = (at(p.0), up(p.1));
                put(
                    &mut svg,
                    format_args!(
                        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\" fill=\"{colour}\"/>"
                    ),
                );
            }
        }
        self.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    fn head(&self, svg: &mut String) {
        put(
            svg,
            format_args!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
                 font-family=\"sans-serif\" font-size=\"12\">"
            ),
        );
        // Grey in the middle is seen on either page; where the page says which it is, the text follows.
        svg.push_str(
            "<style>text{fill:#555}.axis{stroke:#777}.grid{stroke:#7777;stroke-width:.5}\
             @media (prefers-color-scheme:dark){text{fill:#bbb}}</style>\n",
        );
        put(
            svg,
            format_args!(
                "<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{}</text>",
                escaped(self.title)
            ),
        );
        let middle = LEFT + (WIDTH - LEFT - RIGHT) / 2.0;
        text(svg, "middle", (middle, HEIGHT - 14.0), self.x);
        let middle = TOP + (HEIGHT - TOP - BOTTOM) / 2.0;
        put(
            svg,
            format_args!(
                "<text transform=\"translate(18 {middle}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
                escaped(self.y)
            ),
        );
    }

    fn legend(&self, svg: &mut String) {
        let mut x = LEFT;
        for (series, colour) in self.series.iter().zip(COLOURS.iter().cycle()) {
            put(
                svg,
                format_args!(
                    "<rect x=\"{x}\" y=\"34\" width=\"12\" height=\"12\" rx=\"2\" fill=\"{colour}\"/>"
                ),
            );
            text(svg, "start", (x + 17.0, 44.0), &series.name);
            x += 40.0 + 7.0 * series.name.len() as f64;
        }
    }
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").expect("a string takes it");
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    put(
        svg,
        format_args!(
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        ),
    );
}

fn text(svg: &mut String, anchor: &str, at: (f64, f64), text: &str) {
    put(
        svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            at.0,
            at.1,
            escaped(text)
        ),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// 1, 2 or 5 of a power of ten, or the next such number above.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|rounded| *rounded >= value)
        .unwrap_or(value)
}

/// With separated thousands, and no more digits than tell something.
pub fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v == 0.0 || v >= 100.0 || v.fract() == 0.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    let plain = format!("{value:.digits$}");
    let (whole, fraction) = plain
        .split_once('.')
        .map_or((&plain[..], None), |(w, f)| (w, Some(f)));
    let mut grouped = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(c);
    }
    match fraction {
        Some(fraction) => format!("{grouped}.{fraction}"),
        None => grouped,
    }
}
