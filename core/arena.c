#include "core/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARENA_ALIGN = _Alignof(max_align_t) };

void arena_init(struct arena *arena, struct chunk_pool *pool, size_t bytes_max)
{
    *arena = (struct arena){ .pool = pool, .bytes_max = bytes_max };
}

void arena_done(struct arena *arena)
{
    for (size_t i = 0; i < arena->count; i++)
        chunk_unref(arena->chunks[i]);
    free(arena->chunks);
    arena_init(arena, arena->pool, arena->bytes_max);
}

static struct chunk *arena_grow(struct arena *arena, size_t bytes)
{
    struct chunk *chunk;

    if (arena->count == arena->capacity) {
        size_t capacity = arena->capacity ? arena->capacity * 2 : 4;
        struct chunk **chunks = realloc(arena->chunks, capacity * sizeof(*chunks));

        if (!chunks)
            return NULL;
        arena->chunks = chunks;
        arena->capacity = capacity;
    }
    chunk = chunk_pool_get_for(arena->pool, bytes + ARENA_ALIGN, MEMORY_ARENAS);
    if (!chunk)
        return NULL;
    arena->chunks[arena->count++] = chunk;
    return chunk;
}

static uint32_t padding_of(const struct chunk *chunk)
{
    uintptr_t at = (uintptr_t)(chunk->data + chunk->used);

    return (uint32_t)(-at & (ARENA_ALIGN - 1));
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    struct chunk *chunk = arena->count ? arena->chunks[arena->count - 1] : NULL;
    void *memory;

    if (bytes > UINT32_MAX / 2)
        return NULL;
    if (arena->bytes_max != 0 && arena->bytes + bytes > arena->bytes_max)
        return NULL;
    if (!chunk || chunk->capacity - chunk->used < bytes + padding_of(chunk)) {
        chunk = arena_grow(arena, bytes);
        if (!chunk)
            return NULL;
    }
    chunk->used += padding_of(chunk);
    memory = chunk->data + chunk->used;
    chunk->used += (uint32_t)bytes;
    arena->bytes += bytes;
    return memory;
}

struct slice arena_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1);

    if (!copy)
        return (struct slice){ NULL, 0 };
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (struct slice){ copy, text.len };
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    char *text = NULL;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    if (length >= 0)
        text = arena_alloc(arena, (size_t)length + 1);
    if (text)
        (void)vsnprintf(text, (size_t)length + 1, format, again); /* same length as counted */
    va_end(again);
    va_end(args);
    return (struct slice){ text, text ? (size_t)length : 0 };
}
