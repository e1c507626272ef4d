/*
 * head: one parsed request or response head, independent of the HTTP version that carried it.
 *
 * Role    the shape between codecs and the exchange
 * Owns    nothing: slices point into memory of the exchange (head chunk or arena)
 * Thread  one worker
 */
#ifndef CORE_HTTP_HEAD_H
#define CORE_HTTP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/http/fields.h"

/* How the content that follows is delimited on this connection (RFC 9112 6.3). */
enum http_framing {
    HTTP_FRAMING_NONE,    /* no content: GET without length, HEAD answer, 1xx, 204, 304 */
    HTTP_FRAMING_LENGTH,  /* content_length bytes */
    HTTP_FRAMING_CHUNKED, /* until the last chunk and its trailer section */
    HTTP_FRAMING_CLOSE,   /* until the connection ends; responses only */
};

/* Methods the engine treats differently; everything else is HTTP_METHOD_OTHER. */
enum http_method {
    HTTP_METHOD_OTHER,
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_CONNECT,
    HTTP_METHOD_TRACE,
    HTTP_METHOD_LOCK,
};

/* RFC 9112 3.2: which form the request target has. */
enum http_target_form {
    HTTP_TARGET_ORIGIN,
    HTTP_TARGET_ABSOLUTE,
    HTTP_TARGET_AUTHORITY,
    HTTP_TARGET_ASTERISK
};

struct http_head {
    uint8_t version_major, version_minor; /* 1.0 or 1.1 (2.0 when HTTP/2 exists) */
    struct fields fields;

    enum http_framing framing;
    uint64_t content_length; /* bytes; meaning only with HTTP_FRAMING_LENGTH */
    bool keep_alive;         /* this message allows the connection to persist (RFC 9112 9.3) */

    /* requests */
    enum http_method method;
    struct slice method_name;
    struct slice request_target; /* raw bytes of the request line */
    enum http_target_form target_form;
    struct slice scheme; /* absolute-form only */
    struct slice
        authority;      /* absolute-form: the target's; else the Host value; may be empty on 1.0 */
    struct slice path;  /* up to '?', raw; "/" when an absolute-form has none; "*" for asterisk-form
                           and for OPTIONS on an absolute-form without path (RFC 9112 3.2.4); empty
                           for CONNECT */
    struct slice query; /* after '?', raw; ptr NULL when there is no '?' */
    struct slice request_line; /* the whole line as received, for logs */
    bool expects_continue;     /* Expect: 100-continue on 1.1 */
    bool upgrade;              /* Connection lists upgrade and Upgrade is present */

    /* responses */
    uint16_t status;
    struct slice reason; /* may be empty */
};

enum http_method http_method_of(struct slice name);

/* True for methods RFC 9110 9.2.2 calls idempotent. */
bool http_method_is_idempotent(enum http_method method);

/*
 * Splits and checks uri-host [":" port] (RFC 3986 3.2, RFC 9112 3.2): a reg-name without empty
 * labels or an IPv6 literal (kept in its brackets), port 0..65535 or empty. False, and nothing
 * returned, for anything else, an empty host and userinfo included. The slices point into
 * `authority`.
 */
bool http_authority_split(struct slice authority, struct slice *ret_host, struct slice *ret_port);

/* Reason phrase of a status code for answers made here; "Unknown" when not registered. */
const char *http_status_reason(unsigned status);

#endif
