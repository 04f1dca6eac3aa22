//! Real stack files and what Docker says about them. They are not part of the project: without them the tests skip.

use std::fs;
use std::path::{Path, PathBuf};

use sim::compose::{Problem, Source, Stage};

use super::docker;

/// The folder of real files, if it is there.
pub fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/stacks");
    if folder.join("verdicts.tsv").is_file() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "no real stack files beside the project, and CI must not skip them");
    println!("skipped: no real stack files beside the project");
    None
}

/// File names with the exit code and the message of `docker stack config`.
fn verdicts(folder: &Path) -> Vec<(String, bool, String)> {
    let table = fs::read_to_string(folder.join("verdicts.tsv")).unwrap();
    let row = |line: &str| {
        let mut fields = line.splitn(3, '\t');
        let name = fields.next().unwrap().to_string();
        (name, fields.next().unwrap() == "0", fields.next().unwrap_or_default().to_string())
    };
    table.lines().skip(1).filter(|line| !line.is_empty()).map(row).collect()
}

fn config(path: &Path) -> Result<sim::compose::Loaded, Vec<Problem>> {
    sim::compose::config(&[Source::read(path).map_err(|problem| vec![problem])?], &Default::default())
}

#[test]
fn every_real_file_gets_docker_s_verdict_and_message() {
    let Some(folder) = folder() else { return };
    let verdicts = verdicts(&folder);
    let mut wrong = Vec::new();
    for (name, loads, message) in &verdicts {
        match config(&folder.join(name)) {
            Ok(_) if !loads => wrong.push(format!("{name}: loads, but Docker says {message}")),
            Err(problems) if *loads => wrong.push(format!("{name}: refused, {}", problems[0].message)),
            Err(problems) => {
                assert!(problems.iter().all(|problem| problem.stage == Stage::Load));
                // Of several complaints Docker shows a random one, so any of ours may be the recorded one; the record
                // has at most 200 characters and line ends as `\n`.
                let says = |problem: &Problem| problem.message.chars().take(200).collect::<String>() == *message;
                if !problems.iter().any(says) {
                    wrong.push(format!("{name}: Docker says {message}; we say {}", problems[0].message));
                } else if !says(&problems[0]) {
                    println!("{name}: Docker's complaint is not our first, which is {}", problems[0].message);
                }
            }
            Ok(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), verdicts.len(), wrong.join("\n"));
    assert_eq!(verdicts.iter().filter(|(_, loads, _)| *loads).count(), 88);
}

#[test]
fn real_files_become_what_docker_prints() {
    let Some(folder) = folder() else { return };
    if !docker::is_installed() {
        return;
    }
    let mut wrong = Vec::new();
    for (name, _, _) in verdicts(&folder).iter().filter(|(_, loads, _)| *loads) {
        let path = folder.join(name).canonicalize().unwrap();
        let printed = docker::stack_config(std::slice::from_ref(&path), &[]).unwrap();
        let ours = config(&path).unwrap().config;
        if let Some(difference) = docker::difference(&ours, &printed) {
            wrong.push(format!("{name}: {difference}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_docker_deploy_and_the_engine_would_refuse_is_told_apart() {
    let Some(folder) = folder() else { return };
    let expected = [
        ("026", Stage::Deploy, "service db: undefined secret \"mariadb_pwd_root\""),
        ("058", Stage::Deploy, "service foo: undefined network \"other-other-network\""),
        ("058", Stage::Engine, "service foo: constraint expected one operator from ==, !="),
        ("059", Stage::Deploy, "service foo: replicas can only be used with replicated or replicated-job mode"),
        ("061", Stage::Deploy, "invalid image reference for service web: no image specified"),
        (
            "067",
            Stage::Engine,
            "service wordpress: EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
        ),
    ];
    let verdicts = verdicts(&folder);
    for (number, stage, message) in expected {
        let (name, _, _) = verdicts.iter().find(|(name, _, _)| name.starts_with(number)).unwrap();
        let problems = sim::compose::load("s", &[folder.join(name)], &Default::default()).unwrap_err();
        let found = problems.iter().any(|problem| problem.stage == stage && problem.message == message);
        assert!(found, "{name}: {problems:#?}");
    }
}
