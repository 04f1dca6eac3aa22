//! Where the command meets the system: closed and full outputs, pipes and devices, other processes, signals, terminals.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use crate::{Place, err, project};

/// Two nodes, one service, two runs. What is expected of it does not hold.
const SMALL: &[u8] =
    b"duration = \"1m\"\nreplications = 2\nstrategies = [\"spread\"]\n[[pool]]\nname = \"n\"\ncount = 2\n\
    [[service]]\nname = \"web\"\nimage = \"web:1\"\nreplicas = 2\n[expect]\nrunning_final = { max = 1 }\n";
/// It runs until it is stopped.
const ENDLESS: &[u8] =
    b"duration = \"10000h\"\nreplications = 1000\nstrategies = [\"spread\"]\n[[pool]]\nname = \"n\"\n\
    count = 50\n[[service]]\nname = \"web\"\nimage = \"web:1\"\nreplicas = 100\nexits = { after = \"1s\" }\n";

/// A folder with a scenario, its results, a stack file, a refused one and a recording.
fn furnished(name: &str) -> Place {
    let place = Place::new(name);
    place.write("s.toml", SMALL);
    place.write("good.yml", b"services:\n  web:\n    image: nginx\n");
    place.write("bad.yml", b"services: [");
    let recordings = project().join("crates/sim/tests/conform/data/placement-public.jsonl");
    let recordings = fs::read_to_string(recordings).unwrap();
    place.write("r.jsonl", recordings.lines().next().unwrap().as_bytes());
    let made = place.simctl(&["run", "s.toml", "--no-plots", "--quiet"]);
    assert_eq!(made.status.code(), Some(1), "{}", err(&made));
    place
}

/// Every verb that prints, but for `bench`, which measures for long; and how it ends where all that it says is read.
const VERBS: &[(&str, i32)] = &[
    ("--help", 0),
    ("run --help", 0),
    ("--version", 0),
    ("strategies", 0),
    ("metrics --format json", 0),
    ("conform r.jsonl", 0),
    ("conform r.jsonl --format json", 0),
    ("stack good.yml", 0),
    ("stack bad.yml", 2),
    ("stack good.yml bad.yml --format json", 2),
    ("check s.toml --quiet", 1),
    ("run s.toml --no-plots --quiet", 1),
    ("run s.toml --no-plots --quiet --format csv", 1),
    ("report results/s --no-plots", 1),
];

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let place = furnished("closed");
    for (words, code) in VERBS {
        let mut child = Command::new(env!("CARGO_BIN_EXE_simctl"))
            .args(words.split(' '))
            .current_dir(&place.0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(*code), ""), "{words}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_output_is_said_in_one_line() {
    let place = furnished("full");
    for (words, code) in VERBS {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_simctl"));
        let output = command.args(words.split(' ')).current_dir(&place.0).stdout(full).output().unwrap();
        let wanted = if *code == 2 { 2 } else { 3 };
        assert_eq!(output.status.code(), Some(wanted), "{words}: {}", err(&output));
        assert_eq!(err(&output), "error: standard output: No space left on device (os error 28)\n", "{words}");
    }
}

/// A file that ends while it is written; the limit of a process stands for a disk.
#[test]
fn a_full_disk_is_said_in_one_line_and_leaves_what_was_there() {
    let place = furnished("disk");
    let before = fs::read(place.0.join("results/s/runs.csv")).unwrap();
    for (words, limit, file) in [
        ("run s.toml --quiet", 0, ".simctl-lock|runs.csv"),
        ("run s.toml --quiet", 40, "metrics.png|running.png|nodes.png|time-to-running.png"),
        ("report results/s", 40, "metrics.png|running.png|nodes.png|time-to-running.png"),
    ] {
        let script = format!("trap '' XFSZ; ulimit -f {limit}; exec \"$0\" {words}");
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &script, env!("CARGO_BIN_EXE_simctl")]).current_dir(&place.0).output().unwrap();
        let said = err(&output);
        assert_eq!(output.status.code(), Some(3), "{words}: {said}");
        let is_named = file.split('|').any(|file| said.contains(&format!("error: results/s/{file}: File too large")));
        assert!(is_named && said.lines().count() == 1, "{words}: {said}");
        assert_eq!(fs::read(place.0.join("results/s/runs.csv")).unwrap(), before);
        assert!(place.hidden().is_empty(), "{words} left {:?}", place.hidden());
    }
}

#[test]
fn only_plain_files_are_read() {
    let place = furnished("plain");
    let pipe = place.0.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::create_dir(place.0.join("folder")).unwrap();
    let scenario = |key: &str| format!("{}\n{key}\n", String::from_utf8_lossy(SMALL));
    place.write("log.toml", scenario("[[failure]]\nlog = \"input\"").as_bytes());
    place.write(
        "arrivals.toml",
        scenario("[[arrivals]]\nname = \"a\"\nfile = \"input\"\n[arrivals.service]\nname = \"j\"\nimage = \"j:1\"")
            .as_bytes(),
    );
    place.write("image.toml", scenario("[[image]]\nname = \"web:1\"\nlayers = \"input\"").as_bytes());
    place.write("env.toml", scenario("[[stack]]\nfiles = [\"good.yml\"]\nenv_file = \"input\"").as_bytes());
    place.write("stack.toml", scenario("[[stack]]\nfiles = [\"input\"]").as_bytes());
    let inputs = ["run", "check"].map(|verb| format!("{verb} input"));
    let mut commands = inputs.to_vec();
    commands.extend(["log", "arrivals", "image", "env", "stack"].map(|name| format!("check {name}.toml")));
    commands.push("conform input".into());
    for kind in [pipe.as_path(), "/dev/zero".as_ref(), "folder".as_ref()] {
        let _ = fs::remove_file(place.0.join("input"));
        symlink(kind, place.0.join("input")).unwrap();
        for words in &commands {
            let output = place.simctl(&words.split(' ').collect::<Vec<_>>());
            assert_eq!(output.status.code(), Some(2), "{words} with {kind:?}: {}", err(&output));
        }
    }
    // Each file of a result folder.
    let tables: Vec<String> = fs::read_dir(place.0.join("results/s"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        // Pages are written and never read.
        .filter(|name| name != "README.md" && name != "report.html")
        .collect();
    assert!(6 <= tables.len(), "{tables:?}");
    for table in tables {
        for kind in [pipe.as_path(), "/dev/zero".as_ref()] {
            let (path, kept) = (place.0.join("results/s").join(&table), place.0.join("kept"));
            fs::rename(&path, &kept).unwrap();
            symlink(kind, &path).unwrap();
            let output = place.simctl(&["report", "results/s", "--no-plots"]);
            assert_eq!(output.status.code(), Some(2), "{table} as {kind:?}: {}", err(&output));
            fs::remove_file(&path).unwrap();
            fs::rename(&kept, &path).unwrap();
        }
    }
}

#[test]
fn a_folder_that_another_process_writes_to_is_refused() {
    let place = furnished("busy");
    let path = place.0.join("results/s/.simctl-lock");
    let lock = File::create(&path).unwrap();
    lock.lock().unwrap();
    for words in [&["run", "s.toml", "--quiet"][..], &["run", "s.toml", "--force"], &["report", "results/s"]] {
        let output = place.simctl(words);
        assert_eq!(output.status.code(), Some(3), "{words:?}: {}", err(&output));
        assert!(
            err(&output).contains("error: results/s: another simctl is writing to this folder"),
            "{}",
            err(&output)
        );
    }
    // It was killed: its lock is gone, the file stays.
    drop(lock);
    let output = place.simctl(&["run", "s.toml", "--quiet", "--no-plots"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(place.hidden().is_empty(), "{:?}", place.hidden());
}

#[test]
fn a_signal_ends_the_process_and_leaves_nothing() {
    let place = Place::new("signals");
    place.write("s.toml", ENDLESS);
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_simctl"))
            .args(["run", "s.toml", "--quiet"])
            .current_dir(&place.0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !place.0.join("results/s/.simctl-lock").exists() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
            std::thread::yield_now();
        }
        let kill = format!("kill -{signal} {}", child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        assert_eq!(place.entries(), ["s.toml"], "{signal}");
    }
}

#[test]
fn what_is_done_before_a_signal_is_written() {
    let place = Place::new("partial");
    let many = String::from_utf8_lossy(ENDLESS).replace("10000h", "20m").replace("= 1000\n", "= 10000\n");
    place.write("s.toml", many.replace("[\"spread\"]", "[\"spread\", \"binpack\"]").as_bytes());
    let mut child = Command::new(env!("CARGO_BIN_EXE_simctl"))
        .args(["run", "s.toml", "--no-plots", "--trace=jsonl", "--trace-replications=3"])
        .current_dir(&place.0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The third replication is over when the last line of its trace is there.
    let is_over = |strategy: &str| {
        let trace = place.0.join(format!("results/s/.simctl-new/trace-{strategy}.3.jsonl"));
        fs::read_to_string(trace).is_ok_and(|text| text.contains("\"kind\":\"end\""))
    };
    while !is_over("spread") || !is_over("binpack") {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was stopped");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(Command::new("sh").args(["-c", &format!("kill -INT {}", child.id())]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let (out, said) = (String::from_utf8_lossy(&output.stdout), err(&output));
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("what is done so far is written"), "{said}");
    let manifest = fs::read_to_string(place.0.join("results/s/manifest.toml")).unwrap();
    let manifest = sim::report::manifest::Manifest::parse(&manifest).unwrap();
    let done = manifest.replications;
    assert!((1..10_000).contains(&done) && manifest.partial_of == Some(10_000), "{done}");
    assert!(out.contains(&format!("partial: {done} of 10000 replications")), "{out}");
    let page = fs::read_to_string(place.0.join("results/s/README.md")).unwrap();
    assert!(page.contains(&format!("**Partial: {done} of 10000 replications.**")), "{page}");
    let runs = fs::read_to_string(place.0.join("results/s/runs.csv")).unwrap();
    assert_eq!(runs.lines().count(), 1 + 2 * done as usize);
    assert!(place.hidden().is_empty(), "{:?}", place.hidden());
    // It is what so many replications give, and says how to make it again.
    assert_eq!(manifest.command, format!("simctl run s.toml --replications {done}"));
    let verified = place.simctl(&["verify", "results/s"]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn files_of_others_are_not_written_over() {
    let place = Place::new("others");
    for name in ["bench.csv", "cost.png"] {
        let dir = place.0.join(name.replace('.', "-"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join(name), "somebody's").unwrap();
        let output = place.simctl(&["bench", "--quick", "--quiet", "--out", dir.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(3), "{}", err(&output));
        assert!(err(&output).contains(&format!("its {name} is another's")), "{}", err(&output));
        assert!(output.stdout.is_empty(), "it is refused before anything is measured");
        assert_eq!(fs::read(dir.join(name)).unwrap(), b"somebody's");
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }
}

#[test]
fn names_are_shown_without_what_steers_a_terminal() {
    let hidden = "a\u{1b}[31m\u{9b}2J\u{61c}\u{200e}\u{2028}\u{202e}\u{2066}b";
    let place = Place::new("names");
    place.write("s.toml", SMALL);
    let recording = serde_json::json!({
        "format": "swarm-oracle-placement/1", "id": hidden, "category": hidden,
        "services": [{ "name": hidden, "replicas": 1 }],
        "invariants": { "per_service": { hidden: { "tasks_created": { "kind": "exact", "value": 7 } } } },
    });
    place.write("r.jsonl", recording.to_string().as_bytes());
    place.write(&format!("{hidden}.yml"), b"services:\n  web:\n    image: [1]\n");
    let folder = format!("out{hidden}");
    let stack = format!("{hidden}.yml");
    for words in [
        &["conform", "r.jsonl", "--failures"][..],
        &["conform", "r.jsonl", "--show", hidden],
        &["conform", "r.jsonl", "--show", &hidden[1..]],
        &["conform", "r.jsonl", "--format", "json"],
        &["conform", hidden],
        &["run", "s.toml", "--no-plots", "--out", &folder],
        &["run", "s.toml", "--no-plots", "--format", "json", "--out", &folder],
        &["report", &format!("{folder}/s"), "--no-plots"],
        &["report", &folder],
        &["check", hidden],
        &["stack", &stack],
        &["stack", &stack, "--format", "json"],
        &["stack", &stack, "--env", hidden],
        &["run", "s.toml", "--strategy", hidden],
        &["run", "--color", "always", hidden, &format!("--{hidden}")],
        &[hidden],
    ] {
        let output = place.simctl(words);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output));
        let said = if words.contains(&"always") { said.replace("\u{1b}[", "") } else { said };
        let found = said.chars().find(|c| sim::outside::is_hidden(*c) && *c != '\n');
        assert!(found.is_none(), "{words:?} printed {found:?} in\n{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn colours_are_where_they_are_asked_for() {
    let place = furnished("colours");
    for words in [
        "stack good.yml",
        "metrics",
        "check s.toml --quiet",
        "report results/s --no-plots",
        "--help",
        "run",
        "run --frob",
    ] {
        for (color, wanted) in [("always", true), ("never", false), ("auto", false)] {
            // A message about the arguments comes before they are understood.
            for choice in [vec!["--color", color], vec![&*format!("--color={color}")]] {
                let words: Vec<&str> = choice.iter().copied().chain(words.split(' ')).collect();
                let output = place.simctl(&words);
                let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(&output));
                assert_eq!(said.contains('\u{1b}'), wanted, "{words:?}:\n{said}");
            }
        }
    }
}

/// On a terminal, which `script` pretends; skipped where that is missing.
#[cfg(target_os = "linux")]
#[test]
fn no_color_and_a_dumb_terminal_are_heeded() {
    let place = furnished("terminal");
    for (variable, wanted) in [("TERM=xterm", true), ("TERM=dumb", false), ("NO_COLOR=1", false)] {
        for words in ["stack good.yml", "metrics", "--help", "run --frob", "stack bad.yml"] {
            let inside = format!("env {variable} {} {words}", env!("CARGO_BIN_EXE_simctl"));
            let mut script = Command::new("script");
            script.args(["-qec", &inside, "/dev/null"]).stdin(Stdio::null()).current_dir(&place.0);
            let Ok(output) = script.env("TERM", "xterm").env_remove("NO_COLOR").output() else {
                eprintln!("skipped: there is no `script`");
                return;
            };
            let said = String::from_utf8_lossy(&output.stdout);
            assert_eq!(said.contains('\u{1b}'), wanted, "{variable} {words}:\n{said}");
        }
    }
}
