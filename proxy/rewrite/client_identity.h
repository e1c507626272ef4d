/*
 * client_identity: who the client is, by its certificate, told to the next hop.
 *
 * Role    one family of fields per way of telling (enum persona_client_cert): what is written for a
 *         client that showed a certificate, and what no client may write itself
 * Owns    nothing; values live in the arena of the fields
 * Thread  one worker; pure
 *
 * A client without a certificate costs nothing: no field says so. All fields of the family from
 * clients are dropped nevertheless, "_" for "-" included, whatever else the persona lets pass.
 *
 * No line is longer than CLIENT_IDENTITY_LINE_MAX, because nginx and Kong refuse more than 8 KiB:
 * what does not fit goes first without the chain, then without the certificate, then not at all. A
 * value is never cut: half a certificate is worse than none.
 */
#ifndef PROXY_CLIENT_IDENTITY_H
#define PROXY_CLIENT_IDENTITY_H

#include "proxy/exchange/exchange_record.h"

enum { CLIENT_IDENTITY_LINE_MAX = 8000 }; /* bytes: name, colon, value */

/* Appends the fields of the persona's family, or of those that hopgate.fields names. 0 or -ENOMEM. */
int client_identity_add(const struct exchange_record *record, struct fields *into);

/*
 * A field from the client that must not pass because of its name: one of the persona's family, or,
 * from a peer that is not trusted, the one in which trusted peers hand certificates on.
 */
bool client_identity_refuses(const struct exchange_record *record, struct slice name);

/* A field that hopgate.fields lets this peer hand on as it is; it goes before every refusal. */
bool client_identity_passes(const struct exchange_record *record, struct slice name);

/* The first field that had to be shortened or left out; empty: none. ptr NULL: no memory. */
struct slice client_identity_shortened(const struct exchange_record *record, struct arena *arena);

#endif
