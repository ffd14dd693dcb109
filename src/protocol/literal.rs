//! Values as Python writes them: `{'path': '/ch/a', "n": [1.0, None, True]}`.
//!
//! Some programs on the way of a message put `str(value)` where `json.dumps(value)` belongs. What
//! comes of it is read here, in one pass and within bounds. JSON is read too, even mixed with it.

use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::value::Budget;

/// How deep lists and dictionaries may be in one another.
const MAX_DEPTH: usize = 64;

/// A text that is no literal.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{problem} at offset {offset}")]
pub(super) struct LiteralError {
    problem: String,
    offset: usize,
}

/// Reads `text`, which is a JSON value or a Python literal, as a JSON value.
pub(super) fn parse(text: &str) -> Result<Value, LiteralError> {
    let mut parser = Parser {
        text,
        at: 0,
        budget: Budget::new(),
    };
    let value = parser.value(MAX_DEPTH)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("more than one value"));
    }
    Ok(value)
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    budget: Budget,
}

type Result<T, E = LiteralError> = std::result::Result<T, E>;

impl<'t> Parser<'t> {
    fn error(&self, problem: impl Into<String>) -> LiteralError {
        LiteralError {
            problem: problem.into(),
            offset: self.at,
        }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Result<char> {
        let next = self.peek().ok_or_else(|| self.error("it ends too early"))?;
        self.at += next.len_utf8();
        Ok(next)
    }

    /// Takes `wanted` if it comes next.
    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        if there {
            self.at += wanted.len_utf8();
        }
        there
    }

    fn space(&mut self) {
        self.take_while(|c| c.is_ascii_whitespace());
    }

    fn take_while(&mut self, part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = rest.find(|c| !part(c)).map_or(rest, |end| &rest[..end]);
        self.at += taken.len();
        taken
    }

    fn charge(&self, text: usize) -> Result<()> {
        self.budget
            .take(text)
            .map_err(|problem| self.error(problem))
    }

    fn value(&mut self, depth: usize) -> Result<Value> {
        let Some(depth) = depth.checked_sub(1) else {
            return Err(self.error(format!("more than {MAX_DEPTH} lists in one another")));
        };
        self.charge(0)?;
        self.space();
        match self.peek() {
            Some('[') => self.sequence(']', depth),
            Some('(') => self.sequence(')', depth),
            Some('{') => self.braces(depth),
            Some('\'' | '"') => self.string().map(Value::String),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            Some(c) if c.is_ascii_alphabetic() || c == '_' => self.word(depth),
            Some(c) => Err(self.error(format!("{c:?} begins no value"))),
            None => Err(self.error("it ends too early")),
        }
    }

    /// A list, or a tuple. `(1)` is the number.
    fn sequence(&mut self, end: char, depth: usize) -> Result<Value> {
        self.next()?;
        let mut values = Vec::new();
        loop {
            self.space();
            if self.eat(end) {
                break;
            }
            values.push(self.value(depth)?);
            self.space();
            if self.eat(',') {
                continue;
            }
            if !self.eat(end) {
                return Err(self.error(format!("neither ',' nor {end:?}")));
            }
            if end == ')' && values.len() == 1 {
                return Ok(values.remove(0));
            }
            break;
        }
        Ok(Value::Array(values))
    }

    /// A dictionary, or a set.
    fn braces(&mut self, depth: usize) -> Result<Value> {
        self.next()?;
        let mut map = Map::new();
        let mut set = Vec::new();
        loop {
            self.space();
            if self.eat('}') {
                break;
            }
            let first = self.value(depth)?;
            self.space();
            if self.eat(':') {
                let key = match first {
                    Value::String(key) => key,
                    Value::Array(_) | Value::Object(_) => {
                        return Err(self.error("a key that is no text"));
                    }
                    other => other.to_string(),
                };
                map.insert(key, self.value(depth)?);
            } else {
                set.push(first);
            }
            self.space();
            if !self.eat(',') {
                if self.eat('}') {
                    break;
                }
                return Err(self.error("neither ',' nor '}'"));
            }
        }
        match (map.is_empty(), set.is_empty()) {
            (_, true) => Ok(Value::Object(map)),
            (true, false) => Ok(Value::Array(set)),
            (false, false) => Err(self.error("a dictionary with an entry that has no value")),
        }
    }

    /// A name, such as `None`, the prefix of a text, or the call of a type, such as `UUID('…')`.
    fn word(&mut self, depth: usize) -> Result<Value> {
        let start = self.at;
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
        match (word, self.peek()) {
            ("None" | "null", _) => Ok(Value::Null),
            ("True" | "true", _) => Ok(true.into()),
            ("False" | "false", _) => Ok(false.into()),
            ("u" | "b" | "U" | "B", Some('\'' | '"')) => self.string().map(Value::String),
            (_, Some('(')) => self.sequence(')', depth),
            _ => {
                self.at = start;
                Err(self.error("an unknown word"))
            }
        }
    }

    fn number(&mut self) -> Result<Value> {
        let start = self.at;
        let digits =
            self.take_while(|c| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E'));
        let number = if let Ok(number) = digits.parse::<u64>() {
            Some(number.into())
        } else if let Ok(number) = digits.parse::<i64>() {
            Some(number.into())
        } else {
            digits.parse().ok().and_then(Number::from_f64)
        };
        number.map(Value::Number).ok_or_else(|| {
            self.at = start;
            self.error("a number that cannot be read")
        })
    }

    fn string(&mut self) -> Result<String> {
        let quote = self.next()?;
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\'));
            if self.next()? == quote {
                break;
            }
            self.escape(&mut text)?;
        }
        self.charge(text.len())?;
        Ok(text)
    }

    /// What follows a backslash.
    fn escape(&mut self, text: &mut String) -> Result<()> {
        let c = self.next()?;
        match c {
            '\n' => {}
            'a' => text.push('\x07'),
            'b' => text.push('\x08'),
            'f' => text.push('\x0c'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\x0b'),
            '\\' | '\'' | '"' | '/' => text.push(c),
            'x' => text.push(self.code(2)?),
            'u' => text.push(self.code(4)?),
            'U' => text.push(self.code(8)?),
            '0'..='7' => {
                self.at -= 1;
                let rest = self.rest();
                let digits = rest
                    .bytes()
                    .take(3)
                    .take_while(|b| matches!(b, b'0'..=b'7'))
                    .count();
                let (digits, _) = rest.split_at(digits);
                self.at += digits.len();
                let code = u32::from_str_radix(digits, 8).ok().and_then(char::from_u32);
                text.push(code.ok_or_else(|| self.error("no character"))?);
            }
            // Python leaves what it does not know as it is.
            other => text.extend(['\\', other]),
        }
        Ok(())
    }

    /// A character as `digits` hexadecimal digits.
    fn code(&mut self, digits: usize) -> Result<char> {
        let first = self.hex(digits)?;
        // JSON writes characters beyond 16 bits as two surrogates.
        let code = if digits == 4 && (0xd800..0xdc00).contains(&first) && self.eat('\\') {
            if !self.eat('u') {
                return Err(self.error("half a character"));
            }
            let second = self.hex(4)?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.error("half a character"));
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.error("no character"))
    }

    fn hex(&mut self, digits: usize) -> Result<u32> {
        let code = self
            .rest()
            .get(..digits)
            .filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = code.and_then(|text| u32::from_str_radix(text, 16).ok());
        let code = code.ok_or_else(|| self.error("no hexadecimal number"))?;
        self.at += digits;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        for (text, value) in [
            ("None", json!(null)),
            ("[True, False, None]", json!([true, false, null])),
            ("(1, 2.5, -3, 1e3,)", json!([1, 2.5, -3, 1000.0])),
            ("('a')", json!("a")),
            ("()", json!([])),
            ("{'a'}", json!(["a"])),
            ("{}", json!({})),
            (r#"['arg1', "it's"]"#, json!(["arg1", "it's"])),
            (
                r"['C:\\x', 'a\'b', 'tab\t']",
                json!(["C:\\x", "a'b", "tab\t"]),
            ),
            (r"['\x41\u00e9\U0001f600\101\q']", json!(["Aé😀A\\q"])),
            (r#"["\ud83d\ude00\/"]"#, json!(["😀/"])),
            (
                r#"{"a": null, 'b': true, 1: u'x'}"#,
                json!({"a": null, "b": true, "1": "x"}),
            ),
            ("{'uuid': UUID('5f93')}", json!({"uuid": "5f93"})),
            ("  [ 18446744073709551615 ] ", json!([u64::MAX])),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_is_no_literal_is_an_error() {
        for text in [
            "",
            " ",
            "[",
            "[1",
            "[1 2]",
            "'a",
            "'a\\",
            "{'a': }",
            "{'a' 1}",
            "{1: 2, 3}",
            "nope",
            "[1] 2",
            "1e999",
            "nan",
            r"'\ud83d'",
            r"'\ud83d\n'",
            r"'\ud83d\u0041'",
            r"'\xg1'",
            r"'\x'",
            r"'\U00110000'",
            "{[1]: 2}",
            "--1",
            "-",
            ".",
            "]",
            "é",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        for brackets in ["[", "(", "{", "a(", "{'a':"] {
            assert!(parse(&brackets.repeat(100_000)).is_err());
        }
        let many = format!("[{}]", "1,".repeat(100_000));
        assert!(parse(&many).unwrap_err().to_string().contains("values"));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in r#"([\[\](){}'",:\\xuU0-9a-f.e+-]|None|True|é){0,40}"#) {
            let _ = parse(&text);
        }

        #[test]
        fn json_is_read_too(text in ".{0,40}", number in any::<i64>(), float in -1e9..1e9) {
            let value = json!([text, {"a": number, (&text): [float]}, null, true]);
            prop_assert_eq!(parse(&value.to_string()), Ok(value));
        }
    }
}
