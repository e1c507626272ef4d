/*
 * headers_samples: a request and a response whose fields tell what a hop does.
 *
 * Role    the message that `hopgate lab headers` sends when it is given none, and the origin's answer
 * Owns    nothing
 * Thread  any
 *
 * Everything in them is well formed: what a strict hop refuses would tell of one field only.
 */
#ifndef TOOLS_LAB_HEADERS_SAMPLES_H
#define TOOLS_LAB_HEADERS_SAMPLES_H

#include "core/slice.h"

enum { HEADERS_CASE_MAX = 40 };

/* Heap bytes, to be freed; ptr NULL: no memory. case_id tells this request from others. */
struct slice headers_sample_request(const char *target, const char *authority, const char *case_id);
struct slice headers_sample_response(void);

#endif
