/*
 * answer: what an origin says when nothing is wrong.
 *
 * Role    status, fields, content, size and delay, as a script or the command line states them
 * Owns    its texts
 * Thread  any; does not change once it was read
 */
#ifndef TOOLS_ORIGIN_ANSWER_H
#define TOOLS_ORIGIN_ANSWER_H

#include "core/buf.h"
#include "tools/origin/reader.h"

enum answer_form {
    ANSWER_CONTENT,
    ANSWER_ECHO,   /* the request head, byte for byte */
    ANSWER_LEDGER, /* the request and its connection as JSON */
};

struct answer_field {
    char *name, *value;
};

struct answer {
    enum answer_form form;
    unsigned status; /* 200 */
    char *reason;    /* NULL: the registered one */
    struct answer_field *fields;
    size_t fields_count;
    char *content; /* NULL: the listener's name */
    size_t content_length;
    bool has_size; /* size bytes of the pattern instead of content */
    uint64_t size;
    uint64_t delay_ms; /* before --time-scale */
    bool chunked;      /* in place of Content-Length */
    bool close;        /* Connection: close, and so it is */
};

void answer_init(struct answer *answer);
void answer_done(struct answer *answer);

/* Members that are missing stay as they are. */
bool answer_read(struct reader *reader, const struct document_node *node, struct answer *into);

/* "Name: value"; false: no memory, or *ret_is_field is false. */
bool answer_add_field(struct answer *answer, const char *text, bool *ret_is_field);

struct answer_moment {
    struct slice content; /* of this request: content, echo or ledger */
    const char *content_type;
    bool is_head;    /* the request's method: no content */
    bool is_http10;  /* no chunks */
    bool must_close; /* the client asked for it */
};

/* Appends head and content (not the pattern). False: no memory. */
bool answer_write(const struct answer *answer, const struct answer_moment *moment, struct buf *out);

/* What of the pattern follows. */
uint64_t answer_pattern_bytes(const struct answer *answer, const struct answer_moment *moment);

/* 1xx, 204 and 304 have none (RFC 9110 6.4.1). */
bool answer_has_content(const struct answer *answer);

#endif
