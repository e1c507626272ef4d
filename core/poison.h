/*
 * poison: marks memory that nobody may touch, for AddressSanitizer builds; nothing elsewhere.
 *
 * Role    makes a touch of a recycled buffer a report, where sanitizers alone see nothing
 * Owns    nothing
 * Thread  any
 *
 * The kernel is not instrumented: it may fill a poisoned provided buffer, we may not read it before
 * the completion said so.
 */
#ifndef CORE_POISON_H
#define CORE_POISON_H

#include <stddef.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define POISON_WITH_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define POISON_WITH_ASAN 1
#endif

#ifdef POISON_WITH_ASAN
#include <sanitizer/asan_interface.h>
static inline void poison(void *memory, size_t bytes)
{
    ASAN_POISON_MEMORY_REGION(memory, bytes);
}

static inline void unpoison(void *memory, size_t bytes)
{
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
}
#else
static inline void poison(void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
}

static inline void unpoison(void *memory, size_t bytes)
{
    (void)memory;
    (void)bytes;
}
#endif

#endif
