//! `poll_oneoff`: waiting for clocks and descriptors.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

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
use super::virtual_file::{EventWatch, VirtualHandle};

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
            _ => None,
        }
    }
}

/// In which directions each descriptor is subscribed.
struct Directions(HashMap<u32, (bool, bool)>);

impl Directions {
    fn of(subscriptions: &[Subscription]) -> Self {
        let mut directions = HashMap::<u32, (bool, bool)>::new();
        for subscription in subscriptions {
            match subscription.kind {
                Kind::Read(fd) => directions.entry(fd).or_default().0 = true,
                Kind::Write(fd) => directions.entry(fd).or_default().1 = true,
                Kind::Clock(_) => {}
            }
        }
        Self(directions)
    }

    fn has_both(&self, fd: u32) -> bool {
        self.0.get(&fd) == Some(&(true, true))
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
    /// Virtual files to be read.
    virtual_reads: Vec<(Subscription, Entry)>,
    /// Subscriptions that are ready and do not end the wait.
    silent: Vec<Subscription>,
}

impl Plan {
    fn new(call: &Call<'_>, subscriptions: &[Subscription]) -> Self {
        let mut plan = Self::default();
        let mut known = HashMap::new();
        let directions = Directions::of(subscriptions);
        for subscription in subscriptions {
            let userdata = subscription.userdata;
            let added = match &subscription.kind {
                Kind::Clock(clock) => {
                    Deadline::of(userdata, clock).map(|deadline| plan.deadlines.push(deadline))
                }
                Kind::Read(fd) | Kind::Write(fd) => {
                    let both = directions.has_both(*fd);
                    plan.add_file(call, subscription, *fd, both, &mut known)
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
        both: bool,
        known: &mut HashMap<u32, usize>,
    ) -> Result<(), Errno> {
        let entry = call.wasi.table.get(fd)?;
        let (right, flags) = match subscription.kind {
            Kind::Write(_) => (Rights::FD_WRITE, PollFlags::OUT),
            _ => (Rights::FD_READ, PollFlags::IN),
        };
        // Who asks for both directions means those that the descriptor has.
        if both && !entry.base.contains(right) && entry.base.intersects(Rights::STREAM_DATA) {
            return entry.require(Rights::POLL_FD_READWRITE);
        }
        if let Object::Virtual(_) = &*entry.object {
            return self.add_virtual(subscription, entry, right, both);
        }
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

    fn add_virtual(
        &mut self,
        subscription: &Subscription,
        entry: Entry,
        right: Rights,
        both: bool,
    ) -> Result<(), Errno> {
        entry.require(Rights::POLL_FD_READWRITE | right)?;
        match subscription.kind {
            Kind::Write(_) if both => self.silent.push(*subscription),
            Kind::Write(_) => self.events.push(Event::ready(subscription, 1, false)),
            _ => self.virtual_reads.push((*subscription, entry)),
        }
        Ok(())
    }

    /// The virtual files to be read.
    fn virtual_handles(&self) -> impl Iterator<Item = (&Subscription, &dyn VirtualHandle)> {
        self.virtual_reads
            .iter()
            .filter_map(|(subscription, entry)| match &*entry.object {
                Object::Virtual(file) => Some((subscription, file.handle())),
                _ => None,
            })
    }

    fn add_virtual_ready(&mut self) {
        let ready: Vec<_> = self
            .virtual_handles()
            .filter_map(|(subscription, handle)| {
                Some(Event::ready(subscription, handle.readable()?, false))
            })
            .collect();
        self.events.extend(ready);
    }

    /// What tells of changes of the virtual files, each once.
    fn watches(&self) -> io::Result<Vec<Box<dyn EventWatch + '_>>> {
        let mut sources = Vec::new();
        let mut watches = Vec::new();
        for events in self.virtual_handles().filter_map(|(_, h)| h.events()) {
            let source = std::ptr::from_ref(events).cast::<()>();
            if !sources.contains(&source) {
                sources.push(source);
                watches.push(events.watch()?);
            }
        }
        Ok(watches)
    }

    /// The events of a wait that is over. Where a file has one, those are told of too that would
    /// not have ended it.
    fn finish(self) -> Vec<Event> {
        let mut events = self.events;
        if events.iter().any(|event| !event.is_clock()) {
            let silent = self.silent.iter();
            events.extend(silent.map(|subscription| Event::ready(subscription, 1, false)));
        }
        events
    }

    /// The earliest time on that clock.
    fn earliest(&self, clock: ClockId) -> Option<u64> {
        self.deadlines
            .iter()
            .filter(|d| d.clock == clock)
            .map(|d| d.at)
            .min()
    }

    fn poll_fds(&self) -> Vec<PollFd<'_>> {
        let files = self.files.iter().filter_map(|waited| {
            let fd = waited.file()?.as_fd();
            Some(PollFd::from_borrowed_fd(fd, waited.flags))
        });
        files.collect()
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
    plan.add_virtual_ready();
    plan.add_due();
    if !plan.events.is_empty() {
        look(call, &mut plan)?;
        return Ok(plan.finish());
    }
    let timer = match plan.earliest(ClockId::Realtime) {
        Some(at) => Some(wall_timer(at)?),
        None => None,
    };
    // Entries of their own, so that the plan can change while they are watched.
    let watched = Plan {
        virtual_reads: plan.virtual_reads.clone(),
        ..Plan::default()
    };
    let watches = watched.watches()?;
    loop {
        for watch in &watches {
            watch.clear();
        }
        // After that, or what comes now is missed.
        plan.add_virtual_ready();
        if !plan.events.is_empty() {
            look(call, &mut plan)?;
            return Ok(plan.finish());
        }
        let monotonic = plan.earliest(ClockId::Monotonic);
        let mut fds = plan.poll_fds();
        let files = fds.len();
        fds.extend(timer.iter().map(|timer| PollFd::new(timer, PollFlags::IN)));
        fds.extend(
            watches
                .iter()
                .map(|watch| PollFd::from_borrowed_fd(watch.as_fd(), PollFlags::IN)),
        );
        call.blocking(|| {
            let timeout = monotonic.map(remaining).map(timespec);
            poll(&mut fds, timeout.as_ref()).map_err(io::Error::from)
        })?;
        let returned: Vec<_> = fds.iter().take(files).map(PollFd::revents).collect();
        plan.add_ready(&returned);
        plan.add_virtual_ready();
        plan.add_due();
        if !plan.events.is_empty() {
            return Ok(plan.finish());
        }
    }
}

/// Adds the events of files that are ready now, beside those that are known.
fn look(call: &Call<'_>, plan: &mut Plan) -> Result<()> {
    if plan.files.is_empty() {
        return call.check_stop();
    }
    let mut fds = plan.poll_fds();
    call.blocking(|| poll(&mut fds, Some(&timespec(0))).map_err(io::Error::from))?;
    let returned: Vec<_> = fds.iter().map(PollFd::revents).collect();
    plan.add_ready(&returned);
    Ok(())
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
