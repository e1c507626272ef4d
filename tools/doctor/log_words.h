/*
 * log_words: how a hop's own product writes down that an exchange ended so.
 *
 * Role    the persona's phrase: nginx's and Kong's error line, HAProxy's termination state, F5's reset
 * Owns    nothing
 * Thread  any
 */
#ifndef TOOLS_DOCTOR_LOG_WORDS_H
#define TOOLS_DOCTOR_LOG_WORDS_H

#include "tools/doctor/model.h"

enum { DOCTOR_LOG_MAX = 240 };

/* `logs "upstream timed out ..."`, or that it logs nothing; follows the hop's name. */
const char *doctor_log_words(const struct doctor_hop *hop, enum end_reason reason, bool reused,
                             char *into, size_t size);

#endif
