//! Why a file is not loaded.

/// Why a file is not loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is nothing in the file.
    #[error("the file is empty")]
    Empty,
    /// The file ends within its header.
    #[error("the file is cut off: it ends within its header")]
    CutOff,
    /// The file begins like nothing we know.
    #[error("the file is not a WebAssembly module: it does not begin with \\0asm or \\0aot")]
    NotAModule,
    /// The file is a WebAssembly component.
    #[error(
        "the file is a WebAssembly component; this runtime runs core modules \
         (target wasm32-wasip1, not wasm32-wasip2)"
    )]
    Component,
    /// The file is of another version of the binary format.
    #[error("the module is of an unknown version of the binary format; version 1 is known")]
    Version,
    /// The module is not valid.
    #[error("the module is not valid: {message} (at byte {offset})")]
    Invalid {
        /// Where in the file.
        offset: u64,
        /// What is wrong there.
        message: String,
    },
    /// The module needs proposals that are not switched on.
    #[error("the module needs {features}, which this runtime does not have")]
    FeatureOff {
        /// Their names, separated by commas.
        features: String,
    },
    /// One function has more constants than the interpreter's table holds.
    #[error(
        "function {function} has {cells} words of different constants, \
         more than the interpreter can hold; keep such data in memory instead of code"
    )]
    TooManyConstants {
        /// The function's index.
        function: u32,
        /// The size of its constants in 32-bit words.
        cells: usize,
    },
    /// The module is built so that loading it takes minutes.
    #[error(
        "function {function} keeps so many operands on the stack that loading it would take \
         minutes; keep such data in locals or memory"
    )]
    TooMuchWork {
        /// The index of the function at which it was noticed.
        function: u32,
    },
    /// The module has more types than can be loaded in good time.
    #[error("the module has {count} types, and {limit} can be loaded")]
    TooManyTypes {
        /// How many it has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// The module's tables are too large.
    #[error("the module's tables begin with {entries} entries, and may have {limit}")]
    TablesTooLarge {
        /// How many entries they have, together.
        entries: u64,
        /// How many they may have.
        limit: u64,
    },
    /// An export that the engine calls by itself has another type.
    #[error("the module exports \"{name}\" as {actual}, which has to be {wanted}")]
    ExportType {
        /// The export's name.
        name: String,
        /// The type that it has.
        actual: String,
        /// The type that it should have.
        wanted: String,
    },
    /// The module wants something that nobody offers.
    #[error("the module imports \"{module}\" \"{name}\" ({wanted}), which does not exist here")]
    MissingImport {
        /// The name of the module it is wanted from.
        module: String,
        /// Its name there.
        name: String,
        /// What is wanted.
        wanted: String,
    },
    /// The module wants a host function with another type.
    #[error("the module imports \"{module}\" \"{name}\" as {wanted}, and it is {offered} here")]
    ImportType {
        /// The name of the module it is wanted from.
        module: String,
        /// Its name there.
        name: String,
        /// The type that the module gives it.
        wanted: String,
        /// The type that it has.
        offered: String,
    },
    /// The file is native code, and the caller does not say that it is trusted.
    #[error(
        "the file is AOT code, which is native and can do anything; it is loaded only when it is trusted"
    )]
    UntrustedAot,
    /// The file was made by the compiler of another version.
    #[error(
        "the AOT file is of version {version}, and this runtime loads version {wanted}; compile the module again"
    )]
    AotVersion {
        /// The version of the file's format.
        version: u32,
        /// The one that is loaded.
        wanted: u32,
    },
    /// This build has no loader for AOT files.
    #[error("the file is AOT code, and this runtime was built without the feature `aot`")]
    NoAot,
    /// The file is larger than 4 GiB.
    #[error("the file is larger than a module can be")]
    TooLarge,
    /// WAMR does not take the file.
    #[error("WAMR does not load the module: {0}")]
    Wamr(String),
}
