//! One connection, from its first packet to its end.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::super::router::Router;
use super::failure::Failure;
use super::input::Input;
use super::outbox::{Stop, as_u64};
use super::sender::Sender;
use super::session::{Hello, Incoming, Session, Welcome};
use super::status::Teller;
use super::token::Watch;
use super::transport::{Ends, Reader};
use super::wire::Wire;

/// How long saying goodbye may take.
const FAREWELL: Duration = Duration::from_millis(250);

/// The link's thread's side of a connection. The other one is in the sender until it is unplugged.
pub(super) struct Connection<'a> {
    sender: &'a Sender,
    router: &'a Router,
    teller: &'a Teller,
    reader: Reader,
    input: Input,
    keep_alive: Duration,
    alive: Alive,
    token: Watch,
}

/// What has happened since the keep-alive timer last looked.
#[derive(Debug, Default)]
struct Alive {
    heard: bool,
    /// A ping was sent when it last looked.
    pinged: bool,
}

impl<'a> Connection<'a> {
    /// Says hello, and waits until the broker has answered.
    pub(super) async fn open(
        ends: Ends,
        session: Box<dyn Session>,
        hello: &Hello,
        keep_alive: Duration,
        token: Watch,
        (sender, router, teller): (&'a Sender, &'a Router, &'a Teller),
    ) -> Result<Connection<'a>, Failure> {
        let mut connection = Connection {
            sender,
            router,
            teller,
            reader: ends.reader,
            input: Input::new(),
            keep_alive,
            alive: Alive::default(),
            token,
        };
        let mut wire = Wire::new(router.clone(), session, ends.writer);
        wire.greet(hello).await?;
        let welcome = connection.welcome(&mut wire).await?;
        wire.limit_packets(welcome.max_packet.unwrap_or(usize::MAX));
        if let Some(seconds) = welcome.keep_alive {
            connection.keep_alive = Duration::from_secs(seconds.into());
        }
        connection.begin(wire)?;
        Ok(connection)
    }

    async fn welcome(&mut self, wire: &mut Wire) -> Result<Welcome, Failure> {
        loop {
            if let Some(incoming) = wire.read_any(&mut self.input)? {
                return match incoming {
                    Incoming::Welcome(welcome) => Ok(welcome),
                    _ => Err(Failure::protocol(&"its first packet is no CONNACK")),
                };
            }
            match self.reader.read_buf(&mut self.input.bytes).await {
                Ok(0) => return Err(unanswered(wire.is_plain())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Err(unanswered(wire.is_plain()));
                }
                Err(error) => return Err(Failure::io(&error)),
            }
        }
    }

    /// Has the broker send what is subscribed. That is asked for before anything else is sent.
    fn begin(&mut self, mut wire: Wire) -> Result<(), Failure> {
        let outbox = &self.sender.outbox;
        outbox.go_online();
        self.router.link_connected(wire.no_local());
        // What changes from now on is in the outbox, and perhaps here too.
        let filters = self.router.broker_filters();
        outbox.asked_for(filters.iter().map(|(filter, ..)| filter.clone()));
        wire.subscribe_all(&filters)?;
        self.sender.plug(wire);
        Ok(())
    }

    /// Moves messages until the connection fails, or the link is to end.
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        let mut timer = Box::pin(sleep(self.keep_alive));
        let sender = self.sender;
        let outbox = &sender.outbox;
        // Something may have come together with the answer.
        self.digest()?;
        loop {
            sender.pulse.beat();
            let (writing, held, refused) = sender.with(|wire, outbox| {
                wire.fill(outbox)?;
                // Before anybody hears that all is done.
                let refused = wire.take_refusals();
                wire.rest(outbox);
                Ok((wire.has_output(), wire.held_until(), refused))
            })?;
            self.teller.refuse(refused);
            let deadline = match outbox.stopping() {
                None => None,
                Some(Stop::Closing(at)) if !outbox.is_drained() => Some(at),
                Some(Stop::Closing(_)) => return self.leave().await,
                Some(Stop::Abandoned) => return Ok(()),
            };
            let paused = outbox.paused_until();
            self.input.make_room();
            tokio::select! {
                read = self.reader.read_buf(&mut self.input.bytes) => {
                    received(read)?;
                    self.alive.heard = true;
                    self.digest()?;
                }
                written = sender.wait(Wire::poll_write), if writing && held.is_none() => written?,
                () = at(held), if held.is_some() => sender.with(|wire, _| {
                    wire.release();
                    Ok(())
                })?,
                () = outbox.wake.notified() => {}
                () = at(paused), if paused.is_some() => {}
                () = &mut timer, if !self.keep_alive.is_zero() => {
                    self.check_alive()?;
                    timer.as_mut().reset(Instant::now() + self.keep_alive);
                }
                () = at(self.token.next), if self.token.next.is_some() => if self.token.look() {
                    self.leave().await?;
                    return Err(Failure::network("its token has ended, and there is another"));
                },
                () = at(deadline), if deadline.is_some() => return self.leave().await,
            }
        }
    }

    /// Takes all whole packets that have been read.
    fn digest(&mut self) -> Result<(), Failure> {
        let input = &mut self.input;
        while let Some(inbound) = self.sender.with(|wire, outbox| wire.read(input, outbox))? {
            let bytes = as_u64(inbound.message.size());
            self.sender.outbox.count(|counters| {
                counters.received += 1;
                counters.received_bytes += bytes;
            });
            // Nothing is locked: who gets it may publish at once.
            self.router.deliver(inbound);
        }
        Ok(())
    }

    /// Called once in each keep-alive time. As long as bytes move, the broker is there, however
    /// long a large message takes.
    fn check_alive(&mut self) -> Result<(), Failure> {
        let alive = std::mem::take(&mut self.alive);
        let seconds = self.keep_alive.as_secs_f32();
        let pinged = self.sender.with(|wire, _| {
            let wrote = wire.take_wrote();
            if wire.has_output() {
                return if wrote {
                    Ok(false)
                } else {
                    Err(Failure::network(format!(
                        "the broker has taken nothing for {seconds} s"
                    )))
                };
            }
            if alive.pinged && !alive.heard {
                return Err(Failure::network(format!(
                    "the broker has not answered for {seconds} s"
                )));
            }
            wire.ping()?;
            Ok(true)
        })?;
        self.alive.pinged = pinged;
        Ok(())
    }

    /// Says goodbye, so that there is no will.
    async fn leave(&mut self) -> Result<(), Failure> {
        let sender = self.sender;
        sender.with(|wire, _| wire.disconnect())?;
        let farewell = async {
            while sender.with(|wire, _| Ok(wire.has_output()))? {
                sender.wait(Wire::poll_write).await?;
            }
            sender.wait(Wire::poll_shutdown).await
        };
        // If it does not go, the connection ends all the same.
        let _ = timeout(FAREWELL, farewell).await;
        Ok(())
    }
}

/// Mosquitto answers so at a port for TLS.
fn unanswered(is_plain: bool) -> Failure {
    let tls = if is_plain {
        "; does it speak TLS at this port (mqtts://)?"
    } else {
        ""
    };
    Failure::network(format!(
        "the broker closed the connection instead of answering{tls}"
    ))
}

fn received(read: io::Result<usize>) -> Result<(), Failure> {
    match read {
        Ok(0) => Err(Failure::network("the broker closed the connection")),
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::io(&error)),
    }
}

async fn at(deadline: Option<std::time::Instant>) {
    if let Some(deadline) = deadline {
        sleep_until(deadline.into()).await;
    }
}
