//! What executes a module.

use serde_json::Value;

/// What executes a module. Told in answers to creates and in keepalives, beside what ARTS asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModuleEngine {
    /// `"interpreter"`
    Interpreter,
    /// `"aot"`: code that was compiled ahead of time.
    Aot,
}

impl ModuleEngine {
    /// The name of the field.
    pub const FIELD: &'static str = "engine";

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ModuleEngine::Interpreter => "interpreter",
            ModuleEngine::Aot => "aot",
        }
    }

    /// What the field says; `None` for a word that this program does not know.
    #[must_use]
    pub fn of_value(value: &Value) -> Option<ModuleEngine> {
        [ModuleEngine::Interpreter, ModuleEngine::Aot]
            .into_iter()
            .find(|engine| value.as_str() == Some(engine.as_str()))
    }
}
