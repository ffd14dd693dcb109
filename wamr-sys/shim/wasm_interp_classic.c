/* WAMR's wasm_interp_classic.c with another way to lock shared memory. */
#include "platform_common.h"

#if WASM_ENABLE_FAST_INTERP == 0

#include "atomic_access.h"
#include "iwasm/interpreter/wasm_interp_classic.c"

#endif /* WASM_ENABLE_FAST_INTERP */
