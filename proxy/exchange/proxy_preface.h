/*
 * proxy_preface: the PROXY protocol header that a service wants its connections to begin with.
 *
 * Role    who the client is, by address, TLS and certificate, in core/proxy_protocol's words
 * Owns    nothing; the bytes live in the arena
 * Thread  one worker; pure
 */
#ifndef PROXY_PROXY_PREFACE_H
#define PROXY_PROXY_PREFACE_H

#include "core/arena.h"
#include "proxy/exchange/exchange_record.h"

/* Empty: the service wants none. ptr NULL: no memory. */
struct slice proxy_preface(const struct exchange_record *record, struct arena *arena);

#endif
