//! Text: lines of made-up words in several scripts are split, lowered, counted in a hash table and
//! sorted; then single words are looked for in the text.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use bench_programs::{Random, mix, report, size};

const SYLLABLES: [&str; 24] = [
    "ka", "lo", "mi", "tur", "en", "sha", "ver", "ost", "bri", "ü", "né", "Ça", "Ря", "дом", "λο",
    "γος", "Ar", "ena", "x", "ing", "st", "o", "水", "ée",
];

/// The standard library's hasher begins with a random number, this one does not.
#[derive(Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn text(random: &mut Random) -> String {
    let mut words = Vec::new();
    for _ in 0..1500 {
        let syllables = 1 + random.below(4);
        let word: String = (0..syllables)
            .map(|_| SYLLABLES[random.below(24) as usize])
            .collect();
        words.push(word);
    }
    let mut text = String::new();
    for i in 0..12_000 {
        // Some words are much more frequent than others.
        let most = 1 + random.below(1500);
        text += &words[random.below(most) as usize];
        text += match i % 11 {
            3 => ", ",
            7 => ".\n",
            9 => " (",
            10 => ") ",
            _ => " ",
        };
    }
    text
}

fn counted(text: &str) -> Vec<(String, u32)> {
    let mut counts: HashMap<String, u32, BuildHasherDefault<Plain>> = HashMap::default();
    for line in text.lines() {
        for word in line.split_whitespace() {
            let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
            if !word.is_empty() {
                *counts.entry(word.to_lowercase()).or_default() += 1;
            }
        }
    }
    let mut sorted: Vec<(String, u32)> = counts.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    sorted
}

fn main() {
    let rounds = size(160, 1);
    let mut random = Random::new(53);
    let mut text = text(&mut random);
    let mut sum = 0;
    for round in 0..rounds {
        let words = counted(&text);
        for (word, count) in words.iter().take(50) {
            sum = mix(sum, u64::from(*count));
            sum = word
                .bytes()
                .fold(sum, |sum, byte| mix(sum, u64::from(byte)));
        }
        let rare = &words[words.len() - 1 - round as usize % 20].0;
        let places = text.matches(rare.as_str()).count() + text.char_indices().count();
        sum = mix(sum, places as u64);
        // What comes first goes to the end.
        let cut = text.find('\n').map_or(0, |at| at + 1);
        let line: String = text.drain(..cut).collect();
        text += &line;
    }
    report("words", rounds, sum);
}
