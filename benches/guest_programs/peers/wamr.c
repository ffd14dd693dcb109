/*
 * Runs a WASI program in an interpreter that is WAMR as it comes, with nothing of ours around it:
 * `wamr FILE.wasm ARGUMENT...`
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasm_export.h"

int
main(int argc, char **argv)
{
    RuntimeInitArgs init;
    char error[128];
    if (argc < 2) {
        fputs("usage: wamr FILE.wasm ARGUMENT...\n", stderr);
        return 2;
    }
    memset(&init, 0, sizeof(init));
    init.mem_alloc_type = Alloc_With_System_Allocator;
    if (!wasm_runtime_full_init(&init)) {
        fputs("wamr: cannot start\n", stderr);
        return 1;
    }

    FILE *file = fopen(argv[1], "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(argv[1]);
        return 1;
    }
    long length = ftell(file);
    uint8_t *wasm = malloc((size_t)length);
    rewind(file);
    if (!wasm || fread(wasm, 1, (size_t)length, file) != (size_t)length) {
        perror(argv[1]);
        return 1;
    }
    fclose(file);

    wasm_module_t module = wasm_runtime_load(wasm, (uint32_t)length, error, sizeof(error));
    if (!module) {
        fprintf(stderr, "wamr: %s\n", error);
        return 1;
    }
    wasm_runtime_set_wasi_args(module, NULL, 0, NULL, 0, NULL, 0, argv + 1, argc - 1);
    wasm_module_inst_t instance =
        wasm_runtime_instantiate(module, 256 * 1024, 0, error, sizeof(error));
    if (!instance) {
        fprintf(stderr, "wamr: %s\n", error);
        return 1;
    }
    if (!wasm_application_execute_main(instance, argc - 1, argv + 1)) {
        fprintf(stderr, "wamr: %s\n", wasm_runtime_get_exception(instance));
        return 1;
    }
    return (int)wasm_runtime_get_wasi_exit_code(instance);
}
