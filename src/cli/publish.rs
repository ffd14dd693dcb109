//! `arena pub`.

use std::io::{BufRead as _, Read as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use crate::pubsub::{Link, LinkEvent, Message, PublishError, Qos, Router, Topic};

use super::connection::ConnectionArgs;
use super::parse;
use super::status::{Failure, Status};

/// Publish a message
///
/// Without MESSAGE, or with -, the message is what stdin has. Ends with status 4 when the broker refuses
/// it, which a broker can say of messages of quality 1 with MQTT 5 only.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena pub kitchen/light on\n  \
    arena pub --qos 1 --retain kitchen/light off\n  \
    some-program | arena pub --lines some/program")]
pub(super) struct Args {
    /// The topic to publish on
    #[arg(value_parser = topic)]
    topic: Topic,

    /// The message
    #[arg(allow_hyphen_values = true)]
    message: Option<String>,

    /// 0: sent once. 1: sent until the broker has acknowledged it
    #[arg(long, default_value = "0", value_parser = parse::qos)]
    qos: Qos,

    /// Have the broker keep it for those who subscribe later
    #[arg(long)]
    retain: bool,

    /// Each line of stdin is a message
    #[arg(long, conflicts_with = "message")]
    lines: bool,

    /// How long connecting, and delivering at the end, may take
    #[arg(long, value_name = "TIME", value_parser = parse::duration, default_value = "10s")]
    timeout: Duration,

    #[command(flatten)]
    connection: ConnectionArgs,
}

fn topic(text: &str) -> Result<Topic, String> {
    Topic::new(text).map_err(|e| e.to_string())
}

/// More than MQTT can carry, so that it is told from what it can.
const LONGEST: u64 = 1 << 28;

pub(super) fn run(args: Args) -> Result<ExitCode, Failure> {
    let config = args.connection.link("pub")?;
    let broker = config.broker.to_string();
    // Read before there is a connection, which would be kept open for nothing.
    let single = match &args.message {
        _ if args.lines => None,
        Some(text) if text != "-" => Some(text.clone().into_bytes()),
        _ => {
            let mut bytes = Vec::new();
            let mut input = std::io::stdin().lock().take(LONGEST);
            input.read_to_end(&mut bytes).map_err(|e| unreadable(&e))?;
            Some(bytes)
        }
    };
    let router = Router::new();
    let link = Link::start(config, router.clone())
        .map_err(|e| Failure::new(Status::Usage, e.to_string()))?;
    connect(&link, &broker, args.timeout)?;
    match single {
        Some(bytes) => publish(&router, &args, bytes)?,
        None => {
            let mut input = std::io::stdin().lock();
            loop {
                let mut line = Vec::new();
                let mut bounded = (&mut input).take(LONGEST);
                let read = bounded.read_until(b'\n', &mut line);
                if read.map_err(|e| unreadable(&e))? == 0 {
                    break;
                }
                if line.last() == Some(&b'\n') {
                    line.pop();
                }
                publish(&router, &args, line)?;
            }
        }
    }
    let refusals = link.refusals();
    let taken = link.close(args.timeout);
    if let Ok(why) = refusals.try_recv() {
        let why = match refusals.len() {
            0 => why,
            more => format!("{why}; and {more} more"),
        };
        return Err(Failure::new(Status::Refused, format!("{broker}: {why}")));
    }
    if taken {
        return Ok(ExitCode::SUCCESS);
    }
    Err(Failure::new(
        Status::CannotWrite,
        format!("{broker} has not taken everything in time"),
    ))
}

fn unreadable(error: &std::io::Error) -> Failure {
    Failure::new(Status::CannotWrite, format!("cannot read stdin: {error}"))
}

/// Waits for the connection. What the broker refuses is not tried again.
fn connect(link: &Link, broker: &str, timeout: Duration) -> Result<(), Failure> {
    let deadline = Instant::now() + timeout;
    let mut last = None;
    loop {
        let why = match link.events().recv_deadline(deadline) {
            Ok(LinkEvent::Connected) => return Ok(()),
            Ok(LinkEvent::Disconnected { why, .. }) if link.status().refused => why,
            Ok(LinkEvent::Disconnected { why, .. }) => {
                last = Some(why);
                continue;
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                last.unwrap_or_else(|| "it does not answer".to_owned())
            }
        };
        return Err(Failure::new(
            Status::CannotWrite,
            format!("cannot connect to {broker}: {why}"),
        ));
    }
}

/// Waits while too much is on its way already.
fn publish(router: &Router, args: &Args, payload: Vec<u8>) -> Result<(), Failure> {
    let message = Message {
        topic: args.topic.clone(),
        payload: payload.into(),
        qos: args.qos,
        retain: args.retain,
    };
    let mut offline_since = None;
    loop {
        // As modules do: no faster than the broker takes it.
        let error = match router.publish(message.clone()) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let since = *offline_since.get_or_insert_with(Instant::now);
        match error {
            PublishError::Full | PublishError::AllFull => {}
            PublishError::Offline if since.elapsed() < args.timeout => {}
            error => {
                return Err(Failure::new(
                    Status::CannotWrite,
                    format!("cannot publish: {error}"),
                ));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
