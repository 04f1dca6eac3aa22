//! Small stack files, each about one thing.

/// The cases of `cases.txt`, each one or more files.
pub fn cases() -> Vec<Vec<String>> {
    let file = |text: &str| match text.strip_prefix('@') {
        None => text.to_string(),
        Some(body) => {
            let lines: Vec<String> = body.trim_start_matches('\n').lines().map(|line| format!("    {line}\n")).collect();
            format!("services:\n  a:\n    image: x\n{}", lines.concat())
        }
    };
    let cases = include_str!("cases.txt").split("\n====\n").skip(1);
    cases.map(|case| case.trim_end_matches('\n').split("\n++++\n").map(file).collect()).collect()
}
