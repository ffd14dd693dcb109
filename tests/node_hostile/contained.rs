//! Modules that mean harm beside one that does not.

use std::time::Duration;

use serde_json::json;

use crate::neighbour::{Hostile, Neighbourhood};
use crate::usage::is_sound;

#[test]
fn a_neighbour_of_hostile_modules_loses_nothing() {
    let mut neighbourhood = Neighbourhood::start("2MiB");
    for hostile in Hostile::all() {
        let compared = neighbourhood.compare(&hostile, 2, if hostile.is_all() { 5 } else { 50 });
        println!("{}: {compared}", hostile.name);
        let [quiet, loaded] = compared.medians();
        // The benchmark `contained` has the figure that is promised; here others use the machine.
        assert!(
            hostile.is_all() || loaded <= 2 * quiet + Duration::from_millis(20),
            "{}: {compared}",
            hostile.name
        );

        let uuids = neighbourhood.admit(&hostile);
        neighbourhood.stream(300, 50);
        // The node answers and runs others.
        let realm = &neighbourhood.realm;
        let hello = realm.run("hello.wasm", json!({}));
        assert_eq!(realm.exit(&hello)["code"], 0);
        neighbourhood.expel(&uuids);
        is_sound(&mut neighbourhood.realm);
    }
}
