//! Mosquitto's clients.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::arena_broker::ArenaBroker;
use crate::mosquitto::{Peer, eventually};

fn client(program: &str, broker: &ArenaBroker, version: &str) -> Command {
    let mut command = Command::new(program);
    let port = broker.port().to_string();
    command.args(["-V", version, "-h", "127.0.0.1", "-p", &port]);
    command
}

#[test]
fn mosquittos_clients() {
    let broker = ArenaBroker::start();
    for version in ["mqttv311", "mqttv5"] {
        for qos in ["0", "1", "2"] {
            let topic = format!("from/{version}/{qos}");
            let mut subscriber = client("mosquitto_sub", &broker, version)
                .args(["-q", qos, "-t", &topic, "-F", "%q %t %p"])
                .stdout(Stdio::piped())
                .spawn()
                .expect("Mosquitto's clients are installed");
            let out = BufReader::new(subscriber.stdout.take().unwrap());
            // It has subscribed when it hears something; a probe may be heard several times.
            let (sender, lines) = crossbeam_channel::unbounded();
            std::thread::spawn(move || {
                for line in out.lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
            let prober = Peer::connect(broker.port(), &[]);
            eventually("the subscription", || {
                prober.publish(&topic, "probe");
                !lines.is_empty()
            });
            let mut publisher = client("mosquitto_pub", &broker, version)
                .args(["-q", qos, "-t", &topic, "-l"])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut stdin = publisher.stdin.take().unwrap();
            for number in 0..1000 {
                std::io::Write::write_all(&mut stdin, format!("m{number}\n").as_bytes()).unwrap();
            }
            drop(stdin);
            assert!(publisher.wait().unwrap().success());
            let own = |line: &String| !line.ends_with("probe");
            let mut number = 0;
            while number < 1000 {
                let line = lines.recv_timeout(crate::mosquitto::PATIENCE).unwrap();
                if own(&line) {
                    assert_eq!(line, format!("{qos} {topic} m{number}"));
                    number += 1;
                }
            }
            subscriber.kill().unwrap();
            subscriber.wait().unwrap();
        }
    }
}

#[test]
fn what_the_broker_tells_of_itself() {
    let broker = ArenaBroker::start();
    let out = client("mosquitto_sub", &broker, "mqttv5")
        .args(["-t", "$SYS/broker/version", "-C", "1", "-W", "60"])
        .output()
        .unwrap();
    assert!(out.status.success() && !out.stdout.is_empty(), "{out:?}");
}
