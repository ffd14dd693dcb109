/*
 * What libgcc's unwinder asks glibc for, and musl does not have: where the tables are by which the
 * object that holds an address is unwound. For a program that is one object, linked statically.
 */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* The unwinder refers to these weakly, and takes it that there are all of them or none: whatever links
   this file has all. */
typedef void (*function)(void);
static const function threads[] __attribute__((used)) = {
    (function)pthread_getspecific, (function)pthread_key_create,
    (function)pthread_mutex_lock,  (function)pthread_mutex_unlock,
    (function)pthread_once,        (function)pthread_setspecific,
};

/* As glibc has laid it out since 2.35. */
struct dl_find_object {
    unsigned long long flags;
    void *map_start;
    void *map_end;
    void *link_map;
    void *eh_frame;
    unsigned long long reserved[7];
};

struct search {
    uintptr_t address;
    struct dl_find_object *found;
};

static int
look(struct dl_phdr_info *object, size_t size, void *data)
{
    struct search *search = data;
    struct dl_find_object *found = search->found;
    int holds_it = 0;

    (void)size;
    found->eh_frame = NULL;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &object->dlpi_phdr[i];
        uintptr_t begin = object->dlpi_addr + part->p_vaddr;

        if (part->p_type == PT_LOAD && search->address - begin < part->p_memsz) {
            found->map_start = (void *)begin;
            found->map_end = (void *)(begin + part->p_memsz);
            holds_it = 1;
        }
        if (part->p_type == PT_GNU_EH_FRAME)
            found->eh_frame = (void *)begin;
    }
    return holds_it && found->eh_frame;
}

int
_dl_find_object(void *address, struct dl_find_object *found)
{
    struct search search = { (uintptr_t)address, found };

    found->flags = 0;
    found->link_map = NULL;
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
