/*
 * text: a string that grows in an arena.
 *
 * Role    how field values, pages and log lines are put together
 * Owns    nothing; the bytes belong to the arena
 * Thread  one worker
 *
 * A failed allocation is remembered: adding goes on without effect, text_take says it at the end.
 */
#ifndef PROXY_TEXT_H
#define PROXY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/slice.h"

struct text {
    struct arena *arena; /* borrowed */
    char *ptr;
    size_t length, capacity, capacity_first;
    bool failed;
};

enum text_escape {
    TEXT_RAW,
    TEXT_ESCAPE_LOG,     /* nginx's access log: '"', '\', controls and bytes >= 0x7f as \xHH */
    TEXT_ESCAPE_CONTROL, /* only what could end or garble a line or a terminal, as \xHH */
    TEXT_ESCAPE_JSON,    /* inside a JSON string; bytes that are no UTF-8 become U+FFFD */
    TEXT_ESCAPE_HTML,    /* & < > " ' and controls */
    TEXT_ESCAPE_SF,      /* inside an RFC 9651 string: \" and \\, the unprintable becomes '?' */
};

void text_init(struct text *text, struct arena *arena);

/* The same for a text of about so many bytes: it grows once, if at all. bytes > 0 */
void text_init_sized(struct text *text, struct arena *arena, size_t bytes);

void text_add(struct text *text, struct slice s);
void text_add_string(struct text *text, const char *s); /* NULL adds nothing */
void text_add_number(struct text *text, uint64_t number);
void text_add_escaped(struct text *text, struct slice s, enum text_escape escape);

/* Short formatted pieces: what does not fit 128 bytes is cut. */
__attribute__((format(printf, 2, 3))) void text_addf(struct text *text, const char *format, ...);

/* Everything added, NUL-terminated (not counted); ptr NULL when memory ran out. */
struct slice text_take(struct text *text);

#endif
