//! Call stacks as a picture: <https://www.brendangregg.com/flamegraphs.html>.
//!
//! Each function is a box on the one that has called it, as wide as its share
//! of the samples.

use std::collections::BTreeMap;
use std::fmt::Write;

/// The picture's measures in pixels.
const WIDTH: u64 = 1200;
const MARGIN: u64 = 10;
const HEADER: u64 = 40;
const ROW: u64 = 17;
/// Characters of the font in hundredths of a pixel.
const CHARACTER: u64 = 665;

/// The script that makes a box the whole width when it is clicked.
const SCRIPT: &str = include_str!("flame_graph.js");

/// A function within one call stack, and what it has called.
#[derive(Debug, Default)]
struct Node<'a> {
    samples: u64,
    children: BTreeMap<&'a str, Node<'a>>,
}

/// Draws call stacks, outermost function first, with the number of their samples.
pub(super) fn svg(title: &str, stacks: &[(Vec<String>, u64)]) -> String {
    let mut root = Node::default();
    for (stack, samples) in stacks {
        root.samples += samples;
        let mut node = &mut root;
        for name in stack {
            node = node.children.entry(name).or_default();
            node.samples += samples;
        }
    }
    let mut picture = Picture {
        total: root.samples.max(1),
        bottom: HEADER + root.depth() * ROW,
        text: String::new(),
    };
    picture.draw("all", &root, 0, 0);
    let height = picture.bottom + ROW + MARGIN;
    let title = escaped(title);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"monospace\" font-size=\"11\">\n\
         <style>g:hover rect{{stroke:#000}} g{{cursor:pointer}} text{{pointer-events:none}} \
         .outer rect{{opacity:.5}}</style>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fffdf5\"/>\n\
         <text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{title}</text>\n\
         {}<script><![CDATA[\n{SCRIPT}]]></script>\n</svg>\n",
        picture.text
    )
}

impl Node<'_> {
    /// How many rows are above this one.
    fn depth(&self) -> u64 {
        let above = self.children.values().map(|child| child.depth() + 1);
        above.max().unwrap_or(0)
    }
}

struct Picture {
    total: u64,
    /// Where the outermost row is.
    bottom: u64,
    text: String,
}

impl Picture {
    /// Draws a function after so many samples of others, and what it has called.
    fn draw(&mut self, name: &str, node: &Node<'_>, before: u64, depth: u64) {
        let begin = self.place(before);
        let width = self.place(before + node.samples) - begin;
        // Narrower ones cannot be seen.
        if width < 10 && depth > 0 {
            return;
        }
        let y = self.bottom - depth * ROW;
        let x = begin + MARGIN * 100;
        let tenths = u128::from(node.samples) * 1000 / u128::from(self.total);
        let name = escaped(name);
        // Writing to a String does not fail.
        let _ = writeln!(
            self.text,
            "<g><title>{name} ({} samples, {}.{}%)</title><rect x=\"{}\" y=\"{y}\" width=\"{}\" height=\"{}\" \
             fill=\"{}\" rx=\"1\"/><text x=\"{}\" y=\"{}\">{}</text></g>",
            node.samples,
            tenths / 10,
            tenths % 10,
            Hundredths(x),
            Hundredths(width),
            ROW - 1,
            colour(&name),
            Hundredths(x + 300),
            y + 12,
            label(&name, width),
        );
        let mut before = before;
        for (name, child) in &node.children {
            self.draw(name, child, before, depth + 1);
            before += child.samples;
        }
    }

    /// The place of a sample, in hundredths of a pixel.
    fn place(&self, samples: u64) -> u64 {
        let width = u128::from((WIDTH - 2 * MARGIN) * 100);
        let place = u128::from(samples) * width / u128::from(self.total);
        u64::try_from(place).unwrap_or(0)
    }
}

/// A number of hundredths.
struct Hundredths(u64);

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// As much of an escaped name as has room. The script does the same.
fn label(name: &str, width: u64) -> String {
    let room = usize::try_from(width.saturating_sub(600) / CHARACTER).unwrap_or(0);
    let length = letters(name).count();
    if length <= room {
        return name.to_owned();
    }
    match room {
        0..=2 => String::new(),
        _ => letters(name).take(room - 2).collect::<String>() + "..",
    }
}

/// The characters of an escaped text, each as it is written.
fn letters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let length = match first {
            '&' => rest.find(';').map_or(1, |end| end + 1),
            _ => first.len_utf8(),
        };
        let (letter, after) = rest.split_at(length);
        rest = after;
        Some(letter)
    })
}

/// A warm colour that is the same for the same name.
fn colour(name: &str) -> String {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let part = |at: u32, range: u64| (hash >> at) % range;
    format!(
        "rgb({},{},{})",
        205 + part(40, 50),
        80 + part(24, 140),
        part(8, 60)
    )
}

/// As text in XML. Names are a module's: they shall be nothing else in there.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(names: &[&str], samples: u64) -> (Vec<String>, u64) {
        (names.iter().map(|&name| name.to_owned()).collect(), samples)
    }

    #[test]
    fn boxes_are_as_wide_as_their_share() {
        let text = svg(
            "a title",
            &[
                stack(&["main", "hot"], 75),
                stack(&["main"], 5),
                stack(&["main", "cold"], 20),
            ],
        );
        for (name, share, width) in [
            ("all", "100 samples, 100.0%", "1180.00"),
            ("main", "100 samples, 100.0%", "1180.00"),
            ("hot", "75 samples, 75.0%", "885.00"),
            ("cold", "20 samples, 20.0%", "236.00"),
        ] {
            let title = format!("<title>{name} ({share})</title>");
            let line = text.lines().find(|line| line.contains(&title)).unwrap();
            assert!(line.contains(&format!("width=\"{width}\"")), "{line}");
            assert!(line.contains(&format!(">{name}</text>")), "{line}");
        }
        assert!(text.contains("a title"));
        assert!(svg("", &[]).contains("all (0 samples"));
    }

    #[test]
    fn names_are_text_whatever_they_are() {
        let text = svg(
            "t<i>",
            &[stack(&["</title><script>\u{1}]]>&'\"\u{ffff}"], 1)],
        );
        assert!(text.contains("t&lt;i&gt;"));
        assert_eq!(text.matches("<script>").count(), 1);
        assert_eq!(text.matches("]]>").count(), 1);
        assert!(text.contains("\u{fffd}]]&gt;&amp;&#39;&quot;\u{fffd}"));
    }

    #[test]
    fn labels_are_cut_between_characters() {
        assert_eq!(label("main", 10_000), "main");
        assert_eq!(label("&lt;i32&gt;::f", 600 + 665 * 8), "&lt;i32&gt;::f");
        assert_eq!(label("&lt;i32&gt;::f", 600 + 665 * 7), "&lt;i32&gt;..");
        assert_eq!(label("main", 1_500), "");
    }
}
