/*
 * case_expect: what a user expects of an experiment, and whether it is so.
 *
 * Role    a file with a list of rules, or the JSON of an earlier matrix: which cases (fault, place,
 *         method; what is left out holds for all), and what has to be true of each
 * Owns    nothing
 * Thread  the main thread
 */
#ifndef TOOLS_LAB_CASE_EXPECT_H
#define TOOLS_LAB_CASE_EXPECT_H

#include <jansson.h>

#include "config/config_error.h"

/* The rules of a file, YAML or JSON (a new reference); NULL: see errors. */
json_t *case_expect_read(const char *path, struct config_errors *errors);

/* [{case, met, text}], a new reference: one for each rule and case it is for; case "" when it is for
 * none. *ret_unmet counts those that are not met. */
json_t *case_expect_check(const json_t *rules, const json_t *cases, size_t *ret_unmet);

#endif
