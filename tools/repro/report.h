/*
 * report: what became of a pasted line, for people and for programs.
 *
 * Role    verdict and fix first, then each cause with what the lab wrote, then how to play the best again
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_REPRO_REPORT_H
#define TOOLS_REPRO_REPORT_H

#include "tools/repro/trial.h"

struct report {
    const struct cause_table *table;
    const struct pasted *pasted;
    const struct trials *trials;
    bool was_run; /* false: --no-run */
};

enum { REPORT_TEXT_MAX = 1024 };

/* The likeliest of those that come nearest to the line. NULL: there is no cause at all. */
const struct trial *report_best(const struct report *report);

void report_verdict(const struct report *report, char *into, size_t size);

void report_print_text(const struct report *report);
void report_print_json(const struct report *report);

#endif
