//! Where things are when no setting says so.

use std::path::{Path, PathBuf};

use super::surroundings::Surroundings;

pub(super) fn state_dir(around: &Surroundings) -> PathBuf {
    around
        .systemd_dir("STATE_DIRECTORY")
        .or_else(|| {
            Some(
                around
                    .user_dir("XDG_STATE_HOME", ".local/state")?
                    .join("arena"),
            )
        })
        .unwrap_or_else(|| PathBuf::from("/var/lib/arena"))
}

pub(super) fn cache_dir(around: &Surroundings) -> PathBuf {
    around
        .systemd_dir("CACHE_DIRECTORY")
        .or_else(|| Some(around.user_dir("XDG_CACHE_HOME", ".cache")?.join("arena")))
        .unwrap_or_else(|| PathBuf::from("/var/cache/arena"))
}

/// Where a realm in one process (`arena up`) keeps everything; none without a home.
#[must_use]
pub fn data_dir(around: &Surroundings) -> Option<PathBuf> {
    Some(
        around
            .user_dir("XDG_DATA_HOME", ".local/share")?
            .join("arena"),
    )
}

/// The directory of module files, in the state directory.
pub(super) fn app_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("modules")
}

/// The files that are looked for, in this order.
pub(super) fn config_files(around: &Surroundings) -> impl Iterator<Item = PathBuf> {
    let dirs = [
        around
            .user_dir("XDG_CONFIG_HOME", ".config")
            .map(|dir| dir.join("arena")),
        Some(PathBuf::from("/etc/arena")),
    ];
    dirs.into_iter().flatten().map(|dir| dir.join("arena.toml"))
}

/// The runtime's name.
pub(super) fn name(around: &Surroundings) -> String {
    if super::kinds::is_name(&around.host) {
        around.host.clone()
    } else {
        "arena".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(variables: &[(&str, &str)]) -> Surroundings {
        Surroundings {
            variables: variables
                .iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
            ..Surroundings::default()
        }
    }

    #[test]
    fn state_and_cache() {
        for (variables, state, cache) in [
            (&[][..], "/var/lib/arena", "/var/cache/arena"),
            (
                &[("HOME", "/h")],
                "/h/.local/state/arena",
                "/h/.cache/arena",
            ),
            (
                &[
                    ("HOME", "/h"),
                    ("XDG_STATE_HOME", "/s"),
                    ("XDG_CACHE_HOME", "relative"),
                ],
                "/s/arena",
                "/h/.cache/arena",
            ),
            (
                &[("HOME", "/h"), ("STATE_DIRECTORY", "/var/lib/a:/var/lib/b")],
                "/var/lib/a",
                "/h/.cache/arena",
            ),
            (
                &[("STATE_DIRECTORY", ""), ("CACHE_DIRECTORY", "/var/cache/a")],
                "/var/lib/arena",
                "/var/cache/a",
            ),
        ] {
            let around = around(variables);
            assert_eq!(state_dir(&around), Path::new(state));
            assert_eq!(cache_dir(&around), Path::new(cache));
        }
    }

    #[test]
    fn data() {
        let found = |variables: &[_]| data_dir(&around(variables));
        assert_eq!(found(&[]), None);
        let home = PathBuf::from("/h/.local/share/arena");
        assert_eq!(found(&[("HOME", "/h")]), Some(home));
        let xdg = [("HOME", "/h"), ("XDG_DATA_HOME", "/d")];
        assert_eq!(found(&xdg), Some(PathBuf::from("/d/arena")));
    }

    #[test]
    fn files_in_order() {
        let found = |variables: &[_]| config_files(&around(variables)).collect::<Vec<_>>();
        let etc = Path::new("/etc/arena/arena.toml");
        assert_eq!(found(&[]), [etc]);
        let both = [Path::new("/h/.config/arena/arena.toml"), etc];
        assert_eq!(found(&[("HOME", "/h")]), both);
        let xdg = [Path::new("/x/arena/arena.toml"), etc];
        assert_eq!(found(&[("HOME", "/h"), ("XDG_CONFIG_HOME", "/x")]), xdg);
    }
}
