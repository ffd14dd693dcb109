//! What the scripts' modules may import: the functions of `spectest`, and those
//! of instances that a script has registered.
//!
//! WAMR does not link modules to each other. A function of another instance is
//! offered as a host function that calls it, as an embedder would do it; its
//! memories, tables and globals cannot be offered at all.

use std::cell::RefCell;
use std::rc::Rc;

use arena_runtime::wamr::{CallError, Caller, ExternType, HostError, Imports, Instance, WasmTuple};

thread_local! {
    /// Instances whose functions others import. Host functions must be Send,
    /// instances are not Sync: a script runs on one thread, and a host function
    /// holds an index into this list.
    static LINKED: RefCell<Vec<Rc<Instance<()>>>> = const { RefCell::new(Vec::new()) };
}

/// The functions of `spectest`.
pub(crate) fn spectest() -> Imports<()> {
    let mut imports = Imports::new();
    imports
        .func("spectest", "print", |_: &Caller<'_, ()>| {})
        .func("spectest", "print_i32", |_: &Caller<'_, ()>, _: i32| {})
        .func("spectest", "print_i64", |_: &Caller<'_, ()>, _: i64| {})
        .func("spectest", "print_f32", |_: &Caller<'_, ()>, _: f32| {})
        .func("spectest", "print_f64", |_: &Caller<'_, ()>, _: f64| {})
        .func(
            "spectest",
            "print_i32_f32",
            |_: &Caller<'_, ()>, _: i32, _: f32| {},
        )
        .func(
            "spectest",
            "print_f64_f64",
            |_: &Caller<'_, ()>, _: f64, _: f64| {},
        );
    imports
}

/// Drops the instances that host functions refer to.
pub(crate) fn unlink_all() {
    LINKED.with_borrow_mut(Vec::clear);
}

/// Offers the exported functions of `instance` to others, as of a module `name`.
pub(crate) fn link(imports: &mut Imports<()>, name: &str, instance: &Rc<Instance<()>>) {
    let slot = LINKED.with_borrow_mut(|linked| {
        linked.push(Rc::clone(instance));
        linked.len() - 1
    });
    for export in &instance.module().info().exports {
        if matches!(export.ty, ExternType::Func(_)) {
            let function = Function {
                slot,
                name: export.name.clone(),
            };
            function.offer(imports, name, instance);
        }
    }
}

/// A function of a linked instance.
#[derive(Clone)]
struct Function {
    slot: usize,
    name: String,
}

impl Function {
    fn call<P: WasmTuple, R: WasmTuple>(&self, params: P) -> Result<R, HostError> {
        let instance = LINKED.with_borrow(|linked| linked.get(self.slot).cloned());
        let Some(instance) = instance else {
            return Err(HostError::Trap("the instance is gone".to_owned()));
        };
        let failed = |error: CallError| HostError::Trap(error.to_string());
        let function = instance.func::<P, R>(&self.name).map_err(failed)?;
        function.call(params).map_err(|trap| failed(trap.into()))
    }

    /// Adds the function if its type is one of those that the scripts link: a
    /// host function's type is that of a Rust closure.
    fn offer(self, imports: &mut Imports<()>, module: &str, instance: &Instance<()>) {
        let name = self.name.clone();
        macro_rules! types {
            ($(($($param:ident: $type:ty),*) -> $result:ty;)*) => {$(
                if instance.func::<($($type,)*), $result>(&name).is_ok() {
                    imports.func(
                        module,
                        &name,
                        move |_: &Caller<'_, ()>, $($param: $type),*| -> Result<$result, HostError> {
                            self.call(($($param,)*))
                        },
                    );
                    return;
                }
            )*};
        }
        types! {
            () -> ();
            () -> i32;
            () -> i64;
            () -> f32;
            () -> f64;
            (a: i32) -> ();
            (a: i64) -> ();
            (a: f32) -> ();
            (a: f64) -> ();
            (a: i32) -> i32;
            (a: i64) -> i64;
            (a: f32) -> f32;
            (a: f64) -> f64;
            (a: i32, b: i32) -> ();
            (a: i32, b: i32) -> i32;
        }
    }
}
