/*
 * termination: how an exchange ended, as HAProxy's session state at disconnection says it.
 *
 * Role    "SH--" in the haproxy log line: the persona's word for the reason, else the table here
 * Owns    nothing; static texts
 * Thread  any
 *
 * First letter: who ended it (C client, S server, P proxy, R resource, K killed, I internal; c, s: a
 * timeout). Second: when (R request, Q queue, C connect, H headers of the response, D data). The two
 * letters about cookies are never set.
 */
#ifndef PROXY_TERMINATION_H
#define PROXY_TERMINATION_H

#include "proxy/exchange/exchange_record.h"

const char *termination_of(const struct exchange_record *record);

#endif
