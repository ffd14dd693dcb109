//! The routes, and what every request has to pass.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, on};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::BrokerAddress;
use crate::supervisor::Supervisor;

use super::auth::{Access, Keys};
use super::call::{Answer, Call};
use super::error::{ApiError, ErrorKind};
use super::{artifacts, create, files, follow, guard, health, openapi, original, page, records};

/// What all requests have in common.
pub(super) struct Api {
    pub(super) supervisor: Supervisor,
    pub(super) broker: BrokerAddress,
    keys: Option<Keys>,
    /// Places of those who follow something.
    pub(super) followers: Arc<Semaphore>,
    /// Places of large bodies that are in memory.
    pub(super) large: Arc<Semaphore>,
    /// Places of uploads.
    pub(super) uploads: Arc<Semaphore>,
    /// The place of the upload that is checked.
    pub(super) check: Arc<Semaphore>,
}

/// How long a request waits for a place.
const TURN: Duration = Duration::from_secs(30);

impl Api {
    pub(super) fn new(supervisor: Supervisor, keys: Option<Keys>, broker: BrokerAddress) -> Api {
        let places = |number| Arc::new(Semaphore::new(number));
        Api {
            supervisor,
            broker,
            keys,
            followers: places(512),
            large: places(2),
            uploads: places(16),
            check: places(1),
        }
    }

    /// Waits for a place.
    pub(super) async fn turn(
        &self,
        places: &Arc<Semaphore>,
    ) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = Arc::clone(places).acquire_owned();
        match tokio::time::timeout(TURN, place).await {
            Ok(Ok(place)) => Ok(place),
            _ => {
                let why = "too many large requests are being handled; try again later";
                Err(ApiError::new(ErrorKind::Busy, why))
            }
        }
    }
}

/// How a path is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

impl Verb {
    /// As it is in the description.
    pub(super) fn word(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Post => "post",
            Verb::Put => "put",
            Verb::Delete => "delete",
        }
    }

    fn filter(self) -> MethodFilter {
        match self {
            // HEAD is a GET without the body.
            Verb::Get => MethodFilter::GET,
            Verb::Post => MethodFilter::POST,
            Verb::Put => MethodFilter::PUT,
            Verb::Delete => MethodFilter::DELETE,
        }
    }
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// None.
    Nothing,
    /// JSON of a schema of the description.
    Json(&'static str),
    /// A JSON array of such.
    List(&'static str),
    /// Items of a schema, as lines of JSON or server-sent events.
    Stream(&'static str),
    /// A module.
    Wasm,
    /// Native code of a module.
    Native,
    /// Text.
    Text,
    /// A file of the dashboard, of this type.
    Page(&'static str),
}

/// A parameter, and what it is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    /// The type in the description: `string`, `integer` or `boolean`.
    pub(super) kind: &'static str,
    pub(super) about: &'static str,
}

type Handler = fn(Arc<Api>, Call) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A route.
pub(super) struct Route {
    pub(super) verb: Verb,
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) about: &'static str,
    pub(super) query: &'static [Parameter],
    pub(super) body: Content,
    /// What comes when the request is granted: statuses and contents.
    pub(super) answers: &'static [(u16, Content)],
    /// What can be wrong beside what can be with every request.
    pub(super) errors: &'static [ErrorKind],
    handler: Handler,
}

macro_rules! routes {
    ($(
        $Verb:ident $path:literal, $Access:ident, $about:literal,
        query [$($query:expr),*], body $body:expr,
        answers [$($answer:expr),*], errors [$($Error:ident),*] => $handler:path;
    )+) => {
        /// All routes. A path that ends in `/` is there without it as well, if it has more than that.
        pub(super) static ROUTES: &[Route] = &[$(Route {
            verb: Verb::$Verb,
            path: $path,
            access: Access::$Access,
            about: $about,
            query: &[$($query),*],
            body: $body,
            answers: &[$($answer),*],
            errors: &[$(ErrorKind::$Error),*],
            handler: |api, call| Box::pin($handler(api, call)),
        },)+];
    };
}

const fn parameter(name: &'static str, kind: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind, about }
}

const FOLLOW: Parameter = parameter("follow", "boolean", "Go on with what comes.");

use Content::{Json, List, Native, Nothing, Page, Stream, Text, Wasm};

routes! {
    Get "/api/v1/runtimes", Read, "All runtimes, by name.",
        query [], body Nothing, answers [(200, Json("Runtimes"))], errors [] => records::runtimes;
    Get "/api/v1/runtimes/{id}", Read, "A runtime.",
        query [], body Nothing, answers [(200, Json("RuntimeDetails"))],
        errors [Unknown, Ambiguous] => records::runtime;
    Delete "/api/v1/runtimes/{id}", Write, "Asks a runtime to end (202), or forgets one that is lost (200).",
        query [], body Nothing, answers [(202, Json("Done")), (200, Json("Done"))],
        errors [Unknown, Ambiguous, Stopping] => records::stop_runtime;
    Get "/api/v1/modules", Read, "All modules, from the oldest on, with those that have ended as far as they are kept.",
        query [
            parameter("state", "string", "Only those in this state."),
            parameter("runtime", "string", "Only those of this runtime: its name, its uuid or the beginning of it."),
            parameter("limit", "integer", "No more than that; `next` in the answer asks for more."),
            parameter("after", "string", "Those after an earlier answer: its `next`.")
        ],
        body Nothing, answers [(200, Json("ModulesPart"))],
        errors [Unknown, Ambiguous] => records::modules;
    Post "/api/v1/modules", Write, "Starts a module, or several. It is answered when runtimes have answered.",
        query [], body Json("Create"), answers [(201, Json("Modules"))],
        errors [Unknown, Timeout, Ambiguous, Conflict, TooLarge, Type, Rejected, NoRuntime, Stopping,
            Busy, NoAnswer, Full, Failed] => create::create;
    Get "/api/v1/modules/{id}", Read, "A module.",
        query [], body Nothing, answers [(200, Json("ModuleDetails"))],
        errors [Unknown, Ambiguous] => records::module;
    Delete "/api/v1/modules/{id}", Write, "Stops a module and forgets it. It is answered when its runtime has answered.",
        query [], body Nothing, answers [(200, Json("Done"))],
        errors [Unknown, Ambiguous, Conflict, Rejected, Stopping, NoAnswer] => records::delete;
    Get "/api/v1/modules/{id}/logs", Read, "What a module has written: the lines that are kept, and those that come.",
        query [parameter("tail", "integer", "The last lines only, at most so many. All without it."), FOLLOW],
        body Nothing, answers [(200, Stream("Line"))],
        errors [Unknown, Ambiguous, Busy] => follow::logs;
    Get "/api/v1/events", Read, "What has happened, and what happens.",
        query [
            parameter("after", "integer", "Only events after the one with this id. Without it all that are kept, or with follow only those that come. The header Last-Event-ID goes before it."),
            FOLLOW
        ],
        body Nothing, answers [(200, Stream("Event"))], errors [Busy] => follow::events;
    Get "/api/v1/stats", Read, "Figures of the supervisor.",
        query [], body Nothing, answers [(200, Json("Stats"))], errors [] => records::stats;
    Get "/api/v1/files", Read, "All files of the module store.",
        query [], body Nothing, answers [(200, Json("Files"))], errors [] => files::list;
    Put "/store/users/{user}/{*filename}", Write, "Puts a file into the module store: a new one (201), or in the place of another (200).",
        query [], body Wasm, answers [(201, Json("File")), (200, Json("File"))],
        errors [Timeout, TooLarge, NotAModule, Busy, Full, Failed] => files::put;
    Get "/store/users/{user}/{*filename}", Open, "A file of the module store, with an ETag. Runtimes have no token.",
        query [], body Nothing, answers [(200, Wasm), (304, Nothing)],
        errors [Unknown, Failed] => files::get;
    Delete "/store/users/{user}/{*filename}", Write, "Removes a file from the module store.",
        query [], body Nothing, answers [(200, Json("File"))],
        errors [Unknown, Failed] => files::remove;
    Get "/store/artifacts/{sha256}/{arch}/{cpu}", Open, "Native code of a file of the module store, signed (200), or that it is being made (202). Runtimes have no token.",
        query [], body Nothing, answers [(200, Native), (202, Json("Any"))],
        errors [Invalid, Unknown, Busy, Failed] => artifacts::get;
    Get "/store/artifacts/key", Open, "The key that native code is signed with, for engine.trusted_key of runtimes.",
        query [], body Nothing, answers [(200, Json("ArtifactKey"))], errors [Unknown] => artifacts::key;
    Get "/arts-api/v1/runtimes/", Read, "All runtimes, as the original supervisor tells them.",
        query [], body Nothing, answers [(200, List("OriginalRuntime"))], errors [] => original::runtimes;
    Get "/arts-api/v1/runtimes/{uuid}/", Read, "A runtime, as the original supervisor tells it; 404 with a message.",
        query [], body Nothing, answers [(200, Json("OriginalRuntime")), (404, Json("OriginalUnknown"))],
        errors [] => original::runtime;
    Get "/arts-api/v1/modules/", Read, "All modules, as the original supervisor tells them.",
        query [], body Nothing, answers [(200, List("OriginalModule"))], errors [] => original::modules;
    Get "/arts-api/v1/modules/{uuid}/", Read, "A module, as the original supervisor tells it; 404 with a message.",
        query [], body Nothing, answers [(200, Json("OriginalModule")), (404, Json("OriginalUnknown"))],
        errors [] => original::module;
    Get "/arts-api/v1/config/", Read, "The broker and the topics, as the original supervisor tells them, without the password.",
        query [], body Nothing, answers [(200, Json("OriginalConfig"))], errors [] => original::config;
    Get "/healthz", Open, "Whether all is well.",
        query [], body Nothing, answers [(200, Json("Health")), (503, Json("Health"))], errors [] => health::healthz;
    Get "/metrics", Read, "Figures for Prometheus.",
        query [], body Nothing, answers [(200, Text)], errors [] => health::metrics;
    Get "/openapi.json", Open, "This description.",
        query [], body Nothing, answers [(200, Json("Any"))], errors [] => openapi::describe;
    Get "/", Open, "The dashboard: a page that uses this API.",
        query [], body Nothing, answers [(200, Page(page::HTML))], errors [] => page::index;
    Get "/dashboard/style.css", Open, "How the dashboard looks.",
        query [], body Nothing, answers [(200, Page(page::STYLE))], errors [] => page::style;
    Get "/dashboard/app.js", Open, "What the dashboard does.",
        query [], body Nothing, answers [(200, Page(page::SCRIPT))], errors [] => page::app;
    Get "/dashboard/api.js", Open, "How the dashboard asks.",
        query [], body Nothing, answers [(200, Page(page::SCRIPT))], errors [] => page::api;
    Get "/dashboard/parts.js", Open, "What the dashboard is made of.",
        query [], body Nothing, answers [(200, Page(page::SCRIPT))], errors [] => page::parts;
    Get "/dashboard/icon.svg", Open, "The icon of the dashboard.",
        query [], body Nothing, answers [(200, Page(page::ICON))], errors [] => page::icon;
}

/// The router of all routes.
pub(super) fn router(api: Arc<Api>) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let handler = move |State(api): State<Arc<Api>>,
                            path: Result<RawPathParams, RawPathParamsRejection>,
                            request: Request| async move {
            let answer = answer(route, api, path, request).await;
            answer.unwrap_or_else(ApiError::into_response)
        };
        let method = on(route.verb.filter(), handler);
        let bare = route.path.strip_suffix('/');
        if let Some(bare) = bare.filter(|bare| !bare.is_empty()) {
            router = router.route(bare, method.clone());
        }
        router = router.route(route.path, method);
    }
    router
        .fallback(nothing_here)
        .method_not_allowed_fallback(another_method)
        .layer(axum::middleware::map_response(with_headers))
        .with_state(api)
}

async fn answer(
    route: &'static Route,
    api: Arc<Api>,
    path: Result<RawPathParams, RawPathParamsRejection>,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    guard::check(
        &parts.method,
        &parts.uri,
        &parts.headers,
        api.keys.is_none(),
    )?;
    let until = match &api.keys {
        Some(keys) if route.access > Access::Open => {
            Some(keys.check(&parts.headers, route.access)?)
        }
        _ => None,
    };
    let path = path.map_err(|_| ApiError::invalid("the path is not UTF-8"))?;
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let call = Call {
        path: path.iter().map(owned).collect(),
        query: query(route, parts.uri.query().unwrap_or_default())?,
        headers: parts.headers,
        body,
        until,
    };
    (route.handler)(api, call).await
}

/// The parameters, if the route has them.
fn query(route: &Route, text: &str) -> Result<Vec<(String, String)>, ApiError> {
    let mut query: Vec<(String, String)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let name: String = name.chars().take(100).collect();
        if !route.query.iter().any(|known| known.name == name) {
            return Err(ApiError::field(&name, "there is no such parameter here"));
        }
        if query.iter().any(|(known, _)| *known == name) {
            return Err(ApiError::field(&name, "it is given twice"));
        }
        query.push((name, value.into_owned()));
    }
    Ok(query)
}

async fn nothing_here() -> ApiError {
    ApiError::unknown("there is nothing here; /openapi.json describes what there is")
}

async fn another_method(method: Method) -> ApiError {
    let why = format!("{method} is not possible here; /openapi.json describes what is");
    ApiError::new(ErrorKind::Method, why)
}

/// Of every answer: it is of this moment, and nothing that a browser is to run, if it does not say
/// otherwise; and nothing that one is to guess the type of or to show in a page of another site.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'",
        ));
    let name = header::X_CONTENT_TYPE_OPTIONS;
    headers.insert(name, HeaderValue::from_static("nosniff"));
    response
}
