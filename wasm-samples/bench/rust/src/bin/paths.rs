//! Structures of the standard library: the shortest ways through a network, with a binary heap,
//! adjacency lists and a search in breadth.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bench_programs::{Random, mix, report, size};

const PLACES: u32 = 8000;

struct Road {
    to: u32,
    length: u32,
}

fn network(random: &mut Random) -> Vec<Vec<Road>> {
    let mut roads: Vec<Vec<Road>> = (0..PLACES).map(|_| Vec::new()).collect();
    for from in 0..PLACES {
        for i in 0..3 {
            let to = match i {
                0 => (from + 1) % PLACES,
                1 => (from + 1 + random.below(90)) % PLACES,
                _ => random.below(PLACES),
            };
            let length = 1 + random.below(1000) * (i + 1);
            roads[from as usize].push(Road { to, length });
            roads[to as usize].push(Road { to: from, length });
        }
    }
    roads
}

fn distances(roads: &[Vec<Road>], from: u32) -> Vec<u32> {
    let mut best = vec![u32::MAX; roads.len()];
    let mut next = BinaryHeap::from([Reverse((0, from))]);
    best[from as usize] = 0;
    while let Some(Reverse((distance, place))) = next.pop() {
        if distance > best[place as usize] {
            continue;
        }
        for road in &roads[place as usize] {
            let through_here = distance + road.length;
            if through_here < best[road.to as usize] {
                best[road.to as usize] = through_here;
                next.push(Reverse((through_here, road.to)));
            }
        }
    }
    best
}

/// How many roads at least, to the place that needs most.
fn farthest(roads: &[Vec<Road>], from: u32) -> u32 {
    let mut hops = vec![None; roads.len()];
    let mut queue = VecDeque::from([from]);
    hops[from as usize] = Some(0);
    let mut most = 0;
    while let Some(place) = queue.pop_front() {
        let here = hops[place as usize].unwrap_or(0);
        most = most.max(here);
        for road in &roads[place as usize] {
            let known = &mut hops[road.to as usize];
            if known.is_none() {
                *known = Some(here + 1);
                queue.push_back(road.to);
            }
        }
    }
    most
}

fn main() {
    let rounds = size(220, 1);
    let mut random = Random::new(59);
    let roads = network(&mut random);
    let mut sum = 0;
    for _ in 0..rounds {
        let from = random.below(PLACES);
        let best = distances(&roads, from);
        sum = best
            .iter()
            .step_by(97)
            .fold(sum, |sum, &d| mix(sum, u64::from(d)));
        sum = mix(sum, u64::from(farthest(&roads, from)));
    }
    report("paths", rounds, sum);
}
