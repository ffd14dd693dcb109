//! From a guest's path to a place on the host, never outside of the directory it starts at.
//!
//! cap-std walks the path: with `openat2(2)` and `RESOLVE_BENEATH` where the kernel has it,
//! component by component otherwise. What is done at the end of the path is done relative to
//! the directory that the walk has ended in, with calls that do not follow a link there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use cap_fs_ext::{FollowSymlinks, OpenOptionsFollowExt};
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::call::Call;
use super::error::{Errno, Result};

/// The longest path in bytes, as in Linux.
const PATH_MAX: u32 = 4095;

/// Reads a path from guest memory.
///
/// # Errors
/// `EFAULT`, `ENAMETOOLONG`, `EILSEQ` when it is not UTF-8, and `EINVAL` when it has a NUL.
pub(crate) fn read_path(call: &Call<'_>, at: u32, length: u32) -> Result<String> {
    call.memory.check(at, length)?;
    if length > PATH_MAX {
        return Err(Errno::NameTooLong.into());
    }
    Ok(check_path(call.memory.read_vec(at, length)?)?)
}

fn check_path(bytes: Vec<u8>) -> Result<String, Errno> {
    let path = String::from_utf8(bytes).map_err(|_| Errno::Ilseq)?;
    if path.contains('\0') {
        Err(Errno::Inval)
    } else {
        Ok(path)
    }
}

/// Options for `Dir::open_with`. All but the access mode goes in as flags of the host, since
/// cap-std refuses combinations that preview 1 allows.
pub(crate) fn open_options(read: bool, write: bool, flags: OFlags, follow: bool) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(read || !write).write(write);
    // Bits beyond 31 do not exist.
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    options.follow(if follow {
        FollowSymlinks::Yes
    } else {
        FollowSymlinks::No
    });
    options
}

/// The thing that a path names, opened as a place only: good for its status and its times,
/// also when it is a device or must not be read.
///
/// # Errors
/// The host's; `EPERM` when the path leads out of the directory.
pub(crate) fn locate(dir: &Dir, path: &str, follow: bool) -> io::Result<OwnedFd> {
    let file = dir.open_with(path, &open_options(true, false, OFlags::PATH, follow))?;
    Ok(file.into_std().into())
}

/// The directory in which a path's last component stands, with that component.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    parent: Parent<'a>,
    /// One component, not `..`, with the slashes behind it: they mean that it must be a
    /// directory, and the kernel knows what to make of them in each call.
    pub(crate) name: &'a str,
}

#[derive(Debug)]
enum Parent<'a> {
    Start(&'a Dir),
    Below(Dir),
}

impl Place<'_> {
    pub(crate) fn parent(&self) -> BorrowedFd<'_> {
        match &self.parent {
            Parent::Start(dir) => dir.as_fd(),
            Parent::Below(dir) => dir.as_fd(),
        }
    }
}

/// Finds where the last component of a path stands; it need not exist.
///
/// # Errors
/// The host's; `EPERM` when the path leads out of the directory.
pub(crate) fn place<'a>(dir: &'a Dir, path: &'a str) -> Result<Place<'a>> {
    let (before, name) = split(path)?;
    let parent = match before {
        None => Parent::Start(dir),
        Some(before) => Parent::Below(dir.open_dir(before)?),
    };
    Ok(Place { parent, name })
}

/// Splits a path into what must be walked and its last component.
fn split(path: &str) -> Result<(Option<&str>, &str), Errno> {
    if path.is_empty() {
        return Err(Errno::NoEnt);
    }
    // From the host's root, which is outside of everything.
    if path.starts_with('/') {
        return Err(Errno::Perm);
    }
    let start_of_last = path
        .trim_end_matches('/')
        .rfind('/')
        .map_or(0, |slash| slash + 1);
    let (before, last) = path.split_at(start_of_last);
    if last.trim_end_matches('/') == ".." {
        // The walk decides whether it leads outside.
        return Ok((Some(path), "."));
    }
    Ok(((!before.is_empty()).then_some(before), last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::error::Fail;
    use super::*;

    #[test]
    fn splits() {
        assert_eq!(split("a"), Ok((None, "a")));
        assert_eq!(split("a//"), Ok((None, "a//")));
        assert_eq!(split("a/b"), Ok((Some("a/"), "b")));
        assert_eq!(split("a//b/"), Ok((Some("a//"), "b/")));
        assert_eq!(split("a/."), Ok((Some("a/"), ".")));
        assert_eq!(split("."), Ok((None, ".")));
        assert_eq!(split(".."), Ok((Some(".."), ".")));
        assert_eq!(split("a/../"), Ok((Some("a/../"), ".")));
        assert_eq!(split("..."), Ok((None, "...")));
        assert_eq!(split(""), Err(Errno::NoEnt));
        assert_eq!(split("/"), Err(Errno::Perm));
        assert_eq!(split("//a"), Err(Errno::Perm));
    }

    #[test]
    fn paths_are_texts() {
        assert_eq!(check_path(vec![b'a', 0xff]), Err(Errno::Ilseq));
        assert_eq!(check_path(b"a\0b".to_vec()), Err(Errno::Inval));
        assert_eq!(check_path("ü/ß".into()).as_deref(), Ok("ü/ß"));
    }

    fn errno(result: Result<Place<'_>>) -> Option<Errno> {
        match result {
            Err(Fail::Errno(errno)) => Some(errno),
            _ => None,
        }
    }

    #[test]
    fn no_way_out() {
        let outside = tempfile::tempdir().unwrap();
        let inside = outside.path().join("in");
        std::fs::create_dir_all(inside.join("sub")).unwrap();
        std::fs::write(outside.path().join("secret"), "").unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        std::os::unix::fs::symlink(outside.path(), inside.join("absolute")).unwrap();
        std::os::unix::fs::symlink("../../secret", inside.join("sub/file")).unwrap();
        let dir = Dir::open_ambient_dir(&inside, cap_std::ambient_authority()).unwrap();

        for path in [
            "..",
            "../secret",
            "sub/../..",
            "sub/../../secret",
            "up/secret",
            "/etc",
            "absolute/secret",
            "up/",
            "sub/../up/secret",
            "../in/sub",
        ] {
            let name = path.trim_end_matches('/');
            if name.contains('/') || name == ".." {
                assert_eq!(errno(place(&dir, path)), Some(Errno::Perm), "{path}");
            }
            let err = locate(&dir, path, true).unwrap_err();
            assert_eq!(Errno::from(err), Errno::Perm, "{path}");
        }
        assert_eq!(
            Errno::from(locate(&dir, "sub/file", true).unwrap_err()),
            Errno::Perm
        );
        // The link itself is inside.
        assert!(locate(&dir, "sub/file", false).is_ok());
        assert!(place(&dir, "sub/file").is_ok());
        // And so is what goes up and comes down again.
        assert_eq!(place(&dir, "sub/../sub/x").unwrap().name, "x");
        assert_eq!(place(&dir, "sub/..").unwrap().name, ".");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_path_or_an_error(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)
        ) {
            if let Ok(path) = check_path(bytes)
                && let Ok((before, name)) = split(&path)
            {
                prop_assert!(!name.is_empty());
                prop_assert!(!name.trim_end_matches('/').contains('/'));
                prop_assert!(name.trim_end_matches('/') != "..");
                if name != "." {
                    prop_assert_eq!(format!("{}{name}", before.unwrap_or("")), path);
                }
            }
        }
    }
}
