//! Runs that are written down: what the trace says is what the tables say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use prost::Message;

use crate::{Place, err};

/// A rack of three is lost, the leader goes with it, an image is pulled, a service is updated.
const BUSY: &[u8] = b"duration = \"5m\"\nreplications = 2\nstrategies = [\"spread\", \"binpack\"]\n\
    [[pool]]\nname = \"m\"\ncount = 3\nrole = \"manager\"\nlabels = { rack = \"r{i}\" }\n\
    [[pool]]\nname = \"w\"\ncount = 6\nlabels = { rack = \"r{i%3}\" }\n\
    [[service]]\nname = \"web\"\nimage = \"web:1\"\nreplicas = 20\n\
    [[service]]\nname = \"agent\"\nimage = \"agent:1\"\nmode = \"global\"\n\
    [[event]]\nat = \"1m\"\nupdate_image = { web = \"web:2\" }\n\
    [[event]]\nat = \"2m\"\ndown = \"rack=r0\"\n[[event]]\nat = \"3m\"\ndrain = \"w-2\"\n\
    [[event]]\nat = \"3m 30s\"\nrestart = \"w-3\"\n\
    [[event]]\nat = \"4m\"\nremove_node = { nodes = \"m-2\" }\n";

// The fields of Perfetto's trace format that are read here, by the numbers of google/perfetto.
#[derive(Clone, PartialEq, Message)]
struct Trace {
    #[prost(message, repeated, tag = "1")]
    packet: Vec<Packet>,
}

#[derive(Clone, PartialEq, Message)]
struct Packet {
    #[prost(uint64, optional, tag = "8")]
    timestamp: Option<u64>,
    #[prost(message, optional, tag = "11")]
    event: Option<Event>,
    #[prost(message, optional, tag = "60")]
    track: Option<Track>,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(int32, optional, tag = "9")]
    kind: Option<i32>,
    #[prost(uint64, optional, tag = "11")]
    track: Option<u64>,
    #[prost(string, repeated, tag = "22")]
    categories: Vec<String>,
    #[prost(string, optional, tag = "23")]
    name: Option<String>,
    #[prost(int64, optional, tag = "30")]
    value: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Track {
    #[prost(uint64, optional, tag = "1")]
    uuid: Option<u64>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "5")]
    parent: Option<u64>,
}

/// A slice: the name of its track, its own, its category, begin and end in nanoseconds.
type Slice = (String, String, String, u64, u64);

/// The slices of a trace, and the values of each counter.
fn read(bytes: &[u8]) -> (Vec<Slice>, BTreeMap<String, Vec<i64>>) {
    let trace = Trace::decode(bytes).expect("packets of Perfetto");
    let mut tracks: BTreeMap<u64, String> = BTreeMap::new();
    let mut open: BTreeMap<u64, Vec<(String, String, u64)>> = BTreeMap::new();
    let (mut slices, mut counters) = (Vec::new(), BTreeMap::new());
    for packet in trace.packet {
        if let Some(track) = packet.track {
            assert!(track.parent.is_none_or(|parent| tracks.contains_key(&parent)), "a parent comes first");
            assert!(tracks.insert(track.uuid(), track.name().into()).is_none(), "a track is described once");
        }
        let Some(event) = packet.event else { continue };
        let at = packet.timestamp.expect("what happens has a time");
        let name = tracks.get(&event.track()).expect("a track is described before it is used").clone();
        let stack = open.entry(event.track()).or_default();
        match event.kind() {
            1 => stack.push((event.name().into(), event.categories[0].clone(), at)),
            2 => {
                let (slice, category, since) = stack.pop().expect("what ends was begun");
                assert!(since <= at);
                slices.push((name, slice, category, since, at));
            }
            3 => slices.push((name, event.name().into(), "instant".into(), at, at)),
            4 => counters.entry(name).or_insert_with(Vec::new).extend(event.value),
            kind => panic!("no event of kind {kind}"),
        }
    }
    assert!(open.values().all(Vec::is_empty), "all that was begun ends");
    (slices, counters)
}

#[test]
fn a_trace_says_what_the_tables_say() {
    let place = Place::new("trace");
    place.write("s.toml", BUSY);
    let output = place.simctl(&["run", "s.toml", "--no-plots", "--trace", "perfetto,jsonl", "--jobs", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for strategy in ["spread", "binpack"] {
        assert!(err(&output).contains(&format!("results/s/trace-{strategy}.pftrace")), "{}", err(&output));
        let mut rows = csv::Reader::from_path(place.0.join("results/s/tasks.csv")).unwrap();
        let rows: Vec<BTreeMap<String, String>> = rows.deserialize().map(Result::unwrap).collect();
        let tasks: Vec<_> =
            rows.iter().filter(|row| row["strategy"] == strategy && row["replication"] == "1").collect();
        assert!(tasks.len() > 40, "an update replaces twenty");
        let secs = |text: &str| text.parse::<f64>().unwrap();
        let nanos = |secs: f64| (secs * 1e9).round() as u64;

        let bytes = fs::read(place.0.join(format!("results/s/trace-{strategy}.pftrace"))).unwrap();
        let (slices, counters) = read(&bytes);
        let of = |category: &str| slices.iter().filter(move |slice| slice.2 == category).collect::<Vec<_>>();
        let shown: BTreeSet<(String, String, u64)> =
            of("task").iter().map(|slice| (slice.1.clone(), slice.0.clone(), slice.3)).collect();
        let known: BTreeSet<(String, String, u64)> = tasks
            .iter()
            .filter(|row| !row["node"].is_empty())
            .map(|row| (row["name"].clone(), row["node"].clone(), nanos(secs(&row["assigned_s"]))))
            .collect();
        assert_eq!(shown, known, "every task that had a node, on it, from its assignment on");
        assert_eq!(of("task").len(), known.len());
        let mut began: Vec<u64> =
            of("state").iter().filter(|slice| slice.1 == "running").map(|slice| slice.3).collect();
        let running = tasks.iter().filter(|row| !row["running_s"].is_empty());
        let mut ran: Vec<u64> = running.map(|row| nanos(secs(&row["running_s"]))).collect();
        began.sort_unstable();
        ran.sort_unstable();
        assert_eq!(began, ran);
        let power: Vec<&str> =
            of("failure").iter().filter(|slice| slice.1 == "no power").map(|slice| slice.0.as_str()).collect();
        assert_eq!(power, ["m-1", "w-1", "w-4"]);
        let restarts: Vec<&Slice> = of("failure").into_iter().filter(|slice| slice.1 == "engine restarts").collect();
        assert!(restarts.len() == 1 && restarts[0].0 == "w-3" && restarts[0].4 < 240_000_000_000, "{restarts:?}");
        let leaders: BTreeSet<&str> = of("leader").iter().map(|slice| slice.1.as_str()).collect();
        assert!(leaders.iter().all(|name| name.starts_with("m-")) && !leaders.is_empty(), "{leaders:?}");
        assert!(!of("pull").is_empty() && of("pull").iter().all(|slice| slice.3 < slice.4));
        assert!(slices.iter().any(|slice| slice.0 == "orders" && slice.1 == "remove_node m-2"), "a refused order");
        assert_eq!(counters["wanted"].iter().max(), Some(&29));
        assert_eq!(counters["nodes down"], [0, 3]);

        let text = fs::read_to_string(place.0.join(format!("results/s/trace-{strategy}.jsonl"))).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let count = |kind: &str| lines.iter().filter(|line| line["kind"] == kind).count();
        assert_eq!(count("task_created"), tasks.len());
        assert_eq!(count("power"), 3);
        assert_eq!(count("end"), 1);
        let times: Vec<f64> = lines.iter().map(|line| line["t"].as_f64().unwrap()).collect();
        assert!(times.is_sorted(), "lines are in order of time");
        let order = |name: &str| lines.iter().find(|line| line["order"] == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(order("power_off")["nodes"], serde_json::json!(["m-1", "w-1", "w-4"]));
        let refusal = order("remove_node")["answer"].as_str().unwrap();
        assert!(refusal.starts_with("node m-2 is a cluster manager"), "{refusal}");
        assert_eq!(order("set_availability")["by"], "script");
    }
    // Nothing else comes out than without, and what the new run does not write goes.
    let tables: Vec<Vec<u8>> =
        ["runs.csv", "tasks.csv"].map(|name| fs::read(place.0.join("results/s").join(name)).unwrap()).into();
    let output = place.simctl(&["run", "s.toml", "--no-plots", "--trace=jsonl", "--trace-replications", "2"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let again: Vec<Vec<u8>> =
        ["runs.csv", "tasks.csv"].map(|name| fs::read(place.0.join("results/s").join(name)).unwrap()).into();
    assert_eq!(tables, again);
    let mut traces: Vec<String> = fs::read_dir(place.0.join("results/s"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("trace"))
        .collect();
    traces.sort();
    let names = ["trace-binpack.2.jsonl", "trace-binpack.jsonl", "trace-spread.2.jsonl", "trace-spread.jsonl"];
    assert_eq!(traces, names);
    assert_eq!(place.simctl(&["verify", "results/s"]).status.code(), Some(0));
}

#[test]
fn a_plain_trace_is_of_digests_wherever_it_stands() {
    let place = Place::new("digests");
    place.write("s.toml", BUSY);
    for words in [
        &["run", "--trace", "s.toml", "--no-plots", "--quiet"][..],
        &["run", "s.toml", "--no-plots", "--quiet", "--trace"],
        &["run", "s.toml", "--no-plots", "--trace", "digests,jsonl", "--quiet"],
    ] {
        let _ = fs::remove_dir_all(place.0.join("results"));
        assert_eq!(place.simctl(words).status.code(), Some(0), "{words:?}");
        assert!(place.0.join("results/s/trace.bin").exists(), "{words:?}");
        assert_eq!(place.0.join("results/s/trace-spread.jsonl").exists(), words.contains(&"digests,jsonl"));
    }
    assert_eq!(place.simctl(&["run", "s.toml", "--trace=perfeto"]).status.code(), Some(2));
}
