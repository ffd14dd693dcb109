//! What each setting means, as a page.

use std::fmt::Write as _;

use super::table::Setting;
use super::tree::{SECTIONS, SETTINGS};

const HEAD: &str = "\
# Settings

This page is made by `arena config --doc`.

A setting can be given in four ways. Each goes over the ones before it:

1. the default;
2. the file: the one that `--config` names, else the one in `ARENA_CONFIG`, else
   `$XDG_CONFIG_HOME/arena/arena.toml` (`~/.config/arena/arena.toml`), else
   `/etc/arena/arena.toml`. The last two need not be there;
3. variables: `ARENA_<SECTION>_<KEY>`, some with a short name too. An empty one counts as not set;
4. flags: some settings have one of their own, and `--set <section>.<key>=<value>` sets any.

`arena config` prints the settings that hold and where each comes from; what it prints is a valid
file. `arena config --file FILE` checks a file. A name that does not exist is an error, in the file
and among the variables, as is a value that cannot be.

Sizes are bytes, or have a unit: `\"64KiB\"`, `\"64MiB\"`, `\"1GB\"`. Times are seconds, or have units:
`\"250ms\"`, `\"5s\"`, `\"1m30s\"`. Paths in the file are relative to the file, others to the working
directory. A setting that may be absent is taken back by an empty text: `--set broker.user=`.
";

/// The page, as Markdown. It is the same on every host.
#[must_use]
pub fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "\n## [{}]\n\n{}",
            section.name,
            paragraph(section.doc)
        );
        for setting in SETTINGS.iter().filter(|s| s.section == section.name) {
            describe(&mut page, setting, 3);
        }
    }
    for setting in SETTINGS.iter().filter(|s| s.section.is_empty()) {
        describe(&mut page, setting, 2);
    }
    page
}

fn paragraph(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    lines.join("\n")
}

fn describe(page: &mut String, setting: &Setting, level: usize) {
    let heading = match setting.section {
        "" => format!("[{}]", setting.name),
        _ => setting.key(),
    };
    let _ = writeln!(
        page,
        "\n{} {heading}\n\n{}\n",
        "#".repeat(level),
        paragraph(setting.doc)
    );
    let _ = writeln!(page, "- Value: {}", setting.values());
    let default = match setting.default_text {
        Some(text) => text.to_owned(),
        None => {
            let shown = (setting.show)(&super::Settings::default());
            match shown.toml().as_deref() {
                None => "not set".to_owned(),
                Some("{}" | "[]") => "none".to_owned(),
                Some(toml) => format!("`{toml}`"),
            }
        }
    };
    let _ = writeln!(page, "- Default: {default}");
    if let Some(example) = setting.example().filter(|_| !setting.section.is_empty()) {
        let _ = writeln!(page, "- Example: `{} = {example}`", setting.name);
    }
    let mut ways = vec![format!("`{}`", setting.variable())];
    ways.extend(setting.alias.map(|name| format!("`{name}`")));
    let _ = writeln!(page, "- Variable: {}", ways.join(" or "));
    if let Some(flag) = setting.flag {
        let _ = writeln!(page, "- Flag: `--{flag}`");
    }
    // A section's own keys are best seen below its name.
    if let Some(example) = setting.example().filter(|_| setting.section.is_empty()) {
        let entry = example.trim_start_matches("{ ");
        let entry = entry.strip_suffix(" }").unwrap_or(entry);
        let _ = writeln!(page, "\n```toml\n{heading}\n{entry}\n```");
    }
}
