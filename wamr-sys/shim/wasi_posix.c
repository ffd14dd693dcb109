/*
 * WAMR's posix.c (the WASI descriptors and paths) with a view into the
 * descriptor table, which upstream keeps to itself.
 */

/* With a print function set, upstream sends a module's standard output and
   error there instead of to their descriptors. */
#undef BH_VPRINTF

#include "iwasm/libraries/libc-wasi/sandboxed-system-primitives/src/posix.c"

#include "arena_wamr.h"
#include "wasm_runtime_common.h"

uint32_t
get_libc_wasi_export_apis(NativeSymbol **natives);

static struct fd_table *
table_of(wasm_module_inst_t instance)
{
    WASIContext *context =
        wasm_runtime_get_wasi_ctx((WASMModuleInstanceCommon *)instance);
    return context ? context->curfds : NULL;
}

uint16_t
arena_wasi_lookup(wasm_module_inst_t instance, uint32_t fd,
                  arena_wasi_fd *found)
{
    struct fd_table *table = table_of(instance);
    struct fd_entry *entry;
    __wasi_errno_t error;

    if (!table)
        return __WASI_EBADF;
    rwlock_rdlock(&table->lock);
    error = fd_table_get_entry(table, fd, 0, 0, &entry);
    if (error == __WASI_ESUCCESS) {
        found->host_fd = entry->object->file_handle;
        found->filetype = entry->object->type;
        found->rights = entry->rights_base;
        found->inheriting = entry->rights_inheriting;
    }
    rwlock_unlock(&table->lock);
    return error;
}

uint16_t
arena_wasi_restrict(wasm_module_inst_t instance, uint32_t fd, uint64_t rights,
                    uint64_t inheriting)
{
    struct fd_table *table = table_of(instance);
    struct fd_entry *entry;
    __wasi_errno_t error;

    if (!table)
        return __WASI_EBADF;
    rwlock_wrlock(&table->lock);
    error = fd_table_get_entry(table, fd, 0, 0, &entry);
    if (error == __WASI_ESUCCESS) {
        entry->rights_base &= rights;
        entry->rights_inheriting &= inheriting;
    }
    rwlock_unlock(&table->lock);
    return error;
}

uint32_t
arena_wasi_natives(NativeSymbol **natives)
{
    return get_libc_wasi_export_apis(natives);
}
