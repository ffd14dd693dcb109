//! `/openapi.json`: the description of the API, made of the table of routes.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::response::IntoResponse as _;
use serde_json::{Map, Value, json};

use super::auth::Access;
use super::call::{Answer, Call};
use super::error::ErrorKind;
use super::routes::{Api, Content, ROUTES, Route, Verb};
use super::schemas::schemas;

/// `GET /openapi.json`
pub(super) async fn describe(_: Arc<Api>, _: Call) -> Answer {
    Ok(Json(description()).into_response())
}

/// A path as the description has it: there is no way to say that a part may have `/` in it.
fn path(route: &Route) -> String {
    route.path.replace("{*", "{")
}

fn description() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let item = paths.entry(path(route)).or_insert_with(|| json!({}));
        item[route.verb.word()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ARENA supervisor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "docs/http-api.md tells more.",
            "license": { "name": "Apache-2.0 WITH LLVM-exception" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters = Vec::new();
    for part in route.path.split('/') {
        let name = part.strip_prefix('{').and_then(|p| p.strip_suffix('}'));
        if let Some(name) = name {
            let (name, about) = match name.strip_prefix('*') {
                Some(name) => (name, "The name of the file; it may have several parts."),
                None if name == "id" => (name, "The name, the uuid, or the beginning of the uuid."),
                None => (name, ""),
            };
            parameters.push(json!({
                "name": name, "in": "path", "required": true, "description": about,
                "schema": { "type": "string" },
            }));
        }
    }
    for parameter in route.query {
        parameters.push(json!({
            "name": parameter.name, "in": "query", "description": parameter.about,
            "schema": { "type": parameter.kind },
        }));
    }
    let mut answers: Map<String, Value> = Map::new();
    for (status, content) in route.answers {
        let mut answer = json!({ "description": if *status < 400 { "Granted." } else { "Not." } });
        if *content != Content::Nothing {
            answer["content"] = described(*content);
        }
        answers.insert(status.to_string(), answer);
    }
    let mut errors = vec![ErrorKind::Invalid, ErrorKind::Forbidden];
    if route.access > Access::Open {
        errors.push(ErrorKind::Unauthorized);
    }
    errors.extend(route.errors);
    let statuses: BTreeSet<_> = errors.iter().map(|kind| kind.status().as_u16()).collect();
    for status in statuses {
        let kinds = errors
            .iter()
            .filter(|kind| kind.status().as_u16() == status);
        let words: Vec<_> = kinds.map(|kind| kind.word()).collect();
        answers.entry(status.to_string()).or_insert_with(|| {
            json!({ "description": words.join(", "), "content": described(Content::Json("Error")) })
        });
    }
    let mut operation = json!({
        "summary": route.about,
        "operationId": id(route),
        "parameters": parameters,
        "responses": answers,
        "security": match route.access {
            Access::Open => json!([]),
            Access::Read => json!([{ "token": ["read"] }]),
            Access::Write => json!([{ "token": ["write"] }]),
        },
    });
    if route.body != Content::Nothing {
        operation["requestBody"] = json!({ "required": true, "content": described(route.body) });
    }
    operation
}

/// A name for programs: the verb, and the words of the path.
fn id(route: &Route) -> String {
    let words = path(route);
    let words = words.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty() && *word != "api" && *word != "v1");
    let words: Vec<_> = std::iter::once(match route.verb {
        Verb::Post => "create",
        verb => verb.word(),
    })
    .chain(words)
    .collect();
    words.join("_")
}

fn described(content: Content) -> Value {
    let schema = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    match content {
        Content::Nothing => json!({}),
        Content::Json(name) => json!({ "application/json": { "schema": schema(name) } }),
        Content::List(name) => {
            let list = json!({ "type": "array", "items": schema(name) });
            json!({ "application/json": { "schema": list } })
        }
        Content::Stream(name) => json!({
            "application/x-ndjson": { "schema": schema(name) },
            "text/event-stream": { "schema": schema(name) },
        }),
        Content::Wasm => json!({ "application/wasm": {} }),
        Content::Native => json!({ "application/octet-stream": {} }),
        Content::Text => json!({ "text/plain": { "schema": { "type": "string" } } }),
        Content::Page(kind) => {
            let kind = kind.split(';').next().unwrap_or(kind);
            json!({ kind: { "schema": { "type": "string" } } })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All references in a value.
    fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(name)) = map.get("$ref") {
                    found.insert(name.strip_prefix("#/components/schemas/").unwrap());
                }
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(list) => list.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_route_is_described_once() {
        let description = description();
        let paths = description["paths"].as_object().unwrap();
        let operations: usize = paths.values().map(|p| p.as_object().unwrap().len()).sum();
        assert_eq!(operations, ROUTES.len());
        let mut ids = BTreeSet::new();
        for route in ROUTES {
            let operation = &paths[&path(route)][route.verb.word()];
            assert_eq!(operation["summary"], route.about);
            assert!(ids.insert(operation["operationId"].as_str().unwrap()));
            let parts = route.path.matches('{').count();
            let parameters = operation["parameters"].as_array().unwrap();
            assert_eq!(
                parameters.len(),
                parts + route.query.len(),
                "{}",
                route.path
            );
            // What changes something needs the role for it.
            assert_eq!(route.access == Access::Write, route.verb != Verb::Get);
        }
    }

    #[test]
    fn schemas_are_there_and_used() {
        let description = description();
        let mut used = BTreeSet::new();
        references(&description, &mut used);
        let schemas = description["components"]["schemas"].as_object().unwrap();
        let known: BTreeSet<_> = schemas.keys().map(String::as_str).collect();
        assert_eq!(used, known);
    }
}
