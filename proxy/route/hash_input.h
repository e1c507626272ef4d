/*
 * hash_input: what of a request its upstream's consistent hash is taken of.
 *
 * Role    Kong's hash_on and hash_fallback, and the cookie that is set when the client has none
 * Owns    nothing; texts are the request's or in the arena of its fields
 * Thread  one worker
 */
#ifndef PROXY_HASH_INPUT_H
#define PROXY_HASH_INPUT_H

#include "proxy/exchange/exchange_record.h"

/*
 * The first of the upstream's inputs that the request has; empty: none, as in Kong. Notes in the
 * record the cookie that the client is to get. Out of memory the input counts as missing.
 */
struct slice hash_input(struct exchange_record *record, struct arena *arena);

/* nginx's $cookie_NAME: the first of that name, whatever its case; ptr NULL: there is none. */
struct slice hash_input_cookie(const struct fields *fields, struct slice name);

/* The response gets that cookie, once, and instead of one of that name from the target (as in
 * Kong). 0 or -ENOMEM. */
int hash_input_set_cookie(const struct exchange_record *record, struct fields *response);

#endif
