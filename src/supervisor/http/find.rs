//! What is meant by a name or the beginning of a uuid.

use std::sync::Arc;

use uuid::Uuid;

use crate::supervisor::{Module, Runtime, Supervisor};

use super::error::{ApiError, ErrorKind};

/// The shortest beginning of a uuid.
const SHORTEST: usize = 4;
/// How many candidates are told.
const MOST: usize = 20;

/// What can be found.
trait Named {
    fn uuid(&self) -> Uuid;
    fn name(&self) -> &str;
    /// Whether it is more than history.
    fn is_there(&self) -> bool;
}

impl Named for Runtime {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_there(&self) -> bool {
        self.state == crate::supervisor::RuntimeState::Alive
    }
}

impl Named for Module {
    fn uuid(&self) -> Uuid {
        self.uuid
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn is_there(&self) -> bool {
        !self.state.is_final()
    }
}

/// The one that is meant: by its uuid, its name, or the beginning of its uuid, in this order.
/// Where several have the name, one that is there goes before those that are history.
fn find<T: Named>(what: &str, text: &str, all: &[Arc<T>]) -> Result<Arc<T>, ApiError> {
    let named: Vec<_> = all.iter().filter(|each| each.name() == text).collect();
    let there: Vec<_> = named
        .iter()
        .copied()
        .filter(|each| each.is_there())
        .collect();
    let beginning = text.to_ascii_lowercase();
    let is_beginning =
        text.len() >= SHORTEST && beginning.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let found = match (named.as_slice(), there.as_slice()) {
        ([_, ..], [one]) => vec![*one],
        ([_, ..], _) => named,
        ([], _) if is_beginning => {
            let begins = |each: &&Arc<T>| each.uuid().to_string().starts_with(&beginning);
            all.iter().filter(begins).collect()
        }
        ([], _) => Vec::new(),
    };
    match found.as_slice() {
        [one] => Ok(Arc::clone(one)),
        [] => {
            let text: String = text.chars().take(200).collect();
            Err(ApiError::unknown(format!("there is no {what} {text:?}")))
        }
        several => {
            let why = format!("{} {what}s are meant by {text:?}", several.len());
            let mut error = ApiError::new(ErrorKind::Ambiguous, why);
            let candidates = several.iter().take(MOST);
            error.candidates = candidates
                .map(|each| (each.uuid(), each.name().to_owned()))
                .collect();
            Err(error)
        }
    }
}

/// A module by its uuid, its name, or the beginning of its uuid.
pub(super) fn module(supervisor: &Supervisor, text: &str) -> Result<Arc<Module>, ApiError> {
    let uuid = Uuid::try_parse(text).ok();
    match uuid.and_then(|uuid| supervisor.module(uuid)) {
        Some(module) => Ok(module),
        None => find("module", text, &supervisor.modules()),
    }
}

/// A runtime by its uuid, its name, or the beginning of its uuid.
pub(super) fn runtime(supervisor: &Supervisor, text: &str) -> Result<Arc<Runtime>, ApiError> {
    let uuid = Uuid::try_parse(text).ok();
    match uuid.and_then(|uuid| supervisor.runtime(uuid)) {
        Some(runtime) => Ok(runtime),
        None => find("runtime", text, &supervisor.runtimes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Thing(Uuid, &'static str, bool);

    impl Named for Thing {
        fn uuid(&self) -> Uuid {
            self.0
        }

        fn name(&self) -> &str {
            self.1
        }

        fn is_there(&self) -> bool {
            self.2
        }
    }

    #[test]
    fn by_name_and_beginning() {
        let uuid = |text: &str| Uuid::try_parse(text).unwrap();
        let all: Vec<_> = [
            ("aaaa1111-0000-4000-8000-000000000000", "light", true),
            ("aaaa2222-0000-4000-8000-000000000000", "light", false),
            ("bbbb0000-0000-4000-8000-000000000000", "aaaa1", true),
            ("cccc0000-0000-4000-8000-000000000000", "twice", true),
            ("dddd0000-0000-4000-8000-000000000000", "twice", true),
        ]
        .map(|(id, name, there)| Arc::new(Thing(uuid(id), name, there)))
        .into();
        let found =
            |text: &str| find("thing", text, &all).map(|thing| thing.0.to_string()[..4].to_owned());
        assert_eq!(found("light").unwrap(), "aaaa");
        assert_eq!(found("aaaa1").unwrap(), "bbbb");
        assert_eq!(found("AAAA2").unwrap(), "aaaa");
        assert_eq!(found("cccc0000-").unwrap(), "cccc");
        for unknown in ["", "aaa", "zzzz", "lig", "eeee"] {
            assert_eq!(
                found(unknown).unwrap_err().kind,
                ErrorKind::Unknown,
                "{unknown}"
            );
        }
        for several in ["aaaa", "twice"] {
            let error = found(several).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Ambiguous);
            assert_eq!(error.candidates.len(), 2);
        }
    }
}
