//! Calls of exported functions with Rust types.

use std::ffi::c_void;
use std::marker::PhantomData;
use std::ptr::NonNull;

use super::instance::{CallError, Instance};
use super::trap::Trap;
use super::value::{FuncType, ValType, WasmTy};

/// An exported function whose type is known: calls of it are checked when
/// this is made, not each time.
///
/// It borrows its instance.
pub struct TypedFunc<'i, T, P, R> {
    instance: &'i Instance<T>,
    function: NonNull<c_void>,
    _type: PhantomData<fn(P) -> R>,
}

/// Cells for the parameters or results of a typed call.
type Cells = [u32; 2 * MAX_VALUES];

const MAX_VALUES: usize = 8;

mod sealed {
    pub trait Sealed {}
}

/// Up to eight parameters or results: a tuple of [`WasmTy`]s, or one by itself.
pub trait WasmTuple: sealed::Sealed {
    #[doc(hidden)]
    fn types() -> Vec<ValType>;
    /// Writes the cells and returns how many there are.
    #[doc(hidden)]
    fn store(self, cells: &mut Cells) -> usize;
    #[doc(hidden)]
    fn load(cells: &Cells) -> Self;
}

impl<T> Instance<T> {
    /// The exported function `name`, whose parameters are the tuple `P` and
    /// whose results are `R`: a tuple, one value, or `()`.
    ///
    /// ```no_run
    /// # use arena_runtime::wamr::{CallError, Instance};
    /// # fn example(instance: &Instance<()>) -> Result<(), CallError> {
    /// let add = instance.func::<(i32, i32), i32>("add")?;
    /// assert_eq!(add.call((2, 3))?, 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is none, or when it has another type.
    pub fn func<P: WasmTuple, R: WasmTuple>(
        &self,
        name: &str,
    ) -> Result<TypedFunc<'_, T, P, R>, CallError> {
        let (function, actual) = self.lookup(name)?;
        let wanted = FuncType {
            params: P::types(),
            results: R::types(),
        };
        if *actual != wanted {
            return Err(CallError::Type {
                name: name.to_owned(),
                actual: actual.clone(),
                wanted: wanted.to_string(),
            });
        }
        Ok(TypedFunc {
            instance: self,
            function,
            _type: PhantomData,
        })
    }
}

impl<T, P: WasmTuple, R: WasmTuple> TypedFunc<'_, T, P, R> {
    /// Calls the function.
    ///
    /// # Errors
    /// When it does not return.
    pub fn call(&self, params: P) -> Result<R, Trap> {
        let mut cells = [0; 2 * MAX_VALUES];
        let given = params.store(&mut cells);
        self.instance.invoke(self.function, given, &mut cells)?;
        Ok(R::load(&cells))
    }
}

impl<T, P, R> std::fmt::Debug for TypedFunc<'_, T, P, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedFunc").finish_non_exhaustive()
    }
}

/// Writes a value's cells at `at` and moves it on.
fn store_one<V: WasmTy>(value: V, cells: &mut Cells, at: &mut usize) {
    let [low, high] = halves(value.to_bits64());
    for cell in [low, high].into_iter().take(V::TYPE.cells()) {
        if let Some(place) = cells.get_mut(*at) {
            *place = cell;
        }
        *at += 1;
    }
}

fn load_one<V: WasmTy>(cells: &Cells, at: &mut usize) -> V {
    let cell = |at: usize| u64::from(cells.get(at).copied().unwrap_or_default());
    let bits = match V::TYPE.cells() {
        1 => cell(*at),
        _ => cell(*at) | cell(*at + 1) << 32,
    };
    *at += V::TYPE.cells();
    V::from_bits64(bits)
}

fn halves(bits: u64) -> [u32; 2] {
    let bytes = bits.to_le_bytes();
    let [a, b, c, d, e, f, g, h] = bytes;
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

macro_rules! tuples {
    ($($value:ident)*) => {
        impl<$($value: WasmTy),*> sealed::Sealed for ($($value,)*) {}
        impl<$($value: WasmTy),*> WasmTuple for ($($value,)*) {
            fn types() -> Vec<ValType> {
                vec![$($value::TYPE),*]
            }
            #[allow(non_snake_case, reason = "named after their types")]
            #[allow(unused_variables, unused_mut, reason = "the empty tuple has none")]
            fn store(self, cells: &mut Cells) -> usize {
                let ($($value,)*) = self;
                let mut at = 0;
                $(store_one($value, cells, &mut at);)*
                at
            }
            #[allow(unused_variables, unused_mut, clippy::unused_unit, reason = "the empty tuple has none")]
            fn load(cells: &Cells) -> Self {
                let mut at = 0;
                ($(load_one::<$value>(cells, &mut at),)*)
            }
        }
    };
}

tuples! {}
tuples! { A }
tuples! { A B }
tuples! { A B C }
tuples! { A B C D }
tuples! { A B C D E }
tuples! { A B C D E F }
tuples! { A B C D E F G }
tuples! { A B C D E F G H }

macro_rules! singles {
    ($($value:ty)*) => {$(
        impl sealed::Sealed for $value {}
        impl WasmTuple for $value {
            fn types() -> Vec<ValType> {
                vec![<$value as WasmTy>::TYPE]
            }
            fn store(self, cells: &mut Cells) -> usize {
                (self,).store(cells)
            }
            fn load(cells: &Cells) -> Self {
                <($value,)>::load(cells).0
            }
        }
    )*};
}

singles! { i32 u32 i64 u64 f32 f64 }
