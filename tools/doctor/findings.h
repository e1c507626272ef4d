/*
 * findings: what the rules found, in words for people and in facts for programs.
 *
 * Role    a list that rules add to; texts are cut when they do not fit, and safe to print
 * Owns    itself
 * Thread  one
 *
 * The command of a finding is one that shows it on that very chain; `shows` is what it then says in its
 * --json.
 */
#ifndef TOOLS_DOCTOR_FINDINGS_H
#define TOOLS_DOCTOR_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/end_reason.h"

enum doctor_severity { DOCTOR_WILL_BREAK, DOCTOR_CAN_BREAK, DOCTOR_WORTH_KNOWING };

struct doctor_rule;

enum {
    DOCTOR_FINDINGS_MAX = 200,
    DOCTOR_TEXT_MAX = 480,
    DOCTOR_WHERE_MAX = 4,
    DOCTOR_HOPS_SHOWN = 3
};

/* Of a hop in the verdict of `lab run --json`: how its exchange ended. */
struct doctor_shown_hop {
    const char *hop;
    enum end_reason reason, or_reason; /* either */
};

struct doctor_shown {
    bool has_status; /* else nothing is promised of it */
    unsigned status; /* 0: no answer */
    struct doctor_shown_hop hops[DOCTOR_HOPS_SHOWN];
    unsigned hops_count;
    const char *log_hop, *log; /* a phrase in that hop's line; NULL: nothing is promised */
    unsigned hits_min;         /* the request came so often; 0: nothing is promised */
    const char *content;       /* a part of the answer's content; NULL: likewise */
    const char *no_content;    /* what it does not have */
    bool never_arrives;        /* no hop sees the request */
};

struct doctor_finding {
    const struct doctor_rule *rule;
    enum doctor_severity severity;
    const char *hop; /* that it is told of; "client" for the client's own leg */
    const char *to;  /* the other end of the leg; NULL: it is about the hop alone */
    char title[DOCTOR_TEXT_MAX];
    char seen[DOCTOR_TEXT_MAX];
    struct {
        char text[DOCTOR_TEXT_MAX / 2];
    } where[DOCTOR_WHERE_MAX];
    unsigned where_count;
    char fix[DOCTOR_TEXT_MAX];
    char command[DOCTOR_TEXT_MAX * 2];
    struct doctor_shown shows;
};

struct doctor_findings {
    struct doctor_finding *items;
    size_t count;
    bool out_of_memory;
};

void doctor_findings_done(struct doctor_findings *findings);

/* Never NULL: without memory, or beyond the maximum, what is said is lost. */
struct doctor_finding *doctor_findings_add(struct doctor_findings *findings);

#define DOCTOR_PRINTS(at, first) __attribute__((format(printf, at, first)))

void doctor_title(struct doctor_finding *finding, const char *format, ...) DOCTOR_PRINTS(2, 3);
void doctor_seen(struct doctor_finding *finding, const char *format, ...) DOCTOR_PRINTS(2, 3);
void doctor_where(struct doctor_finding *finding, const char *format, ...) DOCTOR_PRINTS(2, 3);
void doctor_fix(struct doctor_finding *finding, const char *format, ...) DOCTOR_PRINTS(2, 3);
void doctor_shows_hop(struct doctor_finding *finding, const char *hop, enum end_reason reason,
                      enum end_reason or_reason);

/* Worst first, then as the rules found them. */
void doctor_findings_sort(struct doctor_findings *findings);

const char *doctor_severity_text(enum doctor_severity severity); /* "will break" */

#endif
