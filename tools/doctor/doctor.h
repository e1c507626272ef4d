/*
 * doctor: `hopgate doctor CHAIN`: contradictions between the hops of a chain, before traffic meets them.
 *
 * Role    the verb, and the examination that it prints
 * Owns    nothing
 * Thread  the main thread
 *
 * Nothing is started and nothing is sent: settings, entities and personas are read as each hop would.
 */
#ifndef TOOLS_DOCTOR_DOCTOR_H
#define TOOLS_DOCTOR_DOCTOR_H

#include "tools/doctor/rules.h"

int doctor_verb(int argc, char **argv);

/* only: NULL: every rule. `name` is the chain as the user named it. 0; -EINVAL: see errors; -ENOMEM. */
int doctor_examine_chain(const struct chain *chain, const char *name,
                         const struct doctor_rule *only, struct doctor_findings *ret,
                         struct config_errors *errors);

/* Worst first; colour where a terminal reads it. */
void doctor_print_text(const struct chain *chain, const struct doctor_findings *findings,
                       bool in_colour, FILE *stream);
/* A new reference; NULL: no memory. */
json_t *doctor_json(const struct chain *chain, const struct doctor_findings *findings);

#endif
