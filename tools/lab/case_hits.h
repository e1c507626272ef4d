/*
 * case_hits: how often each case came to each origin.
 *
 * Role    reads the origins' logs
 * Owns    nothing
 * Thread  the main thread, when the origins have ended
 */
#ifndef TOOLS_LAB_CASE_HITS_H
#define TOOLS_LAB_CASE_HITS_H

#include <jansson.h>

#include "tools/lab/lab_run.h"

/* {case: {origin: requests}}, a new reference; NULL: no memory. */
json_t *case_hits_read(const struct lab_run *run);

/* Whose process it is: an element's own, or one of an origin that was started for cases; NULL: none's. */
const struct chain_element *case_element_of(const struct lab_run *run, size_t process);

#endif
