/*
 * regex: regular expressions that cannot stall who runs them.
 *
 * Role    compiles (PCRE2, with its JIT where the process may have one) and matches within limits
 * Owns    every compiled expression of the process, each text once: who needs the same one again, as
 *         the next configuration does, gets the same object
 * Thread  regex_take, regex_check, regex_release: any but a worker (they take a lock); a regex is
 *         immutable and read by all; a matcher belongs to one thread
 *
 * Backtracking is cut off: a regex that is bound to the front of its subject has steps enough for any
 * that is linear (measured: two steps per byte at most), another shares REGEX_FLOATING_STEPS_MAX among
 * all places where it may begin. A subject longer than REGEX_SUBJECT_MAX_BYTES is not looked at, and
 * all that one request makes match is limited as well. Where a limit is reached it is not known whether
 * the regex matches: regex_match says false and regex_was_cut true. Who takes that for "no match" lets
 * a client choose what does not match; the router does not.
 */
#ifndef CORE_REGEX_H
#define CORE_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/slice.h"

enum {
    REGEX_STEPS_MIN = 10000, /* Kong's LIMIT_MATCH (kong/router/traditional.lua) */
    REGEX_STEPS_PER_BYTE = 4,
    REGEX_FLOATING_STEPS_MAX = 1000 * 1000, /* unanchored: in all */
    REGEX_SUBJECT_MAX_BYTES = 16 * 1024,
    REGEX_REQUEST_BYTES_MAX = 16 * 1024 * 1024, /* subjects of one request, all added up */
    REGEX_REQUEST_CUTS_MAX = 4, /* matches of one request that are cut off; then none is tried */
    REGEX_GROUPS_MAX = 64,      /* further groups match and are not captured */
    REGEX_JIT_MAX = 2000, /* expressions of the process; the JIT's code takes time and memory */
    REGEX_MESSAGE_MAX = 384,
};

enum regex_flag {
    REGEX_ANCHORED = 1 << 0, /* every alternative matches from the first byte */
    REGEX_UTF = 1 << 1,      /* characters are Unicode's and "$" is the very end, as in Rust */
};

struct regex;

/* Same text and flags, same object. NULL: no memory (message is ""), or message says what is wrong
 * with it, in the words of nginx and OpenResty. */
struct regex *regex_take(struct slice text, unsigned flags, char message[REGEX_MESSAGE_MAX]);
void regex_release(struct regex *regex); /* accepts NULL */

/* Whether regex_take would succeed; as quick as can be where it is taken already. 0 or -EINVAL. */
int regex_check(struct slice text, unsigned flags, char message[REGEX_MESSAGE_MAX]);

struct slice regex_text(const struct regex *regex);

/* Groups without the whole match. */
unsigned regex_groups_count(const struct regex *regex);

/* The group of that name, or 0. */
unsigned regex_group_named(const struct regex *regex, struct slice name);

/* How often a limit has ended a match of it. */
uint64_t regex_cuts_count(const struct regex *regex);

/* Of the process: how many there are, and how many compilations there have been. */
size_t regex_interned_count(void);
uint64_t regex_compilations_count(void);

/* ---- matching ------------------------------------------------------------------------------ */

struct regex_matcher;

/* NULL: no memory. */
struct regex_matcher *regex_matcher_create(void);
void regex_matcher_free(struct regex_matcher *matcher);
DEFINE_SCOPED(regex_matcher);

/* Another request: it may use all of its limits. */
void regex_matcher_begin(struct regex_matcher *matcher);

/* What is no valid UTF-8 must not be given to a regex of REGEX_UTF. False also where a limit ended it,
 * see regex_was_cut. */
bool regex_match(struct regex_matcher *matcher, const struct regex *regex, struct slice subject);

/* Of the latest match: a limit has ended it, so that nobody knows whether the regex matches. */
bool regex_was_cut(const struct regex_matcher *matcher);

/* Of the latest match, until the next one: group 0 is all of it. ptr NULL: it took no part. */
struct slice regex_group(const struct regex_matcher *matcher, unsigned group);

#endif
