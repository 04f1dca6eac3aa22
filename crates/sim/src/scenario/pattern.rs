//! Texts with a number in them: `rack-{i/20}`, where `i` counts from 0.

/// Nesting of parentheses that is followed.
const DEPTH: usize = 16;
/// Longest result in bytes.
const LONGEST: usize = 255;

/// The text for one `i`: each `{...}` is replaced by the value of the integer expression in it. Division rounds down.
pub(super) fn expand(pattern: &str, i: u64) -> Result<String, String> {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some(open) = rest.find(['{', '}']) {
        text.push_str(&rest[..open]);
        let expression = rest[open..].strip_prefix('{').ok_or("`}` without `{`")?;
        let close = expression.find('}').ok_or("`{` without `}`")?;
        let i = i64::try_from(i).map_err(|_| "`i` is too large")?;
        text.push_str(&evaluate(&expression[..close], i)?.to_string());
        rest = &expression[close + 1..];
    }
    text.push_str(rest);
    if LONGEST < text.len() {
        return Err(format!("gives a text of more than {LONGEST} bytes"));
    }
    Ok(text)
}

fn evaluate(expression: &str, i: i64) -> Result<i64, String> {
    let mut parser = Parser { rest: expression.trim_start(), i, depth: 0 };
    let value = parser.sum()?;
    if parser.rest.is_empty() { Ok(value) } else { Err(parser.unexpected()) }
}

struct Parser<'a> {
    rest: &'a str,
    i: i64,
    depth: usize,
}

impl Parser<'_> {
    fn sum(&mut self) -> Result<i64, String> {
        let mut value = self.product()?;
        while let Some(operator) = self.one_of(&['+', '-']) {
            let right = self.product()?;
            let result = if operator == '+' { value.checked_add(right) } else { value.checked_sub(right) };
            value = result.ok_or("the number is too large")?;
        }
        Ok(value)
    }

    fn product(&mut self) -> Result<i64, String> {
        let mut value = self.atom()?;
        while let Some(operator) = self.one_of(&['*', '/', '%']) {
            let right = self.atom()?;
            if right == 0 && operator != '*' {
                return Err("division by zero".into());
            }
            let result = match operator {
                '*' => value.checked_mul(right),
                '/' => value.checked_div_euclid(right),
                _ => value.checked_rem_euclid(right),
            };
            value = result.ok_or("the number is too large")?;
        }
        Ok(value)
    }

    fn atom(&mut self) -> Result<i64, String> {
        match self.one_of(&['i', '(']) {
            Some('i') => return Ok(self.i),
            Some(_) => {
                self.depth += 1;
                if DEPTH < self.depth {
                    return Err("too many parentheses".into());
                }
                let value = self.sum()?;
                self.depth -= 1;
                return self.one_of(&[')']).map(|_| value).ok_or_else(|| "`(` without `)`".into());
            }
            None => {}
        }
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        if end == 0 {
            return Err(self.unexpected());
        }
        let value = self.rest[..end].parse().map_err(|_| "the number is too large")?;
        self.rest = self.rest[end..].trim_start();
        Ok(value)
    }

    fn one_of(&mut self, wanted: &[char]) -> Option<char> {
        let found = self.rest.chars().next().filter(|c| wanted.contains(c))?;
        self.rest = self.rest[found.len_utf8()..].trim_start();
        Some(found)
    }

    fn unexpected(&self) -> String {
        let found = self.rest.chars().next().map_or("the end".into(), |c| format!("`{c}`"));
        format!("expected `i`, a number, + - * / % or parentheses in `{{}}`, found {found}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_count() {
        let check = |pattern, i, wanted: &str| assert_eq!(expand(pattern, i).as_deref(), Ok(wanted), "{pattern}");
        check("node", 7, "node");
        check("n{i}-{i+1}", 7, "n7-8");
        check("r{i/20}.{i%20}", 47, "r2.7");
        check("{ (i + 1) * 10 - 2 * 3 }", 1, "14");
        check("10.0.{i/250}.{i%250+1}", 251, "10.0.1.2");
    }

    #[test]
    fn mistakes_are_explained() {
        let check = |pattern, wanted: &str| assert_eq!(expand(pattern, 0).unwrap_err(), wanted, "{pattern}");
        check("a{i", "`{` without `}`");
        check("a}", "`}` without `{`");
        check("{i/0}", "division by zero");
        check("{j}", "expected `i`, a number, + - * / % or parentheses in `{}`, found `j`");
        check("{}", "expected `i`, a number, + - * / % or parentheses in `{}`, found the end");
        check("{9223372036854775807+1}", "the number is too large");
        check(&format!("{{{}i{}}}", "(".repeat(20), ")".repeat(20)), "too many parentheses");
    }
}
