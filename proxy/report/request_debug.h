/*
 * request_debug: Kong's request debugging, where a request says X-Kong-Request-Debug: *.
 *
 * Role    who may ask, the times as Kong's JSON, and the line of the error log
 * Owns    nothing; texts live in the arena
 * Thread  one worker; the token is made before traffic
 *
 * Source  kong/timing/init.lua and context.lua (3.9). A client on the loopback may ask, another one with
 *         the token of X-Kong-Request-Debug-Token. Only what is measured here is told: "rewrite" (who the
 *         client is, what is refused), "access" with "router", "balancer" (all picks), "upstream"; Kong's
 *         sections of plugins, DNS and Lua filters have no equal. That is far below the 2 KiB above which
 *         Kong moves the answer's JSON into the log.
 */
#ifndef PROXY_REQUEST_DEBUG_H
#define PROXY_REQUEST_DEBUG_H

#include "proxy/exchange/exchange_record.h"
#include "proxy/report/text.h"

enum { REQUEST_DEBUG_TOKEN_BYTES = 37 };

/* A random version 4 UUID, as Kong's. false: the kernel gave no random bytes. */
bool request_debug_make_token(char into[REQUEST_DEBUG_TOKEN_BYTES]);

/* Fills record->debug from the request's fields and client_ip; false: nothing is to be measured. */
bool request_debug_ask(struct exchange_record *record, const char *token);

/* Adds what has passed since *from_us to *into_us, and sets *from_us to now. */
void request_debug_lap(uint64_t *from_us, uint64_t *into_us);

/* Monotonic, read now: the phases of one turn of the loop are shorter than its clock. */
uint64_t request_debug_now_us(void);

/* The JSON. streamed: the exchange is over, and how long the content took is known. */
void request_debug_put(const struct exchange_record *record, bool streamed, struct text *into);

/* With its newline; empty: no such line was asked for. ptr NULL: no memory. */
struct slice request_debug_line(const struct exchange_record *record, struct arena *arena);

#endif
