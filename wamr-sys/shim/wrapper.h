/* What bindgen reads. */
#include "arena_wamr.h"
