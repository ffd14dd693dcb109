/*
 * Compiles or runs a WASI program with wasmtime: `wasmtime compile FROM.wasm TO`, then
 * `wasmtime run FILE ARGUMENT...`; or `wasmtime cached SETTINGS FROM.wasm ARGUMENT...`, which keeps
 * what it compiles in wasmtime's own cache. Linked with the library that is in PyPI's package
 * `wasmtime`, which comes without headers, so what is used of its C interface is declared here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t size;
    char *data;
} wasm_byte_vec_t;

typedef struct {
    uint64_t store_id;
    void *private;
} wasmtime_func_t;

typedef struct wasm_config wasm_config_t;
typedef struct wasm_engine wasm_engine_t;
typedef struct wasm_trap wasm_trap_t;
typedef struct wasi_config wasi_config_t;
typedef struct wasmtime_context wasmtime_context_t;
typedef struct wasmtime_error wasmtime_error_t;
typedef struct wasmtime_linker wasmtime_linker_t;
typedef struct wasmtime_module wasmtime_module_t;
typedef struct wasmtime_store wasmtime_store_t;

wasm_config_t *wasm_config_new(void);
wasmtime_error_t *wasmtime_config_cache_config_load(wasm_config_t *, const char *path);
wasm_engine_t *wasm_engine_new(void);
wasm_engine_t *wasm_engine_new_with_config(wasm_config_t *);
void wasm_trap_message(const wasm_trap_t *, wasm_byte_vec_t *message);
wasi_config_t *wasi_config_new(void);
bool wasi_config_set_argv(wasi_config_t *, size_t count, const char *arguments[]);
void wasi_config_inherit_stdout(wasi_config_t *);
void wasi_config_inherit_stderr(wasi_config_t *);
wasmtime_error_t *wasmtime_context_set_wasi(wasmtime_context_t *, wasi_config_t *);
bool wasmtime_error_exit_status(const wasmtime_error_t *, int *status);
void wasmtime_error_message(const wasmtime_error_t *, wasm_byte_vec_t *message);
wasmtime_error_t *wasmtime_func_call(wasmtime_context_t *, const wasmtime_func_t *,
                                     const void *arguments, size_t count, void *results,
                                     size_t result_count, wasm_trap_t **);
wasmtime_linker_t *wasmtime_linker_new(wasm_engine_t *);
wasmtime_error_t *wasmtime_linker_define_wasi(wasmtime_linker_t *);
wasmtime_error_t *wasmtime_linker_module(wasmtime_linker_t *, wasmtime_context_t *,
                                         const char *name, size_t length,
                                         const wasmtime_module_t *);
wasmtime_error_t *wasmtime_linker_get_default(const wasmtime_linker_t *, wasmtime_context_t *,
                                              const char *name, size_t length,
                                              wasmtime_func_t *);
wasmtime_error_t *wasmtime_module_new(wasm_engine_t *, const uint8_t *wasm, size_t length,
                                      wasmtime_module_t **);
wasmtime_error_t *wasmtime_module_serialize(wasmtime_module_t *, wasm_byte_vec_t *);
wasmtime_error_t *wasmtime_module_deserialize_file(wasm_engine_t *, const char *path,
                                                   wasmtime_module_t **);
wasmtime_store_t *wasmtime_store_new(wasm_engine_t *, void *data, void (*finalizer)(void *));
wasmtime_context_t *wasmtime_store_context(wasmtime_store_t *);

static void
check(wasmtime_error_t *error)
{
    wasm_byte_vec_t message;
    int status;
    if (!error)
        return;
    if (wasmtime_error_exit_status(error, &status))
        exit(status);
    wasmtime_error_message(error, &message);
    fprintf(stderr, "wasmtime: %.*s\n", (int)message.size, message.data);
    exit(1);
}

static void
fail(const char *path)
{
    perror(path);
    exit(1);
}

static wasmtime_module_t *
load_wasm(wasm_engine_t *engine, const char *path)
{
    wasmtime_module_t *module;
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail(path);
    size_t length = (size_t)ftell(file);
    uint8_t *wasm = malloc(length);
    rewind(file);
    if (!wasm || fread(wasm, 1, length, file) != length)
        fail(path);
    fclose(file);
    check(wasmtime_module_new(engine, wasm, length, &module));
    free(wasm);
    return module;
}

static void
compile(wasm_engine_t *engine, const char *from, const char *to)
{
    wasm_byte_vec_t compiled;
    check(wasmtime_module_serialize(load_wasm(engine, from), &compiled));
    FILE *file = fopen(to, "wb");
    if (!file || fwrite(compiled.data, 1, compiled.size, file) != compiled.size || fclose(file))
        fail(to);
}

static wasmtime_module_t *
load_compiled(wasm_engine_t *engine, const char *path)
{
    wasmtime_module_t *module;
    check(wasmtime_module_deserialize_file(engine, path, &module));
    return module;
}

static void
run(wasm_engine_t *engine, wasmtime_module_t *module, int count, char **arguments)
{
    wasmtime_func_t start;
    wasm_trap_t *trap = NULL;
    wasmtime_context_t *context =
        wasmtime_store_context(wasmtime_store_new(engine, NULL, NULL));
    wasmtime_linker_t *linker = wasmtime_linker_new(engine);
    wasi_config_t *wasi = wasi_config_new();

    wasi_config_set_argv(wasi, (size_t)count, (const char **)arguments);
    wasi_config_inherit_stdout(wasi);
    wasi_config_inherit_stderr(wasi);
    check(wasmtime_context_set_wasi(context, wasi));
    check(wasmtime_linker_define_wasi(linker));
    check(wasmtime_linker_module(linker, context, "", 0, module));
    check(wasmtime_linker_get_default(linker, context, "", 0, &start));
    check(wasmtime_func_call(context, &start, NULL, 0, NULL, 0, &trap));
    if (trap) {
        wasm_byte_vec_t message;
        wasm_trap_message(trap, &message);
        fprintf(stderr, "wasmtime: %.*s\n", (int)message.size, message.data);
        exit(1);
    }
}

int
main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "compile")) {
        compile(wasm_engine_new(), argv[2], argv[3]);
    }
    else if (argc >= 3 && !strcmp(argv[1], "run")) {
        wasm_engine_t *engine = wasm_engine_new();
        run(engine, load_compiled(engine, argv[2]), argc - 2, argv + 2);
    }
    else if (argc >= 4 && !strcmp(argv[1], "cached")) {
        wasm_config_t *config = wasm_config_new();
        check(wasmtime_config_cache_config_load(config, argv[2]));
        wasm_engine_t *engine = wasm_engine_new_with_config(config);
        run(engine, load_wasm(engine, argv[3]), argc - 3, argv + 3);
    }
    else {
        fputs("usage: wasmtime compile FROM.wasm TO | run FILE ARGUMENT..."
              " | cached SETTINGS FROM.wasm ARGUMENT...\n", stderr);
        return 2;
    }
    return 0;
}
