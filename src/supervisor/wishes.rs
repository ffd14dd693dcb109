//! What modules need of a runtime, and what runtimes say that they have.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::protocol::CreateModule;

use super::records::{RestartPolicy, Wish, api_names};

/// Labels of a runtime or a module: more are left out.
const MAX_LABELS: usize = 64;

/// What a runtime says of its machine.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct About {
    pub(super) arch: Option<String>,
    pub(super) cores: Option<f64>,
    pub(super) memory: Option<u64>,
    pub(super) labels: BTreeMap<String, String>,
}

/// From what a runtime tells beside name, apis and number of modules. Nothing of it can be wrong:
/// what is not understood is not there.
pub(super) fn about(extra: &Map<String, Value>) -> About {
    let platform = extra.get("platform").unwrap_or(&Value::Null);
    let metadata = extra.get("metadata").unwrap_or(&Value::Null);
    let labels = extra.get("labels").or_else(|| metadata.get("labels"));
    About {
        arch: platform
            .get("arch")
            .and_then(Value::as_str)
            .map(str::to_owned),
        cores: platform.get("cores").and_then(Value::as_f64),
        memory: platform.get("memory").and_then(Value::as_u64),
        labels: labels
            .and_then(|labels| self::labels(labels).ok())
            .unwrap_or_default(),
    }
}

/// An object of texts, or a list of `name=value`.
fn labels(value: &Value) -> Result<BTreeMap<String, String>, String> {
    const WRONG: &str = "must be an object of texts, or an array of \"name=value\"";
    let plain = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    };
    let labels: Option<BTreeMap<String, String>> = match value {
        Value::Null => return Ok(BTreeMap::new()),
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| Some((name.clone(), plain(value)?)))
            .collect(),
        Value::Array(list) => list
            .iter()
            .map(|value| {
                let (name, value) = value.as_str()?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect(),
        _ => None,
    };
    match labels {
        Some(labels) if labels.len() <= MAX_LABELS => Ok(labels),
        Some(_) => Err(format!("has more than {MAX_LABELS} entries")),
        None => Err(WRONG.to_owned()),
    }
}

/// One name, or a list of them.
fn architectures(value: &Value) -> Result<BTreeSet<String>, String> {
    let names: Option<BTreeSet<String>> = match value {
        Value::Null => Some(BTreeSet::new()),
        Value::String(name) => Some(api_names(name)),
        Value::Array(list) => list
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    };
    match names {
        Some(names) if names.len() <= MAX_LABELS => Ok(names),
        _ => Err("must be the name of an architecture, or an array of such".to_owned()),
    }
}

/// What a module needs, but for its parent.
///
/// # Errors
/// What is wrong with a field.
pub(super) fn of_create(create: &CreateModule) -> Result<Wish, String> {
    let field = |key: &str| create.original.get(key).unwrap_or(&Value::Null);
    let named = |key: &'static str| move |problem: String| format!("\"{key}\": {problem}");
    Ok(Wish {
        apis: create.apis.iter().flat_map(|api| api_names(api)).collect(),
        parent: None,
        arch: architectures(field("arch")).map_err(named("arch"))?,
        labels: labels(field("labels")).map_err(named("labels"))?,
        memory: create.resources.memory,
    })
}

/// The same from a record that is kept.
pub(super) fn of_record(data: &Map<String, Value>, parent: Option<Uuid>) -> Wish {
    let field = |key: &str| data.get(key).unwrap_or(&Value::Null);
    let apis = field("apis").as_array().into_iter().flatten();
    Wish {
        apis: apis.filter_map(Value::as_str).flat_map(api_names).collect(),
        parent,
        arch: architectures(field("arch")).unwrap_or_default(),
        labels: labels(field("labels")).unwrap_or_default(),
        memory: field("resources").get("memory").and_then(Value::as_u64),
    }
}

/// Whether a module is to be started again.
///
/// # Errors
/// What is wrong with the field.
pub(super) fn restart(
    create: &CreateModule,
    default: RestartPolicy,
) -> Result<RestartPolicy, String> {
    match create.original.get("restart") {
        None | Some(Value::Null) => Ok(match create.fault_crash {
            crate::protocol::FaultCrash::Restart => RestartPolicy::OnFailure,
            crate::protocol::FaultCrash::Ignore => default,
        }),
        Some(Value::String(name)) if RestartPolicy::from_name(name.trim()).is_some() => {
            Ok(RestartPolicy::from_name(name.trim()).unwrap_or_default())
        }
        Some(_) => {
            Err("\"restart\": is none of \"never\", \"on-failure\" and \"always\"".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn create(fields: Value) -> CreateModule {
        let mut create = CreateModule::new(Uuid::nil());
        create.original = fields.as_object().cloned().unwrap();
        create
    }

    #[test]
    fn what_a_runtime_tells() {
        let extra = json!({"platform": {"arch": "aarch64", "cores": 4, "memory": 1024},
            "metadata": {"labels": ["site=lab", "floor=2"]}});
        let about = about(extra.as_object().unwrap());
        assert_eq!(about.arch.as_deref(), Some("aarch64"));
        assert_eq!((about.cores, about.memory), (Some(4.0), Some(1024)));
        assert_eq!(about.labels["floor"], "2");
        let nonsense = json!({"platform": [], "labels": 3, "metadata": "x"});
        assert_eq!(
            super::about(nonsense.as_object().unwrap()),
            About::default()
        );
    }

    #[test]
    fn what_a_module_needs() {
        let wish = of_create(&create(
            json!({"arch": "x86_64", "labels": {"site": "lab", "n": 1}}),
        ));
        let wish = wish.unwrap();
        assert_eq!(wish.arch, BTreeSet::from(["x86_64".to_owned()]));
        assert_eq!(wish.labels["n"], "1");
        assert_eq!(
            of_create(&create(json!({"labels": "lab"}))).unwrap_err(),
            "\"labels\": must be an object of texts, or an array of \"name=value\""
        );
        assert!(of_create(&create(json!({"arch": 5}))).is_err());
    }

    #[test]
    fn policies() {
        let of = |fields| restart(&create(fields), RestartPolicy::Never);
        assert_eq!(of(json!({})), Ok(RestartPolicy::Never));
        assert_eq!(of(json!({"restart": "always"})), Ok(RestartPolicy::Always));
        assert!(of(json!({"restart": "sometimes"})).is_err());
        let mut crash = create(json!({}));
        crash.fault_crash = crate::protocol::FaultCrash::Restart;
        assert_eq!(
            restart(&crash, RestartPolicy::Never),
            Ok(RestartPolicy::OnFailure)
        );
    }
}
