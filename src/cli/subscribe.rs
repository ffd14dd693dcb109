//! `arena sub`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossbeam_channel::{Receiver, Sender, after, bounded, never, select};
use serde_json::json;

use crate::pubsub::{Filter, Link, LinkEvent, Message, Qos, Router, Subscriber};

use super::connection::ConnectionArgs;
use super::parse;
use super::run::signals;
use super::status::{Failure, Status, printable};

/// Print the messages of topics
///
/// Each message is a line. Ends with Ctrl-C, or as --count and --timeout say; with status 4 when the
/// broker refuses a subscription.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena sub kitchen/light\n  \
    arena sub -v 'kitchen/#' '+/door'\n  \
    arena sub --json --count 1 --timeout 5s realm/proc/reg")]
pub(super) struct Args {
    /// Topics; + stands for one level of them, # for all that follow
    #[arg(required = true, value_name = "FILTER", value_parser = filter)]
    filters: Vec<Filter>,

    /// Print topic and message
    #[arg(long, short, conflicts_with = "json")]
    verbose: bool,

    /// Print each message as a line of JSON
    #[arg(long)]
    json: bool,

    /// End after so many messages
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this time. With --count, that is a failure
    #[arg(long, value_name = "TIME", value_parser = parse::duration)]
    timeout: Option<Duration>,

    /// The quality at which messages are asked for: 0 or 1
    #[arg(long, default_value = "0", value_parser = parse::qos)]
    qos: Qos,

    #[command(flatten)]
    connection: ConnectionArgs,
}

fn filter(text: &str) -> Result<Filter, String> {
    Filter::new(text).map_err(|e| e.to_string())
}

/// How many messages wait to be printed.
const WAITING: usize = 10_000;

/// Hands messages to the one who prints.
struct Printer {
    sender: Sender<(Message, SystemTime)>,
    lost: AtomicU64,
}

impl Subscriber for Printer {
    fn deliver(&self, message: &Message) {
        if self
            .sender
            .try_send((message.clone(), SystemTime::now()))
            .is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let signals = signals()?;
    let config = args.connection.link("sub")?;
    let broker = config.broker.to_string();
    let router = Router::new();
    let (sender, messages) = bounded(WAITING);
    let printer = Arc::new(Printer {
        sender,
        lost: AtomicU64::new(0),
    });
    let filters = args.filters.iter();
    let _subscriptions: Vec<_> = filters
        .map(|filter| router.subscribe(filter.clone(), args.qos, printer.clone()))
        .collect();
    let link =
        Link::start(config, router).map_err(|e| Failure::new(Status::Usage, e.to_string()))?;
    let ended = receive(&args, &broker, &link, &messages, &signals);
    let lost = printer.lost.load(Ordering::Relaxed);
    if lost > 0 {
        say(&format!(
            "{lost} messages were lost: they came faster than they could be printed"
        ));
    }
    link.close(Duration::from_secs(1));
    ended
}

fn receive(
    args: &Args,
    broker: &str,
    link: &Link,
    messages: &Receiver<(Message, SystemTime)>,
    signals: &Receiver<i32>,
) -> Result<ExitCode, Failure> {
    let over = args.timeout.map_or_else(never, after);
    let (events, refusals) = (link.events(), link.refusals());
    let mut told: Option<String> = None;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut left = args.count;
    loop {
        // What has come is printed at once, and in one piece if it is much.
        if messages.is_empty()
            && let Some(ended) = failed(out.flush())
        {
            return ended;
        }
        select! {
            recv(messages) -> received => {
                let Ok((message, at)) = received else { continue };
                if let Some(ended) = failed(print(&mut out, args, &message, at)) {
                    return ended;
                }
                left = left.map(|left| left - 1);
                if left == Some(0) {
                    return failed(out.flush()).unwrap_or(Ok(ExitCode::SUCCESS));
                }
            }
            recv(events) -> event => match event {
                Ok(LinkEvent::Connected) => {
                    if told.take().is_some() {
                        say(&format!("connected to {broker}"));
                    }
                }
                Ok(LinkEvent::Disconnected { why, .. }) => {
                    if told.as_ref() != Some(&why) {
                        say(&format!("no connection to {broker}: {why}\nTrying again; Ctrl-C ends it"));
                    }
                    told = Some(why);
                }
                Err(_) => {}
            },
            recv(refusals) -> refused => if let Ok(why) = refused {
                // What has come of other topics is printed.
                return failed(out.flush())
                    .unwrap_or_else(|| Err(Failure::new(Status::Refused, format!("{broker}: {why}"))));
            },
            recv(over) -> _ => {
                if let Some(ended) = failed(out.flush()) {
                    return ended;
                }
                return match left {
                    None => Ok(ExitCode::SUCCESS),
                    Some(left) => Err(Failure::new(
                        Status::TimedOut,
                        format!("the time is over, and {left} messages have not come"),
                    )),
                };
            }
            recv(signals) -> _ => {
                return failed(out.flush()).unwrap_or(Ok(ExitCode::SUCCESS));
            }
        }
    }
}

/// How it ends if that could not be written. A reader that has gone away is not an error.
fn failed(written: io::Result<()>) -> Option<Result<ExitCode, Failure>> {
    match written {
        Ok(()) => None,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Some(Ok(ExitCode::SUCCESS)),
        Err(e) => Some(Err(Failure::new(
            Status::CannotWrite,
            format!("cannot write to stdout: {e}"),
        ))),
    }
}

fn print(out: &mut impl Write, args: &Args, message: &Message, at: SystemTime) -> io::Result<()> {
    if args.json {
        return writeln!(out, "{}", object(message, at));
    }
    if args.verbose {
        write!(out, "{} ", printable(message.topic.as_str()))?;
    }
    out.write_all(&message.payload)?;
    out.write_all(b"\n")
}

fn object(message: &Message, at: SystemTime) -> serde_json::Value {
    let mut object = json!({
        "topic": message.topic.as_str(),
        "qos": u8::from(message.qos == Qos::AtLeastOnce),
        "retain": message.retain,
        "timestamp": humantime::format_rfc3339_millis(at).to_string(),
    });
    match std::str::from_utf8(&message.payload) {
        Ok(text) => object["payload"] = text.into(),
        Err(_) => {
            object["payload"] = STANDARD.encode(&message.payload).into();
            object["encoding"] = "base64".into();
        }
    }
    object
}

fn say(text: &str) {
    let _ = writeln!(io::stderr(), "arena: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pubsub::Topic;

    #[test]
    fn messages_as_json() {
        let topic = Topic::new("a/b").unwrap();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        let shown = |payload: &[u8], qos| {
            let message = Message::new(topic.clone(), payload.to_vec(), qos);
            object(&message, at)
        };
        assert_eq!(
            shown("tür\n".as_bytes(), Qos::AtLeastOnce),
            json!({
                "topic": "a/b", "payload": "tür\n", "qos": 1, "retain": false,
                "timestamp": "1970-01-01T00:00:01.500Z",
            })
        );
        assert_eq!(
            shown(b"\xff\x00", Qos::AtMostOnce),
            json!({
                "topic": "a/b", "payload": "/wA=", "encoding": "base64", "qos": 0,
                "retain": false, "timestamp": "1970-01-01T00:00:01.500Z",
            })
        );
    }
}
