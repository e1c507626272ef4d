/*
 * story_priv: what the files of the story share.
 *
 * Role    the rows of story.def, the settings they name, and how a text is put together
 * Owns    nothing
 * Thread  the main thread
 *
 *   story.c            which row, and the order of what is told
 *   story_timeline.c   instants, oldest first
 *   story_words.c      {words} of a row's texts
 *   story_settings.c   settings that decide: names, values, where they were set
 */
#ifndef PROXY_STORY_PRIV_H
#define PROXY_STORY_PRIV_H

#include <stdio.h>

#include "proxy/report/story.h"

enum story_when {
    STORY_ALWAYS,
    STORY_SEVERAL,        /* more than one try, and all ended with this reason */
    STORY_STALE,          /* the last try failed soon, over a pooled connection */
    STORY_UNSENT,         /* its request never left as a whole */
    STORY_FAILED_ANSWER,  /* a target answered 5xx */
    STORY_REFUSED_ANSWER, /* a target answered 4xx */
    STORY_RETRIED_STALE,  /* it went well; the try before the last was STALE */
    STORY_RETRIED,        /* it went well, not with the first try */
    STORY_SLOW,           /* hopgate_recorder_slow or longer */
    STORY_NO_HEAD,        /* no request head was understood */
    STORY_UPLOADING,      /* the request was not complete */
    STORY_WAITING,        /* a target was asked, no response head had come */
};

enum story_knob {
    STORY_KNOB_NONE,
    STORY_KNOB_CONNECT_TIMEOUT,
    STORY_KNOB_WRITE_TIMEOUT,
    STORY_KNOB_READ_TIMEOUT,
    STORY_KNOB_RETRIES,
    STORY_KNOB_TLS_VERIFY,
    STORY_KNOB_CLIENT_CERTIFICATE,
    STORY_KNOB_KEEPALIVE_IDLE,
    STORY_KNOB_UPSTREAM_HEAD,
    STORY_KNOB_CLIENT_HEAD_TIMEOUT,
    STORY_KNOB_CLIENT_BODY_TIMEOUT,
    STORY_KNOB_CLIENT_SEND_TIMEOUT,
    STORY_KNOB_HEADER_BUFFERS,
    STORY_KNOB_BODY_SIZE,
    STORY_KNOB_BODY_RATE,
    STORY_KNOB_BODY_BUFFER,
    STORY_KNOB_CHUNK_EXTENSIONS,
    STORY_KNOB_TRAILERS,
    STORY_KNOB_SPOOL_SIZE,
    STORY_KNOB_SHUTDOWN_TIMEOUT,
    STORY_KNOB_TLS_HANDSHAKE_TIMEOUT,
    STORY_KNOB_REQUEST_TIMEOUT,
    STORY_KNOB_COUNT,
};

/* A row of story.def. */
struct story_row {
    enum end_reason reason;
    enum story_when when;
    enum story_knob knob;
    const char *cause, *fix, *unknown;
};

struct story_setting {
    const char *key; /* of kong.conf, or field of the service; NULL: STORY_KNOB_NONE */
    bool of_service;
    const char *unit;    /* " ms"; NULL: the entry does not hold the value */
    size_t limit_offset; /* in struct recorded_limits */
};

/* ---- story.c ---- */

/* NULL when no row holds, which a test excludes. */
const struct story_row *story_row_of(const struct recorded_exchange *entry);

/* All rows, for tests. */
extern const struct story_row story_rows[];
extern const size_t story_rows_count;

/* ---- story_words.c ---- */

/* The template with its {words} replaced. */
void story_print_words(FILE *out, const char *template, const struct recorded_exchange *entry,
                       enum story_knob knob);

/* Bytes of anybody's: what is not printable ASCII as \xHH, "..." where the recorder has cut. */
void story_print_text(FILE *out, const struct recorded_exchange *entry, struct recorded_text text);
void story_print_safe(FILE *out, struct slice text);

void story_print_address(FILE *out, const struct recorded_address *address);
void story_print_target(FILE *out, const struct recorded_exchange *entry,
                        const struct recorded_try *try);
void story_print_ms(FILE *out, uint64_t from_us, uint64_t to_us); /* "12.345" */
void story_print_service(FILE *out, const struct recorded_exchange *entry);
void story_print_entity(FILE *out, const struct recorded_exchange *entry, struct recorded_text name,
                        struct recorded_text id); /* "name" in quotes, else the id */

/* ---- story_settings.c ---- */

const struct story_setting *story_setting_of(enum story_knob knob);
void story_print_setting(FILE *out, const struct recorded_exchange *entry, enum story_knob knob);
void story_print_limit(FILE *out, const struct recorded_exchange *entry, enum story_knob knob);

/* "decided by" and where the value is from. */
void story_print_decision(FILE *out, const struct recorded_exchange *entry,
                          const struct story_context *context, enum story_knob knob);

/* ---- story_timeline.c ---- */

void story_print_timeline(FILE *out, const struct recorded_exchange *entry);

#endif
