//! Lists: a template for each row, and columns that are as wide as they need to be (docker/cli
//! `cli/command/formatter/formatter.go`; Go `text/tabwriter` with a least width of 10 and 3 blanks between columns).

use sched::spec::Labels;
use serde_json::{Map, Value};

use super::template::{Data, Template};
use super::words::width;

/// Least width of a column, and blanks after its widest cell.
const LEAST: usize = 10;
const PADDING: usize = 3;

/// What a list can show.
pub struct Layout {
    /// Fields of a row with their headings.
    pub fields: &'static [(&'static str, &'static str)],
    /// Fields of the usual table, in order.
    pub columns: &'static [&'static str],
    /// Fields of `--format raw`, with their names there.
    pub raw: &'static [(&'static str, &'static str)],
    /// What a row is called when a field of it is not known.
    pub kind: &'static str,
}

/// A row: its fields by name, and labels that `.Label` reads.
#[derive(Default)]
pub struct Row {
    /// Sorted by name, as `--format json` shows them.
    pub fields: Map<String, Value>,
    /// See there.
    pub labels: Labels,
}

impl Row {
    /// A row of fields.
    pub fn new<const N: usize>(mut fields: [(&str, Value); N]) -> Row {
        fields.sort_by_key(|(name, _)| *name);
        let fields = fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
        Row { fields, labels: Labels::new() }
    }
}

/// The rows in a format: `table`, `raw`, `json`, a template, or `table` and a template. Without one it is the usual table, or the
/// ids if only those are wanted.
pub fn list(layout: &Layout, format: Option<&str>, quiet: bool, rows: Vec<Row>) -> Result<String, String> {
    let format = match format.filter(|format| !format.is_empty()) {
        None | Some("table") if quiet => "{{.ID}}".to_string(),
        None | Some("table") => {
            let columns: Vec<String> = layout.columns.iter().map(|column| placeholder(column)).collect();
            format!("table {}", columns.join("\t"))
        }
        Some("raw") if quiet => {
            layout.raw.first().map(|(name, field)| format!("{name}: {{{{.{field}}}}}")).unwrap_or_default()
        }
        Some("raw") => layout.raw.iter().map(|(name, field)| format!("{name}: {{{{.{field}}}}}\n")).collect(),
        Some("json") => "{{json .}}".to_string(),
        Some(format) => format.to_string(),
    };
    let (is_table, text) = match format.strip_prefix("table") {
        Some(text) => (true, text),
        None => (false, format.as_str()),
    };
    let text = text.trim_matches(' ').replace("\\t", "\t").replace("\\n", "\n");
    let template = Template::parse(&text).map_err(|why| format!("template parsing error: {why}"))?;
    let mut out = String::new();
    if is_table {
        let headings = layout.fields.iter().map(|(field, heading)| (field.to_string(), Value::from(*heading)));
        let headings = Value::Object(headings.collect());
        out += &template.execute(&Data::headings(&headings)).map_err(|why| wrong(&why, layout))?;
        out.push('\n');
    }
    for row in rows {
        let fields = Value::Object(row.fields);
        out += &template.execute(&Data::row(&fields, &row.labels, layout.kind)).map_err(|why| wrong(&why, layout))?;
        out.push('\n');
    }
    Ok(if is_table { aligned(&out) } else { out })
}

fn wrong(why: &str, layout: &Layout) -> String {
    let fields: Vec<&str> = layout.fields.iter().map(|(field, _)| *field).collect();
    format!("template parsing error: {why}\nfields are {}", fields.join(", "))
}

/// The placeholder of a column. That of ids of nodes has the mark of the current one beside it.
fn placeholder(column: &str) -> String {
    match column {
        "ID *" => "{{.ID}} {{if .Self}}*{{else}} {{end}}".to_string(),
        column => format!("{{{{.{column}}}}}"),
    }
}

/// Cells end with tabs. A column is a run of lines that have the cell, and as wide as its widest one; what stands after the last
/// tab of a line belongs to no column.
pub fn aligned(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len()]).collect();
    for column in 0..columns {
        let has = |line: &Vec<&str>| column + 1 < line.len();
        let mut begin = 0;
        while begin < lines.len() {
            if !has(&lines[begin]) {
                begin += 1;
                continue;
            }
            let end = lines[begin..].iter().position(|line| !has(line)).map_or(lines.len(), |run| begin + run);
            let widest = lines[begin..end].iter().map(|line| width(line[column]) + PADDING).max().unwrap_or(0);
            widths[begin..end].iter_mut().for_each(|line| line[column] = widest.max(LEAST));
            begin = end;
        }
    }
    let mut out = String::new();
    for (line, widths) in lines.iter().zip(&widths) {
        for (cell, wide) in line.iter().zip(widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(' ', wide.saturating_sub(width(cell))));
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_in_docker_s_tables() {
        // Of a real session: `docker service ls`, where the last column is not filled up.
        let cells = "ID\tNAME\tMODE\tREPLICAS\tIMAGE\tPORTS\n\
                     iu1itgm432ak\tapp_a\treplicated\t3/3\tregistry.local:5000/web:1\t*:8080->80/tcp\n\
                     ts2iylj7wxix\tapp_b\treplicated\t2/2\tregistry.local:5000/api:1\t\n";
        let shown = "ID             NAME      MODE         REPLICAS   IMAGE                       PORTS\n\
                     iu1itgm432ak   app_a     replicated   3/3        registry.local:5000/web:1   *:8080->80/tcp\n\
                     ts2iylj7wxix   app_b     replicated   2/2        registry.local:5000/api:1   \n";
        assert_eq!(aligned(cells), shown);
    }

    #[test]
    fn a_line_without_a_cell_ends_a_column() {
        assert_eq!(
            aligned("a\tb\nlong enough cell\tb\n\nc\td\n"),
            "a                  b\nlong enough cell   b\n\nc         d\n"
        );
    }
}
