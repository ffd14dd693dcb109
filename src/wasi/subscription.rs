//! The records of `poll_oneoff`: what a guest waits for, and what has happened.

use super::error::Errno;
use super::types::{Abi, number, number32};

/// What a guest waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscription {
    /// Handed back with the event.
    pub(crate) userdata: u64,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Clock(Clock),
    /// A descriptor that data can be read from.
    Read(u32),
    /// A descriptor that data can be written to.
    Write(u32),
}

impl Kind {
    const fn number(&self) -> u8 {
        match self {
            Self::Clock(_) => 0,
            Self::Read(_) => 1,
            Self::Write(_) => 2,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) id: u32,
    /// In nanoseconds: a time of the clock, or a duration.
    pub(crate) timeout: u64,
    pub(crate) absolute: bool,
}

impl Subscription {
    pub(crate) const fn size_in(abi: Abi) -> u32 {
        match abi {
            Abi::Snapshot0 => 56,
            Abi::Preview1 => 48,
        }
    }

    /// Reads an array of them.
    ///
    /// # Errors
    /// `EINVAL` when one is of an unknown kind or has an unknown flag.
    pub(crate) fn parse_all(abi: Abi, bytes: &[u8]) -> Result<Vec<Self>, Errno> {
        let size = match abi {
            Abi::Snapshot0 => 56,
            Abi::Preview1 => 48,
        };
        bytes
            .chunks_exact(size)
            .map(|record| Self::parse(abi, record))
            .collect()
    }

    fn parse(abi: Abi, record: &[u8]) -> Result<Self, Errno> {
        // Snapshot 0 has another userdata in front of the clock's number.
        let clock = match abi {
            Abi::Snapshot0 => 24,
            Abi::Preview1 => 16,
        };
        let kind = match number::<1>(record, 8) {
            0 => {
                let flags = number::<2>(record, clock + 24);
                if flags > 1 {
                    return Err(Errno::Inval);
                }
                Kind::Clock(Clock {
                    id: number32(record, clock),
                    timeout: number::<8>(record, clock + 8),
                    absolute: flags == 1,
                })
            }
            1 => Kind::Read(number32(record, 16)),
            2 => Kind::Write(number32(record, 16)),
            _ => return Err(Errno::Inval),
        };
        Ok(Self {
            userdata: number::<8>(record, 0),
            kind,
        })
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    userdata: u64,
    errno: Errno,
    kind: u8,
    /// Bytes that can be read or written, as far as they are known.
    available: u64,
    hangup: bool,
}

impl Event {
    pub(crate) const SIZE: u32 = 32;

    /// A clock has reached the time.
    pub(crate) fn clock(userdata: u64) -> Self {
        Self {
            userdata,
            errno: Errno::Success,
            kind: 0,
            available: 0,
            hangup: false,
        }
    }

    /// A descriptor is ready, or the other side has hung up.
    pub(crate) fn ready(subscription: &Subscription, available: u64, hangup: bool) -> Self {
        Self {
            userdata: subscription.userdata,
            errno: Errno::Success,
            kind: subscription.kind.number(),
            available,
            hangup,
        }
    }

    /// Nobody can wait for that.
    pub(crate) fn failed(userdata: u64, kind: &Kind, errno: Errno) -> Self {
        Self {
            userdata,
            errno,
            kind: kind.number(),
            available: 0,
            hangup: false,
        }
    }

    pub(crate) fn is_clock(&self) -> bool {
        self.kind == 0
    }

    pub(crate) fn encode(&self) -> [u8; 32] {
        let mut out = [0; 32];
        let fields = [
            (0, self.userdata.to_le_bytes().to_vec()),
            (8, (self.errno as u16).to_le_bytes().to_vec()),
            (10, vec![self.kind]),
            (16, self.available.to_le_bytes().to_vec()),
            (24, vec![u8::from(self.hangup)]),
        ];
        for (at, bytes) in fields {
            for (to, from) in out.iter_mut().skip(at).zip(bytes) {
                *to = from;
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock_record(abi: Abi) -> Vec<u8> {
        let mut record = vec![0; Subscription::size_in(abi) as usize];
        record[0] = 9;
        let clock = if abi == Abi::Snapshot0 { 24 } else { 16 };
        record[clock] = 1;
        record[clock + 8] = 77;
        record[clock + 24] = 1;
        record
    }

    #[test]
    fn clocks_in_both_versions() {
        for abi in [Abi::Snapshot0, Abi::Preview1] {
            let clock = Clock {
                id: 1,
                timeout: 77,
                absolute: true,
            };
            assert_eq!(
                Subscription::parse_all(abi, &clock_record(abi)),
                Ok(vec![Subscription {
                    userdata: 9,
                    kind: Kind::Clock(clock)
                }])
            );
        }
    }

    #[test]
    fn descriptors_and_nonsense() {
        let mut record = vec![0; 48];
        record[8] = 1;
        record[16] = 5;
        let parse = |record: &[u8]| Subscription::parse_all(Abi::Preview1, record);
        assert_eq!(parse(&record).unwrap()[0].kind, Kind::Read(5));
        record[8] = 2;
        assert_eq!(parse(&record).unwrap()[0].kind, Kind::Write(5));
        record[8] = 3;
        assert_eq!(parse(&record), Err(Errno::Inval));
        record[8] = 0;
        record[40] = 2;
        assert_eq!(parse(&record), Err(Errno::Inval));
    }

    #[test]
    fn events() {
        let subscription = Subscription {
            userdata: 1,
            kind: Kind::Read(0),
        };
        let bytes = Event::ready(&subscription, 5, true).encode();
        assert_eq!(
            (bytes[0], bytes[8], bytes[10], bytes[16], bytes[24]),
            (1, 0, 1, 5, 1)
        );
        let bytes = Event::failed(2, &Kind::Write(9), Errno::Badf).encode();
        assert_eq!(
            (bytes[0], bytes[8], bytes[10], bytes[16], bytes[24]),
            (2, 8, 2, 0, 0)
        );
        assert_eq!(Event::clock(3).encode()[10], 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_subscriptions_or_an_error(
            bytes in proptest::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..600),
            old in any::<bool>(),
        ) {
            let abi = if old { Abi::Snapshot0 } else { Abi::Preview1 };
            if let Ok(parsed) = Subscription::parse_all(abi, &bytes) {
                prop_assert_eq!(parsed.len(), bytes.len() / Subscription::size_in(abi) as usize);
            }
        }
    }
}
