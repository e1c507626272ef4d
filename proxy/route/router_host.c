/* Hosts: what a route's pattern says and how a request's Host is looked up, in both flavours. */
#include <stdio.h>

#include "proxy/route/router_priv.h"

enum { NO_PORT = UINT16_MAX + 1 }; /* a number that is no port matches no pattern */

static bool parse_digits(struct slice text, uint32_t *ret_port)
{
    uint32_t port = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        port = port * 10 + (uint32_t)(text.ptr[i] - '0');
        if (port >= NO_PORT)
            port = NO_PORT;
    }
    *ret_port = port;
    return text.len > 0;
}

/*
 * kong/router/transform.lua splits at the first ":" and only if nothing but a number follows, so
 * "::1" and "[::1]:80" stay whole. *ret_port is untouched when there is none.
 */
static struct slice split_compatible(struct slice host, uint32_t *ret_port)
{
    const char *colon = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;
    size_t length = colon ? (size_t)(colon - host.ptr) : host.len;

    if (!colon || !parse_digits(slice_from(host, length + 1), ret_port))
        return host;
    return (struct slice){ host.ptr, length };
}

/* What kong/router/traditional.lua's split_port makes of a host. */
struct split {
    struct slice name;  /* without brackets and port */
    struct slice whole; /* with brackets, without port; empty: wildcards never match it */
    uint32_t port;      /* or the default */
    bool has_port;
};

static struct split split_brackets(struct slice host, uint32_t default_port)
{
    struct split plain = { host, host, default_port, false };
    const char *end = memmem(host.ptr + 1, host.len - 1, "]:", 2);
    size_t length = end ? (size_t)(end - host.ptr) : 0; /* up to the bracket */
    struct slice inner = { host.ptr + 1, length > 0 ? length - 1 : 0 };

    if (host.ptr[host.len - 1] == ']')
        return (struct split){ { host.ptr + 1, host.len - 2 }, host, default_port, false };
    if (!end)
        return plain;
    if (length + 2 == host.len)
        return (struct split){ inner, { host.ptr, length + 1 }, default_port, false };
    if (!parse_digits(slice_from(host, length + 2), &plain.port))
        return plain;
    return (struct split){ inner, { host.ptr, length + 1 }, plain.port, true };
}

static struct split split_traditional(struct slice host, uint32_t default_port)
{
    const char *colon = host.len > 0 ? memchr(host.ptr, ':', host.len) : NULL;
    struct split split = { host, host, default_port, false };
    size_t length = colon ? (size_t)(colon - host.ptr) : host.len;

    if (host.len > 1 && host.ptr[0] == '[')
        return split_brackets(host, default_port);
    if (!colon)
        return split;
    if (length + 1 == host.len) {
        split.name.len = split.whole.len = length;
    } else if (parse_digits(slice_from(host, length + 1), &split.port)) {
        split.name.len = split.whole.len = length;
        split.has_port = true;
    } else {
        split.whole = (struct slice){ host.ptr, 0 }; /* Kong puts it into brackets */
    }
    return split;
}

static void find_wildcard(struct router_host_pattern *pattern)
{
    struct slice text = pattern->text;

    if (text.len == 0)
        return;
    if (text.ptr[0] == '*') {
        pattern->kind = ROUTER_NODE_SUFFIX;
        pattern->text = slice_from(text, 1);
    } else if (text.ptr[text.len - 1] == '*') {
        pattern->kind = ROUTER_NODE_PREFIX;
        pattern->text.len--;
    }
}

struct router_host_pattern router_host_pattern_of(enum router_flavor flavor, const char *host)
{
    struct router_host_pattern pattern = { .kind = ROUTER_NODE_EXACT, .text = slice_of(host) };
    struct split split;

    if (flavor == ROUTER_TRADITIONAL_COMPATIBLE) {
        pattern.text = split_compatible(pattern.text, &pattern.port);
        find_wildcard(&pattern);
    } else if (strchr(host, '*')) {
        split = split_traditional(pattern.text, 0);
        pattern.text = split.name;
        pattern.port = split.has_port ? split.port : 0;
        find_wildcard(&pattern);
    } /* else: a plain host is compared with its port, as it is written */
    return pattern;
}

void router_host_of(enum router_flavor flavor, const struct router_request *request,
                    struct router_host *ret)
{
    struct slice host = request->host;
    struct split split;
    int length;

    ret->exact_count = ret->first_indexed = 0;
    ret->wildcard_needs_more = flavor == ROUTER_TRADITIONAL;
    ret->port = request->port;
    ret->bare = host;
    if (host.len == 0)
        return;
    if (flavor == ROUTER_TRADITIONAL_COMPATIBLE) {
        ret->bare = split_compatible(host, &ret->port);
        ret->exact[ret->exact_count++] = ret->bare;
        return;
    }
    split = split_traditional(host, request->over_tls ? 443 : 80);
    ret->port = split.port;
    ret->bare = split.whole;
    ret->exact[ret->exact_count++] = host;
    if (!slice_equal(split.name, host)) {
        ret->first_indexed = split.has_port ? 0 : 1;
        ret->exact[ret->exact_count++] = split.name;
    }
    if (split.has_port || split.whole.len > ROUTER_HOST_MAX)
        return;
    /* the default port may be written in the pattern and not in the request */
    length = snprintf(ret->with_port, sizeof(ret->with_port), "%.*s:%u", SLICE_ARG(split.whole),
                      split.port);
    ret->exact[ret->exact_count++] = (struct slice){ ret->with_port, (size_t)length };
}

uint64_t router_host_hash(enum router_node_kind kind, struct slice text)
{
    uint64_t hash = router_hash_begin(kind);

    for (size_t i = 0; i < text.len; i++)
        hash = router_hash_add(hash, text.ptr[kind == ROUTER_NODE_SUFFIX ? text.len - 1 - i : i]);
    return hash;
}

/* Wildcards stand for whole labels, so only dots can begin a suffix or end a prefix. */
void router_host_each_wildcard(const struct router *router, const struct router_host *from,
                               void (*visit)(void *context, uint32_t node), void *context)
{
    const size_t *bytes_max = router->host_bytes_max;
    struct slice host = from->bare;
    size_t suffix_max = host.len - (host.len > 0 && from->wildcard_needs_more);
    uint64_t hash = router_hash_begin(ROUTER_NODE_SUFFIX);
    uint32_t node;

    for (size_t i = 1; i <= suffix_max && i <= bytes_max[ROUTER_NODE_SUFFIX]; i++) {
        struct slice suffix = slice_from(host, host.len - i);

        hash = router_hash_add(hash, suffix.ptr[0]);
        if (suffix.ptr[0] != '.')
            continue;
        node = router_map_find(&router->hosts, hash, ROUTER_NODE_SUFFIX, suffix);
        if (node != ROUTER_MAP_NONE)
            visit(context, node);
    }
    hash = router_hash_begin(ROUTER_NODE_PREFIX);
    for (size_t i = 1; i <= host.len && i <= bytes_max[ROUTER_NODE_PREFIX]; i++) {
        struct slice prefix = { host.ptr, i };

        hash = router_hash_add(hash, host.ptr[i - 1]);
        if (host.ptr[i - 1] != '.')
            continue;
        node = router_map_find(&router->hosts, hash, ROUTER_NODE_PREFIX, prefix);
        if (node != ROUTER_MAP_NONE)
            visit(context, node);
    }
}
