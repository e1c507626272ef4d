/*
 * headers_message: the head of one message at one place: start line and field section.
 *
 * Role    reads it from bytes, from a hop's capture, from what an origin noted
 * Owns    nothing; all of it is in the caller's arena
 * Thread  the main thread
 *
 * Nothing is judged: a line without a colon is a field without a value.
 */
#ifndef TOOLS_LAB_HEADERS_MESSAGE_H
#define TOOLS_LAB_HEADERS_MESSAGE_H

#include <jansson.h>

#include "core/http/fields.h"

struct headers_message {
    bool exists;
    struct slice line;
    struct fields fields; /* values without white space around them */
};

/* There is none, but it can be compared. */
void headers_message_init(struct headers_message *message, struct arena *arena);

/* A head, lines ending with CRLF or LF, up to the first empty line or the end. 0 or -ENOMEM. */
int headers_message_parse(struct slice head, struct arena *arena, struct headers_message *ret);

/* A member of a capture line (proxy/report/capture_log.h), or a request as an origin's control API
 * shows it; NULL: it does not exist. 0 or -ENOMEM. */
int headers_message_of_json(const json_t *json, struct arena *arena, struct headers_message *ret);

#endif
