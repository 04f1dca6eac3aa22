//! Whatever the bytes are: an answer, no panic, and bounded work.

use proptest::prelude::*;

use super::small_files::cases;
use super::{try_config, try_stack};

fn message(text: &str) -> String {
    try_config(&[text]).unwrap_err().swap_remove(0).message
}

#[test]
fn bombs() {
    let mut laughs = String::from("x-0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let before = vec![format!("*a{}", level - 1); 9].join(",");
        laughs.push_str(&format!("x-{level}: &a{level} [{before}]\n"));
    }
    assert_eq!(message(&laughs), "yaml: document contains excessive aliasing");
    let mut merges = String::from("x-0: &a0 {k: v}\n");
    for level in 1..20 {
        merges
            .push_str(&format!("x-{level}: &a{level} {{<<: [*a{0}, *a{0}], x{level}: *a{0}, y: *a{0}}}\n", level - 1));
    }
    assert_eq!(message(&merges), "yaml: document contains excessive aliasing");
    let long = format!("x-a: &a \"{}\"\nx-b: [{}]\n", "x".repeat(100_000), vec!["*a"; 1000].join(","));
    assert_eq!(message(&long), "yaml: document contains excessive aliasing");
    let nested_anchors: String = (0..60).map(|n| format!("&a{n} [")).collect();
    assert!(message(&format!("x-a: {nested_anchors}x")).starts_with("yaml: "));
    assert!(message(&format!("x-a: {}", "[".repeat(1_000_000))).starts_with("yaml: "));
    assert!(message(&format!("x-a: {}{}", "[".repeat(2000), "]".repeat(2000))).contains("nested more than 1000 deep"));
    assert!(message(&"- ".repeat(100_000)).starts_with("yaml: "));
    let many_keys: String = (0..100_001).map(|n| format!("k{n}: 1\n")).collect();
    assert!(message(&many_keys).contains("more than 200000 values"));
    for key in ["[]", "{}", "[a]", "{a}", "[[]]", "- []", "? []", "*a", "&a", "!a"] {
        for around in [": b", " : b", " :", ": b: c", "\n: b", ": [ : ]", " ? : x", ": : :"] {
            let _ = try_config(&[&format!("{key}{around}")]);
            let _ = try_config(&[&format!("a: [{key}{around}, {key}{around}]")]);
        }
    }
    let equal_keys = "k: 1\n".repeat(50_000);
    assert!(message(&equal_keys).len() < 2_000);
    let growing = format!("x-a: &a {}\nx-b: [{}]", "${X}".repeat(100_000), "*a,".repeat(19));
    let x = std::collections::BTreeMap::from([("X".to_string(), "x".repeat(10_000))]);
    assert!(sim::compose::config(&super::sources(&[&growing]), &x).is_err());
}

#[test]
fn huge_numbers() {
    let numbers = [
        "99999999999999999999",
        "-1",
        "1e400",
        "1e19",
        "18446744073709551615",
        "-9223372036854775808",
        ".nan",
        ".inf",
        "0x",
    ];
    let places = [
        "deploy: {replicas: N}",
        "deploy: {resources: {limits: {pids: N}}}",
        "deploy: {resources: {limits: {memory: 'N'}}}",
        "deploy: {resources: {limits: {cpus: 'N'}}}",
        "deploy: {placement: {max_replicas_per_node: N}}",
        "deploy: {update_config: {parallelism: N, max_failure_ratio: N}}",
        "deploy: {restart_policy: {max_attempts: N}}",
        "healthcheck: {retries: N}",
        "ports: [{target: N, published: N}]",
        "ports: [N]",
        "ports: ['N:N']",
        "stop_grace_period: Ns",
        "ulimits: {a: N}",
        "secrets: [{source: a, mode: N}]",
        "restart: on-failure:N",
    ];
    for place in places {
        for number in numbers {
            let body = place.replace('N', number);
            let _ = try_stack(&[&format!("services:\n  a:\n    image: x\n    {body}\n")]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_an_answer(text in any::<String>()) {
        let _ = try_stack(&[&text]);
    }

    #[test]
    fn any_yaml_like_text_gets_an_answer(text in "([a-z$&*!{}\\[\\]:,'\"#|>%@` \\t\\n0-9-]|services:|image: |<<: |\n  ){0,80}") {
        let _ = try_stack(&[&text]);
    }

    #[test]
    fn any_value_in_any_place_gets_an_answer(case in 0..cases().len(), value in "[ -~é\u{2028}]{0,12}", line in 0..8usize) {
        let mut files = cases().swap_remove(case);
        let mut lines: Vec<String> = files[0].lines().map(str::to_string).collect();
        let line = line % lines.len().max(1);
        if let Some(text) = lines.get_mut(line) {
            let key = text.split(':').next().unwrap_or_default().to_string();
            *text = format!("{key}: {value}");
        }
        files[0] = lines.join("\n");
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let _ = try_stack(&files);
    }

    #[test]
    fn cut_and_spliced_cases_get_an_answer(a in 0..cases().len(), b in 0..cases().len(), cut in 0.0..1.0f64) {
        let (a, b) = (&cases()[a][0], &cases()[b][0]);
        let middle = |text: &str| text.char_indices().nth((text.chars().count() as f64 * cut) as usize).map_or(0, |entry| entry.0);
        let _ = try_stack(&[&format!("{}{}", &a[..middle(a)], &b[middle(b)..])]);
        let _ = try_stack(&[a, b]);
    }

    #[test]
    fn any_interpolation_gets_an_answer(text in "([$]|[{]|[}]|:|-|[?]|[+]|FOO|NOPE|EMPTY|[a-z ]){0,24}") {
        let quoted = text.replace('\'', "''");
        let _ = try_stack(&[&format!("services:\n  a:\n    image: '{quoted}'\n")]);
    }
}
