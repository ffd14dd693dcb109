//! What has been read of a connection and not understood yet.

use bytes::BytesMut;

/// What is read at once.
const READ: usize = 64 * 1024;

/// A buffer that a large message has made larger than this is given back.
const KEPT_BUFFER: usize = 256 * 1024;

#[derive(Debug)]
pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// A large message went through the buffer, whose capacity only tells what is left of it.
    large: bool,
}

impl Input {
    pub(super) fn new() -> Input {
        Input {
            bytes: BytesMut::with_capacity(READ),
            large: false,
        }
    }

    /// Takes a packet out of the buffer, if `read` finds one.
    pub(super) fn take<P, E>(
        &mut self,
        read: impl FnOnce(&mut BytesMut) -> Result<Option<P>, E>,
    ) -> Result<Option<P>, E> {
        let large = self.bytes.capacity() > KEPT_BUFFER;
        let packet = read(&mut self.bytes)?;
        self.large |= large && packet.is_some();
        Ok(packet)
    }

    /// Gives back what a large message has taken, and has room to read into.
    pub(super) fn make_room(&mut self) {
        if self.large && self.bytes.len() < READ {
            let mut bytes = BytesMut::with_capacity(2 * READ);
            bytes.extend_from_slice(&self.bytes);
            self.bytes = bytes;
            self.large = false;
        }
        if self.bytes.capacity() - self.bytes.len() < READ / 8 {
            self.bytes.reserve(READ);
        }
    }
}
