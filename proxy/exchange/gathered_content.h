/*
 * gathered_content: the content of a request in one piece, for an answer that is made here.
 *
 * Role    collects what comes in; counts the answer that goes out
 * Owns    the bytes; their room counts in hop->admin_content_bytes
 * Thread  one worker
 */
#ifndef PROXY_GATHERED_CONTENT_H
#define PROXY_GATHERED_CONTENT_H

#include "core/buf.h"

struct hop;

struct gathered_content {
    struct hop *hop;
    char *bytes; /* malloc'ed */
    size_t length, room;
    size_t answer_bytes; /* of a large answer that is being sent: in hop->admin_answer_bytes */
    bool showed_token;   /* who sends it; see admin_guard.h */
};

/* Takes all bytes of `from`. 0, -ENOMEM, or -EBUSY: all requests together hold too much. */
int gathered_content_add(struct gathered_content *content, struct buf *from);

/* May be called again. */
void gathered_content_done(struct gathered_content *content);

#endif
