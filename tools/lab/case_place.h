/*
 * case_place: where each case is listened for.
 *
 * Role    gives each case ports of its own: at the origins or the wire that its fault is about, and a door at
 *         each hop that sees no requests, where the port alone can tell one case from another
 * Owns    nothing; ports are written into the cases
 * Thread  the main thread; those that choose nothing: any
 */
#ifndef TOOLS_LAB_CASE_PLACE_H
#define TOOLS_LAB_CASE_PLACE_H

#include "tools/lab/case_plan.h"
#include "tools/lab/lab_run.h"

enum { CASE_WIRES_NUMBER = 250 }; /* wires of cases are at 127.0.N.250 */

void case_place_of_wires(const struct lab_run *run, char *into, size_t size);

/* Ports of the cases whose fault is behind that hop (one without equals, or the first of them) or CASE_CLIENT. */
void case_place_choose(struct case_plan *plan, const struct lab_run *run, size_t after);

/* A door for each case at that hop and its equals. */
void case_place_choose_doors(struct case_plan *plan, const struct lab_run *run, size_t hop);

/* So many targets has that hop, or the client, in this case. */
size_t case_targets_count(const struct chain *chain, const struct lab_case *one, size_t after);

/* Where the k-th of them is. */
struct chain_place case_place_of_target(const struct case_plan *plan, const struct lab_run *run,
                                        const struct lab_case *one, size_t hop, size_t k);

/* Where an element takes this case; past a wire of the chain that has one way only and leads to a hop with
 * doors. */
struct chain_place case_place_behind(const struct lab_run *run, const struct lab_case *one,
                                     size_t element);
bool case_place_is_passed_by(const struct chain *chain, const struct lab_case *one, size_t wire);

/* Where the client connects for this case; NULL: for none. */
struct chain_place case_place_in_front(const struct lab_case *one, const struct lab_run *run);

#endif
