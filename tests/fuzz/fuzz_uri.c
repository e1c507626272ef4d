/*
 * Any path: its normal form has nothing left to resolve, what is sent holds only URI bytes, and where
 * the escapes are sound, the target resolves what it gets to the path that was matched.
 */
#include "proxy/route/uri.h"

#include "core/chunk.h"
#include "core/http/http_chars.h"
#include "tests/fuzz/fuzz_input.h"

static bool contains(struct slice text, const char *needle)
{
    return text.len > 0 && memmem(text.ptr, text.len, needle, strlen(needle)) != NULL;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.len >= end.len && slice_equal(slice_from(text, text.len - end.len), end);
}

static void check_normal_form(struct slice path, struct slice raw)
{
    require(path.len > 0 && path.len <= raw.len && path.ptr[0] == '/', "a path grew or lost its /");
    require(!contains(path, "//"), "slashes in a row are left");
    require(!contains(path, "/./") && !contains(path, "/../"), "dot segments are left");
    require(!ends_with(path, SLICE("/.")) && !ends_with(path, SLICE("/..")),
            "a dot segment is left at the end");
}

static struct slice sent(struct arena *arena, struct uri_upstream uri)
{
    struct slice target = uri_upstream_target(arena, &uri);

    require(target.ptr != NULL, "memory");
    uri.base.len -= ends_with(uri.base, SLICE("/"));
    require(slice_starts_with(target, uri.base), "the service's path is left out");
    for (size_t i = 0; i < target.len; i++)
        require(http_char_is(target.ptr[i], HTTP_CHAR_TARGET), "no byte of a request target");
    return target;
}

static void check_same_path(struct arena *arena, struct slice path, struct slice text,
                            const char *what)
{
    struct slice again = uri_normalise(arena, text);

    require(again.ptr != NULL, "memory");
    require_same(path, again, what);
}

/* Every way to join a service's path with what is left of the request's. */
static void check_joined(struct arena *arena, struct slice path, size_t matched)
{
    const struct slice bases[] = { SLICE("/"), SLICE("/base"), SLICE("/base/") };
    struct slice prefix = { path.ptr, matched % (path.len + 1) }, none = { path.ptr, 0 };

    for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
        struct uri_upstream uri = { .base = bases[i], .path = path, .matched_prefix = prefix };

        (void)sent(arena, uri);
        uri.strip_path = true;
        (void)sent(arena, uri);
        uri.matched_prefix = none; /* a route without paths */
        (void)sent(arena, uri);
    }
}

static void check(struct arena *arena, struct slice raw, size_t matched)
{
    struct slice path = uri_normalise(arena, raw), target;

    require(path.ptr != NULL, "memory");
    check_normal_form(path, raw);
    check_joined(arena, path, matched);
    target = sent(arena, (struct uri_upstream){ .base = SLICE("/"), .path = path });
    if (!uri_escapes_are_sound(raw))
        return;
    check_same_path(arena, path, path, "a normal form has another normal form");
    check_same_path(arena, path, target, "the target sees another path than was matched");
}

/* data: how much of the path the route matched, then the path without its first slash */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct chunk_pool *pool;
    struct arena arena;
    char *text;

    /* the parser lets no '#' pass, and a path ends at '?' */
    if (size == 0 || memchr(data + 1, '#', size - 1) || memchr(data + 1, '?', size - 1))
        return 0;
    text = malloc(size);
    pool = chunk_pool_create(0);
    require(text && pool, "memory");
    memcpy(text, data, size);
    text[0] = '/';
    arena_init(&arena, pool, 0);
    check(&arena, (struct slice){ text, size }, data[0]);
    arena_done(&arena);
    chunk_pool_free(pool);
    free(text);
    return 0;
}
