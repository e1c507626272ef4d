/*
 * ledger: what happened to each field between two places on the way of a message.
 *
 * Role    compares two field sections name by name: kept, added, dropped, value changed, extended,
 *         merged, split, written in other case, moved
 * Owns    the entries, in the caller's arena; names and values are those of the sections
 * Thread  the main thread
 *
 * Names are compared without case (RFC 9110 5.1), values byte for byte. Lines of one name are a list
 * in which order counts (RFC 9110 5.3); the order of different names is told apart as "moved".
 */
#ifndef TOOLS_LAB_LEDGER_H
#define TOOLS_LAB_LEDGER_H

#include "core/http/fields.h"

enum ledger_change {
    LEDGER_KEPT,
    LEDGER_ADDED,
    LEDGER_DROPPED,
    LEDGER_CHANGED,     /* another value, or other lines */
    LEDGER_EXTENDED,    /* what was there is still there, and something behind it: "a" -> "a, b" */
    LEDGER_LINES_ADDED, /* all lines are still there, and more of them */
    LEDGER_LINES_LOST,  /* some lines of several are gone, the others as they were */
    LEDGER_MERGED,      /* several lines became one: "a", "b" -> "a, b" */
    LEDGER_SPLIT,       /* one became several */
    LEDGER_CHANGE_COUNT
};

struct ledger_entry {
    struct slice name; /* as it is written behind; as before when it was dropped */
    enum ledger_change change;
    bool recased;               /* the name is spelled differently */
    bool moved;                 /* behind others than before */
    struct slice before, after; /* values; of several lines joined by " | "; empty: none */
};

struct ledger {
    struct ledger_entry
        *entries; /* those of the section behind in its order, then what was dropped */
    size_t count;
    size_t changes_count; /* entries that are not just KEPT */
};

/* 0 or -ENOMEM. The sections must outlive the ledger. */
int ledger_compare(const struct fields *before, const struct fields *after, struct arena *arena,
                   struct ledger *ret);

/* "kept", "added" ... */
const char *ledger_change_name(enum ledger_change change);

/* By that name; LEDGER_CHANGE_COUNT: none. */
enum ledger_change ledger_change_of(struct slice name);

#endif
