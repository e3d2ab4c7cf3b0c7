//! Whole figures: what they refuse, and what is in the files.

use ndarray::Array2;
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};

use super::{
    DensityFigure, DensityPanel, DensityRow, FieldFigure, FieldPanel, FieldRow, FigureError,
    HistogramFigure, HistogramPanel, ImageFigure, ImageRow, ScatterFigure, ScatterPoint,
    ScatterSeries, ScatterStyle, TrainingCurves, TrainingPoint, TrainingSeries,
};

const CELLS: usize = 16;

/// Two rows of three panels, each with one bump.
fn densities() -> DensityFigure {
    let bump = |shift: f64| {
        Array2::from_shape_fn((CELLS, CELLS), |(y, x)| {
            let (x, y) = (x as f64 - 4.0 - shift, y as f64 - 6.0);
            (-0.1 * (x * x + y * y)).exp()
        })
    };
    let panel = |shift| DensityPanel { density: bump(shift), caption: Some("W² < 0.1".into()) };
    let row = |label: &str, shift: f64| DensityRow {
        label: label.into(),
        panels: [0.0, 1.0, 2.0].map(|more| panel(shift + more)).into(),
    };
    DensityFigure {
        title: "Densities & more".into(),
        extent: 3.5,
        axes: ["x", "y"].map(String::from),
        columns: ["SDE", "ODE", "truth"].map(String::from).into(),
        rows: vec![row("w = 0", 0.0), row("w = 1", 3.0)],
    }
}

/// The sum of the coordinates, without a value in the upper right quarter, and its square.
fn fields() -> FieldFigure {
    let sum = Array2::from_shape_fn((CELLS, CELLS), |(y, x)| {
        if x.min(y) >= CELLS / 2 { f64::NAN } else { (x + y) as f64 - 15.0 }
    });
    let panel = |values, signed| FieldPanel { values, signed, caption: "t < 1".into() };
    let squares = sum.mapv(|v| v * v);
    FieldFigure {
        title: String::new(),
        extent: 2.0,
        axes: ["x", "y"].map(String::from),
        columns: vec!["both".into()],
        rows: vec![
            FieldRow { label: "sum".into(), panels: vec![panel(sum, true)] },
            FieldRow { label: "square".into(), panels: vec![panel(squares, false)] },
        ],
    }
}

fn curves() -> TrainingCurves {
    let point = |step: u64| {
        let decay = (-0.01 * step as f64).exp();
        // One gap, and a point that stands alone between two.
        let residual = (step != 30 && step != 50).then_some(1e-3 + decay);
        TrainingPoint { step, loss: 1.0 + 2.0 * decay, dsm: 1.0 + decay, residual }
    };
    let series = |label: &str| TrainingSeries {
        label: label.into(),
        points: (0..100).map(|index| point(10 * index)).collect(),
    };
    TrainingCurves { title: "Training".into(), series: vec![series("w = 0"), series("w = 1")] }
}

/// Two series of three points, of which one has no place on a logarithmic axis.
fn scatter() -> ScatterFigure {
    let point = |x: f64, y: f64| ScatterPoint { x, y, label: format!("p{x}") };
    ScatterFigure {
        x_label: "abscissa".into(),
        y_label: "ordinate".into(),
        note: "labels: p".into(),
        series: vec![
            ScatterSeries {
                label: "first".into(),
                points: vec![point(0.01, 3.0), point(1.0, 2.0), point(20.0, 0.5)],
                style: ScatterStyle::Joined,
            },
            ScatterSeries {
                label: "second".into(),
                points: vec![point(0.1, 0.0), point(5.0, 1.0), point(7.0, 4.0)],
                style: ScatterStyle::Alone,
            },
        ],
    }
}

/// Two panels of two curves.
fn histograms() -> HistogramFigure {
    let panel = |label: &str, shift: f64| HistogramPanel {
        label: label.into(),
        caption: "W2² < 0.1".into(),
        densities: [0.0, 1.0]
            .map(|more| {
                (0..20)
                    .map(|k| (-0.1 * (f64::from(k) - 9.0 - shift - more).powi(2)).exp())
                    .collect()
            })
            .into(),
    };
    HistogramFigure {
        axis: "x".into(),
        range: [-3.0, 5.0],
        curves: ["SDE", "truth"].map(String::from).into(),
        panels: vec![panel("w = 0", 0.0), panel("w = 1", 2.0)],
    }
}

/// One row of two sheets of three images of 4 × 2 pixels, two of them side by side.
fn images() -> ImageFigure {
    let image = |k: f64| Array2::from_shape_fn((4, 2), |(y, x)| k + y as f64 + x as f64);
    let sheet = vec![image(0.0), image(-100.0), image(100.0)];
    ImageFigure {
        range: [0.0, 5.0],
        across: 2,
        columns: ["SDE", "truth"].map(String::from).into(),
        rows: vec![ImageRow { label: "w = 0".into(), sheets: vec![sheet.clone(), sheet] }],
    }
}

/// Width, height and pixels of a PNG.
fn decode(file: &[u8]) -> (usize, usize, Vec<[u8; 3]>) {
    let picture = Pixmap::decode_png(file).unwrap();
    let rgb = |pixel: &PremultipliedColorU8| {
        assert!(pixel.is_opaque());
        [pixel.red(), pixel.green(), pixel.blue()]
    };
    let pixels = picture.pixels().iter().map(rgb).collect();
    (picture.width() as usize, picture.height() as usize, pixels)
}

/// Checks that tags nest and that nothing but markup contains markup.
fn assert_well_formed(document: &str) {
    let mut open = Vec::new();
    let mut rest = document;
    while let Some((text, tail)) = rest.split_once('<') {
        assert!(!text.contains('>'), "stray > in {text:?}");
        for entity in text.split('&').skip(1) {
            assert!(entity.contains(';'), "stray & in {text:?}");
        }
        let (tag, tail) = tail.split_once('>').expect("an open tag");
        assert!(!tag.contains('<') && tag.matches('"').count() % 2 == 0, "bad tag {tag:?}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
        rest = tail;
    }
    assert!(open.is_empty() && rest.trim().is_empty());
}

#[test]
fn drawing_twice_gives_the_same_bytes() {
    assert_eq!(densities().draw_png().unwrap(), densities().draw_png().unwrap());
    assert_eq!(densities().draw_svg().unwrap(), densities().draw_svg().unwrap());
    assert_eq!(curves().draw_png().unwrap(), curves().draw_png().unwrap());
    assert_eq!(curves().draw_svg().unwrap(), curves().draw_svg().unwrap());
    assert_eq!(scatter().draw_png().unwrap(), scatter().draw_png().unwrap());
    assert_eq!(histograms().draw_png().unwrap(), histograms().draw_png().unwrap());
    assert_eq!(images().draw_png().unwrap(), images().draw_png().unwrap());
    assert_eq!(fields().draw_png().unwrap(), fields().draw_png().unwrap());
}

#[test]
fn both_formats_have_the_same_layout() {
    for (png, svg) in [
        (densities().draw_png().unwrap(), densities().draw_svg().unwrap()),
        (curves().draw_png().unwrap(), curves().draw_svg().unwrap()),
        (scatter().draw_png().unwrap(), scatter().draw_svg().unwrap()),
        (histograms().draw_png().unwrap(), histograms().draw_svg().unwrap()),
        (images().draw_png().unwrap(), images().draw_svg().unwrap()),
        (fields().draw_png().unwrap(), fields().draw_svg().unwrap()),
    ] {
        let (width, height, _) = decode(&png);
        assert!(svg.contains(&format!(r#"viewBox="0 0 {width} {height}""#)));
    }
}

#[test]
fn a_density_is_drawn_upright_and_to_scale() {
    let mut figure = densities();
    figure.rows.truncate(1);
    let (width, _, pixels) = decode(&figure.draw_png().unwrap());
    let yellow = [254, 232, 37];
    let dark = [68, 1, 84];

    let document = figure.draw_svg().unwrap();
    // It is densest in row 6, counted from below, and column 4.
    let at = |row: usize, column: usize| pixels[place(&document, width, row, column)];
    assert_eq!(at(6, 4), yellow);
    assert_eq!(at(15, 15), dark);
    assert_ne!(at(9, 4), yellow);
    assert_ne!(at(9, 4), dark);
}

/// Where the middle of a cell of the first panel is in the PNG of this width, as the SVG says it.
fn place(document: &str, width: usize, row: usize, column: usize) -> usize {
    let image = &document[document.find("<image").unwrap()..];
    let numbers: Vec<usize> =
        image.split('"').skip(1).step_by(2).take(4).map(|text| text.parse().unwrap()).collect();
    let [left, top, side, height] = numbers[..] else { panic!("{numbers:?}") };
    assert_eq!(side, height);
    let x = left + (2 * column + 1) * side / (2 * CELLS);
    let y = top + side - (2 * row + 1) * side / (2 * CELLS);
    y * width + x
}

#[test]
fn a_field_is_blue_below_zero_and_red_above() {
    let figure = fields();
    let (width, _, pixels) = decode(&figure.draw_png().unwrap());
    let document = figure.draw_svg().unwrap();
    let at = |row: usize, column: usize| pixels[place(&document, width, row, column)];
    let [low, high, zero, nothing] = [at(0, 0), at(15, 7), at(8, 7), at(12, 12)];
    assert!(low[2] > low[0] + 50, "{low:?}");
    assert!(high[0] > high[2] + 50, "{high:?}");
    assert_eq!(zero, [0xf7; 3]);
    assert_eq!(nothing, [0xe8; 3]);
    // The largest of the 192 values, more than a hundredth of none, is beyond the scale.
    assert!(document.contains("±1.40e1, t &lt; 1"));
    assert!(document.contains("0 … 1.96e2, t &lt; 1"));
    assert_well_formed(&document);

    let ragged = FieldFigure { columns: vec!["a".into(), "b".into()], ..fields() };
    assert!(matches!(ragged.draw_svg(), Err(FigureError::Ragged { found: 1, .. })));
    let mut flat = fields();
    flat.rows[1].panels[0].values = Array2::zeros((3, 4));
    assert!(matches!(flat.draw_svg(), Err(FigureError::NotSquare { height: 3, .. })));
    flat.rows.clear();
    assert!(matches!(flat.draw_svg(), Err(FigureError::Empty { .. })));
}

#[test]
fn nothing_touches_the_edge() {
    let figures = [
        densities().draw_png(),
        curves().draw_png(),
        scatter().draw_png(),
        histograms().draw_png(),
        images().draw_png(),
        fields().draw_png(),
    ];
    for png in figures.map(Result::unwrap) {
        let (width, height, pixels) = decode(&png);
        let margin = 16;
        for (index, pixel) in pixels.into_iter().enumerate() {
            let (x, y) = (index % width, index / width);
            let inside =
                (margin..width - margin).contains(&x) && (margin..height - margin).contains(&y);
            assert!(inside || pixel == [255; 3], "ink at ({x}, {y})");
        }
    }
}

#[test]
fn svg_is_well_formed_and_keeps_its_text() {
    let document = densities().draw_svg().unwrap();
    assert_well_formed(&document);
    for text in ["Densities &amp; more", "SDE", "ODE", "truth", "w = 0", "W² &lt; 0.1", "density"]
    {
        assert!(document.contains(&format!(">\n{text}\n</text>")), "{text}");
    }
    assert_eq!(document.matches("<image").count(), 7);
    assert_eq!(document.matches("data:image/png;base64,iVBORw0KGgo").count(), 7);

    let document = curves().draw_svg().unwrap();
    assert_well_formed(&document);
    for text in ["Training", "loss", "DSM loss", "Fokker–Planck residual", "step", "w = 1"] {
        assert!(document.contains(&format!(">\n{text}\n</text>")), "{text}");
    }
    assert_eq!(document.matches("<circle").count(), 2, "points between two gaps");

    let document = scatter().draw_svg().unwrap();
    assert_well_formed(&document);
    for text in ["abscissa", "ordinate", "labels: p", "first", "second", "p0.01", "p20"] {
        assert!(document.contains(&format!(">\n{text}\n</text>")), "{text}");
    }
    assert!(!document.contains("p0.1<"), "a point without a place has a label");
    assert_eq!(document.matches("<circle").count(), 5 + 2, "points, and those of the legend");
}

#[test]
fn images_are_upright_and_as_dark_as_their_values() {
    let document = images().draw_svg().unwrap();
    assert_well_formed(&document);
    let (width, _, pixels) = decode(&images().draw_png().unwrap());
    let image = &document[document.find("<image").unwrap()..];
    let numbers: Vec<usize> =
        image.split('"').skip(1).step_by(2).take(4).map(|text| text.parse().unwrap()).collect();
    let [left, top, across, down] = numbers[..] else { panic!("{numbers:?}") };
    // Two images of two columns and a space between; four rows, a space and four rows.
    let at = |row: usize, column: usize| {
        let x = left + (2 * column + 1) * across / (2 * 5);
        pixels[(top + (2 * row + 1) * down / (2 * 9)) * width + x]
    };
    for (row, column, grey) in
        [(0, 0, 0), (0, 1, 51), (3, 0, 153), (0, 2, 255), (0, 3, 0), (5, 0, 255)]
    {
        assert_eq!(at(row, column), [grey; 3], "row {row}, column {column}");
    }
    // Where there is no fourth image is white.
    assert_eq!(at(6, 4), [255; 3]);
}

#[test]
fn histograms_and_images_that_are_none_are_refused() {
    let mut figure = histograms();
    figure.panels[1].densities.pop();
    assert!(matches!(figure.draw_svg(), Err(FigureError::Ragged { expected: 2, found: 1, .. })));
    let mut figure = histograms();
    figure.panels[0].densities[1][3] = f64::NAN;
    assert!(matches!(figure.draw_svg(), Err(FigureError::Cell { x: 3, .. })));
    let mut figure = histograms();
    figure.panels.iter_mut().flat_map(|panel| &mut panel.densities).for_each(|d| d.fill(0.0));
    assert!(matches!(figure.draw_svg(), Err(FigureError::NoMass { .. })));
    let figure = HistogramFigure { range: [1.0, 1.0], ..histograms() };
    assert!(matches!(figure.draw_svg(), Err(FigureError::Extent { .. })));
    let figure = HistogramFigure { panels: Vec::new(), ..histograms() };
    assert!(matches!(figure.draw_svg(), Err(FigureError::Empty { .. })));

    let mut figure = images();
    figure.rows[0].sheets[1][0] = Array2::zeros((2, 4));
    assert!(matches!(figure.draw_svg(), Err(FigureError::ImageSize { found: (2, 4), .. })));
    let figure = ImageFigure { range: [2.0, 2.0], ..images() };
    assert!(matches!(figure.draw_svg(), Err(FigureError::Extent { .. })));
    let figure = ImageFigure { across: 0, ..images() };
    assert!(matches!(figure.draw_svg(), Err(FigureError::Empty { .. })));
    let mut figure = images();
    figure.rows[0].sheets.pop();
    assert!(matches!(figure.draw_svg(), Err(FigureError::Ragged { .. })));
}

#[test]
fn an_outlier_does_not_set_the_scale() {
    let mut figure = densities();
    let unlimited = figure.draw_svg().unwrap();
    assert!(!unlimited.contains("<polygon"));
    figure.rows[0].panels[1].density[[3, 3]] = 1e6;
    let limited = figure.draw_svg().unwrap();
    assert!(limited.contains("<polygon"), "the colour bar is open at the top");
    assert!(limited.contains(">\n1.0\n</text>"), "the scale is that of the other cells");
}

#[test]
fn nothing_to_draw_is_refused() {
    let no_rows = DensityFigure { rows: Vec::new(), ..densities() };
    assert!(
        matches!(no_rows.draw_png(), Err(FigureError::Empty { title }) if title == "Densities & more")
    );
    let no_columns = DensityFigure { columns: Vec::new(), ..densities() };
    assert!(matches!(no_columns.draw_svg(), Err(FigureError::Empty { .. })));
    let mut no_points = curves();
    no_points.series.iter_mut().for_each(|run| run.points.clear());
    assert!(
        matches!(no_points.draw_png(), Err(FigureError::Empty { title }) if title == "Training")
    );

    let mut no_points = scatter();
    no_points.series.iter_mut().for_each(|series| series.points.clear());
    assert!(matches!(no_points.draw_png(), Err(FigureError::Empty { .. })));

    let mut massless = densities();
    massless.rows.iter_mut().flat_map(|row| &mut row.panels).for_each(|p| p.density.fill(0.0));
    assert!(matches!(massless.draw_png(), Err(FigureError::NoMass { .. })));
}

#[test]
fn a_bad_extent_is_refused() {
    for extent in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let figure = DensityFigure { extent, ..densities() };
        assert!(matches!(figure.draw_png(), Err(FigureError::Extent { .. })), "{extent}");
    }
}

#[test]
fn ragged_rows_are_refused() {
    let mut figure = densities();
    figure.rows[1].panels.pop();
    let error = figure.draw_png().unwrap_err();
    assert_eq!(error.to_string(), "row \"w = 1\" has 2 panels under 3 column headings");
}

#[test]
fn densities_that_are_not_square_are_refused() {
    for (height, width) in [(3, 4), (0, 0)] {
        let mut figure = densities();
        figure.rows[0].panels[2].density = Array2::ones((height, width));
        let error = figure.draw_png().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the density in row \"w = 0\", column \"truth\" is {height} × {width}, not square"
            ),
        );
    }
}

#[test]
fn cells_that_are_no_densities_are_refused() {
    for bad in [-0.5, f64::NAN, f64::INFINITY] {
        let mut figure = densities();
        figure.rows[1].panels[1].density[[2, 5]] = bad;
        let error = figure.draw_png().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the density in row \"w = 1\", column \"ODE\" is {bad} at cell [2, 5]"),
        );
    }
}

#[test]
fn a_residual_that_was_never_computed_has_no_panel() {
    let mut figure = curves();
    figure.series.iter_mut().flat_map(|run| &mut run.points).for_each(|p| p.residual = None);
    let document = figure.draw_svg().unwrap();
    assert!(document.contains("DSM loss") && !document.contains("residual"));
}

#[test]
fn curves_survive_divergence_and_a_single_step() {
    let point = TrainingPoint { step: 7, loss: f64::NAN, dsm: f64::INFINITY, residual: Some(0.0) };
    let series = vec![TrainingSeries { label: "w = 10".into(), points: vec![point] }];
    let figure = TrainingCurves { title: String::new(), series };
    assert_well_formed(&figure.draw_svg().unwrap());
    figure.draw_png().unwrap();
}
