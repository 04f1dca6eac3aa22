//! `report.html` of a result folder: the page in one file that loads nothing, with pictures that tell their values, tables
//! that sort, and definitions behind a click.
//!
//! Words and tables are those of [`super::page`], turned from Markdown into HTML; what both say is said in one place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use plotters::style::RGBColor;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd};

use super::csv_files::{self, Table};
use super::expect::{Ruling, verdicts};
use super::page::{self, Part};
use super::plot::Picture;
use super::plot::svg::escaped;
use super::results::Results;
use super::text;
use crate::metrics::Metric;
use crate::stats;

const STYLE: &str = include_str!("../../assets/report/style.css");
const SCRIPT: &str = include_str!("../../assets/report/script.js");

/// Rows of a table of services or nodes: more would make the file slow.
const ROWS: usize = 400;
/// A table with more rows has a window of its own on a screen.
const TALL: usize = 20;
/// A table with more columns has small letters on paper.
const BROAD: usize = 7;

/// The page. `metrics` knows the definitions, `pictures` are those that are worth drawing.
pub fn page(results: &Results, metrics: &[Metric], pictures: &[&Picture]) -> String {
    let manifest = &results.manifest;
    let title = if manifest.title.is_empty() { &manifest.name } else { &manifest.title };
    let figures: String = pictures.iter().map(|picture| figure(results, picture)).collect();
    let racks = rows("Racks", "racks.csv", "down_s", &csv_files::racks(results), results);
    let services = rows("Services", "services.csv", "lost_s", &csv_files::services(results), results);
    let nodes = rows("Nodes", "nodes.csv", "down_s", &csv_files::nodes(results), results);
    let mut sections = Sections::default();
    let mut comparison = String::new();
    for (part, markdown) in page::parts(results, metrics) {
        let words = tables(&html(&markdown));
        match part {
            Part::Verdict => sections.verdict(results, &words),
            Part::Story => sections.story = words,
            Part::Section => sections.add(&mut |out| out.push_str(&words)),
            Part::Comparison => comparison = words,
            Part::Definitions | Part::Limits => sections.later += &folded(&words),
        }
    }
    if !figures.is_empty() {
        sections.add(&mut |out| {
            let _ = write!(out, "<h2>Pictures</h2>\n{figures}");
        });
    }
    sections.add(&mut |out| out.push_str(&services));
    sections.add(&mut |out| out.push_str(&racks));
    sections.add(&mut |out| out.push_str(&nodes));
    sections.add(&mut |out| out.push_str(&comparison));
    let Sections { verdict, story, body, later, links } = sections;
    let colours = colours(&figures);
    let tool = escaped(&manifest.tool);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n\
         <title>{}</title>\n<style>\n{STYLE}{colours}</style>\n</head>\n<body>\n<main>\n\
         <div class=\"top\"><nav>{links}</nav>{SWITCH}</div>\n{verdict}<div class=\"story\">\n{story}</div>\n{body}{later}\
         <footer>{tool}. Tables in full are in the CSV files beside this page; README.md there says what each holds.</footer>\n\
         </main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        escaped(title)
    )
}

/// Works without a script: the style looks which one is chosen.
const SWITCH: &str = "<fieldset aria-label=\"Colours\">\
    <label><input type=\"radio\" name=\"colours\" id=\"auto\" checked>as the system</label>\
    <label><input type=\"radio\" name=\"colours\" id=\"light\">light</label>\
    <label><input type=\"radio\" name=\"colours\" id=\"dark\">dark</label></fieldset>";

#[derive(Default)]
struct Sections {
    verdict: String,
    story: String,
    body: String,
    later: String,
    links: String,
}

impl Sections {
    /// The title, and below it what came out and how many expectations held.
    fn verdict(&mut self, results: &Results, words: &str) {
        let manifest = &results.manifest;
        let verdicts = verdicts(&manifest.expect, &manifest.strategies, &results.runs);
        let came_to = |ruling: Ruling| verdicts.iter().filter(|verdict| verdict.ruling == ruling).count();
        let (held, undecided) = (came_to(Ruling::Held), came_to(Ruling::Undecided));
        let class = match verdicts.len() {
            0 => "",
            all if held == all => " held",
            _ => " failed",
        };
        let (title, finding) = words.split_once("</h1>").unwrap_or(("", words));
        let _ = write!(self.verdict, "{title}</h1>\n<div class=\"verdict{class}\">\n{}", finding.trim_start());
        if !verdicts.is_empty() {
            let missed = came_to(Ruling::Missed);
            let count = match missed {
                0 if undecided > 0 => format!("? {undecided} of {} expectations are not decided.", verdicts.len()),
                0 => format!("✓ All {} expectations held.", verdicts.len()),
                _ => format!("✗ {missed} of {} expectations did not hold.", verdicts.len()),
            };
            let _ = writeln!(self.verdict, "<p class=\"count{class}\">{count}</p>");
        }
        if verdicts.is_empty() && finding.trim().is_empty() {
            self.verdict += "<p>Nothing was expected, and there are no strategies to compare.</p>\n";
        }
        self.verdict += "</div>\n";
    }

    /// Adds a section, with a link to it by its heading.
    fn add(&mut self, write: &mut dyn FnMut(&mut String)) {
        let mut section = String::new();
        write(&mut section);
        let Some((_, rest)) = section.split_once("<h2>") else { return };
        let Some((heading, _)) = rest.split_once("</h2>") else { return };
        let id = heading.to_lowercase().replace(' ', "-");
        let _ = write!(self.links, "<a href=\"#{id}\">{heading}</a>");
        let _ = write!(self.body, "<section id=\"{id}\">\n{section}</section>\n");
    }
}

/// A section that opens with a click on its heading.
fn folded(words: &str) -> String {
    let heading = words.split_once("<h2>").and_then(|(_, rest)| rest.split_once("</h2>")).map_or("", |part| part.0);
    format!("<details>\n<summary>{heading}</summary>\n{words}</details>\n")
}

fn figure(results: &Results, picture: &Picture) -> String {
    let [broad, slim] = picture.elements(results);
    let caption = escaped(picture.caption);
    format!(
        "<figure id=\"picture-{}\">\n<div class=\"broad\">{broad}</div>\n<div class=\"slim\">{slim}</div>\n\
         <figcaption>{caption}</figcaption>\n</figure>\n",
        picture.name
    )
}

/// Markdown as HTML that loads and runs nothing, whatever it says: markup is text, a picture is its words, and a link leads
/// to a page, a mail address or a file beside this one.
fn html(markdown: &str) -> String {
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH);
    // Whether each link that is open is written.
    let mut open: Vec<bool> = Vec::new();
    let events = events.filter_map(|event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::HtmlBlock) => Some(Event::Start(Tag::Paragraph)),
        Event::End(TagEnd::HtmlBlock) => Some(Event::End(TagEnd::Paragraph)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { link_type, dest_url, id, .. }) => {
            open.push(is_harmless(&dest_url));
            let link = Tag::Link { link_type, dest_url, title: CowStr::Borrowed(""), id };
            (open.last() == Some(&true)).then_some(Event::Start(link))
        }
        Event::End(TagEnd::Link) => (open.pop() == Some(true)).then_some(Event::End(TagEnd::Link)),
        other => Some(other),
    });
    let mut out = String::new();
    pulldown_cmark::html::push_html(&mut out, events);
    out
}

fn is_harmless(link: &str) -> bool {
    let scheme = link.split(['/', '?', '#']).next().unwrap_or_default();
    match scheme.split_once(':') {
        None => !link.starts_with("//"),
        Some((scheme, _)) => ["http", "https", "mailto"].contains(&scheme.to_ascii_lowercase().as_str()),
    }
}

/// Tables of the page get what lets them scroll. Nothing that comes from a file can look like them: it is escaped.
fn tables(html: &str) -> String {
    let mut out = String::new();
    for (place, piece) in html.split("<table>").enumerate() {
        if place > 0 {
            let columns = piece.split("</thead>").next().unwrap_or_default().matches("<th").count();
            out +=
                if columns > BROAD + 1 { "<div class=\"wide dense\"><table>" } else { "<div class=\"wide\"><table>" };
        }
        out += &piece.replace("</table>", "</table></div>");
    }
    out
}

/// A row of services or nodes: of which strategy, about what, and a mean or a text for each further column.
struct Row {
    strategy: String,
    about: String,
    cells: Vec<Cell>,
}

enum Cell {
    Number(f64),
    Text(String),
    None,
}

/// A section with the rows of a file, means over the replications, by strategy; nothing if there are none. If they are too
/// many, those with the most in the column `worst` are shown.
fn rows(heading: &str, file: &str, worst: &str, table: &Table, results: &Results) -> String {
    let mut rows = means(table, results);
    if rows.is_empty() {
        return String::new();
    }
    let columns = &table.header[1..];
    let is_told = |column: usize| {
        rows.iter().any(|row| match &row.cells[column] {
            Cell::Number(number) => *number != 0.0,
            Cell::Text(text) => !text.is_empty(),
            Cell::None => false,
        })
    };
    let told: Vec<usize> = (0..columns.len()).filter(|column| is_told(*column)).collect();
    let silent: Vec<String> =
        (0..columns.len()).filter(|column| !told.contains(column)).map(|column| words(columns[column])).collect();
    let all = rows.len();
    let chosen = columns.iter().position(|column| *column == worst).filter(|_| all > ROWS);
    if let Some(column) = chosen {
        let size = |row: &Row| if let Cell::Number(number) = row.cells[column] { number } else { 0.0 };
        rows.sort_by(|one, two| size(two).total_cmp(&size(one)));
    }
    rows.truncate(ROWS);

    let many = results.manifest.strategies.len() > 1;
    let mut out = format!("<h2>{heading}</h2>\n<p class=\"note\">");
    if results.manifest.replications > 1 {
        let cut = results.manifest.first_replication_only.iter().any(|name| name == file);
        out += if cut { "Replication 1. " } else { "Means over the replications. " };
    }
    if rows.len() < all {
        let by = chosen.map_or(String::new(), |column| format!(", those with the most {}", words(columns[column])));
        let _ = write!(out, "{} of {} rows{by}. ", text::short(rows.len() as f64), text::short(all as f64));
    }
    if !silent.is_empty() {
        let _ = write!(out, "0 or without a value everywhere: {}. ", silent.join(", "));
    }
    let _ = writeln!(out, "Every run: <a href=\"{file}\">{file}</a>.</p>");
    let dense = if told.len() + 2 > BROAD { " dense" } else { "" };
    let long = if rows.len() > TALL { " long" } else { "" };
    let _ = write!(out, "<div class=\"wide rows{dense}{long}\"><table>\n<thead><tr>");
    let _ = write!(out, "<th>{}</th>", words(table.header[0]));
    if many {
        out += "<th>strategy</th>";
    }
    let is_number = |column: usize| rows.iter().all(|row| !matches!(row.cells[column], Cell::Text(_)));
    for column in &told {
        let class = if is_number(*column) { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th{class}>{}</th>", words(columns[*column]));
    }
    out += "</tr></thead>\n<tbody>\n";
    for row in &rows {
        out += "<tr>";
        let _ = write!(out, "<td>{}</td>", escaped(&row.about));
        if many {
            let _ = write!(out, "<td>{}</td>", escaped(&row.strategy));
        }
        for column in &told {
            let _ = match &row.cells[*column] {
                Cell::Number(number) => write!(out, "<td class=\"n\">{}</td>", text::short(*number)),
                Cell::Text(text) => write!(out, "<td>{}</td>", escaped(text)),
                Cell::None => write!(out, "<td></td>"),
            };
        }
        out += "</tr>\n";
    }
    out += "</tbody>\n</table></div>\n";
    out
}

/// Rows in the order in which what they are about comes first in the file, and then by strategy.
fn means(table: &Table, results: &Results) -> Vec<Row> {
    let mut names: Vec<&str> = Vec::new();
    let mut rows: BTreeMap<&str, BTreeMap<&str, Vec<&Vec<String>>>> = BTreeMap::new();
    for run in &table.runs {
        for row in &run.items {
            let of_name = rows.entry(&row[0]).or_default();
            if of_name.is_empty() {
                names.push(&row[0]);
            }
            of_name.entry(&run.strategy).or_default().push(row);
        }
    }
    let mut out = Vec::new();
    for name in names {
        for strategy in &results.manifest.strategies {
            let Some(same) = rows[name].get(strategy.as_str()) else { continue };
            let cells = (1..table.header.len()).map(|column| cell(same.iter().map(|row| row[column].as_str())));
            out.push(Row { strategy: strategy.clone(), about: name.into(), cells: cells.collect() });
        }
    }
    out
}

/// The mean of numbers, or the one text that all have; of several texts, how many there are.
fn cell<'a>(values: impl Iterator<Item = &'a str>) -> Cell {
    let values: Vec<&str> = values.filter(|value| !value.is_empty()).collect();
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.parse().ok()).collect();
    if values.is_empty() {
        return Cell::None;
    }
    if numbers.len() == values.len() {
        return stats::mean(&numbers).map_or(Cell::None, Cell::Number);
    }
    let different: BTreeSet<&str> = values.iter().copied().collect();
    match different.len() {
        1 => Cell::Text(values[0].into()),
        count => Cell::Text(format!("{count} different")),
    }
}

/// The name of a column for people.
fn words(column: &str) -> String {
    let column = match column.strip_suffix("_s") {
        Some(name) => format!("{name} (s)"),
        None => column.into(),
    };
    escaped(&column.replace('_', " "))
}

/// The rules for the classes of colours that pictures use, on light and on dark paper.
fn colours(figures: &str) -> String {
    let mut used: BTreeSet<(char, &str)> = BTreeSet::new();
    for piece in figures.split(" class=\"").skip(1) {
        let class = piece.split('"').next().unwrap_or_default();
        if let (7, Some(kind @ ('f' | 's'))) = (class.len(), class.chars().next()) {
            used.insert((kind, &class[1..]));
        }
    }
    let mut out = String::new();
    for (kind, hex) in used {
        let part = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16).unwrap_or(0);
        let dark = on_dark(RGBColor(part(0), part(2), part(4)));
        let property = if kind == 'f' { "fill" } else { "stroke" };
        let dark = super::plot::svg::hex(dark);
        let _ = writeln!(out, ".{kind}{hex}{{{property}:light-dark(#{hex},#{dark})}}");
    }
    out
}

/// A colour for dark paper: greys change places, other colours get lighter if they are dark.
fn on_dark(RGBColor(red, green, blue): RGBColor) -> RGBColor {
    // White becomes the paper, black nearly white.
    if red == green && green == blue {
        let mix = |black: f64, white: f64| (black + (white - black) * f64::from(red) / 255.0).round() as u8;
        return RGBColor(mix(246.0, 22.0), mix(248.0, 24.0), mix(252.0, 29.0));
    }
    let bright = (0.2126 * f64::from(red) + 0.7152 * f64::from(green) + 0.0722 * f64::from(blue)) / 255.0;
    let share = ((0.55 - bright) * 0.9).clamp(0.0, 0.45);
    let lighter = |part: u8| (f64::from(part) + (255.0 - f64::from(part)) * share).round() as u8;
    RGBColor(lighter(red), lighter(green), lighter(blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_of_others_neither_runs_nor_loads() {
        let markdown = "Prose <script>alert(1)</script> ![x](https://example.org/x.png) [a](javascript:alert(1)) \
                        [b](https://example.org) [c](runs.csv) [d](//example.org) [e](JavaScript:x) **bold**\n\n<img src=x>\n";
        let html = html(markdown);
        assert!(
            !html.contains("<script") && !html.contains("<img") && !html.to_lowercase().contains("=\"javascript"),
            "{html}"
        );
        assert_eq!(html.matches("<a ").count(), 2, "{html}");
        assert_eq!(html.matches("<a ").count(), html.matches("</a>").count());
        assert!(html.contains("<strong>bold</strong>") && html.contains("&lt;script&gt;"), "{html}");
    }

    #[test]
    fn a_cell_is_a_mean_or_what_all_say() {
        let of = |values: &[&str]| match cell(values.iter().copied()) {
            Cell::Number(number) => format!("{number}"),
            Cell::Text(text) => text,
            Cell::None => "none".into(),
        };
        assert_eq!(of(&["1", "", "2"]), "1.5");
        assert_eq!(of(&["r1", "r1"]), "r1");
        assert_eq!(of(&["r1", "2"]), "2 different");
        assert_eq!(of(&["", ""]), "none");
    }

    #[test]
    fn ink_is_light_on_dark_paper() {
        assert_eq!(on_dark(RGBColor(255, 255, 255)), RGBColor(22, 24, 29));
        let RGBColor(red, ..) = on_dark(RGBColor(30, 30, 30));
        assert!(red > 200);
    }
}
