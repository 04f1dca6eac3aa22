//! Which behaviours of the catalogue have a story, and why the others have none.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Groups of the project's catalogue that are about the core, and how many behaviours each has, numbered from 1.
const GROUPS: [(&str, u32); 17] = [
    ("RF", 22),
    ("CF", 41),
    ("PF", 18),
    ("SP", 21),
    ("RS", 12),
    ("GR", 19),
    ("PO", 29),
    ("RC", 24),
    ("RP", 23),
    ("UP", 18),
    ("RB", 8),
    ("GL", 21),
    ("JB", 24),
    ("DR", 10),
    ("TR", 21),
    ("CE", 14),
    ("CA", 8),
];

/// Numbers without a story (`CE-12..14` is three), and the reason.
const NOT_HERE: &[(&str, &str)] = &[
    ("RF-06", "an edit of the store by hand: here states only rise and a task stays on its node"),
    ("RF-22", "a decision is one step: no node can change between it and its commit"),
    ("CF-29", "every key has one value, as in SwarmKit, whose matcher could take more"),
    ("GR-18", "a text format: the simulator reads it"),
    ("PO-05..29", "ports of the routing mesh: the allocator is the driver's"),
    ("RC-04 GL-10", "an edit of the store by hand: nobody deletes a task that lives"),
    ("RC-14 RC-15", "a new leader with tasks in every state: services are taken over with tasks that run"),
    ("RC-22", "credentials for pulling images are no part of a specification here"),
    ("RC-23 RP-23", "there is one clock: the times of a manager and of its agents agree"),
    ("UP-03", "there is no default log driver of the cluster"),
    ("JB-15", "a manager that is not called does nothing"),
    ("CE-05", "no task is wanted less than ready"),
    ("CE-12..14", "cluster volumes are not modelled"),
    ("CA-05", "networks are names: which one belongs to the routing mesh is the driver's knowledge"),
    ("CA-08", "a question of the command line that no decision depends on: drivers count for themselves"),
];

#[test]
fn every_behaviour_has_a_story_or_a_reason() {
    let all = GROUPS.iter().flat_map(|(group, count)| (1..=*count).map(move |number| format!("{group}-{number:02}")));
    let known: BTreeSet<String> = all.collect();
    let mut told = BTreeSet::new();
    let mut count = 0;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories");
    for file in fs::read_dir(folder).expect("this very folder") {
        let path = file.expect("this very folder").path();
        if !path.ends_with("coverage.rs") {
            let text = fs::read_to_string(path).expect("a file of stories");
            for story in stories(&text) {
                count += 1;
                told.extend(numbers(story));
            }
        }
    }
    assert!(100 < count, "only {count} stories are found");
    let excused: BTreeSet<String> = NOT_HERE.iter().flat_map(|(ids, _)| numbers(ids)).collect();
    let missing: Vec<_> = known.iter().filter(|id| !told.contains(*id) && !excused.contains(*id)).collect();
    let unknown: Vec<_> = told.union(&excused).filter(|id| !known.contains(*id)).collect();
    let both: Vec<_> = told.intersection(&excused).collect();
    assert!(missing.is_empty(), "neither a story nor a reason: {missing:?}");
    assert!(unknown.is_empty(), "not in the catalogue: {unknown:?}");
    assert!(both.is_empty(), "a story and a reason why there is none: {both:?}");
}

/// The stories of a file: functions that run as tests and can fail, each with the comment above it. What stands elsewhere,
/// in helpers and in comments of the file, tells nothing.
fn stories(text: &str) -> Vec<&str> {
    let mut stories = Vec::new();
    for (at, _) in text.match_indices("#[test]\n") {
        let line_start = text[..at].rfind('\n').map_or(0, |before| before + 1);
        // A function ends at the first brace that is as far from the margin as its attribute.
        let end = format!("\n{}}}\n", &text[line_start..at]);
        let end = text[at..].find(&end).map_or(text.len(), |length| at + length);
        let is_run = !text[at..end].lines().take(4).any(|line| line.trim_start().starts_with("#[ignore"));
        if is_run && ["assert", ".expect(", "panic!"].iter().any(|word| text[at..end].contains(word)) {
            let mut start = line_start;
            while let Some(above) = text[..start.saturating_sub(1)].rfind('\n').map(|before| before + 1) {
                if above == start || !text[above..start].trim_start().starts_with("///") {
                    break;
                }
                start = above;
            }
            stories.push(&text[start..end]);
        }
    }
    stories
}

#[test]
fn only_tests_that_can_fail_are_stories() {
    let text = "//! GR-01\nfn helper() {\n    // GR-02\n}\n\n/// GR-03\n/// and more\n#[test]\nfn gr_04() {\n    \
                assert!(true, \"GR-05\");\n}\n\n// GR-06\n#[test]\nfn gr_07_says_nothing() {\n    run();\n}\n\
                #[test]\n#[ignore]\nfn gr_08() {\n    assert!(true);\n}\n";
    let told: Vec<String> = stories(text).into_iter().flat_map(numbers).collect();
    assert_eq!(told, ["GR-03", "GR-04", "GR-05"]);
}

/// The numbers that a text mentions: `GR-05`, `CE-12..14`, and in names of functions `gr_05` and `pf_01_to_06`.
fn numbers(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let two_digits = |at: usize| {
        let digits = text.get(at..at + 2).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
        let ends = !text[at + 2..].starts_with(|c: char| c.is_ascii_alphanumeric());
        if ends { digits.parse::<u32>().ok() } else { None }
    };
    for (group, _) in GROUPS {
        for (mark, range) in [(format!("{group}-"), ".."), (format!("{}_", group.to_lowercase()), "_to_")] {
            for (at, _) in text.match_indices(&mark) {
                let begins = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
                let Some(first) = two_digits(at + mark.len()).filter(|_| begins) else { continue };
                let after = at + mark.len() + 2;
                let last = if text[after..].starts_with(range) { two_digits(after + range.len()) } else { None };
                found.extend((first..=last.unwrap_or(first)).map(|number| format!("{group}-{number:02}")));
            }
        }
    }
    found
}

#[test]
fn numbers_are_found_in_texts_and_in_names() {
    let text = "// GR-05, CE-12..14\nfn gr_06_pf_01_to_03_story() { a.rs_07x; XGR-08; GR-1; rp_22 }";
    let found: Vec<String> = numbers(text).into_iter().collect();
    assert_eq!(found, ["CE-12", "CE-13", "CE-14", "GR-05", "GR-06", "PF-01", "PF-02", "PF-03", "RP-22"]);
}
