//! The CSV files of a result folder: written so that nothing is lost, read back so that everything is checked.
//!
//! Numbers are the shortest text that reads back the same; an empty cell is "no value". Text is made harmless for
//! spreadsheets by [`super::text::cell`].

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;

use sched::{DesiredState, TaskState};
use smol_str::SmolStr;

use super::compare::{PairRow, Verdict};
use super::folder::{self, MANIFEST, Stage};
use super::manifest::Manifest;
use super::results::{OfRun, PairedRow, RackRow, Results, Runs, SeriesRow, SummaryRow};
use super::text;
use crate::metrics::{
    Band, CLASS_METRICS, ClassRow, JobRow, Mark, NodeRow, OrderRow, PendingRow, ServiceRow, TaskRow, UpdateRow,
};
use crate::outside::{self, Plain, open_plain};
use crate::stats::{Humps, Kind, Paired, Summary};

/// Bytes of a table at most.
const LARGEST: u64 = 4 << 30;

/// Writes the tables and nothing else into a folder. Results of an earlier run are replaced as a whole; if writing fails
/// before that, they stay.
///
/// # Errors
///
/// As [`folder::claim`] and [`Stage::replace`].
pub fn write(dir: &Path, results: &Results) -> io::Result<()> {
    let mut claim = folder::claim(dir, true)?;
    let mut stage = claim.stage()?;
    fill(&mut stage, results)?;
    stage.replace()
}

/// Adds the tables to a stage.
///
/// # Errors
///
/// As [`Stage::fill`].
pub fn fill(stage: &mut Stage, results: &Results) -> io::Result<()> {
    let mut add = |name, fill: &dyn Fn(&mut File) -> io::Result<()>| stage.fill(name, fill);
    add("runs.csv", &|file| write_runs(file, &results.runs))?;
    add("summary.csv", &|file| write_rows(file, &results.summary))?;
    if !results.paired.is_empty() {
        add("paired.csv", &|file| write_rows(file, &results.paired))?;
    }
    if !results.pairs.is_empty() {
        add("pairs.csv", &|file| write_rows(file, &results.pairs))?;
    }
    add("series.csv", &|file| write_rows(file, &results.series))?;
    add("tasks.csv", &|file| write_rows_by_run(file, &results.tasks))?;
    add("nodes.csv", &|file| write_rows_by_run(file, &results.nodes))?;
    add("services.csv", &|file| write_rows_by_run(file, &results.services))?;
    // Most scenarios have no arrivals.
    if !results.classes.is_empty() {
        add("classes.csv", &|file| write_rows_by_run(file, &results.classes))?;
    }
    if !results.jobs.is_empty() {
        add("jobs.csv", &|file| write_rows_by_run(file, &results.jobs))?;
    }
    add("marks.csv", &|file| write_rows_by_run(file, &results.marks))?;
    add("updates.csv", &|file| write_rows_by_run(file, &results.updates))?;
    add("pending.csv", &|file| write_rows_by_run(file, &results.pending))?;
    add("orders.csv", &|file| write_rows_by_run(file, &results.orders))?;
    // It follows from the nodes, and is not read again.
    let racks = results.racks();
    if !racks.is_empty() {
        add("racks.csv", &|file| write_rows_by_run(file, &racks))?;
    }
    stage.write(MANIFEST, results.manifest.to_toml().as_bytes())
}

/// Reads the tables of a folder. The error says which file, line and column is not as written.
pub fn read(dir: &Path) -> io::Result<Results> {
    fn file<T>(dir: &Path, name: &str, parse: fn(Plain) -> Result<T, String>) -> io::Result<T> {
        let file = open_plain(&dir.join(name), LARGEST).map_err(|error| folder::about(&dir.join(name), &error))?;
        parse(file).map_err(|complaint| invalid(dir, name, &complaint))
    }
    let paired = if dir.join("paired.csv").exists() { file(dir, "paired.csv", parse_rows)? } else { vec![] };
    // Folders of earlier versions have neither.
    let pairs = if dir.join("pairs.csv").exists() { file(dir, "pairs.csv", parse_rows)? } else { vec![] };
    fn by_run<T: Row>(dir: &Path, name: &str) -> io::Result<Vec<OfRun<T>>> {
        if dir.join(name).exists() { file(dir, name, parse_rows_by_run) } else { Ok(Vec::new()) }
    }
    Ok(Results {
        manifest: file(dir, MANIFEST, parse_manifest)?,
        runs: file(dir, "runs.csv", parse_runs)?,
        summary: file(dir, "summary.csv", parse_rows)?,
        paired,
        pairs,
        series: file(dir, "series.csv", parse_rows)?,
        tasks: file(dir, "tasks.csv", parse_rows_by_run)?,
        nodes: file(dir, "nodes.csv", parse_rows_by_run)?,
        services: by_run(dir, "services.csv")?,
        classes: by_run(dir, "classes.csv")?,
        jobs: by_run(dir, "jobs.csv")?,
        marks: file(dir, "marks.csv", parse_rows_by_run)?,
        updates: by_run(dir, "updates.csv")?,
        pending: by_run(dir, "pending.csv")?,
        orders: by_run(dir, "orders.csv")?,
    })
}

/// The summaries of several folders in one table, with the scenario's name in front.
pub fn summaries<'a>(all: impl Iterator<Item = &'a Results>) -> String {
    let rows = all.flat_map(|results| results.summary.iter().map(move |row| (&results.manifest.name, row)));
    let mut table = Vec::new();
    write_lines(&mut table, &[&["scenario"], SummaryRow::HEADER].concat(), rows, |(name, row), cells| {
        cells.text(name);
        row.write(cells);
    })
    .expect("memory does not fail");
    String::from_utf8(table).expect("cells are text")
}

/// What came of an order.
const OUTCOMES: [&str; 2] = ["done", "refused"];
/// Rows of runs as their file has them, for readers who need not know the columns.
pub(super) struct Table {
    /// Names of the columns, without those that say of which run a row is; the first is what the row is about.
    pub header: &'static [&'static str],
    /// The rows of each run.
    pub runs: Vec<OfRun<Vec<String>>>,
}

/// What `services.csv` holds.
pub(super) fn services(results: &Results) -> Table {
    table(&results.services)
}

/// What `racks.csv` holds.
pub(super) fn racks(results: &Results) -> Table {
    table(&results.racks())
}

/// What `nodes.csv` holds.
pub(super) fn nodes(results: &Results) -> Table {
    table(&results.nodes)
}

fn table<T: Row>(runs: &[OfRun<T>]) -> Table {
    let cells = |row: &T| {
        let mut cells = Cells::default();
        row.write(&mut cells);
        cells.0.iter().map(|cell| text::from_cell(cell).to_string()).collect()
    };
    let rows = |run: &OfRun<T>| OfRun {
        strategy: run.strategy.clone(),
        replication: run.replication,
        items: run.items.iter().map(cells).collect(),
    };
    Table { header: T::HEADER, runs: runs.iter().map(rows).collect() }
}

/// The columns that say of which run a row is.
const RUN: &[&str] = &["strategy", "replication"];

/// Rows of one file.
trait Row: Sized {
    const HEADER: &'static [&'static str];
    fn write(&self, cells: &mut Cells);
    fn read(cells: &mut Reader) -> Result<Self, String>;
}

/// A line being written.
#[derive(Default)]
struct Cells(csv::StringRecord);

impl Cells {
    fn text(&mut self, text: &str) -> &mut Cells {
        self.0.push_field(&text::cell(text));
        self
    }
    fn count(&mut self, count: u64) -> &mut Cells {
        self.0.push_field(&count.to_string());
        self
    }
    fn number(&mut self, number: f64) -> &mut Cells {
        self.0.push_field(&text::exact(number));
        self
    }
    fn maybe(&mut self, number: Option<f64>) -> &mut Cells {
        self.0.push_field(&number.map_or_else(String::new, text::exact));
        self
    }
    fn range(&mut self, range: Option<(f64, f64)>) -> &mut Cells {
        self.maybe(range.map(|range| range.0)).maybe(range.map(|range| range.1))
    }
    fn band(&mut self, band: Band) -> &mut Cells {
        self.number(band.mean).count(band.least).count(band.most)
    }
}

/// A line being read, from left to right.
struct Reader<'a> {
    header: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    at: usize,
}

impl<'a> Reader<'a> {
    fn cell(&mut self) -> Result<&'a str, String> {
        self.at += 1;
        self.record.get(self.at - 1).ok_or_else(|| format!("column {} is missing", self.at))
    }
    fn text(&mut self) -> Result<String, String> {
        Ok(text::from_cell(self.cell()?).to_string())
    }
    fn short_text(&mut self) -> Result<SmolStr, String> {
        Ok(text::from_cell(self.cell()?).into())
    }
    fn parsed<T: FromStr>(&mut self, expected: &str) -> Result<T, String> {
        let cell = self.cell()?;
        cell.parse().map_err(|_| self.complaint(cell, expected))
    }
    fn one_of<T: Copy + Display>(&mut self, all: &[T], expected: &str) -> Result<T, String> {
        let cell = self.cell()?;
        all.iter().copied().find(|value| value.to_string() == cell).ok_or_else(|| self.complaint(cell, expected))
    }
    fn maybe_one_of<T: Copy + Display>(&mut self, all: &[T], expected: &str) -> Result<Option<T>, String> {
        if self.record.get(self.at) == Some("") {
            self.at += 1;
            return Ok(None);
        }
        self.one_of(all, expected).map(Some)
    }
    fn complaint(&self, cell: &str, expected: &str) -> String {
        let column = self.header.get(self.at - 1).unwrap_or_default();
        format!("column '{}' holds '{}', expected {expected}", outside::shown(column), outside::shown(cell))
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
    fn band(&mut self) -> Result<Band, String> {
        Ok(Band { mean: self.number()?, least: self.count()?, most: self.count()? })
    }
}

impl Row for SummaryRow {
    const HEADER: &'static [&'static str] = &[
        "strategy",
        "metric",
        "unit",
        "n",
        "mean",
        "sd",
        "ci_low",
        "ci_high",
        "ci_kind",
        "t_low",
        "t_high",
        "bca_low",
        "bca_high",
        "min",
        "median",
        "max",
        "low_n",
        "low_mean",
        "high_n",
        "high_mean",
    ];

    fn write(&self, cells: &mut Cells) {
        let Summary { n, mean, sd, ci_low, ci_high, ci_kind, student, bca, humps, min, median, max } = self.summary;
        cells.text(&self.strategy).text(&self.metric).text(&self.unit).count(n).maybe(mean).maybe(sd);
        cells.maybe(ci_low).maybe(ci_high).text(&ci_kind.map_or_else(String::new, |kind| kind.to_string()));
        cells.range(student).range(bca).maybe(min).maybe(median).maybe(max);
        let hump = |hump: Option<(u64, f64)>| hump.map(|(n, mean)| (n as f64, mean));
        cells.range(hump(humps.map(|humps| humps.low))).range(hump(humps.map(|humps| humps.high)));
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let hump = |hump: Option<(f64, f64)>| hump.map(|(n, mean)| (n as u64, mean));
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
                ci_kind: cells.maybe_one_of(&Kind::ALL, "a kind of interval")?,
                student: cells.range()?,
                bca: cells.range()?,
                min: cells.maybe()?,
                median: cells.maybe()?,
                max: cells.maybe()?,
                humps: hump(cells.range()?).zip(hump(cells.range()?)).map(|(low, high)| Humps { low, high }),
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
        cells.maybe(ratio.map(|ratio| ratio.0)).range(ratio.map(|ratio| (ratio.1, ratio.2)));
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

impl Row for PairRow {
    const HEADER: &'static [&'static str] =
        &["metric", "first", "second", "n", "difference", "ci_low", "ci_high", "p", "p_holm", "second_is"];

    fn write(&self, cells: &mut Cells) {
        let Paired { n, difference, ci, p, ratio: _ } = self.paired;
        cells.text(&self.metric).text(&self.first).text(&self.second).count(n).number(difference);
        cells.range(Some(ci)).maybe(p).maybe(self.p_holm).text(&self.verdict.to_string());
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let (metric, first, second) = (cells.text()?, cells.text()?, cells.text()?);
        let (n, difference, ci) = (cells.count()?, cells.number()?, (cells.number()?, cells.number()?));
        let (p, p_holm) = (cells.maybe()?, cells.maybe()?);
        let verdict = cells.one_of(&Verdict::ALL, "what is shown of a pair")?;
        let paired = Paired { n, difference, ci, p, ratio: None };
        Ok(PairRow { metric, first, second, paired, p_holm, verdict })
    }
}

impl Row for SeriesRow {
    const HEADER: &'static [&'static str] = &[
        "strategy",
        "time_s",
        "until_s",
        "running",
        "running_least",
        "running_most",
        "running_ci_low",
        "running_ci_high",
        "running_first",
        "desired",
        "desired_least",
        "desired_most",
        "believed",
        "believed_least",
        "believed_most",
        "pending",
        "pending_least",
        "pending_most",
        "nodes_down",
        "nodes_down_least",
        "nodes_down_most",
        "registry_bytes",
    ];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.strategy).number(self.time_s).number(self.until_s);
        cells.band(self.running).range(self.running_ci).maybe(self.running_first);
        cells.band(self.desired).band(self.believed).band(self.pending).band(self.nodes_down);
        cells.number(self.registry_bytes);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(SeriesRow {
            strategy: cells.text()?,
            time_s: cells.number()?,
            until_s: cells.number()?,
            running: cells.band()?,
            running_ci: cells.range()?,
            running_first: cells.maybe()?,
            desired: cells.band()?,
            believed: cells.band()?,
            pending: cells.band()?,
            nodes_down: cells.band()?,
            registry_bytes: cells.number()?,
        })
    }
}

impl Row for TaskRow {
    const HEADER: &'static [&'static str] = &[
        "name",
        "service",
        "node",
        "image",
        "specification",
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
        cells.text(&self.name).text(&self.service).text(&self.node).text(&self.image).count(self.specification.into());
        cells.number(self.created_s).maybe(self.assigned_s);
        cells.maybe(self.ready_s).maybe(self.running_s).maybe(self.ended_s);
        cells.text(&self.state.to_string()).text(&self.desired.to_string()).text(&self.error);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(TaskRow {
            name: cells.short_text()?,
            service: cells.short_text()?,
            node: cells.short_text()?,
            image: cells.short_text()?,
            specification: cells.count()?,
            created_s: cells.number()?,
            assigned_s: cells.maybe()?,
            ready_s: cells.maybe()?,
            running_s: cells.maybe()?,
            ended_s: cells.maybe()?,
            state: cells.one_of(&TaskState::ALL, "a state of a task")?,
            desired: cells.one_of(&DesiredState::ALL, "a desired state")?,
            error: cells.short_text()?,
        })
    }
}

impl Row for NodeRow {
    const HEADER: &'static [&'static str] = &[
        "node",
        "pool",
        "rack",
        "labels",
        "cpus",
        "memory_bytes",
        "running",
        "running_max",
        "cpu_reserved",
        "memory_reserved",
        "cpu_reserved_max",
        "memory_reserved_max",
        "images",
        "down_s",
    ];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.node).text(&self.pool).text(&self.rack).text(&self.labels);
        cells.number(self.cpus).count(self.memory_bytes).count(self.running).count(self.running_max);
        cells
            .number(self.cpu_reserved)
            .number(self.memory_reserved)
            .number(self.cpu_reserved_max)
            .number(self.memory_reserved_max);
        cells.count(self.images).number(self.down_s);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(NodeRow {
            node: cells.text()?,
            pool: cells.text()?,
            rack: cells.text()?,
            labels: cells.text()?,
            cpus: cells.number()?,
            memory_bytes: cells.count()?,
            running: cells.count()?,
            running_max: cells.count()?,
            cpu_reserved: cells.number()?,
            memory_reserved: cells.number()?,
            cpu_reserved_max: cells.number()?,
            memory_reserved_max: cells.number()?,
            images: cells.count()?,
            down_s: cells.number()?,
        })
    }
}

impl Row for ServiceRow {
    const HEADER: &'static [&'static str] = &[
        "service",
        "wanted",
        "running_min",
        "availability",
        "lost_s",
        "missing_max",
        "time_to_running_p50_s",
        "time_to_running_max_s",
        "pending_max",
        "pending_s",
        "pending_longest_s",
        "pending_reason",
        "updates",
        "update_state",
        "update_s",
        "replicas_lost",
        "failover_lost_s",
        "failover_lost_detected_s",
        "failover_p50_s",
        "failover_p99_s",
        "failover_max_s",
        "restarts",
        "moves",
        "node_changes",
        "duplicate_s",
        "spare_s",
        "below_quorum_s",
        "stood_still_s",
        "running_final",
        "incomplete_s",
        "fell_s",
        "fell_max",
        "short_s",
        "down_s",
    ];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.service).count(self.wanted).count(self.running_min).maybe(self.availability);
        cells
            .number(self.lost_s)
            .count(self.missing_max)
            .maybe(self.time_to_running_p50_s)
            .maybe(self.time_to_running_max_s);
        cells
            .count(self.pending_max)
            .number(self.pending_s)
            .number(self.pending_longest_s)
            .text(&self.pending_reason)
            .count(self.updates);
        cells.text(&self.update_state).maybe(self.update_s).count(self.replicas_lost).number(self.failover_lost_s);
        cells
            .number(self.failover_lost_detected_s)
            .maybe(self.failover_p50_s)
            .maybe(self.failover_p99_s)
            .maybe(self.failover_max_s);
        cells.count(self.restarts).count(self.moves).count(self.node_changes).number(self.duplicate_s);
        cells.number(self.spare_s).number(self.below_quorum_s).number(self.stood_still_s);
        cells.count(self.running_final).number(self.incomplete_s).number(self.fell_s).count(self.fell_max);
        cells.number(self.short_s).number(self.down_s);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(ServiceRow {
            service: cells.short_text()?,
            wanted: cells.count()?,
            running_min: cells.count()?,
            availability: cells.maybe()?,
            lost_s: cells.number()?,
            missing_max: cells.count()?,
            time_to_running_p50_s: cells.maybe()?,
            time_to_running_max_s: cells.maybe()?,
            pending_max: cells.count()?,
            pending_s: cells.number()?,
            pending_longest_s: cells.number()?,
            pending_reason: cells.short_text()?,
            updates: cells.count()?,
            update_state: cells.short_text()?,
            update_s: cells.maybe()?,
            replicas_lost: cells.count()?,
            failover_lost_s: cells.number()?,
            failover_lost_detected_s: cells.number()?,
            failover_p50_s: cells.maybe()?,
            failover_p99_s: cells.maybe()?,
            failover_max_s: cells.maybe()?,
            restarts: cells.count()?,
            moves: cells.count()?,
            node_changes: cells.count()?,
            duplicate_s: cells.number()?,
            spare_s: cells.number()?,
            below_quorum_s: cells.number()?,
            stood_still_s: cells.number()?,
            running_final: cells.count()?,
            incomplete_s: cells.number()?,
            fell_s: cells.number()?,
            fell_max: cells.count()?,
            short_s: cells.number()?,
            down_s: cells.number()?,
        })
    }
}

impl Row for ClassRow {
    const HEADER: &'static [&'static str] = &{
        let mut header = ["class"; 1 + CLASS_METRICS.len()];
        let mut row = 0;
        while row < CLASS_METRICS.len() {
            header[row + 1] = CLASS_METRICS[row];
            row += 1;
        }
        header
    };

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.class);
        for value in &self.values {
            cells.maybe(*value);
        }
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        let class = cells.short_text()?;
        let values = CLASS_METRICS.iter().map(|_| cells.maybe()).collect::<Result<_, _>>()?;
        Ok(ClassRow { class, values })
    }
}

impl Row for JobRow {
    const HEADER: &'static [&'static str] = &["job", "class", "node", "arrived_s", "started_s", "ended_s", "outcome"];

    fn write(&self, cells: &mut Cells) {
        cells.count(self.job).text(&self.class).text(&self.node);
        cells.number(self.arrived_s).maybe(self.started_s).maybe(self.ended_s).text(&self.outcome);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(JobRow {
            job: cells.count()?,
            class: cells.short_text()?,
            node: cells.short_text()?,
            arrived_s: cells.number()?,
            started_s: cells.maybe()?,
            ended_s: cells.maybe()?,
            outcome: cells.short_text()?,
        })
    }
}

impl Row for UpdateRow {
    const HEADER: &'static [&'static str] = &["service", "update", "time_s", "state", "message"];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.service).count(self.update).number(self.time_s).text(&self.state);
        cells.text(&self.message);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(UpdateRow {
            service: cells.short_text()?,
            update: cells.count()?,
            time_s: cells.number()?,
            state: cells.short_text()?,
            message: cells.text()?,
        })
    }
}

impl Row for PendingRow {
    const HEADER: &'static [&'static str] =
        &["service", "reason", "tasks_max", "seconds", "first_s", "last_s", "open", "remedy"];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.service).text(&self.reason).count(self.tasks_max).number(self.seconds);
        cells.number(self.first_s).number(self.last_s).count(self.open).text(&self.remedy);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(PendingRow {
            service: cells.short_text()?,
            reason: cells.short_text()?,
            tasks_max: cells.count()?,
            seconds: cells.number()?,
            first_s: cells.number()?,
            last_s: cells.number()?,
            open: cells.count()?,
            remedy: cells.short_text()?,
        })
    }
}

impl Row for RackRow {
    const HEADER: &'static [&'static str] =
        &["rack", "nodes", "cpus", "memory_bytes", "running", "cpu_reserved", "memory_reserved", "down_s"];

    fn write(&self, cells: &mut Cells) {
        cells.text(&self.rack).count(self.nodes).number(self.cpus).count(self.memory_bytes);
        cells.count(self.running).number(self.cpu_reserved).number(self.memory_reserved).number(self.down_s);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(RackRow {
            rack: cells.text()?,
            nodes: cells.count()?,
            cpus: cells.number()?,
            memory_bytes: cells.count()?,
            running: cells.count()?,
            cpu_reserved: cells.number()?,
            memory_reserved: cells.number()?,
            down_s: cells.number()?,
        })
    }
}

impl Row for OrderRow {
    const HEADER: &'static [&'static str] = &["time_s", "by", "order", "outcome", "answer"];

    fn write(&self, cells: &mut Cells) {
        cells.number(self.time_s).text(&self.by).text(&self.order).text(OUTCOMES[usize::from(self.is_refused)]);
        cells.text(&self.answer);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(OrderRow {
            time_s: cells.number()?,
            by: cells.short_text()?,
            order: cells.text()?,
            is_refused: cells.one_of(&OUTCOMES, "what came of an order")? == OUTCOMES[1],
            answer: cells.text()?,
        })
    }
}

impl Row for Mark {
    const HEADER: &'static [&'static str] = &["time_s", "kind", "label"];

    fn write(&self, cells: &mut Cells) {
        cells.number(self.time_s).text(&self.kind).text(&self.label);
    }

    fn read(cells: &mut Reader) -> Result<Self, String> {
        Ok(Mark { time_s: cells.number()?, kind: cells.text()?, label: cells.text()? })
    }
}

fn write_rows<T: Row>(out: impl Write, rows: &[T]) -> io::Result<()> {
    write_lines(out, T::HEADER, rows.iter(), T::write)
}

fn write_rows_by_run<T: Row>(out: impl Write, runs: &[OfRun<T>]) -> io::Result<()> {
    let rows = runs.iter().flat_map(|run| run.items.iter().map(move |row| (run, row)));
    write_lines(out, &[RUN, T::HEADER].concat(), rows, |(run, row), cells| {
        cells.text(&run.strategy).count(run.replication.into());
        row.write(cells);
    })
}

fn write_runs(out: impl Write, runs: &Runs) -> io::Result<()> {
    let metrics: Vec<String> = runs.metrics.iter().map(|name| text::cell(name)).collect();
    let header: Vec<&str> = RUN.iter().copied().chain(metrics.iter().map(String::as_str)).collect();
    write_lines(out, &header, runs.rows.iter(), |run, cells| {
        cells.text(&run.strategy).count(run.replication.into());
        for value in &run.items {
            cells.maybe(*value);
        }
    })
}

fn write_lines<T>(
    out: impl Write,
    header: &[&str],
    rows: impl Iterator<Item = T>,
    write: impl Fn(T, &mut Cells),
) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(header)?;
    let mut cells = Cells::default();
    for row in rows {
        cells.0.clear();
        write(row, &mut cells);
        writer.write_record(&cells.0)?;
    }
    writer.flush()
}

fn parse_manifest(file: Plain) -> Result<Manifest, String> {
    Manifest::parse(&io::read_to_string(file).map_err(|error| error.to_string())?)
}

fn parse_rows<T: Row>(file: Plain) -> Result<Vec<T>, String> {
    let mut rows = Vec::new();
    parse_lines(open(file, T::HEADER)?, |cells| {
        rows.push(T::read(cells)?);
        Ok(())
    })?;
    Ok(rows)
}

fn parse_rows_by_run<T: Row>(file: Plain) -> Result<Vec<OfRun<T>>, String> {
    let mut runs: Vec<OfRun<T>> = Vec::new();
    parse_lines(open(file, &[RUN, T::HEADER].concat())?, |cells| {
        let (strategy, replication) = (cells.short_text()?, cells.count()?);
        let row = T::read(cells)?;
        match runs.last_mut().filter(|run| run.strategy == strategy && run.replication == replication) {
            Some(run) => run.items.push(row),
            None => runs.push(OfRun { strategy, replication, items: vec![row] }),
        }
        Ok(())
    })?;
    Ok(runs)
}

fn parse_runs(file: Plain) -> Result<Runs, String> {
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(|error| error.to_string())?;
    if !header.iter().take(RUN.len()).eq(RUN.iter().copied()) {
        return Err("line 1: expected the columns strategy,replication and metrics".into());
    }
    let metrics: Vec<String> = header.iter().skip(RUN.len()).map(|name| text::from_cell(name).to_string()).collect();
    let mut rows = Vec::new();
    parse_lines(reader, |cells| {
        let (strategy, replication) = (cells.short_text()?, cells.count()?);
        let items = metrics.iter().map(|_| cells.maybe()).collect::<Result<_, _>>()?;
        rows.push(OfRun { strategy, replication, items });
        Ok(())
    })?;
    Ok(Runs { metrics, rows })
}

/// A file that must have these columns.
fn open(file: Plain, columns: &[&str]) -> Result<csv::Reader<Plain>, String> {
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().map_err(|error| error.to_string())?;
    if !header.iter().eq(columns.iter().copied()) {
        return Err(format!("line 1: expected the columns {}", columns.join(",")));
    }
    Ok(reader)
}

/// Line by line: the text of a large table would take as much memory as its rows.
fn parse_lines(
    mut reader: csv::Reader<Plain>,
    mut parse: impl FnMut(&mut Reader) -> Result<(), String>,
) -> Result<(), String> {
    let header = reader.headers().map_err(|error| error.to_string())?.clone();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| error.to_string())? {
        let line = record.position().map_or(0, csv::Position::line);
        parse(&mut Reader { header: &header, record: &record, at: 0 })
            .map_err(|complaint| format!("line {line}: {complaint}"))?;
    }
    Ok(())
}

fn invalid(dir: &Path, name: &str, complaint: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{}: {complaint}", outside::shown_path(&dir.join(name))))
}
