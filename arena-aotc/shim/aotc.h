/*
 * The C side of arena-aotc: what Rust calls (src/ffi.rs has the same declarations).
 *
 * Every function may be called from one thread only, and the program compiles one module in its
 * life: WAMR and LLVM keep state of their own for the whole process.
 */
#ifndef ARENA_AOTC_H
#define ARENA_AOTC_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to compile for. Strings are borrowed until aotc_compile returns. */
struct aotc_options {
    const char *arch;     /* "x86_64" or "aarch64" */
    const char *cpu;      /* a name that LLVM knows for this architecture */
    const char *features; /* "+a,-b", may be empty */
    uint32_t opt_level;   /* 0 to 3 */
    bool optimize_size;   /* prefer small code */
    bool simd;            /* accept SIMD instructions */
    bool shared_memory;   /* the module has a shared memory: several threads may run in it */
    bool names;           /* keep the names of functions */
    bool call_stack;      /* keep track of which functions are active, for traps */
    bool segue;           /* reach linear memory through the GS register (x86_64) */
};

/* Starts LLVM for the targets that we compile for. Call it first. */
void
aotc_init(void);

/*
 * Compiles a module. Changes `wasm`, which must stay alive until the call returns.
 * On success returns true and a buffer for aotc_free; otherwise a message without a newline.
 */
bool
aotc_compile(uint8_t *wasm, uint32_t wasm_len,
             const struct aotc_options *options, uint8_t **output,
             uint32_t *output_len, char *error, size_t error_len);

void
aotc_free(uint8_t *buffer);

/* Whether LLVM knows a processor, or a feature (without its sign), of an architecture. */
bool
aotc_knows_cpu(const char *arch, const char *cpu);
bool
aotc_knows_feature(const char *arch, const char *feature);

/* The processor this runs on, and its features as "+a,-b"; for aotc_free_string. */
char *
aotc_host_cpu(void);
char *
aotc_host_features(void);
void
aotc_free_string(char *string);

/* Where WAMR prints (see BH_VPRINTF in build/wamr.rs): nothing may reach stdout. */
int
aotc_vprintf(const char *format, va_list arguments);

#ifdef __cplusplus
}
#endif

#endif
