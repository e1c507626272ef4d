/*
 * recorder_json: entries of the flight recorder as JSON.
 *
 * Role    what `hopgate show recent` and `hopgate why --json` give
 * Owns    nothing
 * Thread  the main thread
 *
 * Bytes that are not printable ASCII stand as \xHH. Instants are µs since the exchange began, null
 * where they did not happen.
 */
#ifndef PROXY_RECORDER_JSON_H
#define PROXY_RECORDER_JSON_H

#include <jansson.h>

#include "proxy/report/recorder.h"

/* New references; NULL: no memory. */
json_t *recorder_json_row(const struct recorded_exchange *entry, uint64_t now_unix_ms);
json_t *recorder_json_facts(const struct recorded_exchange *entry);

/* When it ended, on the wall clock. */
uint64_t recorded_ended_at_unix_ms(const struct recorded_exchange *entry);

#endif
