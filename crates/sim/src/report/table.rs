//! The CSV files of a result folder: written so that nothing is lost, read back so that everything is checked.
//!
//! Numbers are the shortest text that reads back the same; an empty cell is "no value". Text is made harmless for
//! spreadsheets by [`super::text::cell`].

use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use super::folder::{self, MANIFEST, Stage};
use super::manifest::Manifest;
use super::results::{Of, PairedRow, Results, Runs, SeriesRow, SummaryRow};
use super::text;
use crate::metrics::{Mark, NodeRow, Shared, TaskRow};
use crate::stats::{Paired, Summary};

/// Writes the tables into a folder that [`folder::claim`] granted. Results of an earlier run are replaced as a whole; if
/// writing fails before that, they stay.
pub fn write(dir: &Path, results: &Results) -> io::Result<()> {
    let mut stage = Stage::new(dir);
    let mut names = vec![MANIFEST];
    let mut add = |name, content: Vec<u8>| {
        names.push(name);
        stage.write(name, &content)
    };
    add("runs.csv", runs_csv(&results.runs))?;
    add("summary.csv", csv_of(&results.summary))?;
    if !results.paired.is_empty() {
        add("paired.csv", csv_of(&results.paired))?;
    }
    add("series.csv", csv_of(&results.series))?;
    add("tasks.csv", csv_of(&results.tasks))?;
    add("nodes.csv", csv_of(&results.nodes))?;
    add("marks.csv", csv_of(&results.marks))?;
    stage.write(MANIFEST, results.manifest.to_toml().as_bytes())?;
    folder::remove_stale(dir, &names)?;
    stage.commit()
}

/// Reads the tables of a folder. The error says which file, line and column is not as written.
pub fn read(dir: &Path) -> io::Result<Results> {
    let text = |name: &str| fs::read_to_string(dir.join(name)).map_err(|error| folder::about(&dir.join(name), &error));
    let manifest = Manifest::parse(&text(MANIFEST)?).map_err(|complaint| invalid(dir, MANIFEST, &complaint))?;
    fn rows<T: Row>(dir: &Path, name: &str, text: &str) -> io::Result<Vec<T>> {
        parse_csv(text).map_err(|complaint| invalid(dir, name, &complaint))
    }
    let paired = if dir.join("paired.csv").exists() { rows(dir, "paired.csv", &text("paired.csv")?)? } else { vec![] };
    Ok(Results {
        runs: parse_runs(&text("runs.csv")?).map_err(|complaint| invalid(dir, "runs.csv", &complaint))?,
        summary: rows(dir, "summary.csv", &text("summary.csv")?)?,
        paired,
        series: rows(dir, "series.csv", &text("series.csv")?)?,
        tasks: rows(dir, "tasks.csv", &text("tasks.csv")?)?,
        nodes: rows(dir, "nodes.csv", &text("nodes.csv")?)?,
        marks: rows(dir, "marks.csv", &text("marks.csv")?)?,
        manifest,
    })
}

/// The summaries of several folders in one table, with the scenario's name in front.
pub fn summaries<'a>(all: impl Iterator<Item = &'a Results>) -> String {
    let lines = all.flat_map(|results| {
        results.summary.iter().map(|row| {
            let mut cells = Cells::default();
            cells.text(&results.manifest.name);
            row.write(&mut cells);
            cells.0
        })
    });
    let header = std::iter::once("scenario").chain(SummaryRow::HEADER.iter().copied()).map(String::from).collect();
    String::from_utf8(encode(header, lines)).expect("cells are text")
}

/// Rows of one file.
trait Row: Sized {
    const HEADER: &'static [&'static str];
    fn write(&self, cells: &mut Cells);
    fn read(cells: &mut Reader) -> Result<Self, String>;
}

/// A line being written.
#[derive(Default)]
struct Cells(Vec<String>);

impl Cells {
    fn text(&mut self, text: &str) -> &mut Cells {
        self.0.push(text::cell(text));
        self
    }
    fn count(&mut self, count: u64) -> &mut Cells {
        self.0.push(count.to_string());
        self
    }
    fn number(&mut self, number: f64) -> &mut Cells {
        self.0.push(text::exact(number));
        self
    }
    fn maybe(&mut self, number: Option<f64>) -> &mut Cells {
        self.0.push(number.map_or_else(String::new, text::exact));
        self
    }
    fn range(&mut self, range: Option<(f64, f64)>) -> &mut Cells {
        self.maybe(range.map(|range| range.0)).maybe(range.map(|range| range.1))
    }
}

/// A line being read, from left to right.
struct Reader<'a> {
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    at: usize,
    /// What the last line that asked for a shared text had in each column.
    shared: &'a mut Vec<Shared>,
}

impl<'a> Reader<'a> {
    fn cell(&mut self) -> Result<&'a str, String> {
        self.at += 1;
        self.record.get(self.at - 1).ok_or_else(|| format!("column {} is missing", self.at))
    }
    fn text(&mut self) -> Result<String, String> {
        Ok(text::from_cell(self.cell()?).to_string())
    }
    /// A text that is often that of the line before.
    fn shared(&mut self) -> Result<Shared, String> {
        let text = text::from_cell(self.cell()?);
        if self.shared.len() < self.at {
            self.shared.resize_with(self.at, Shared::default);
        }
        let last = &mut self.shared[self.at - 1];
        if *last != text {
            *last = text.into();
        }
        Ok(last.clone())
    }
    fn parsed<T: FromStr>(&mut self, expected: &str) -> Result<T, String> {
        let cell = self.cell()?;
        cell.parse().map_err(|_| {
            let column = self.header.get(self.at - 1).unwrap_or_default();
            format!("column '{}' holds '{}', expected {expected}", text::plain(column), text::plain(cell))
        })
    }
    fn count<T: FromStr>(&mut self) -> Result<T, String> {
        self.parsed("a whole number")
    }
    fn number(&mut self) -> Result<f64, String> {
        self.parsed("a number")
    }
    fn maybe(&mut self) -> Result<Option<f64>, String> {
        if self.record.get(self.at) == Some("") {
            self.at += 1;
            return Ok(None);
        }
        self.number().map(Some)
    }
    fn range(&mut self) -> Result<Option<(f64, f64)>, String> {
        let (low, high) = (self.maybe()?, self.maybe()?);
        Ok(low.zip(high))
    }
}

impl Row for SummaryRow {
    const HEADER: &'static [&'static str] =
        &["strategy", "metric", "unit", "n", "mean", "sd", "ci_low", "ci_high", "min", "median", "max"];

    fn write(&self, cells: &mut Cells) {
        let Summary { n, mean, sd, ci_low, ci_high, min, median, max } = self.summary;
        cells.text(&self.strategy).text(&self.metric).text(&self.unit).count(n).maybe(mean).maybe(sd);
        cells.maybe(ci_low).maybe(ci_high).maybe(min).maybe(median).maybe(max);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(SummaryRow {
            strategy: cells.text()?,
            metric: cells.text()?,
            unit: cells.text()?,
            summary: Summary {
                n: cells.count()?,
                mean: cells.maybe()?,
                sd: cells.maybe()?,
                ci_low: cells.maybe()?,
                ci_high: cells.maybe()?,
                min: cells.maybe()?,
                median: cells.maybe()?,
                max: cells.maybe()?,
            },
        })
    }
}

impl Row for PairedRow {
    const HEADER: &'static [&'static str] = &[
        "metric",
        "baseline",
        "strategy",
        "n",
        "difference",
        "ci_low",
        "ci_high",
        "p",
        "p_holm",
        "ratio",
        "ratio_ci_low",
        "ratio_ci_high",
    ];

    fn write(&self, cells: &mut Cells) {
        let Paired { n, difference, ci, p, ratio } = self.paired;
        cells.text(&self.metric).text(&self.baseline).text(&self.strategy).count(n).number(difference);
        cells.range(Some(ci)).maybe(p).maybe(self.p_holm);
        cells.maybe(ratio.map(|it| it.0)).range(ratio.map(|it| (it.1, it.2)));
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let (metric, baseline, strategy) = (cells.text()?, cells.text()?, cells.text()?);
        let (n, difference, ci) = (cells.count()?, cells.number()?, (cells.number()?, cells.number()?));
        let (p, p_holm) = (cells.maybe()?, cells.maybe()?);
        let (ratio, range) = (cells.maybe()?, cells.range()?);
        let ratio = ratio.zip(range).map(|(ratio, (low, high))| (ratio, low, high));
        Ok(PairedRow { metric, baseline, strategy, paired: Paired { n, difference, ci, p, ratio }, p_holm })
    }
}

impl Row for SeriesRow {
    const HEADER: &'static [&'static str] = &[
        "strategy",
        "time_s",
        "running",
        "running_ci_low",
        "running_ci_high",
        "running_first",
        "desired",
        "believed",
        "pending",
        "nodes_down",
        "registry_bytes_per_s",
    ];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.strategy).number(self.time_s).number(self.running).range(self.running_ci);
        cells.maybe(self.running_first.map(|count| count as f64)).number(self.desired).number(self.believed);
        cells.number(self.pending).number(self.nodes_down).number(self.registry_bytes_per_s);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(SeriesRow {
            strategy: cells.text()?,
            time_s: cells.number()?,
            running: cells.number()?,
            running_ci: cells.range()?,
            running_first: cells.maybe()?.map(|count| count as u64),
            desired: cells.number()?,
            believed: cells.number()?,
            pending: cells.number()?,
            nodes_down: cells.number()?,
            registry_bytes_per_s: cells.number()?,
        })
    }
}

impl Row for Of<TaskRow> {
    const HEADER: &'static [&'static str] = &[
        "strategy",
        "replication",
        "name",
        "service",
        "node",
        "created_s",
        "assigned_s",
        "ready_s",
        "running_s",
        "ended_s",
        "state",
        "desired",
        "error",
    ];

    fn write(&self, cells: &mut Cells) {
        let task = &self.row;
        cells.text(&self.strategy).count(self.replication.into());
        cells.text(&task.name).text(&task.service).text(&task.node).number(task.created_s).maybe(task.assigned_s);
        cells.maybe(task.ready_s).maybe(task.running_s).maybe(task.ended_s);
        cells.text(&task.state).text(&task.desired).text(&task.error);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let (strategy, replication) = (cells.shared()?, cells.count()?);
        let row = TaskRow {
            name: cells.text()?,
            service: cells.shared()?,
            node: cells.shared()?,
            created_s: cells.number()?,
            assigned_s: cells.maybe()?,
            ready_s: cells.maybe()?,
            running_s: cells.maybe()?,
            ended_s: cells.maybe()?,
            state: cells.shared()?,
            desired: cells.shared()?,
            error: cells.shared()?,
        };
        Ok(Of { strategy, replication, row })
    }
}

impl Row for Of<NodeRow> {
    const HEADER: &'static [&'static str] = &[
        "strategy",
        "replication",
        "node",
        "pool",
        "running",
        "running_max",
        "cpu_reserved",
        "memory_reserved",
        "down_s",
    ];

    fn write(&self, cells: &mut Cells) {
        let node = &self.row;
        cells.text(&self.strategy).count(self.replication.into()).text(&node.node).text(&node.pool);
        cells.count(node.running).count(node.running_max);
        cells.number(node.cpu_reserved).number(node.memory_reserved).number(node.down_s);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let (strategy, replication) = (cells.shared()?, cells.count()?);
        let row = NodeRow {
            node: cells.text()?,
            pool: cells.text()?,
            running: cells.count()?,
            running_max: cells.count()?,
            cpu_reserved: cells.number()?,
            memory_reserved: cells.number()?,
            down_s: cells.number()?,
        };
        Ok(Of { strategy, replication, row })
    }
}

impl Row for Of<Mark> {
    const HEADER: &'static [&'static str] = &["strategy", "replication", "time_s", "kind", "label"];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.strategy).count(self.replication.into());
        cells.number(self.row.time_s).text(&self.row.kind).text(&self.row.label);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let (strategy, replication) = (cells.shared()?, cells.count()?);
        let row = Mark { time_s: cells.number()?, kind: cells.text()?, label: cells.text()? };
        Ok(Of { strategy, replication, row })
    }
}

fn csv_of<T: Row>(rows: &[T]) -> Vec<u8> {
    let lines = rows.iter().map(|row| {
        let mut cells = Cells::default();
        row.write(&mut cells);
        cells.0
    });
    encode(T::HEADER.iter().map(|name| name.to_string()).collect(), lines)
}

fn runs_csv(runs: &Runs) -> Vec<u8> {
    let mut header = Cells::default();
    header.text("strategy").text("replication");
    for name in &runs.metrics {
        header.text(name);
    }
    let lines = runs.rows.iter().map(|run| {
        let mut cells = Cells::default();
        cells.text(&run.strategy).count(run.replication.into());
        for value in &run.row {
            cells.maybe(*value);
        }
        cells.0
    });
    encode(header.0, lines)
}

fn encode(header: Vec<String>, lines: impl Iterator<Item = Vec<String>>) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in std::iter::once(header).chain(lines) {
        writer.write_record(&line).expect("lines are as long as the header and memory does not fail");
    }
    writer.into_inner().expect("memory does not fail")
}

fn parse_csv<T: Row>(text: &str) -> Result<Vec<T>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    if !header.iter().eq(T::HEADER.iter().copied()) {
        return Err(format!("line 1: expected the columns {}", T::HEADER.join(",")));
    }
    parse_lines(reader, &header, T::read)
}

fn parse_runs(text: &str) -> Result<Runs, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    if header.get(0) != Some("strategy") || header.get(1) != Some("replication") {
        return Err("line 1: expected the columns strategy,replication and metrics".into());
    }
    let metrics: Vec<String> = header.iter().skip(2).map(|name| text::from_cell(name).to_string()).collect();
    let rows = parse_lines(reader, &header, |cells| {
        let (strategy, replication) = (cells.shared()?, cells.count()?);
        let row = metrics.iter().map(|_| cells.maybe()).collect::<Result<_, _>>()?;
        Ok(Of { strategy, replication, row })
    })?;
    Ok(Runs { metrics, rows })
}

fn parse_lines<T>(
    mut reader: csv::Reader<&[u8]>,
    header: &csv::StringRecord,
    parse: impl Fn(&mut Reader) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    let mut shared = Vec::new();
    while reader.read_record(&mut record).map_err(|error| error.to_string())? {
        let line = record.position().map_or(0, csv::Position::line);
        let row = parse(&mut Reader { header, record: &record, at: 0, shared: &mut shared });
        rows.push(row.map_err(|complaint| format!("line {line}: {complaint}"))?);
    }
    Ok(rows)
}

fn invalid(dir: &Path, name: &str, complaint: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {complaint}", dir.join(name).display()))
}
