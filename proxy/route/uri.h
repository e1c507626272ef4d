/*
 * uri: the path of a request, as Kong normalises it and as it goes upstream.
 *
 * Role    what the router matches, and the request target that a target receives
 * Owns    nothing; results are in the caller's arena or point into the input
 * Thread  any
 *
 * A path may hold any byte after normalisation (decoded UTF-8, even NUL): never print it raw.
 */
#ifndef PROXY_URI_H
#define PROXY_URI_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/slice.h"

/*
 * Kong's normal form of a raw path (without query): %XX decoded unless the byte is reserved in
 * RFC 3986 2.2 or is "%" (these keep their escape, in upper-case hex), then dot segments removed
 * (RFC 3986 5.2.4) and repeated "/" merged. Decoding comes first, so "/%2e./" climbs.
 * Returns `raw` itself when nothing changes; ptr NULL: no memory.
 */
struct slice uri_normalise(struct arena *arena, struct slice raw);

/*
 * Does every '%' begin an escape, and none that of NUL? What one hop decodes twice or ends early,
 * another matched as something else.
 */
bool uri_escapes_are_sound(struct slice raw);

/*
 * Does ".." lead above the root, once every escape is decoded (as nginx reads it: %2f separates, and
 * repeated slashes are one)?
 */
bool uri_climbs_above_root(struct slice raw);

struct uri_upstream {
    struct slice base;           /* the service's path; empty means "/" */
    struct slice path;           /* of the request, normalised, not empty */
    struct slice matched_prefix; /* as many bytes are stripped off `path`; empty: no route path */
    struct slice query;          /* raw, without '?'; ptr NULL when the request had no '?' */
    bool strip_path;
    bool is_v1; /* path_handling */
};

/*
 * A normalised path, or a part of one, as it may stand in a field: control bytes are escaped again, all
 * else stays (obs-text and spaces too). Returns `path` itself when nothing changes; ptr NULL: no memory.
 */
struct slice uri_field_value(struct arena *arena, struct slice path);

/*
 * The request target to send: base and path joined by Kong's rule v0 (v1: parts are just put in a row,
 * see kong/router/traditional.lua) and escaped again; the query follows byte for byte, a lone '?' stays.
 * ptr NULL: no memory.
 */
struct slice uri_upstream_target(struct arena *arena, const struct uri_upstream *uri);

#endif
