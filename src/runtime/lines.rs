//! From what a module writes to lines.

/// The longest line in bytes; what is longer is cut into pieces of it.
const MAX_LINE: usize = 64 * 1024;

/// The part of a line that has no end yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    /// Takes what is written, and gives each line that it completes to `line`, without its end.
    pub(super) fn write(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = MAX_LINE - self.begun.len();
            // One more, for the end of a line that just fits.
            let window = bytes.get(..room + 1).unwrap_or(bytes);
            match window.iter().position(|byte| *byte == b'\n') {
                Some(end) => {
                    let (rest, after) = (
                        bytes.get(..end).unwrap_or_default(),
                        bytes.get(end + 1..).unwrap_or_default(),
                    );
                    self.give(rest, &mut line);
                    bytes = after;
                }
                None if bytes.len() > room => {
                    let (rest, after) = bytes.split_at(room);
                    self.give(rest, &mut line);
                    bytes = after;
                }
                None => {
                    self.begun.extend_from_slice(bytes);
                    return;
                }
            }
        }
    }

    /// Gives the last line, if it has no end.
    pub(super) fn finish(&mut self, line: impl FnOnce(&[u8])) {
        if !self.begun.is_empty() {
            line(&std::mem::take(&mut self.begun));
        }
    }

    fn give(&mut self, rest: &[u8], line: &mut impl FnMut(&[u8])) {
        if self.begun.is_empty() {
            line(rest);
        } else {
            self.begun.extend_from_slice(rest);
            line(&self.begun);
            self.begun.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut lines = Lines::default();
        let mut all = Vec::new();
        for piece in pieces {
            lines.write(piece, |line| all.push(line.to_vec()));
        }
        lines.finish(|line| all.push(line.to_vec()));
        all
    }

    #[test]
    fn pieces_become_lines() {
        assert_eq!(
            lines(&[b"one\ntw", b"o\n", b"\nthree"]),
            [&b"one"[..], b"two", b"", b"three"]
        );
        assert_eq!(lines(&[b""]), [] as [&[u8]; 0]);
        assert_eq!(lines(&[b"a\xff\0\n"]), [b"a\xff\0"]);
    }

    #[test]
    fn long_lines_are_cut() {
        let just_fits = [vec![b'x'; MAX_LINE], vec![b'\n']].concat();
        assert_eq!(lines(&[&just_fits]).len(), 1);
        let long = vec![b'x'; MAX_LINE * 2 + 5];
        let lengths: Vec<_> = lines(&[&long[..7], &long[7..], b"\nend"])
            .iter()
            .map(Vec::len)
            .collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, 5, 3]);
    }

    proptest! {
        #[test]
        fn however_it_is_cut(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), any::<u8>()], 0..300),
            cuts in proptest::collection::vec(0usize..300, 0..6),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
            let mut expected: Vec<_> = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            if expected.last().is_some_and(Vec::is_empty) {
                expected.pop();
            }
            prop_assert_eq!(lines(&pieces), expected);
        }
    }
}
