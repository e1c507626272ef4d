/* Any path: its normal form has nothing left to resolve, and what is sent holds only URI bytes. */
#include "proxy/uri.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool contains(struct slice text, const char *needle)
{
    return text.len > 0 && memmem(text.ptr, text.len, needle, strlen(needle)) != NULL;
}

static void check_sent(struct arena *arena, struct slice path, struct slice prefix, bool strip)
{
    struct slice sent = uri_upstream_target(arena, &(struct uri_upstream){ .base = SLICE("/base/"),
                                                                           .path = path,
                                                                           .matched_prefix = prefix,
                                                                           .strip_path = strip });

    must(sent.ptr != NULL);
    must(slice_starts_with(sent, SLICE("/base")));
    for (size_t i = 0; i < sent.len; i++)
        must(sent.ptr[i] > ' ' && sent.ptr[i] < 0x7f);
}

/* data: how much of the path the route matched, then the path without its first slash */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chunk_pool *pool;
    struct arena arena;
    struct slice raw, path;
    char *text;

    if (size == 0)
        return 0;
    text = malloc(size);
    pool = chunk_pool_create(0);
    must(text && pool);
    memcpy(text, data, size);
    text[0] = '/';
    raw = (struct slice){ text, size };
    arena_init(&arena, pool, 0);

    path = uri_normalise(&arena, raw);
    must(path.len > 0 && path.len <= raw.len && path.ptr[0] == '/');
    must(!contains(path, "//") && !contains(path, "/./") && !contains(path, "/../"));
    check_sent(&arena, path, (struct slice){ path.ptr, data[0] % (path.len + 1) }, true);
    check_sent(&arena, path, (struct slice){ path.ptr, 0 }, true);
    check_sent(&arena, path, (struct slice){ path.ptr, 0 }, false);

    arena_done(&arena);
    chunk_pool_free(pool);
    free(text);
    return 0;
}
