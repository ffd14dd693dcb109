//! `poll_oneoff`: waiting for clocks and descriptors.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{SeekFrom, fstat, seek};
use rustix::io::ioctl_fionread;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create,
    timerfd_settime,
};

use super::call::Call;
use super::clock::now;
use super::error::{Errno, Result};
use super::object::{File, Object};
use super::rw::store;
use super::subscription::{Clock, Event, Kind, Subscription};
use super::table::Entry;
use super::types::{Abi, NANOS, Rights};

/// The most subscriptions in one call: four times the descriptors that a module may have
/// unless configured otherwise.
const MAX_SUBSCRIPTIONS: u32 = 4096;

pub(crate) fn poll_oneoff(
    call: &Call<'_>,
    abi: Abi,
    input: u32,
    output: u32,
    count: u32,
    number: u32,
) -> Result<()> {
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    call.memory.check(output, count * Event::SIZE)?;
    call.memory.check(number, 4)?;
    let bytes = call
        .memory
        .read_vec(input, count * Subscription::size_in(abi))?;
    let subscriptions = Subscription::parse_all(abi, &bytes)?;

    let events = wait(call, &subscriptions)?;
    let bytes: Vec<u8> = events.iter().flat_map(Event::encode).collect();
    call.memory.write(output, &bytes)?;
    store(call, number, events.len())
}

/// A wait for the time, in the clock's nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Deadline {
    userdata: u64,
    clock: ClockId,
    at: u64,
}

impl Deadline {
    /// A duration is measured on the monotonic clock, so that setting the wall clock does not
    /// change it.
    fn of(userdata: u64, clock: &Clock) -> Result<Self, Errno> {
        let id = match clock.id {
            0 => ClockId::Realtime,
            1 => ClockId::Monotonic,
            // Nobody can wait on a clock that stands still meanwhile.
            2 | 3 => return Err(Errno::NotSup),
            _ => return Err(Errno::Inval),
        };
        if clock.absolute {
            return Ok(Self {
                userdata,
                clock: id,
                at: clock.timeout,
            });
        }
        let at = now(ClockId::Monotonic).saturating_add(clock.timeout);
        Ok(Self {
            userdata,
            clock: ClockId::Monotonic,
            at,
        })
    }

    fn is_due(&self) -> bool {
        now(self.clock) >= self.at
    }
}

/// A file to wait for, on behalf of one or more subscriptions.
struct Waited {
    entry: Entry,
    flags: PollFlags,
}

impl Waited {
    fn file(&self) -> Option<&File> {
        match &*self.entry.object {
            Object::File(file) => Some(file),
            Object::Dir(_) => None,
        }
    }
}

/// All that a call waits for.
#[derive(Default)]
struct Plan {
    /// What is known without waiting.
    events: Vec<Event>,
    deadlines: Vec<Deadline>,
    /// Each file once, however many subscriptions it has: the host limits their number.
    files: Vec<Waited>,
    /// Userdata, kind, and which of the files.
    subscribed: Vec<(u64, Kind, usize)>,
}

impl Plan {
    fn new(call: &Call<'_>, subscriptions: &[Subscription]) -> Self {
        let mut plan = Self::default();
        let mut known = HashMap::new();
        for subscription in subscriptions {
            let userdata = subscription.userdata;
            let added = match &subscription.kind {
                Kind::Clock(clock) => {
                    Deadline::of(userdata, clock).map(|deadline| plan.deadlines.push(deadline))
                }
                Kind::Read(fd) | Kind::Write(fd) => {
                    plan.add_file(call, subscription, *fd, &mut known)
                }
            };
            if let Err(errno) = added {
                plan.events
                    .push(Event::failed(userdata, &subscription.kind, errno));
            }
        }
        plan
    }

    fn add_file(
        &mut self,
        call: &Call<'_>,
        subscription: &Subscription,
        fd: u32,
        known: &mut HashMap<u32, usize>,
    ) -> Result<(), Errno> {
        let entry = call.wasi.table.get(fd)?;
        let (right, flags) = match subscription.kind {
            Kind::Write(_) => (Rights::FD_WRITE, PollFlags::OUT),
            _ => (Rights::FD_READ, PollFlags::IN),
        };
        let file = entry.file(Rights::POLL_FD_READWRITE | right)?;
        if !file.can_block() {
            let available = match subscription.kind {
                Kind::Read(_) => rest_of(file)?,
                _ => 1,
            };
            self.events
                .push(Event::ready(subscription, available, false));
            return Ok(());
        }
        let at = *known.entry(fd).or_insert(self.files.len());
        match self.files.get_mut(at) {
            Some(waited) => waited.flags |= flags,
            None => self.files.push(Waited { entry, flags }),
        }
        self.subscribed
            .push((subscription.userdata, subscription.kind, at));
        Ok(())
    }

    /// The earliest time on that clock.
    fn earliest(&self, clock: ClockId) -> Option<u64> {
        self.deadlines
            .iter()
            .filter(|d| d.clock == clock)
            .map(|d| d.at)
            .min()
    }

    /// Adds the events of the files, after what the host says about them.
    fn add_ready(&mut self, returned: &[PollFlags]) {
        for &(userdata, kind, at) in &self.subscribed {
            let (Some(waited), Some(&returned)) = (self.files.get(at), returned.get(at)) else {
                continue;
            };
            let over = returned.intersects(PollFlags::HUP | PollFlags::ERR);
            let wanted = match kind {
                Kind::Write(_) => PollFlags::OUT,
                _ => PollFlags::IN,
            };
            let subscription = Subscription { userdata, kind };
            if returned.contains(PollFlags::NVAL) {
                self.events
                    .push(Event::failed(userdata, &kind, Errno::Badf));
            } else if over || returned.intersects(wanted) {
                let available = match (kind, waited.file()) {
                    (Kind::Read(_), Some(file)) => ioctl_fionread(file.as_fd()).unwrap_or(0),
                    _ => u64::from(!over),
                };
                self.events
                    .push(Event::ready(&subscription, available, over));
            }
        }
    }

    fn add_due(&mut self) {
        let due = self.deadlines.iter().filter(|deadline| deadline.is_due());
        self.events
            .extend(due.map(|deadline| Event::clock(deadline.userdata)));
    }
}

/// Waits until at least one subscription has an event.
fn wait(call: &Call<'_>, subscriptions: &[Subscription]) -> Result<Vec<Event>> {
    let mut plan = Plan::new(call, subscriptions);
    let timer = match plan.earliest(ClockId::Realtime) {
        Some(at) if plan.events.is_empty() && now(ClockId::Realtime) < at => Some(wall_timer(at)?),
        _ => None,
    };
    loop {
        plan.add_due();
        let at_once = !plan.events.is_empty();
        let monotonic = plan.earliest(ClockId::Monotonic);
        let returned = {
            let files = plan.files.iter().filter_map(|waited| {
                Some(PollFd::from_borrowed_fd(
                    waited.file()?.as_fd(),
                    waited.flags,
                ))
            });
            let timer = timer.iter().map(|timer| PollFd::new(timer, PollFlags::IN));
            let mut fds: Vec<_> = files.chain(timer).collect();
            if at_once && plan.files.is_empty() {
                call.check_stop()?;
            } else {
                call.blocking(|| {
                    let timeout = if at_once {
                        Some(0)
                    } else {
                        monotonic.map(remaining)
                    };
                    poll(&mut fds, timeout.map(timespec).as_ref()).map_err(io::Error::from)
                })?;
            }
            fds.iter().map(PollFd::revents).collect::<Vec<_>>()
        };
        plan.add_ready(&returned);
        if !at_once {
            plan.add_due();
        }
        if !plan.events.is_empty() {
            return Ok(plan.events);
        }
    }
}

/// The time until then on the monotonic clock, in nanoseconds.
fn remaining(at: u64) -> u64 {
    at.saturating_sub(now(ClockId::Monotonic))
}

fn timespec(nanos: u64) -> Timespec {
    Timespec {
        tv_sec: (nanos / NANOS).try_into().unwrap_or(i32::MAX.into()),
        tv_nsec: (nanos % NANOS).try_into().unwrap_or(0),
    }
}

/// A timer that is ready when the wall clock shows that time, however it is set meanwhile.
fn wall_timer(at: u64) -> Result<OwnedFd> {
    let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::CLOEXEC)?;
    let spec = Itimerspec {
        it_interval: timespec(0),
        it_value: timespec(at),
    };
    timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME, &spec)?;
    Ok(timer)
}

/// The bytes between the offset and the end of a file.
fn rest_of(file: &File) -> Result<u64, Errno> {
    let size = u64::try_from(fstat(file.as_fd())?.st_size).unwrap_or(0);
    let offset = seek(file.as_fd(), SeekFrom::Current(0)).unwrap_or(0);
    Ok(size.saturating_sub(offset))
}
