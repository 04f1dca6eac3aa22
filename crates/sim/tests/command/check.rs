//! `simctl check`: verdicts for people, programs and CI systems.

use super::{Place, err};

fn scenario(expect: &str) -> String {
    format!(
        "duration = \"1m\"\nreplications = 4\n[[pool]]\nname = \"node\"\ncount = 2\n\
         [[service]]\nname = \"web\"\nimage = \"web\"\nreplicas = 4\n[expect]\n{expect}\n"
    )
}

fn text(output: &std::process::Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn what_is_not_decided_has_a_sign_and_a_code_of_its_own() {
    let place = Place::new("check-undecided");
    place.write("a.toml", scenario("running_final = { min = 4, in = 0.9 }\nnodes_final = 2").as_bytes());
    let output = place.simctl(&["check", "a.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(4));
    let says = "? spread: running_final = { min = 4, in = 0.9 } (it is so in 4 of 4 runs, so in at least 47.2 % with 95 % \
                confidence, expected at least 4 in at least 90 % of the runs: not decided with 4 runs, about 29 are needed)";
    assert!(text(&output).contains(says), "{}", text(&output));
    assert!(text(&output).ends_with("1 of 2 expectations held, 1 not decided\n"));
    let output = place.simctl(&["check", "a.toml", "--quiet", "--replications", "29"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn ci_systems_read_the_verdicts() {
    let place = Place::new("check-junit");
    place.write("a.toml", scenario("running_final = 5\nnodes_final = 2\n\"spread.<&\\\"\" = 1").as_bytes());
    let output = place.simctl(&["check", "a.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    place.write("a.toml", scenario("running_final = 5\nnodes_final = 2").as_bytes());
    let output = place.simctl(&["check", "a.toml", "--quiet", "--format", "junit"]);
    assert_eq!(output.status.code(), Some(1));
    let xml = text(&output);
    for part in [
        "<testsuites name=\"simctl check\" tests=\"2\" failures=\"1\" errors=\"0\">",
        "<testsuite name=\"a\" tests=\"2\" disabled=\"0\" errors=\"0\" failures=\"1\">",
        "<testcase name=\"spread: running_final = 5\" classname=\"a\">",
        "<failure message=\"mean 4, expected exactly 5\" type=\"missed\"/>",
        "<testcase name=\"spread: nodes_final = 2\" classname=\"a\">",
    ] {
        assert!(xml.contains(part), "{part} is not in\n{xml}");
    }
    let again = place.simctl(&["check", "a.toml", "--quiet", "--format", "junit"]);
    assert_eq!(xml, text(&again));
    let output = place.simctl(&["check", "a.toml", "--quiet", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["held"].as_u64(), json["missed"].as_u64()), (Some(1), Some(1)));
    assert_eq!(json["scenarios"][0]["expectations"][0]["value"], 4.0);
}

#[test]
fn the_first_failure_ends_it_if_that_is_asked_for_and_nothing_expected_is_refused() {
    let place = Place::new("check-fast");
    place.write("a.toml", scenario("running_final = 5").as_bytes());
    place.write("b.toml", scenario("running_final = 4").as_bytes());
    let output = place.simctl(&["check", "a.toml", "b.toml", "--quiet", "--fail-fast"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).ends_with("0 of 1 expectation held; 1 scenario was not run\n"), "{}", text(&output));
    place.write("c.toml", scenario("").as_bytes());
    let output = place.simctl(&["check", "b.toml", "c.toml", "--quiet"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output), "");
    assert!(err(&output).starts_with("error: c.toml: nothing is expected of it"), "{}", err(&output));
}

#[test]
fn nothing_may_run_only_where_that_is_expected() {
    let place = Place::new("check-idle");
    for (expect, code) in [("nodes_final = 2", 1), ("running_final = 0", 0), ("running_final = { max = 4 }", 1)] {
        let text =
            scenario(expect).replace("replicas = 4", "replicas = 4\nconstraints = [\"node.labels.ssd == true\"]");
        place.write("a.toml", text.as_bytes());
        let output = place.simctl(&["check", "a.toml", "--quiet", "--format", "junit"]);
        assert_eq!(output.status.code(), Some(code), "{expect}: {}", err(&output));
        assert_eq!(errors_in(&output), u64::from(code == 1), "{expect}");
    }
}

/// How many errors the document of JUnit counts.
fn errors_in(output: &std::process::Output) -> u64 {
    let xml = text(output);
    let errors = xml.split("errors=\"").nth(1).and_then(|rest| rest.split('"').next());
    errors.and_then(|count| count.parse().ok()).expect("a number of errors")
}
