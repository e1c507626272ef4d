/*
 * script: which request or connection fails, and how.
 *
 * Role    reads a script (YAML or JSON): own faults, rules, the good answer; then says for each
 *         request and connection which rule holds
 * Owns    all of it, and how often each rule was looked at and held; counted, because a connection goes
 *         on with the script that it began with
 * Thread  the loop's
 *
 *   seed: 7
 *   answer: {status: 200, fields: {X-From: shop}, content: "hello", delay_ms: 20}
 *   fault: refused                        # every connection, from the start on
 *   faults:
 *     half: {steps: [[read_request], [send, "HTTP/1.1 2"], [close]]}
 *   rules:                                # the first that holds
 *     - {match: {method: POST, path_prefix: /pay}, nth: 3, fault: half}
 *     - {probability: 0.1, after_ms: 5000, answer: {status: 503}}
 *     - {on: connection, every: 4, fault: accept_rst}
 */
#ifndef TOOLS_ORIGIN_SCRIPT_H
#define TOOLS_ORIGIN_SCRIPT_H

#include "tools/origin/answer.h"
#include "tools/origin/fault.h"

struct request_head;

struct script_match {
    char *method, *path, *path_prefix, *field, *value; /* NULL: whatever; value: of the field */
};

/* Counted among what matches, within the time. */
struct script_when {
    uint64_t nth, nth_last;      /* from, to; 0: no such limit */
    uint64_t every;              /* the every-th, 2 every-th ...; 0: each */
    uint64_t times;              /* at most so often; 0: no limit */
    uint64_t after_ms, until_ms; /* since the start or the last reset, before --time-scale */
    double probability;          /* 1 */
};

struct script_rule {
    bool on_connection;
    struct script_match match;
    struct script_when when;
    const struct fault *fault; /* own_fault, or one of a library; NULL: answer */
    struct fault own_fault;    /* steps without a name */
    bool has_answer;
    struct answer answer;
    /* what came so far */
    uint64_t seen_count, held_count;
    uint64_t random; /* each rule has its own numbers, so that they do not depend on other rules */
};

struct script {
    struct fault_library own;
    const struct fault *fault; /* of every connection; NULL: none */
    struct answer answer;
    struct script_rule *rules;
    size_t rules_count;
    uint64_t seed;
    bool has_seed;
    uint32_t refs; /* its listener's, and those of connections that play a part of it */
};

struct script_source {
    struct slice text;
    const char *file; /* for messages; may be NULL */
    enum document_format format;
    const struct answer *answer; /* what a script that says nothing of it answers; NULL: 200 */
    const struct fault_library *builtin; /* outlives the script */
    uint64_t seed;                       /* without one in the script */
};

/* NULL after errors were added, or (and then none was) without memory. */
struct script *script_read(const struct script_source *source, struct config_errors *errors);
struct script *script_ref(struct script *script);
void script_unref(struct script *script); /* accepts NULL */

/* As if nothing had happened yet. */
void script_reset(struct script *script);

struct script_moment {
    const struct request_head *request; /* NULL: a connection */
    uint64_t elapsed_ms;                /* as the script counts: real time by --time-scale */
};

/* The rule that holds, or NULL. Counts. */
const struct script_rule *script_choose(struct script *script, const struct script_moment *moment);

#endif
