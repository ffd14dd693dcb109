//! Who beside us could change a file, or put another in its place.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What lets others change a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Exposed {
    /// The file, or a directory on the way to it.
    #[error("others can write to {}: chmod go-w it", .0.display())]
    Writable(PathBuf),
    /// The owner can always change it. It may also be a directory on the way.
    #[error(
        "{} belongs to the user with the number {owner}, who is neither root nor the one who runs this",
        .path.display()
    )]
    Foreign {
        /// The file or directory.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
}

/// More links one after the other are a circle.
const LINKS: usize = 40;
const OTHERS_WRITE: u32 = 0o002;
const GROUP_WRITES: u32 = 0o020;
/// Whoever may make files in the directory may not replace those of others.
const STICKY: u32 = 0o1000;

/// What lets others than root and the user of this process change a file, or put another in its
/// place: rights and owners of the file, and of all directories on the way to it and to what it is a
/// link to. `None` where nothing does, and where there is no such file.
#[must_use]
pub fn exposed(path: &Path) -> Option<Exposed> {
    let path = std::path::absolute(path).ok()?;
    let mut at = PathBuf::from("/");
    let mut next = parts(&path);
    let mut links = 0;
    let us = Us::of_process(fs::metadata(&at).ok()?.uid());
    while let Some(name) = next.pop() {
        let dir = fs::metadata(&at).ok()?;
        if !us.has(&dir) {
            return Some(foreign(at, &dir));
        }
        if name == ".." {
            at.pop();
            continue;
        }
        let entry = at.join(&name);
        let found = fs::symlink_metadata(&entry).ok()?;
        if dir.mode() & (OTHERS_WRITE | group_writes(&dir)) != 0 {
            if dir.mode() & STICKY == 0 {
                return Some(Exposed::Writable(at));
            }
            // Also a link: its owner may make another one.
            if !us.has(&found) {
                return Some(foreign(entry, &found));
            }
        }
        if found.is_symlink() {
            links += 1;
            let target = fs::read_link(&entry).ok().filter(|_| links <= LINKS)?;
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            next.extend(parts(&target));
        } else {
            at = entry;
        }
    }
    let file = fs::metadata(&at).ok()?;
    if !us.has(&file) {
        Some(foreign(at, &file))
    } else if file.mode() & (OTHERS_WRITE | GROUP_WRITES) != 0 {
        Some(Exposed::Writable(at))
    } else {
        None
    }
}

/// The names in a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.iter().rev();
    let names = names.filter(|name| *name != OsStr::new("/") && *name != OsStr::new("."));
    names.map(OsStr::to_owned).collect()
}

fn foreign(path: PathBuf, found: &Metadata) -> Exposed {
    let owner = found.uid();
    Exposed::Foreign { path, owner }
}

/// A user's own group, of the same number, has nobody else in it: so systems make users' directories
/// where a group can write.
fn group_writes(dir: &Metadata) -> u32 {
    if dir.gid() == dir.uid() {
        0
    } else {
        GROUP_WRITES
    }
}

/// Whose files we trust.
struct Us {
    /// Of the process.
    user: u32,
    /// Of the directory `/`: in a user namespace that may be nobody's number.
    root: u32,
}

impl Us {
    fn of_process(root: u32) -> Us {
        Us {
            user: rustix::process::geteuid().as_raw(),
            root,
        }
    }

    fn has(&self, found: &Metadata) -> bool {
        [0, self.user, self.root].contains(&found.uid())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn rights_of_the_file_and_of_directories_above_it() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (above, file) = (dir.join("above"), dir.join("above/key"));
        fs::create_dir(&above).unwrap();
        fs::write(&file, "key").unwrap();
        chmod(&above, 0o755);
        chmod(&file, 0o644);
        assert_eq!(exposed(&file), None);
        assert_eq!(exposed(&above.join("none")), None);
        for mode in [0o664, 0o646] {
            chmod(&file, mode);
            assert_eq!(exposed(&file), Some(Exposed::Writable(file.clone())));
        }
        chmod(&file, 0o644);
        chmod(&above, 0o757);
        let writable = Some(Exposed::Writable(above.clone()));
        assert_eq!(exposed(&file), writable);
        assert_eq!(exposed(&above.join("../above/./key")), writable);
        // Nobody can take our file out of there.
        chmod(&above, 0o1777);
        assert_eq!(exposed(&file), None);
    }

    #[test]
    fn links_are_followed_through_all_directories() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        // As Kubernetes mounts secrets.
        let mount = dir.join("mount");
        fs::create_dir_all(mount.join("..1")).unwrap();
        chmod(&mount, 0o1777);
        fs::write(mount.join("..1/token"), "1").unwrap();
        symlink("..1", mount.join("..data")).unwrap();
        symlink("..data/token", mount.join("token")).unwrap();
        assert_eq!(exposed(&mount.join("token")), None);
        // One that leads out of there.
        let open = dir.join("open");
        fs::create_dir(&open).unwrap();
        chmod(&open, 0o777);
        fs::write(open.join("token"), "1").unwrap();
        symlink(open.join("token"), dir.join("token")).unwrap();
        assert_eq!(exposed(&dir.join("token")), Some(Exposed::Writable(open)));
        symlink("circle", dir.join("circle")).unwrap();
        assert_eq!(exposed(&dir.join("circle")), None);
    }

    #[test]
    fn owners() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let (above, file) = (dir.join("above"), dir.join("above/key"));
        fs::create_dir(&above).unwrap();
        fs::write(&file, "key").unwrap();
        let foreign = |path: &Path| {
            let path = path.to_owned();
            Some(Exposed::Foreign { path, owner: 4242 })
        };
        chown(&file, Some(4242), None).unwrap();
        assert_eq!(exposed(&file), foreign(&file));
        chown(&file, Some(0), Some(4242)).unwrap();
        assert_eq!(exposed(&file), None);
        chown(&above, Some(4242), None).unwrap();
        assert_eq!(exposed(&file), foreign(&above));
        // A group of others, and the owner's own.
        chown(&above, Some(0), Some(4242)).unwrap();
        chmod(&above, 0o775);
        assert_eq!(exposed(&file), Some(Exposed::Writable(above.clone())));
        chown(&above, None, Some(0)).unwrap();
        assert_eq!(exposed(&file), None);
        // A link of somebody in a directory of all.
        chmod(&above, 0o1777);
        let link = above.join("link");
        symlink("key", &link).unwrap();
        assert_eq!(exposed(&link), None);
        std::os::unix::fs::lchown(&link, Some(4242), None).unwrap();
        assert_eq!(exposed(&link), foreign(&link));
    }
}
