//! What all kinds of figure are drawn with.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use plotters::backend::SVGBackend;
use plotters::chart::{ChartContext, MeshStyle};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::PathElement;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, RGBColor, TRANSPARENT, TextStyle};
use resvg::tiny_skia::{ColorU8, Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::FigureError;

/// Units of the layout per unit of the document, and pixels of the PNG per unit of the document.
/// As the two agree, what the layout puts on a whole number is sharp.
const SCALE: f32 = 2.0;

/// Blank around the page.
const MARGIN: u32 = 36;

/// Text, axes and ticks.
const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);

/// Thickness of axes and ticks.
const HAIRLINE: u32 = 2;

/// Length of a tick. Its label is as far away from its end.
const TICK: i32 = 9;

/// The palette of Okabe and Ito without its yellow, which is too faint for a line on white. It
/// stays distinct under the common forms of colour blindness.
const LINES: [u32; 7] = [0x0072b2, 0xd55e00, 0x009e73, 0xcc79a7, 0xe69f00, 0x56b4e9, 0x1a1a1a];

/// Lines of a grid.
pub(super) const GRID: RGBColor = RGBColor(0xe4, 0xe4, 0xe4);

/// Of what others are to be seen against.
pub(super) const BEHIND: RGBColor = RGBColor(0xa8, 0xa8, 0xa8);

/// The colour of a series.
pub(super) fn color(series: usize) -> RGBColor {
    let [_, r, g, b] = LINES[series % LINES.len()].to_be_bytes();
    RGBColor(r, g, b)
}

/// A part of a page.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// A chart on a page.
pub(super) type Chart<'a, 'c, X, Y> = ChartContext<'a, SVGBackend<'c>, Cartesian2d<X, Y>>;

/// A kind of text: its em, its style, where it is in its area, and how it is turned.
pub(super) struct Type(i32, FontStyle, HPos, FontTransform);

pub(super) const SMALL: Type = Type(29, FontStyle::Normal, HPos::Center, FontTransform::None);
pub(super) const LABEL: Type = Type(31, FontStyle::Normal, HPos::Center, FontTransform::None);
pub(super) const LEGEND: Type = Type(31, FontStyle::Normal, HPos::Left, FontTransform::None);
pub(super) const HEADING: Type = Type(35, FontStyle::Bold, HPos::Center, FontTransform::None);
pub(super) const UPWARDS: Type = Type(35, FontStyle::Bold, HPos::Center, FontTransform::Rotate270);
pub(super) const TITLE: Type = Type(40, FontStyle::Bold, HPos::Center, FontTransform::None);

impl Type {
    /// About the width of some text, rather too much than too little.
    pub(super) fn width(&self, text: &str) -> u32 {
        (0.62 * f64::from(self.0) * text.chars().count() as f64) as u32
    }

    fn scaled(&self, factor: f64) -> TextStyle<'static> {
        // The library counts the size of a font as 1.24 em.
        TextStyle::from(("sans-serif", 1.24 * factor * f64::from(self.0), self.1))
            .color(&INK)
            .transform(self.3.clone())
            .pos(Pos::new(self.2, VPos::Center))
    }
}

/// Sets a line of text in an area, smaller if the area is too short.
pub(super) fn text(area: &Area<'_>, text: &str, kind: &Type) -> Result<(), FigureError> {
    if text.is_empty() {
        return Ok(());
    }
    let (width, height) = area.dim_in_pixel();
    let room = if matches!(kind.3, FontTransform::None) { width } else { height };
    let style = kind.scaled((f64::from(room) / f64::from(kind.width(text))).min(1.0));
    let x = if matches!(kind.2, HPos::Left) { 0 } else { width as i32 / 2 };
    area.draw_text(text, &style, (x, height as i32 / 2)).map_err(failed)
}

/// Draws a closed thin dark line.
pub(super) fn outline(area: &Area<'_>, corners: &[(i32, i32)]) -> Result<(), FigureError> {
    // Over the first side again, so that the first corner is joined like the rest.
    let path: Vec<_> = corners.iter().copied().cycle().take(corners.len() + 2).collect();
    area.draw(&PathElement::new(path, INK.stroke_width(HAIRLINE))).map_err(failed)
}

/// Draws the outline of a part of an area, and returns its upper corners.
pub(super) fn frame(area: &Area<'_>, part: &Area<'_>) -> Result<[(i32, i32); 2], FigureError> {
    let (from, to, (width, height)) =
        (area.get_base_pixel(), part.get_base_pixel(), part.dim_in_pixel());
    // One to the left, where the library draws an axis.
    let (left, top) = (to.0 - from.0 - 1, to.1 - from.1);
    let (right, bottom) = (left + 1 + width as i32, top + height as i32);
    outline(area, &[(left, top), (right, top), (right, bottom), (left, bottom)])?;
    Ok([(left, top), (right, top)])
}

/// Stretches a bitmap of some columns and rows over an area, and appends it to the others.
pub(super) fn bitmap(
    bitmaps: &mut String,
    area: &Area<'_>,
    (columns, rows): (usize, usize),
    color: impl Fn(usize, usize) -> RGBColor,
) -> Result<(), FigureError> {
    let mut pixmap = blank(columns as f32, rows as f32)?;
    for (index, pixel) in pixmap.pixels_mut().iter_mut().enumerate() {
        let RGBColor(r, g, b) = color(index % columns, index / columns);
        *pixel = ColorU8::from_rgba(r, g, b, u8::MAX).premultiply();
    }
    let png = BASE64_STANDARD.encode(pixmap.encode_png().map_err(failed)?);
    let ((left, top), (width, height)) = (area.get_base_pixel(), area.dim_in_pixel());
    writeln!(
        bitmaps,
        r#"<image x="{left}" y="{top}" width="{width}" height="{height}" preserveAspectRatio="none" style="image-rendering:pixelated" xlink:href="data:image/png;base64,{png}"/>"#,
    )
    .map_err(failed)
}

/// Axes in the common style. What differs from figure to figure is still to be set.
pub(super) fn axes<'a, 'b, 'c, X, Y>(
    chart: &'b mut Chart<'a, 'c, X, Y>,
) -> MeshStyle<'a, 'b, X, Y, SVGBackend<'c>>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    let mut axes = chart.configure_mesh();
    axes.axis_style(INK.stroke_width(HAIRLINE))
        .light_line_style(TRANSPARENT)
        .label_style(SMALL.scaled(1.0))
        .axis_desc_style(LABEL.scaled(1.0))
        .set_all_tick_mark_size(TICK);
    axes
}

/// Draws an SVG document of some width and height inside its margin: bitmaps, and ink over them.
pub(super) fn document(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area<'_>, &mut String) -> Result<(), FigureError>,
) -> Result<String, FigureError> {
    let (width, height) = (width + 2 * MARGIN, height + 2 * MARGIN);
    let (mut ink, mut bitmaps) = (String::new(), String::new());
    {
        let area = SVGBackend::with_string(&mut ink, (width, height)).into_drawing_area();
        draw(&area.margin(MARGIN, MARGIN, MARGIN, MARGIN), &mut bitmaps)?;
        area.present().map_err(failed)?;
    }
    // The backend centres text by its small letters, most of which here is digits and capitals.
    let ink = ink.replace(r#"dy="0.5ex""#, r#"dy="0.36em""#);
    // It knows of no bitmaps without an encoder of its own, hence a document around its.
    Ok(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{}" height="{}" viewBox="0 0 {width} {height}">
<rect width="100%" height="100%" fill="#ffffff"/>
{bitmaps}{ink}</svg>
"##,
        width as f32 / SCALE,
        height as f32 / SCALE,
    ))
}

/// Draws an SVG document as PNG, its text in Noto Sans.
pub(super) fn rasterise(document: &str) -> Result<Vec<u8>, FigureError> {
    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    for face in [notosans::REGULAR_TTF, notosans::BOLD_TTF] {
        fonts.load_font_source(fontdb::Source::Binary(Arc::new(face)));
    }
    fonts.set_sans_serif_family("Noto Sans");

    let tree = Tree::from_str(document, &options).map_err(failed)?;
    let mut pixmap = blank(SCALE * tree.size().width(), SCALE * tree.size().height())?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixmap.as_mut());
    pixmap.encode_png().map_err(failed)
}

fn blank(width: f32, height: f32) -> Result<Pixmap, FigureError> {
    Pixmap::new(width.round() as u32, height.round() as u32)
        .ok_or_else(|| FigureError::Draw(format!("no room for {width} × {height} pixels").into()))
}

pub(super) fn failed(error: impl Error + Send + Sync + 'static) -> FigureError {
    FigureError::Draw(Box::new(error))
}
