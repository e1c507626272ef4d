/*
 * units: nginx's spellings of time and size, and Kong's of a switch.
 *
 * Role    "60s", "1m30s", "500ms"; "8k", "10m"; "on", "off"
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_UNITS_H
#define CONFIG_UNITS_H

#include <stdbool.h>
#include <stdint.h>

/* Each: 0, or -EINVAL for text that is none, -ERANGE above what the result holds. */
int units_parse_time_ms(const char *text, uint64_t *ret); /* a bare number is seconds */
int units_parse_size_bytes(const char *text, uint64_t *ret);
int units_parse_number(const char *text, uint64_t *ret); /* decimal digits only */
int units_parse_switch(const char *text, bool *ret);     /* on, off, true, false */

#endif
