//! The log: lines on stderr, as text or JSON, with a level for each room.

use std::fmt::{self, Write as _};
use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// The target of everything that is ours, as the compiler names it.
const CRATE: &str = "arena_runtime";

/// Set by [`errors_only`].
static ERRORS_ONLY: AtomicBool = AtomicBool::new(false);

/// Has nothing written but errors from now on: at an end that is wanted, its parts find each other
/// gone.
pub(super) fn errors_only() {
    ERRORS_ONLY.store(true, Ordering::Relaxed);
}

/// Has messages written as the settings say, from now on. Later calls do nothing.
pub(super) fn init(settings: &LogSettings) {
    let lines = Lines {
        format: settings.format,
        colours: colours(),
    };
    let subscriber = registry().with(targets(settings)).with(lines);
    // There is one already: that stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Libraries are heard only where they warn.
fn targets(settings: &LogSettings) -> Targets {
    let others = filter(settings.level).min(LevelFilter::WARN);
    let rooms = settings.rooms.iter();
    Targets::new()
        .with_default(others)
        // It warns of every connection that speaks something else.
        .with_target("mqtt5", others.min(LevelFilter::ERROR))
        .with_target(CRATE, filter(settings.level))
        .with_targets(rooms.map(|(room, level)| (format!("{CRATE}::{room}"), filter(*level))))
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// On a terminal only, and not for people who want none (no-color.org).
fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    std::io::stderr().is_terminal() && !unwanted && !dumb
}

/// Writes each event as a line.
struct Lines {
    format: LogFormat,
    colours: bool,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if ERRORS_ONLY.load(Ordering::Relaxed) && *event.metadata().level() > Level::ERROR {
            return;
        }
        let now = SystemTime::now();
        let line = match self.format {
            LogFormat::Text => {
                let mut fields = TextFields::default();
                event.record(&mut fields);
                text_line(now, event.metadata(), &fields, self.colours)
            }
            LogFormat::Json => {
                let mut fields = JsonFields::default();
                event.record(&mut fields);
                json_line(now, event.metadata(), fields)
            }
        };
        // In one piece, so that lines of several threads do not mix; and if nobody
        // reads it, nothing is left to do.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

/// The part of the program, or the library.
fn room<'a>(metadata: &Metadata<'a>) -> &'a str {
    let mut parts = metadata.target().split("::");
    match (parts.next(), parts.next()) {
        (Some(CRATE), Some(room)) => room,
        (first, _) => first.unwrap_or_default(),
    }
}

/// `2026-01-31T12:00:00.000Z  INFO runtime: message name=value`
fn text_line(
    now: SystemTime,
    metadata: &Metadata<'_>,
    fields: &TextFields,
    colours: bool,
) -> String {
    let time = humantime::format_rfc3339_millis(now);
    let (level, room) = (*metadata.level(), room(metadata));
    let TextFields { message, others } = fields;
    if colours {
        let colour = colour(level);
        format!(
            "\x1b[2m{time}\x1b[0m {colour}{level:>5}\x1b[0m \x1b[2m{room}:\x1b[0m {message}\x1b[2m{others}\x1b[0m\n"
        )
    } else {
        format!("{time} {level:>5} {room}: {message}{others}\n")
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

fn json_line(now: SystemTime, metadata: &Metadata<'_>, fields: JsonFields) -> String {
    let mut line = json!({
        "time": humantime::format_rfc3339_millis(now).to_string(),
        "level": metadata.level().as_str(),
        "room": room(metadata),
        "message": fields.message,
        "fields": fields.others,
    })
    .to_string();
    line.push('\n');
    line
}

/// The field that is the text of the event.
const MESSAGE: &str = "message";

#[derive(Debug, Default)]
struct TextFields {
    message: String,
    /// ` name=value`, once for each.
    others: String,
}

impl TextFields {
    /// Messages and values can come from a module or the network: they stay in
    /// the line and do not steer the terminal.
    fn add(&mut self, field: &Field, value: &str) {
        let is_message = field.name() == MESSAGE;
        let text = if is_message {
            &mut self.message
        } else {
            // Writing to a String cannot fail.
            let _ = write!(self.others, " {}=", field.name());
            &mut self.others
        };
        // What is in quotes comes from Debug, which has escaped it.
        let quote = value.is_empty() || value.contains([' ', '"', '=']);
        if !is_message && quote && !value.starts_with('"') {
            let _ = write!(text, "{value:?}");
            return;
        }
        for c in value.chars() {
            if c.is_control() {
                let _ = write!(text, "{}", c.escape_default());
            } else {
                text.push(c);
            }
        }
    }
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[derive(Debug, Default)]
struct JsonFields {
    message: String,
    others: Map<String, Value>,
}

impl JsonFields {
    fn add(&mut self, field: &Field, value: Value) {
        self.others.insert(field.name().to_owned(), value);
    }
}

impl Visit for JsonFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            value.clone_into(&mut self.message);
        } else {
            self.add(field, value.into());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::config::Settings;

    /// Keeps lines in place of writing them.
    struct Kept {
        format: LogFormat,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let now = SystemTime::UNIX_EPOCH;
            let line = match self.format {
                LogFormat::Text => {
                    let mut fields = TextFields::default();
                    event.record(&mut fields);
                    text_line(now, event.metadata(), &fields, false)
                }
                LogFormat::Json => {
                    let mut fields = JsonFields::default();
                    event.record(&mut fields);
                    json_line(now, event.metadata(), fields)
                }
            };
            self.lines.lock().unwrap().push(line);
        }
    }

    fn lines(settings: &LogSettings, say: impl FnOnce()) -> Vec<String> {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let kept = Kept {
            format: settings.format,
            lines: Arc::clone(&lines),
        };
        let subscriber = registry().with(targets(settings)).with(kept);
        tracing::subscriber::with_default(subscriber, say);
        std::mem::take(&mut *lines.lock().unwrap())
    }

    #[test]
    fn text_of_one_line() {
        let settings = Settings::default().log;
        let lines = lines(&settings, || {
            tracing::info!(count = 3, name = "a b", plain = "ab", "it\n\u{1b}[31mruns");
            tracing::warn!(path = %"x\ny", error = ?"a\"b", empty = "");
        });
        let head = "1970-01-01T00:00:00.000Z";
        assert_eq!(
            lines,
            [
                format!("{head}  INFO cli: it\\n\\u{{1b}}[31mruns count=3 name=\"a b\" plain=ab\n"),
                format!("{head}  WARN cli:  path=x\\ny error=\"a\\\"b\" empty=\"\"\n"),
            ]
        );
    }

    #[test]
    fn json_of_one_line() {
        let mut settings = Settings::default().log;
        settings.format = LogFormat::Json;
        let lines = lines(&settings, || {
            tracing::error!(count = 3, time = "late", ok = false, "it\nfails");
        });
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(
            line,
            json!({
                "time": "1970-01-01T00:00:00.000Z",
                "level": "ERROR",
                "room": "cli",
                "message": "it\nfails",
                "fields": {"count": 3, "time": "late", "ok": false},
            })
        );
        assert_eq!(lines[0].find('\n'), Some(lines[0].len() - 1));
    }

    #[test]
    fn levels_of_rooms() {
        let mut settings = Settings::default().log;
        settings.level = LogLevel::Warn;
        settings.rooms.insert("pubsub".to_owned(), LogLevel::Debug);
        settings.rooms.insert("guest".to_owned(), LogLevel::Off);
        let lines = lines(&settings, || {
            tracing::info!(target: "arena_runtime::runtime", "no");
            tracing::warn!(target: "arena_runtime::runtime::node", "yes 1");
            tracing::debug!(target: "arena_runtime::pubsub::link", "yes 2");
            tracing::trace!(target: "arena_runtime::pubsub", "no");
            tracing::error!(target: "arena_runtime::guest", "no");
            tracing::info!(target: "rumqttc::state", "no");
            tracing::warn!(target: "rumqttc::state", "yes 3");
        });
        let said: Vec<_> = lines.iter().filter_map(|line| line.get(31..)).collect();
        let expected = ["runtime: yes 1\n", "pubsub: yes 2\n", "rumqttc: yes 3\n"];
        assert_eq!(said, expected);
    }
}
