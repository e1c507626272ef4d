/*
 * stated_times: what was measured in a lab where time passes faster, as it would have been in real time.
 *
 * Role    logs of products, the flight recorder and debug fields tell times that fit the stated timeouts;
 *         only the beginning of an exchange keeps its place on the wall clock. Our JSON log keeps real
 *         times and says the scale, because trace joins hops by them
 * Owns    nothing
 * Thread  any
 */
#ifndef PROXY_STATED_TIMES_H
#define PROXY_STATED_TIMES_H

#include "proxy/exchange/exchange_record.h"

/* The record itself in real time, else its copy in `into`, stretched from its beginning. */
const struct exchange_record *stated_times_of(const struct exchange_record *record,
                                              struct exchange_record *into);

#endif
