/*
 * forwarded_field: the grammar of Forwarded (RFC 7239 section 4).
 *
 * Role    node names and values with the quotes that they need
 * Owns    nothing
 * Thread  one worker; pure
 */
#ifndef PROXY_FORWARDED_FIELD_H
#define PROXY_FORWARDED_FIELD_H

#include <sys/socket.h>

#include "proxy/report/text.h"

/* 192.0.2.1, "192.0.2.1:4711", "[2001:db8::1]", "[2001:db8::1]:4711"; unknown for another family. */
void forwarded_add_node(struct text *text, const struct sockaddr_storage *addr, bool with_port);

/* A token as it is, anything else as a quoted string. */
void forwarded_add_value(struct text *text, struct slice value);

#endif
