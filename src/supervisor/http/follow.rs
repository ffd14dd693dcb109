//! What modules write, and what happens in the realm.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::supervisor::{Event, Exit, Line, Live, Subscription, Supervisor};

use super::call::{Answer, Call};
use super::error::ApiError;
use super::routes::Api;
use super::stream::{Form, Gone, Next, Writer};
use super::{find, json};

/// How long after a module's end is waited for lines that are still on their way.
const TRAILING: Duration = Duration::from_millis(100);

/// `GET /api/v1/modules/{id}/logs`
pub(super) async fn logs(api: Arc<Api>, call: Call) -> Answer {
    let tail = call.number("tail")?;
    let tail = tail.map_or(usize::MAX, |tail| {
        usize::try_from(tail).unwrap_or(usize::MAX)
    });
    let follow = call.flag("follow")?;
    let module = find::module(&api.supervisor, call.part("id"))?;
    let form = Form::of(&call.headers, follow);
    // Before the lines, so that an end between the two is seen.
    let (_, events) = api.supervisor.events(u64::MAX);
    let output = api.supervisor.output(module.uuid, tail);
    let (lines, live) = output.ok_or_else(|| ApiError::unknown("the module is gone"))?;
    let (writer, response) = if follow {
        Writer::following(form, call.until, &api.followers)?
    } else {
        Writer::new(form)
    };
    let supervisor = api.supervisor.clone();
    tokio::spawn(async move {
        let live = follow.then_some((live, events));
        // The client is gone.
        let _ = write_lines(writer, &supervisor, module.uuid, &lines, live).await;
    });
    Ok(response)
}

type LiveLines = (Subscription<Line>, Subscription<Arc<Event>>);

async fn write_lines(
    mut writer: Writer,
    supervisor: &Supervisor,
    uuid: Uuid,
    lines: &[Line],
    live: Option<LiveLines>,
) -> Result<(), Gone> {
    for line in lines {
        writer.item(None, &json::line(line)).await?;
    }
    writer.flush().await?;
    let Some((live, events)) = live else {
        return Ok(());
    };
    let mut ended = end(supervisor, uuid);
    while ended.is_none() {
        match writer.next(&live, Some(&events)).await? {
            Some(Next::First(Live::Ended)) => ended = Some(json!({ "end": "deleted" })),
            Some(Next::First(next)) => write_line(&mut writer, &live, Some(next)).await?,
            Some(Next::Second(Live::Item(event))) if event.module != Some(uuid) => {}
            Some(Next::Second(_)) | None => ended = end(supervisor, uuid),
        }
    }
    tokio::time::sleep(TRAILING).await;
    let next = live.try_next();
    write_line(&mut writer, &live, next).await?;
    writer.note("end", &ended.unwrap_or_default()).await
}

/// Writes lines as long as there are any.
async fn write_line(
    writer: &mut Writer,
    live: &Subscription<Line>,
    mut next: Option<Live<Line>>,
) -> Result<(), Gone> {
    loop {
        match next {
            Some(Live::Item(line)) => writer.item(None, &json::line(&line)).await?,
            Some(Live::Missed(lines)) => {
                writer.note("missed", &json!({ "missed": lines })).await?;
            }
            // Whoever asks next is told again.
            Some(Live::Ended) | None => return writer.flush().await,
        }
        next = live.try_next();
    }
}

/// How a module has ended, if it is not started again.
fn end(supervisor: &Supervisor, uuid: Uuid) -> Option<Value> {
    let Some(module) = supervisor.module(uuid) else {
        return Some(json!({ "end": "deleted" }));
    };
    module.state.is_final().then(|| {
        let exit = module.exit.as_ref().map(Exit::to_value);
        json!({ "end": module.state.as_str(), "exit": exit })
    })
}

/// `GET /api/v1/events`
pub(super) async fn events(api: Arc<Api>, call: Call) -> Answer {
    let follow = call.flag("follow")?;
    let after = call.number("after")?;
    // A browser that has lost the connection says how far it was.
    let last = match call.headers.get("last-event-id") {
        None => None,
        Some(last) => {
            let last = last.to_str().ok().and_then(|last| last.parse().ok());
            Some(last.ok_or_else(|| ApiError::field("Last-Event-ID", "it is no whole number"))?)
        }
    };
    let from_now = if follow { u64::MAX } else { 0 };
    let after = last.or(after).unwrap_or(from_now);
    let form = Form::of(&call.headers, follow);
    let (writer, response): (Writer, Response) = if follow {
        Writer::following(form, call.until, &api.followers)?
    } else {
        Writer::new(form)
    };
    let (history, live) = api.supervisor.events(after);
    tokio::spawn(async move {
        // The client is gone.
        let _ = write_events(writer, history, follow.then_some(live)).await;
    });
    Ok(response)
}

async fn write_events(
    mut writer: Writer,
    history: Vec<Arc<Event>>,
    live: Option<Subscription<Arc<Event>>>,
) -> Result<(), Gone> {
    for event in history {
        writer.item(Some(event.id), &event.to_value()).await?;
    }
    writer.flush().await?;
    let Some(live) = live else {
        return Ok(());
    };
    loop {
        let mut next = match writer.next::<_, ()>(&live, None).await? {
            Some(Next::First(next)) => Some(next),
            Some(Next::Second(_)) | None => continue,
        };
        loop {
            match next {
                Some(Live::Item(event)) => {
                    writer.item(Some(event.id), &event.to_value()).await?;
                }
                Some(Live::Missed(events)) => {
                    writer.note("missed", &json!({ "missed": events })).await?;
                }
                Some(Live::Ended) => {
                    return writer.note("end", &json!({ "end": "stopped" })).await;
                }
                None => break,
            }
            next = live.try_next();
        }
        writer.flush().await?;
    }
}
