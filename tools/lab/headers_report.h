/*
 * headers_report: what happened to every field, hop by hop and from end to end.
 *
 * Role    the ledgers of all places and both directions; what of them people may see
 * Owns    its memory; hops' names are the chain's
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_HEADERS_REPORT_H
#define TOOLS_LAB_HEADERS_REPORT_H

#include "core/arena.h"
#include "core/siphash.h"
#include "tools/lab/chain.h"
#include "tools/lab/headers_message.h"
#include "tools/lab/ledger.h"

enum headers_direction { HEADERS_REQUEST, HEADERS_RESPONSE, HEADERS_DIRECTIONS };

/* A message as it came to a place and as it left it. */
struct headers_leg {
    struct headers_message before, after; /* without the first the place made the message itself */
    struct ledger ledger;                 /* empty unless there is an `after` */
};

struct headers_place {
    const char *name;    /* a hop's; "end to end" */
    const char *persona; /* NULL: it is no hop of ours */
    bool is_whole_way;
    struct headers_leg legs[HEADERS_DIRECTIONS];
};

struct headers_report {
    struct chunk_pool *pool;
    struct arena arena;
    const char *title;
    struct headers_place places[CHAIN_ELEMENTS_MAX + 1]; /* the whole way is the last */
    size_t count;
    bool shows_secrets, shows_all;
    const char *only_at; /* one place, or NULL */
    struct siphash_key key;
};

/* 0 or -ENOMEM; headers_report_done is due in any case. */
int headers_report_init(struct headers_report *report);
void headers_report_done(struct headers_report *report);

struct headers_place *headers_report_add(struct headers_report *report, const char *name);

/* Makes the ledgers. 0 or -ENOMEM. */
int headers_report_finish(struct headers_report *report);

/* Entries that say more than "kept". */
bool headers_entry_is_change(const struct ledger_entry *entry);

/* "changed, re-cased" */
void headers_entry_words(const struct ledger_entry *entry, char *into, size_t size);

/* "gateway: 9 added, 1 dropped, 2 changed; inner: all kept". Heap; NULL: no memory. */
char *headers_report_summary(const struct headers_report *report);

/* What may be shown of a value, a start line. Good as long as the report; ptr NULL: no memory. */
struct slice headers_shown_value(struct headers_report *report, struct slice name,
                                 struct slice value);
struct slice headers_shown_line(struct headers_report *report, struct slice line);

/* Is this place to be shown? */
bool headers_place_is_wanted(const struct headers_report *report,
                             const struct headers_place *place);

const char *headers_direction_name(enum headers_direction direction);

#endif
