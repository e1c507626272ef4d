#include "proxy/route/uri.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "core/http/http_chars.h"

/* What a byte is to Kong (kong/tools/uri.lua); every other byte is decoded and escaped again. */
enum { SENT_RAW = 1, STAYS_ESCAPED = 2, RESERVED = SENT_RAW | STAYS_ESCAPED };

static const unsigned char byte_class[256] = {
    ['0' ... '9'] = SENT_RAW, ['A' ... 'Z'] = SENT_RAW, ['a' ... 'z'] = SENT_RAW, ['-'] = SENT_RAW,
    ['.'] = SENT_RAW,         ['_'] = SENT_RAW,         ['~'] = SENT_RAW,         ['!'] = RESERVED,
    ['*'] = RESERVED,         ['\''] = RESERVED,        ['('] = RESERVED,         [')'] = RESERVED,
    [';'] = RESERVED,         [':'] = RESERVED,         ['@'] = RESERVED,         ['&'] = RESERVED,
    ['='] = RESERVED,         ['+'] = RESERVED,         ['$'] = RESERVED,         [','] = RESERVED,
    ['/'] = RESERVED,         ['?'] = RESERVED,         ['%'] = RESERVED,         ['#'] = RESERVED,
    ['['] = RESERVED,         [']'] = RESERVED,
};

static char *put_escaped(char *to, unsigned char c)
{
    static const char digits[] = "0123456789ABCDEF";

    *to++ = '%';
    *to++ = digits[c >> 4];
    *to++ = digits[c & 15];
    return to;
}

bool uri_escapes_are_sound(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        bool escape = raw.ptr[i] == '%';
        int high = escape && i + 2 < raw.len ? http_hex_value(raw.ptr[i + 1]) : -1;
        int low = high >= 0 ? http_hex_value(raw.ptr[i + 2]) : -1;

        if (escape && (low < 0 || (high | low) == 0))
            return false;
    }
    return true;
}

/* The byte at *at, decoded if it is an escape; moves on. */
static unsigned char next_byte(struct slice raw, size_t *at)
{
    bool escape = raw.ptr[*at] == '%' && *at + 2 < raw.len;
    int high = escape ? http_hex_value(raw.ptr[*at + 1]) : -1;
    int low = high >= 0 ? http_hex_value(raw.ptr[*at + 2]) : -1;

    if (low < 0)
        return (unsigned char)raw.ptr[(*at)++];
    *at += 3;
    return (unsigned char)(high << 4 | low);
}

bool uri_climbs_above_root(struct slice raw)
{
    long depth = 0;
    size_t at = 0, length = 0, dots = 0; /* of the present segment */

    for (;;) {
        bool ended = at == raw.len;
        unsigned char c = ended ? '/' : next_byte(raw, &at);

        if (c != '/') {
            length++;
            dots += c == '.';
            continue;
        }
        if (length == 2 && dots == 2)
            depth--;
        else if (length > 0 && !(length == 1 && dots == 1))
            depth++;
        if (depth < 0)
            return true;
        if (ended)
            return false;
        length = dots = 0;
    }
}

/* A malformed escape stays as it is: refusing it is the parser's decision. Returns the new length.
 */
static size_t decode(struct slice raw, char *into)
{
    char *to = into;

    for (size_t i = 0; i < raw.len; i++) {
        bool escape = raw.ptr[i] == '%' && i + 2 < raw.len;
        int high = escape ? http_hex_value(raw.ptr[i + 1]) : -1;
        int low = escape ? http_hex_value(raw.ptr[i + 2]) : -1;

        if (high < 0 || low < 0) {
            *to++ = raw.ptr[i];
            continue;
        }
        unsigned char c = (unsigned char)(high << 4 | low);

        if (byte_class[c] & STAYS_ESCAPED)
            to = put_escaped(to, c);
        else
            *to++ = (char)c;
        i += 2;
    }
    return (size_t)(to - into);
}

static bool needs_decoding(struct slice path)
{
    return path.len > 0 && memchr(path.ptr, '%', path.len) != NULL;
}

static bool needs_segments_removed(struct slice path)
{
    return path.len > 0 && (memchr(path.ptr, '.', path.len) || memmem(path.ptr, path.len, "//", 2));
}

/* How many bytes the dot segment at the front takes ("/." of "/./x"), 0 when there is none. */
static size_t dot_segment(struct slice path, bool *ret_climbs)
{
    size_t dots = 1;

    if (path.len < 2 || path.ptr[0] != '/' || path.ptr[1] != '.')
        return 0;
    if (path.len > 2 && path.ptr[2] == '.')
        dots = 2;
    if (path.len > 1 + dots && path.ptr[1 + dots] != '/')
        return 0;
    *ret_climbs = dots == 2;
    return 1 + dots;
}

/* Leading "./" and "../" of a path without a slash in front, which has nothing to climb from. */
static struct slice without_relative_start(struct slice path)
{
    for (;;) {
        if (slice_starts_with(path, SLICE("../")))
            path = slice_from(path, 3);
        else if (slice_starts_with(path, SLICE("./")))
            path = slice_from(path, 2);
        else if (slice_equal(path, SLICE(".")) || slice_equal(path, SLICE("..")))
            return slice_from(path, path.len);
        else
            return path;
    }
}

static size_t without_last_segment(const char *path, size_t length)
{
    while (length > 0 && path[--length] != '/')
        ;
    return length;
}

/* Works in place: the write position never passes the read position. Returns the new length. */
static size_t remove_segments(char *path, size_t length)
{
    struct slice rest = without_relative_start((struct slice){ path, length });
    size_t out = 0;

    while (rest.len > 0) {
        bool climbs = false;
        size_t dots = dot_segment(rest, &climbs);

        if (dots > 0) {
            if (climbs)
                out = without_last_segment(path, out);
            rest = slice_from(rest, dots);
            if (rest.len == 0) /* a dot segment at the end leaves its slash */
                path[out++] = '/';
            continue;
        }
        if (slice_starts_with(rest, SLICE("//"))) {
            rest = slice_from(rest, 1);
            continue;
        }
        do {
            path[out++] = rest.ptr[0];
            rest = slice_from(rest, 1);
        } while (rest.len > 0 && rest.ptr[0] != '/');
    }
    return out;
}

struct slice uri_normalise(struct arena *arena, struct slice raw)
{
    char *copy;
    size_t length;

    if (!needs_decoding(raw) && !needs_segments_removed(raw))
        return raw;
    copy = arena_alloc(arena, raw.len);
    if (!copy)
        return (struct slice){ 0 };
    length = decode(raw, copy);
    if (needs_segments_removed((struct slice){ copy, length }))
        length = remove_segments(copy, length);
    return (struct slice){ copy, length };
}

/* What strip_path leaves. Kong drops a relative start, so that a rest never climbs out of base. */
static struct slice stripped_rest(const struct uri_upstream *uri)
{
    struct slice rest;

    assert(uri->matched_prefix.len <= uri->path.len);
    rest = slice_from(uri->path, uri->matched_prefix.len > 0 ? uri->matched_prefix.len : 1);
    if (slice_equal(rest, SLICE(".")) || slice_equal(rest, SLICE("..")))
        return slice_from(rest, rest.len);
    if (slice_starts_with(rest, SLICE("./")))
        return slice_from(rest, 2);
    if (slice_starts_with(rest, SLICE("../")))
        return slice_from(rest, 3);
    return rest;
}

static bool ends_with_slash(struct slice path)
{
    return path.len > 0 && path.ptr[path.len - 1] == '/';
}

static bool is_root(struct slice path)
{
    return slice_equal(path, SLICE("/"));
}

static struct slice without_last_byte(struct slice s)
{
    return (struct slice){ s.ptr, s.len - 1 };
}

/* The path upstream is the three parts in a row. */
struct joined {
    struct slice base;
    struct slice slash; /* "/" or empty */
    struct slice rest;
};

/* Nothing is left of the request's path: does its last slash show upstream? */
static struct joined join_nothing(struct slice base, struct slice path)
{
    struct slice none = slice_from(base, base.len);

    if (is_root(base))
        return (struct joined){ base, none, none };
    if (ends_with_slash(base))
        return (struct joined){ ends_with_slash(path) ? base : without_last_byte(base), none,
                                none };
    if (path.len > 1 && ends_with_slash(path))
        return (struct joined){ base, SLICE("/"), none };
    return (struct joined){ base, none, none };
}

static struct joined join(const struct uri_upstream *uri)
{
    struct slice base = slice_is_empty(uri->base) ? SLICE("/") : uri->base;
    struct slice rest = uri->strip_path ? stripped_rest(uri) : uri->path;
    struct slice none = slice_from(base, base.len);
    bool rest_has_slash = slice_starts_with(rest, SLICE("/"));

    if (slice_is_empty(rest))
        return join_nothing(base, uri->path);
    if (!uri->strip_path && is_root(rest))
        return (struct joined){ base, none, none };
    if (ends_with_slash(base) && rest_has_slash)
        return (struct joined){ without_last_byte(base), none, rest };
    if (ends_with_slash(base) || rest_has_slash)
        return (struct joined){ base, none, rest };
    return (struct joined){ base, SLICE("/"), rest };
}

/* v1 adds no slash, and takes one away only where two would meet. */
static struct joined join_v1(const struct uri_upstream *uri)
{
    struct slice base = slice_is_empty(uri->base) ? SLICE("/") : uri->base;
    struct slice rest = uri->strip_path ? stripped_rest(uri) : slice_from(uri->path, 1);
    struct slice none = slice_from(base, base.len);

    if (uri->strip_path && ends_with_slash(base) && slice_starts_with(rest, SLICE("/")))
        base = without_last_byte(base);
    return (struct joined){ base, none, rest };
}

static char *put_path(char *to, struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];

        if (byte_class[c] & SENT_RAW)
            *to++ = (char)c;
        else
            to = put_escaped(to, c);
    }
    return to;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool has_control(struct slice path)
{
    for (size_t i = 0; i < path.len; i++)
        if (is_control(path.ptr[i]))
            return true;
    return false;
}

struct slice uri_field_value(struct arena *arena, struct slice path)
{
    char *text, *to;

    if (!has_control(path))
        return path;
    text = to = arena_alloc(arena, 3 * path.len);
    if (!text)
        return (struct slice){ 0 };
    for (size_t i = 0; i < path.len; i++) {
        if (is_control(path.ptr[i]))
            to = put_escaped(to, (unsigned char)path.ptr[i]);
        else
            *to++ = path.ptr[i];
    }
    return (struct slice){ text, (size_t)(to - text) };
}

struct slice uri_upstream_target(struct arena *arena, const struct uri_upstream *uri)
{
    struct joined path = uri->is_v1 ? join_v1(uri) : join(uri);
    size_t path_bytes_max = 3 * (path.base.len + path.slash.len + path.rest.len);
    char *text = arena_alloc(arena, path_bytes_max + 1 + uri->query.len);
    char *to = text;

    if (!text)
        return (struct slice){ 0 };
    to = put_path(to, path.base);
    to = put_path(to, path.slash);
    to = put_path(to, path.rest);
    if (uri->query.ptr) {
        *to++ = '?';
        memcpy(to, uri->query.ptr, uri->query.len);
        to += uri->query.len;
    }
    return (struct slice){ text, (size_t)(to - text) };
}
