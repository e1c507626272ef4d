/*
 * step: what an origin does with a connection, one thing after the other.
 *
 * Role    the steps that there are, as a table; reads a list of them from a script
 * Owns    the bytes of the steps
 * Thread  any; a list that was read does not change
 *
 * A step is written as a list: its name, then its arguments: ["send", "HTTP/1.1 200 OK\r\n\r\n"].
 */
#ifndef TOOLS_ORIGIN_STEP_H
#define TOOLS_ORIGIN_STEP_H

#include <stdint.h>
#include <stdio.h>

#include "tools/origin/reader.h"

enum step_kind {
    STEP_READ_HEAD,
    STEP_READ_REQUEST,
    STEP_READ_SOME,
    STEP_SEND,
    STEP_REPEAT,
    STEP_FIELDS,
    STEP_BIG,
    STEP_SLEEP,
    STEP_TRICKLE,
    STEP_SERVE,
    STEP_ANSWER, /* not written by users: the good answer, in whichever form was asked for */
    STEP_FIN,
    STEP_DRAIN,
    STEP_HOLD,
    STEP_NOREAD,
    STEP_CLOSE,
    STEP_CLOSE_DIRTY,
    STEP_RST,
    STEP_TLS,
    STEP_ALERT,
    STEP_LOOP,
    STEP_KINDS
};

struct step {
    enum step_kind kind;
    char *bytes; /* send, repeat, fields (the name's beginning), trickle, serve; else NULL */
    size_t length;
    uint64_t count;       /* read_some: bytes; repeat, fields, loop: times; big: bytes; alert */
    uint32_t size;        /* trickle: bytes at a time; fields: bytes of a value */
    uint64_t duration_ms; /* sleep, trickle; before --time-scale */
};

struct step_list {
    struct step *steps;
    size_t count;
};

/* False: no memory. ret must be zeroed; step_list_done is due in any case. */
bool step_list_read(struct reader *reader, const struct document_node *node, struct step_list *ret);
void step_list_done(struct step_list *list);

const char *step_kind_text(enum step_kind kind);

/* The steps and what they do, for people. */
void step_print_all(FILE *stream);

#endif
