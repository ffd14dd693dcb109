//! Which function a place in a module's native code belongs to.

/// The places where the functions begin.
#[derive(Debug, Default)]
pub(super) struct CodeMap {
    /// How many functions are imported: the module's own come after them.
    imports: u32,
    /// Where functions begin, and their indices, in the order of the places.
    begins: Vec<(u32, u32)>,
    /// Where the last of them ends.
    end: u32,
}

impl CodeMap {
    /// Of a module that imports so many functions. The offsets are where its own
    /// begin, and then where the last one ends.
    pub(super) fn new(imports: usize, offsets: &[u32]) -> CodeMap {
        let (end, offsets) = offsets.split_last().unwrap_or((&0, &[]));
        let imports = u32::try_from(imports).unwrap_or(u32::MAX);
        let mut begins: Vec<(u32, u32)> = offsets
            .iter()
            .zip(imports..)
            .map(|(offset, index)| (*offset, index))
            .collect();
        begins.sort_unstable();
        CodeMap {
            imports,
            begins,
            end: *end,
        }
    }

    /// The function that the place is in. Each is followed by its own parts, up
    /// to where the next one begins.
    fn function(&self, offset: u32) -> Option<u32> {
        if offset >= self.end {
            return None;
        }
        let after = self.begins.partition_point(|(begin, _)| *begin <= offset);
        let (_, index) = self.begins.get(after.checked_sub(1)?)?;
        Some(*index)
    }

    /// A call stack, innermost frame first, of a thread that is at this place.
    ///
    /// The frames alone do not tell where it is: a function has none yet when
    /// it begins, none any more when it ends, and the compiler takes away that
    /// of a function in which nobody could look at it, one that calls nothing.
    pub(super) fn with_leaf(&self, offset: u32, frames: &[u32]) -> Vec<u32> {
        let Some(function) = self.function(offset) else {
            return frames.to_vec();
        };
        // The frame of a host function that is not called yet, or has returned.
        let frames = match frames {
            [first, rest @ ..] if *first < self.imports => rest,
            frames => frames,
        };
        match frames {
            [first, ..] if *first == function => frames.to_vec(),
            // Compiled into its caller.
            [_, second, ..] if *second == function => frames.to_vec(),
            _ => std::iter::once(function)
                .chain(frames.iter().copied())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two imports; function 2 begins at 64, 3 at 0 and 4, the last, at 128.
    fn map() -> CodeMap {
        CodeMap::new(2, &[64, 0, 128, 200])
    }

    #[test]
    fn places_are_in_the_function_before_them() {
        let found = [0, 63, 64, 127, 128, 199].map(|at| map().function(at));
        assert_eq!(found, [3, 3, 2, 2, 4, 4].map(Some));
        assert_eq!(map().function(200), None);
        assert_eq!(CodeMap::new(1, &[8, 16]).function(7), None);
        assert_eq!(CodeMap::default().function(7), None);
    }

    #[test]
    fn the_place_says_what_the_frames_do_not() {
        // Not in the module's own code.
        assert_eq!(map().with_leaf(200, &[1, 2]), [1, 2]);
        // In function 2, at 64.
        for (frames, stack) in [
            (&[2, 3][..], &[2, 3][..]),
            (&[3], &[2, 3]),
            (&[], &[2]),
            // A host function, called by function 2, is not running.
            (&[1, 2, 3], &[2, 3]),
            // Function 4 is a part of 2.
            (&[4, 2], &[4, 2]),
            (&[4, 3], &[2, 4, 3]),
        ] {
            assert_eq!(map().with_leaf(64, frames), stack);
        }
    }
}
