//! `--demo`: modules that talk to each other.

use nix::sys::signal::Signal;

use crate::harness::Home;

#[test]
fn the_modules_talk_and_end_by_themselves() {
    let home = Home::new();
    let mut realm = home.up(&["--demo", "--realm=lab", "--set=runtime.grace_time=1h"]);
    let broker = format!("--broker={}", realm.address("mqtt"));
    let said = home.run(["sub", &broker, "--count=2", "lab/demo/count"]);
    let counts: Vec<_> = said.stdout.lines().collect();
    let count = |line: &str| {
        let (count, rest) = line.split_once(' ').unwrap();
        let last = rest.strip_prefix("messages, the last one: echo of tick ");
        let tick: u32 = last.expect(rest).parse().unwrap();
        (count.parse::<u32>().unwrap(), tick)
    };
    let [first, second] = counts[..] else {
        panic!("{said:?}");
    };
    assert_eq!(count(first).0 + 1, count(second).0);
    assert_eq!(count(first).1 + 1, count(second).1);
    // They take no more than they need of their hour.
    realm.signal(Signal::SIGTERM);
    assert_eq!(realm.wait().code(), Some(0));
}
