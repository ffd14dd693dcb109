//! A file of settings to begin with: all of them, described, and none of them set.

use std::fmt::Write as _;

use super::table::Setting;
use super::tree::{SECTIONS, SETTINGS, Settings};

/// A file in which every setting with a key that is `wanted` is described and commented out, with
/// its default, or an example where the default is none or differs from host to host. `head` is
/// the first paragraph. It is the same on every host.
#[must_use]
pub fn template(head: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut text = String::new();
    comment(&mut text, head.lines());
    let wanted: Vec<&Setting> = SETTINGS
        .iter()
        .filter(|setting| wanted(&setting.key()))
        .collect();
    for section in SECTIONS {
        let mut settings = wanted.iter().filter(|s| s.section == section.name);
        let Some(first) = settings.next() else {
            continue;
        };
        text.push('\n');
        comment(&mut text, section.doc.iter().copied());
        // Writing to a String cannot fail.
        let _ = writeln!(text, "[{}]", section.name);
        for setting in std::iter::once(first).chain(settings) {
            describe(&mut text, setting);
        }
    }
    for setting in wanted.iter().filter(|s| s.section.is_empty()) {
        text.push('\n');
        comment(&mut text, setting.doc.iter().copied());
        let _ = writeln!(text, "# [{}]", setting.name);
        if let Some(example) = setting.example() {
            let entry = example.trim_start_matches("{ ");
            let _ = writeln!(text, "# {}", entry.strip_suffix(" }").unwrap_or(entry));
        }
    }
    text
}

fn comment<'a>(text: &mut String, lines: impl IntoIterator<Item = &'a str>) {
    for line in lines {
        // Lines of documentation begin with a space.
        let line = line.strip_prefix(' ').unwrap_or(line);
        let _ = writeln!(text, "{}", format!("# {line}").trim_end());
    }
}

fn describe(text: &mut String, setting: &Setting) {
    text.push('\n');
    comment(text, setting.doc.iter().copied());
    let default = (setting.show)(&Settings::default()).toml();
    let value = match (setting.default_text, default) {
        (None, Some(default)) if default != "{}" => default,
        (about, _) => {
            let about = about.unwrap_or("not set");
            let _ = writeln!(text, "# Default: {about}.");
            setting.example().unwrap_or_default()
        }
    };
    let _ = writeln!(text, "#{} = {value}", setting.name);
}
