//! Result folders: what is written, read back, drawn and said about outcomes.

mod command;
mod synthetic;

use std::fs;
use std::path::Path;

use sim::report::plot::Kind;
use sim::report::results::{ROW_LIMIT, Results};
use sim::report::{csv_files, folder, redraw, write};
use synthetic::{METRICS, SMALL, Scratch, Size, manifest, outcomes};

const PNG: &[Kind] = &[Kind::Png];

fn small() -> Results {
    Results::of(manifest(SMALL), METRICS, outcomes(SMALL))
}

fn text(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn tables_read_back_as_they_were() {
    let scratch = Scratch::new("tables");
    let results = small();
    csv_files::write(&scratch.0, &results).unwrap();
    let mut read = csv_files::read(&scratch.0).unwrap();
    // A line break in a text cell becomes a blank: that is all that changes.
    let mut tasks = results.tasks.iter().flat_map(|run| &run.items);
    let error = tasks.find(|task| !task.error.is_empty()).unwrap().error.clone();
    let read_tasks = read.tasks.iter_mut().flat_map(|run| &mut run.items);
    for task in read_tasks.filter(|task| !task.error.is_empty()) {
        assert_eq!(task.error, error.replace('\n', " "));
        task.error = error.clone();
    }
    assert_eq!(read, results);
}

#[test]
fn columns_are_those_that_readers_rely_on() {
    let scratch = Scratch::new("columns");
    csv_files::write(&scratch.0, &small()).unwrap();
    let header = |name| text(&scratch.0, name).lines().next().unwrap().to_string();
    assert_eq!(
        header("summary.csv"),
        "strategy,metric,unit,n,mean,sd,ci_low,ci_high,ci_kind,t_low,t_high,bca_low,bca_high,min,median,max,low_n,low_mean,high_n,high_mean"
    );
    assert!(header("runs.csv").starts_with("strategy,replication,tasks_desired,running_final,running_min,"));
    assert!(header("paired.csv").starts_with("metric,baseline,strategy,n,difference,ci_low,ci_high,p,p_holm"));
    assert_eq!(header("pairs.csv"), "metric,first,second,n,difference,ci_low,ci_high,p,p_holm,second_is");
    assert!(header("services.csv").starts_with("strategy,replication,service,wanted,running_min,availability,lost_s,"));
    assert_eq!(header("updates.csv"), "strategy,replication,service,update,time_s,state,message");
    assert_eq!(
        header("pending.csv"),
        "strategy,replication,service,reason,tasks_max,seconds,first_s,last_s,open,remedy"
    );
    assert_eq!(header("orders.csv"), "strategy,replication,time_s,by,order,outcome,answer");
    assert!(text(&scratch.0, "orders.csv").contains(",script,service scale wbe=7,refused,service wbe not found\n"));
    // Two of three nodes are in r0, with 4 CPUs each.
    assert!(
        text(&scratch.0, "racks.csv").contains("\nspread,1,r0,2,8,17179869184,"),
        "{}",
        text(&scratch.0, "racks.csv")
    );
    assert!(text(&scratch.0, "runs.csv").contains("\nspread,1,18,21,"));
    assert!(text(&scratch.0, "tasks.csv").contains(",\"'=no suitable node, \"\"insufficient\"\" resources\""));
}

#[test]
fn nothing_that_a_spreadsheet_runs_gets_into_a_cell() {
    let mut outcomes = outcomes(SMALL);
    outcomes[0].tasks[0].service = "=HYPERLINK(\"http://example.org\")".into();
    outcomes[0].tasks[0].node = "\t@SUM(1)".into();
    outcomes[0].nodes[0].node = "+1".into();
    outcomes[0].marks[0].label = "-1\u{1b}[2J".into();
    let scratch = Scratch::new("formulas");
    csv_files::write(&scratch.0, &Results::of(manifest(SMALL), METRICS, outcomes)).unwrap();
    for name in ["tasks.csv", "nodes.csv", "marks.csv"] {
        let content = text(&scratch.0, name);
        assert!(!content.contains('\u{1b}'));
        let mut reader = csv::ReaderBuilder::new().from_reader(content.as_bytes());
        for record in reader.records() {
            for cell in record.unwrap().iter().filter(|cell| cell.parse::<f64>().is_err()) {
                let start = cell.trim_start_matches(['"', ' ']);
                assert!(!start.starts_with(['=', '+', '-', '@', '\t', '\r']), "{name}: {cell}");
            }
        }
    }
}

#[test]
fn one_replication_has_neither_intervals_nor_comparisons() {
    let size = Size { replications: 1, ..SMALL };
    let scratch = Scratch::new("single");
    write(&scratch.0, &Results::of(manifest(size), METRICS, outcomes(size)), METRICS, PNG).unwrap();
    assert!(!scratch.0.join("paired.csv").exists());
    assert!(text(&scratch.0, "summary.csv").contains("spread,tasks_desired,tasks,1,18,,,,,,,,,18,18,18,,,,"));
    let page = text(&scratch.0, "README.md");
    assert!(page.contains("there is no interval"), "{page}");
    assert!(!page.contains('±'), "{page}");
}

#[test]
fn foreign_folders_are_refused_and_own_ones_replaced_as_a_whole() {
    let scratch = Scratch::new("claims");
    let (own, foreign) = (scratch.0.join("own"), scratch.0.join("foreign"));
    fs::create_dir_all(&foreign).unwrap();
    fs::write(foreign.join("thesis.txt"), "years of work").unwrap();
    let refused = folder::claim(&foreign, false).unwrap_err().to_string();
    assert!(refused.contains("not written by simctl") && refused.contains("--force"), "{refused}");
    fs::write(foreign.join("manifest.toml"), "tool = \"other\"").unwrap();
    assert!(folder::claim(&foreign, false).is_err());
    assert!(folder::claim(&foreign, true).is_ok());

    folder::claim(&own, false).unwrap();
    write(&own, &small(), METRICS, PNG).unwrap();
    fs::write(own.join("notes.txt"), "mine").unwrap();
    folder::claim(&own, false).unwrap();
    let size = Size { replications: 1, ..SMALL };
    write(&own, &Results::of(manifest(size), METRICS, outcomes(size)), METRICS, &[]).unwrap();
    let names: Vec<String> = Scratch::files(&own).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.ends_with(".png") || name == "paired.csv"), "stale files stay: {names:?}");
    assert!(names.contains(&"notes.txt".to_string()));
}

#[test]
fn a_failed_writing_leaves_the_old_folder_as_it_was() {
    let scratch = Scratch::new("atomic");
    write(&scratch.0, &small(), METRICS, &[]).unwrap();
    // A folder in the place of a file cannot be replaced by one.
    let blocked = scratch.0.join("nodes.csv");
    fs::remove_file(&blocked).unwrap();
    fs::create_dir_all(blocked.join("inside")).unwrap();
    let error = csv_files::write(&scratch.0, &small()).unwrap_err().to_string();
    assert!(error.contains("nodes.csv"), "{error}");
    let entries = fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = entries.filter(|name| name.contains("tmp-")).collect();
    assert!(left.is_empty(), "temporary files stay: {left:?}");
    assert_eq!(text(&scratch.0, "runs.csv").lines().count(), 16);
    assert!(folder::is_ours(&scratch.0));
}

/// Names of everything in a folder, hidden or not.
fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_a_killed_process_leaves_is_put_away() {
    let not_asked_for = |name: &str| name == folder::TRACE || name.ends_with(".svg") || name.ends_with(".pdf");
    let mut own: Vec<String> = folder::files().filter(|name| !not_asked_for(name)).collect();
    own.push("notes.txt".into());
    let begun: &[fn(&Path)] = &[
        // While tables of a new folder were written.
        |dir| {
            fs::create_dir_all(dir.join(".simctl-new")).unwrap();
            fs::write(dir.join(".simctl-new/runs.csv"), "strategy,repl").unwrap();
            fs::write(dir.join(".simctl-lock"), "").unwrap();
        },
        // While files were moved in one by one, where folders cannot change places.
        |dir| {
            write(dir, &small(), METRICS, &[]).unwrap();
            fs::create_dir_all(dir.join(".simctl-new")).unwrap();
            fs::remove_file(dir.join("runs.csv")).unwrap();
        },
        // Before the folders changed places.
        |dir| {
            let old = dir.with_file_name(".own.simctl-old");
            write(&old, &small(), METRICS, &[]).unwrap();
            fs::write(old.join(".simctl-lock"), "").unwrap();
            fs::write(dir.join(".simctl-lock"), "").unwrap();
        },
        // After that, before what is not ours was moved over.
        |dir| {
            write(dir, &small(), METRICS, &[]).unwrap();
            let old = dir.with_file_name(".own.simctl-old");
            write(&old, &small(), METRICS, &[]).unwrap();
            fs::write(old.join("notes.txt"), "mine").unwrap();
        },
    ];
    for (number, begin) in begun.iter().enumerate() {
        let scratch = Scratch::new(&format!("killed-{number}"));
        let dir = scratch.0.join("own");
        fs::create_dir_all(&dir).unwrap();
        begin(&dir);
        drop(folder::claim(&dir, false).unwrap_or_else(|error| panic!("{number}: {error}")));
        if !dir.join("notes.txt").exists() {
            fs::write(dir.join("notes.txt"), "mine").unwrap();
        }
        write(&dir, &small(), METRICS, PNG).unwrap();
        let mut wanted = own.clone();
        wanted.sort();
        assert_eq!(entries(&dir), wanted, "{number}");
        assert_eq!(text(&dir, "notes.txt"), "mine");
        assert_eq!(entries(&scratch.0), ["own"], "{number}");
    }
}

#[test]
fn a_foreign_folder_is_not_touched() {
    let scratch = Scratch::new("foreign-whole");
    fs::write(scratch.0.join("runs.csv"), "mine").unwrap();
    assert!(folder::claim(&scratch.0, false).is_err());
    assert_eq!(entries(&scratch.0), ["runs.csv"]);
    // A folder that was made for nothing is gone.
    drop(folder::claim(&scratch.0.join("a/b"), false).unwrap());
    assert_eq!(entries(&scratch.0), ["runs.csv"]);
}

#[test]
fn one_process_at_a_time_writes_to_a_folder() {
    let scratch = Scratch::new("lock");
    let dir = scratch.0.join("own");
    let claim = folder::claim(&dir, false).unwrap();
    let refused = folder::claim(&dir, false).unwrap_err().to_string();
    assert!(refused.contains("another simctl is writing to this folder"), "{refused}");
    drop(claim);
    write(&dir, &small(), METRICS, &[]).unwrap();
    // The lock goes with the folder when it changes places.
    let mut claim = folder::claim(&dir, false).unwrap();
    let mut stage = claim.stage().unwrap();
    csv_files::fill(&mut stage, &small()).unwrap();
    stage.replace().unwrap();
    assert!(folder::claim(&dir, true).is_err());
    drop(claim);
    assert!(!entries(&dir).iter().any(|name| name.starts_with('.')), "{:?}", entries(&dir));
    assert_eq!(entries(&scratch.0), ["own"]);
}

/// The inode says that the folder is another one: a reader who is inside of the old one sees nothing of the new.
#[cfg(any(target_os = "linux", target_os = "macos"))]
#[test]
fn folders_change_places_as_a_whole() {
    use std::os::unix::fs::MetadataExt;
    let scratch = Scratch::new("whole");
    let (dir, link) = (scratch.0.join("own"), scratch.0.join("link"));
    write(&dir, &small(), METRICS, &[]).unwrap();
    std::os::unix::fs::symlink(&dir, &link).unwrap();
    let before = fs::metadata(&dir).unwrap().ino();
    write(&link, &small(), METRICS, &[]).unwrap();
    assert_ne!(before, fs::metadata(&dir).unwrap().ino());
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(entries(&scratch.0), ["link", "own"]);
}

#[test]
fn nothing_hidden_gets_from_names_into_files() {
    let hidden = "a\u{1b}[31m\u{9b}\u{61c}\u{200e}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}b";
    let mut manifest = manifest(Size { strategies: &["spread"], ..SMALL });
    for text in [&mut manifest.title, &mut manifest.description, &mut manifest.command, &mut manifest.file] {
        *text = hidden.into();
    }
    let mut outcomes = outcomes(Size { strategies: &["spread"], ..SMALL });
    outcomes[0].tasks[0].service = hidden.into();
    outcomes[0].nodes[0].node = hidden.into();
    outcomes[0].marks[0].label = hidden.into();
    let scratch = Scratch::new("hidden");
    write(&scratch.0, &Results::of(manifest, METRICS, outcomes), METRICS, &[]).unwrap();
    for name in entries(&scratch.0) {
        let content = text(&scratch.0, &name);
        let found = content.chars().find(|c| sim::outside::is_hidden(*c) && *c != '\n');
        assert!(found.is_none(), "{name} holds {found:?}");
    }
    assert!(text(&scratch.0, "nodes.csv").contains("a\\u{1b}[31m\\u{9b}"));
    assert_eq!(csv_files::read(&scratch.0).unwrap().manifest.title, hidden);
}

#[test]
fn damaged_tables_are_refused_with_file_line_and_column() {
    let scratch = Scratch::new("damaged");
    csv_files::write(&scratch.0, &small()).unwrap();
    let nodes = text(&scratch.0, "nodes.csv");
    fs::write(scratch.0.join("nodes.csv"), nodes.replacen("rack=r0,4,8589934592,", "rack=r0,4,8589934592,many", 1))
        .unwrap();
    let error = csv_files::read(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("nodes.csv: line 2: column 'running' holds 'many"), "{error}");
    fs::write(scratch.0.join("nodes.csv"), nodes.replacen("pool", "pond", 1)).unwrap();
    let error = csv_files::read(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("nodes.csv: line 1: expected the columns strategy,replication,node,pool"), "{error}");
}

#[test]
fn the_same_outcomes_give_the_same_bytes_and_a_redrawn_folder_does_too() {
    let (one, two) = (Scratch::new("bytes-1"), Scratch::new("bytes-2"));
    write(&one.0, &small(), METRICS, &Kind::ALL).unwrap();
    write(&two.0, &small(), METRICS, &Kind::ALL).unwrap();
    let first = Scratch::files(&one.0);
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    // Digests after every event are there only if they were asked for.
    for name in folder::files().filter(|name| *name != folder::TRACE) {
        assert!(names.contains(&name.as_str()), "{name} is missing: {names:?}");
    }
    assert!(first == Scratch::files(&two.0), "two writings differ");
    let is_drawn = |name: &&&str| [".png", ".svg", ".pdf", ".md", ".html"].iter().any(|end| name.ends_with(end));
    for name in names.iter().filter(is_drawn) {
        fs::remove_file(one.0.join(name)).unwrap();
    }
    redraw(&one.0, METRICS, &Kind::ALL).unwrap();
    assert!(first == Scratch::files(&one.0), "a redrawn folder differs");
}

#[test]
fn pictures_have_the_promised_size() {
    let scratch = Scratch::new("size");
    write(&scratch.0, &small(), METRICS, PNG).unwrap();
    for (name, bytes) in Scratch::files(&scratch.0).iter().filter(|(name, _)| name.ends_with(".png")) {
        assert_eq!(bytes[..8], *b"\x89PNG\r\n\x1a\n", "{name}");
        let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), (2000, 1200), "{name}");
    }
}

#[test]
fn pictures_for_papers_are_as_wide_as_their_column_and_written_only_if_asked_for() {
    let scratch = Scratch::new("papers");
    write(&scratch.0, &small(), METRICS, &[Kind::Svg, Kind::Pdf]).unwrap();
    let names: Vec<String> = Scratch::files(&scratch.0).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.ends_with(".png")), "{names:?}");
    for (name, width) in [("running.svg", "175mm"), ("running-85mm.svg", "85mm")] {
        let svg = text(&scratch.0, name);
        assert!(svg.starts_with(&format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\"")), "{name}");
        assert!(svg.contains(">simulated time (min)</text>"), "text is text\n{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
    // In points: 175 mm and 85 mm are 496.06 and 240.94.
    for (name, width) in [("running.pdf", "496.06"), ("running-85mm.pdf", "240.94")] {
        let bytes = fs::read(scratch.0.join(name)).unwrap();
        assert!(bytes.starts_with(b"%PDF-"), "{name}");
        let start = String::from_utf8_lossy(&bytes);
        assert!(start.contains(&format!("/MediaBox [0 0 {width}")), "{name}");
    }
    let page = text(&scratch.0, "README.md");
    assert!(page.contains("at any instant of it.](running.svg)"), "{page}");
    write(&scratch.0, &small(), METRICS, &[Kind::Pdf]).unwrap();
    assert!(text(&scratch.0, "README.md").contains("\n[Running tasks against desired ones"), "a page shows no PDF");
    write(&scratch.0, &small(), METRICS, &[]).unwrap();
    let names: Vec<String> = Scratch::files(&scratch.0).into_iter().map(|(name, _)| name).collect();
    assert!(!names.iter().any(|name| name.ends_with(".pdf") || name.ends_with(".svg")), "{names:?}");
    assert!(!text(&scratch.0, "report.html").contains("<svg"), "without pictures the report has none");
}

#[test]
fn the_report_says_the_verdict_first_and_tells_values() {
    let scratch = Scratch::new("report");
    write(&scratch.0, &small(), METRICS, PNG).unwrap();
    let html = text(&scratch.0, "report.html");
    let at = |part: &str| html.find(part).unwrap_or_else(|| panic!("'{part}' is missing in\n{html}"));
    let order = [
        "<h1>A rack fails and returns: who recovers sooner?</h1>",
        "<strong>spread</strong> loses least: ",
        "✗ 1 of 4 expectations did not hold.",
        "a <strong>rack</strong> loses power",
        "<h2>Expectations</h2>",
        "<h2>Results</h2>",
        "<h2>Pictures</h2>",
        "<h2>Services</h2>",
        "<h2>Nodes</h2>",
        "<h2>Comparison</h2>",
        "<summary>Definitions</summary>",
    ];
    let places: Vec<usize> = order.iter().map(|part| at(part)).collect();
    assert!(places.is_sorted(), "{places:?}");
    for part in [
        "<title>spread: 2.4",
        "95 % interval",
        "<td>web</td><td>spread</td>",
        "<td>node-1</td><td>binpack</td><td>workers</td>",
        "Means over the replications.",
        "Median time from creation to running.",
        "light-dark(",
        "@media print",
    ] {
        at(part);
    }
}

#[test]
fn a_report_neither_loads_nor_runs_what_files_say() {
    let scratch = Scratch::new("hostile-report");
    let evil = "<script>alert(1)</script> \"x\" & <img src=x onerror=alert(1)>";
    let mut manifest = manifest(SMALL);
    manifest.title = evil.into();
    manifest.description =
        format!("{evil}\n\n![x](https://example.org/x.png) [y](javascript:alert(1)) [z](https://example.org)\n");
    manifest.file = evil.into();
    manifest.command = evil.into();
    manifest.expect[0].text = evil.into();
    let mut outcomes = outcomes(SMALL);
    for outcome in &mut outcomes {
        outcome.nodes[0].node = evil.into();
        outcome.nodes[0].pool = evil.into();
        outcome.services[0].service = evil.into();
        outcome.marks[0].label = evil.into();
    }
    write(&scratch.0, &Results::of(manifest, METRICS, outcomes), METRICS, &[Kind::Svg]).unwrap();
    let html = text(&scratch.0, "report.html");
    assert_eq!(html.matches("<script").count(), 1, "its own");
    for tag in html.split('<').skip(1).filter_map(|piece| piece.split('>').next()) {
        assert!(!tag.starts_with("img") && !tag.starts_with("iframe") && !tag.starts_with("object"), "<{tag}>");
        for part in [" src=", " onerror", "url(", "@import", "=\"javascript:"] {
            assert!(!tag.to_lowercase().contains(part), "{part} in <{tag}>");
        }
    }
    // Only the author's link leads away, and nothing follows it but a click.
    assert_eq!(html.matches("://").count(), 1);
    assert!(html.contains("<a href=\"https://example.org\">z</a>"), "{html}");
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    let svg = text(&scratch.0, "running.svg");
    assert!(!svg.contains("<script") && !svg.contains("<img") && svg.contains("&lt;script&gt;"), "{svg}");
}

#[test]
fn the_page_says_what_came_out_and_how_sure_it_is() {
    let scratch = Scratch::new("page");
    write(&scratch.0, &small(), METRICS, PNG).unwrap();
    let page = text(&scratch.0, "README.md");
    for part in [
        "# A rack fails and returns: who recovers sooner?\n\n**spread: Safe in all 5 runs (so in at least 54.9 % of all,",
        "\n**spread** loses least: ",
        " That it is the best of all is certain.",
        "| place | strategy | replica-seconds lost | than spread | than random | than binpack |",
        "\n| 3 | binpack | 8",
        " | worse | worse |  |\n",
        "a **rack** loses power",
        "&lt;b>later",
        "simctl run scenarios/rack-failure.toml",
        "seed 42",
        "| metric | unit | spread | binpack | random |",
        "| time to running p50 | s | 2.",
        "| pulled bytes | GB |",
        "(n = 4)",
        "**time to running p50**: binpack needs 1.44× (95 % CI 1.43 to 1.45) as long as spread (worse), n = 5.",
        "**running min**: binpack has 0.69× (95 % CI 0.65 to 0.74) the value of spread (worse), n = 5.",
        "- Equal for all strategies in every replication: running final.",
        "![Running tasks against desired ones over time, one panel per strategy: ",
        "`time_to_running_p50_s` (s): Median time from creation to running.",
        "not calibrated",
        "[paired.csv](paired.csv)",
        "- [pairs.csv](pairs.csv): every headline metric of every pair of strategies, and what it shows",
        "- [services.csv](services.csv): what each service lost",
        "3 of 4 held.",
        "✗ **not held**",
        "no value in 5 of 5 replications",
    ] {
        assert!(page.contains(part), "'{part}' is missing in\n{page}");
    }
    assert!(!page.contains("| never |"), "a metric without any value is no headline\n{page}");
}

#[test]
fn an_expectation_that_many_strategies_hold_has_one_line() {
    let size = Size { strategies: &["a", "b", "c", "d", "e"], ..SMALL };
    let scratch = Scratch::new("many");
    write(&scratch.0, &Results::of(manifest(size), METRICS, outcomes(size)), METRICS, PNG).unwrap();
    let page = text(&scratch.0, "README.md");
    assert!(
        page.contains("| ✓ held | running\\_final = 18 | all 5 strategies | mean 21, expected at least 1 |"),
        "{page}"
    );
    assert_eq!(page.matches("running\\_final = 18").count(), 1);
}

#[test]
fn what_chance_explains_is_not_claimed() {
    let mut outcomes = outcomes(SMALL);
    // Differences of one sign change from replication to replication.
    for outcome in &mut outcomes {
        let sign = if outcome.replication % 2 == 0 { 1.0 } else { -1.0 };
        outcome.values[3] = Some(if outcome.strategy == "binpack" { 10.0 + sign } else { 10.0 });
    }
    let scratch = Scratch::new("chance");
    write(&scratch.0, &Results::of(manifest(SMALL), METRICS, outcomes), METRICS, &[]).unwrap();
    let page = text(&scratch.0, "README.md");
    assert!(
        page.contains("**time to running p50**: no difference shown between binpack and spread with n = 5."),
        "{page}"
    );
    assert!(
        page.contains("**time to running p50**: random equals spread in every one of n = 5 replications."),
        "{page}"
    );
}

#[test]
fn too_many_rows_keep_the_first_replication_and_the_page_says_so() {
    let size = Size { nodes: 200, tasks_per_node: 120, strategies: &["spread", "binpack", "random"], replications: 3 };
    let results = Results::of(manifest(size), METRICS, outcomes(size));
    const { assert!(24_000 * 9 > ROW_LIMIT) };
    assert_eq!(results.manifest.first_replication_only, ["tasks.csv"]);
    assert_eq!(results.tasks.iter().map(|run| run.items.len()).sum::<usize>(), 72_000);
    assert_eq!(results.nodes.iter().map(|run| run.items.len()).sum::<usize>(), 1_800);
    let scratch = Scratch::new("cut");
    write(&scratch.0, &results, METRICS, PNG).unwrap();
    assert!(text(&scratch.0, "README.md").contains("`tasks.csv` and the pictures drawn from them hold replication 1"));
}
