//! Lines from and for modules.

use serde_json::json;

use crate::realm::Realm;

/// stdout and stderr on one topic, a line a message, without its newline, with quality 0.
pub fn out(realm: &mut Realm) {
    for &door in realm.doors() {
        let module = realm.run(door, "print_lines.wasm", json!({"args": ["20"]}));
        let report = realm.exit_report(&module.uuid);
        let topic = format!("realm/proc/debug/stdout/{}", module.uuid);
        let lines = realm.client.all(|got| got.topic == topic);
        let expected: Vec<_> = (1..=20)
            .flat_map(|n| [format!("out {n}"), format!("err {n}")])
            .collect();
        let texts: Vec<_> = lines.iter().map(crate::client::Got::text).collect();
        assert_eq!(texts, expected);
        for line in &lines {
            assert_eq!((line.qos, line.retain), (0, false));
            let before = line.number < report.number;
            assert!(
                before || !realm.keeps_order(),
                "all of it before the report"
            );
        }
    }
}

pub fn input(realm: &mut Realm) {
    for &door in realm.doors() {
        let module = realm.run(door, "cat_lines.wasm", json!({}));
        let topic = format!("realm/proc/debug/stdin/{}", module.uuid);
        let lines = ["first", "", "third, with spaces", "{\"fourth\": 4}"];
        for line in lines {
            realm.client.publish(&topic, line);
        }
        realm.client.wait_line(&module.uuid, lines[3]);
        assert_eq!(realm.client.lines(&module.uuid), lines);
    }
}
