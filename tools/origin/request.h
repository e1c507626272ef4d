/*
 * request: a request as it came, without judging it.
 *
 * Role    an origin at the end of a chain shows what the hops let through: any bytes up to an empty
 *         line are a head; what of it can be told apart is
 * Owns    the bytes of the head
 * Thread  the loop's
 *
 * core/http's parser refuses what a hop should have refused; here that is a finding.
 */
#ifndef TOOLS_ORIGIN_REQUEST_H
#define TOOLS_ORIGIN_REQUEST_H

#include "core/buf.h"
#include "core/http/head.h"
#include "core/http/http1_body.h"

enum {
    REQUEST_HEAD_MAX = 256 * 1024, /* bytes */
    REQUEST_FIELDS_MAX = 5000,     /* told apart; the bytes have them all */
};

struct request_field {
    struct slice name, value; /* the value without white space around it */
};

/* Slices point into bytes. Empty where there is nothing of the kind. */
struct request_head {
    char *bytes; /* with the empty line; without empty lines before it */
    size_t length, capacity;
    size_t line_length; /* of the line that is being read, CR not counted */
    struct slice method, target, version;
    struct slice path, query;
    struct request_field *fields; /* lines without a colon have no value */
    size_t fields_count, fields_omitted;
    enum http_framing
        framing; /* chunked when a Transfer-Encoding names it, else by Content-Length */
    uint64_t content_length;
    bool is_http10, wants_close, expects_continue;
    bool is_complete; /* its empty line was read; request_head_done begins the next */
};

enum request_result {
    REQUEST_MORE,
    REQUEST_DONE,
    REQUEST_IS_TLS, /* a ClientHello where plain text is expected: no empty line will ever come */
    REQUEST_TOO_LARGE,
    REQUEST_NO_MEMORY,
};

/* Consumes what belongs to the head. After REQUEST_DONE the fields can be looked at; a head that is complete
 * stays as it is and consumes nothing more. */
enum request_result request_head_read(struct request_head *head, struct buf *in);
void request_head_done(struct request_head *head);

/* The first field of that name; ptr NULL: there is none. */
struct slice request_field(const struct request_head *head, const char *name);

/* The value of a parameter of the query; nothing is decoded. */
struct slice request_parameter(const struct request_head *head, const char *name);

/* What follows a head. */
struct request_content {
    struct http1_body body;
    struct buf out;       /* what one step decoded; empty between steps */
    uint64_t bytes, hash; /* FNV-1a of what came */
    bool is_open, is_broken;
};

void request_content_begin(struct request_content *content, const struct request_head *head,
                           struct chunk_pool *pool);

/* Consumes; true when nothing more belongs to it (or, is_broken, that cannot be told). */
bool request_content_read(struct request_content *content, struct buf *in);
void request_content_done(struct request_content *content);

#endif
