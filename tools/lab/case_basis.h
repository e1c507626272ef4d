/*
 * case_basis: on what a report rests: measured, documented or assumed.
 *
 * Role    adds "basis" to the cases of an experiment: where it is from that a hop's product answers so
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_CASE_BASIS_H
#define TOOLS_LAB_CASE_BASIS_H

#include <jansson.h>

#include "tools/lab/chain.h"

/* For each case "basis", of the culprit's answer (null: none is to blame), and the same for each of its hops that
 * made an answer of an error. */
void case_basis_add(const struct chain *chain, json_t *cases);

/* A new list of lines: how much of each hop's persona is measured, documented, assumed. */
json_t *case_basis_list(const struct chain *chain);

#endif
