//! Whether answers are what the description says.

use serde_json::Value;

use crate::http::Api;

/// The description of the API.
pub struct Description(Value);

impl Description {
    pub fn of(api: &Api) -> Description {
        Description(api.get("/openapi.json").granted(200))
    }

    /// All paths and methods.
    pub fn operations(&self) -> Vec<(String, String)> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let methods = paths.flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(move |method| (path.clone(), method.to_uppercase()))
        });
        methods.collect()
    }

    pub fn operation(&self, path: &str, method: &str) -> &Value {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        assert!(operation.is_object(), "{method} {path} is not described");
        operation
    }

    /// An answer's value is what is described.
    #[track_caller]
    pub fn check(&self, path: &str, method: &str, status: u16, value: &Value) {
        let answer = &self.operation(path, method)["responses"][status.to_string()];
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(
            schema.is_object(),
            "{method} {path} {status} is not described"
        );
        self.fits(schema, value, path);
    }

    /// An item of a stream is what is described.
    #[track_caller]
    pub fn check_item(&self, path: &str, value: &Value) {
        let answer = &self.operation(path, "GET")["responses"]["200"];
        let schema = &answer["content"]["application/x-ndjson"]["schema"];
        self.fits(schema, value, path);
    }

    #[track_caller]
    fn fits(&self, schema: &Value, value: &Value, at: &str) {
        let misfit = self.misfit(schema, value, at);
        assert!(misfit.is_none(), "{} in {value}", misfit.unwrap());
    }

    /// What does not fit, of the parts of JSON schemas that the description uses.
    fn misfit(&self, schema: &Value, value: &Value, at: &str) -> Option<String> {
        if let Some(name) = schema["$ref"].as_str() {
            let schema = self.0.pointer(name.strip_prefix('#').unwrap());
            return self.misfit(schema.unwrap(), value, at);
        }
        if let Some(any) = schema["anyOf"].as_array() {
            let misfits: Option<Vec<_>> = any.iter().map(|s| self.misfit(s, value, at)).collect();
            return misfits.map(|misfits| misfits.join(" and "));
        }
        let is = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let types = match &schema["type"] {
            Value::String(one) => vec![one.as_str()],
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec![is],
        };
        let number = is == "integer" && types.contains(&"number");
        if !types.contains(&is) && !number {
            return Some(format!("{at} is {is} and not {types:?}"));
        }
        let word = schema["enum"].as_array();
        if word.is_some_and(|words| !words.contains(value)) {
            return Some(format!("{at} is no word of {word:?}"));
        }
        let members = schema["properties"].as_object();
        if let (Some(members), Some(object)) = (members, value.as_object()) {
            for name in schema["required"].as_array().into_iter().flatten() {
                if !object.contains_key(name.as_str().unwrap()) {
                    return Some(format!("{at} has no {name}"));
                }
            }
            for (name, value) in object {
                let at = format!("{at}.{name}");
                match members.get(name) {
                    Some(schema) => {
                        let misfit = self.misfit(schema, value, &at);
                        if misfit.is_some() {
                            return misfit;
                        }
                    }
                    None if schema["additionalProperties"] == false => {
                        return Some(format!("{at} is not described"));
                    }
                    None => {}
                }
            }
        }
        let items = value.as_array().into_iter().flatten();
        let schema = schema.get("items")?;
        let mut misfits = items.filter_map(|item| self.misfit(schema, item, &format!("{at}[]")));
        misfits.next()
    }
}

#[test]
fn the_copy_in_the_documentation_is_the_description() {
    let broker = crate::mosquitto::Broker::start();
    let arts = crate::arts::Arts::start(broker.port(), &[]);
    let described: Value = arts.api.get("/openapi.json").granted(200);
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    let copy: Value = serde_json::from_str(&copy).unwrap_or_default();
    assert!(
        copy == described,
        "docs/openapi.json is another one: arena arts & curl -s localhost:8000/openapi.json | jq . > docs/openapi.json"
    );
}
