/*
 * slice: borrowed bytes.
 *
 * Role    a pointer and a length into memory that somebody else owns
 * Owns    nothing; the lender's comment names the event that ends the loan
 * Thread  any
 */
#ifndef CORE_SLICE_H
#define CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *ptr; /* not NUL-terminated; may be NULL when len is 0 */
    size_t len;      /* bytes */
};

/* A string literal as a slice; also usable in static initialisers. */
#define SLICE(literal) ((struct slice){ (literal), sizeof(literal) - 1 })

/* For printf("%.*s"): passes length and pointer. */
#define SLICE_ARG(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

static inline struct slice slice_of(const char *text)
{
    return (struct slice){ text, text ? strlen(text) : 0 };
}

static inline bool slice_is_empty(struct slice s)
{
    return s.len == 0;
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII case-insensitive, as field names are compared (RFC 9110 5.1). */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_starts_with(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

/* What is left behind the first `offset` bytes; of nothing, nothing (NULL + 0 is undefined in C). */
static inline struct slice slice_from(struct slice s, size_t offset)
{
    if (!s.ptr)
        return s;
    return offset >= s.len ? (struct slice){ s.ptr + s.len, 0 }
                           : (struct slice){ s.ptr + offset, s.len - offset };
}

#endif
