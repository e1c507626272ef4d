/*
 * tls_upkeep: what TLS needs from time to time, whether there is traffic or not.
 *
 * Role    rotates the session ticket keys, fetches OCSP responses
 * Owns    its thread, and a reference to the configuration; the keys are borrowed and outlive it
 * Thread  its own, which sleeps nearly always; started and stopped by the main thread
 */
#ifndef PROXY_TLS_UPKEEP_H
#define PROXY_TLS_UPKEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tls/ticket_keys.h"
#include "tls/tls.h"

struct tls_upkeep;

struct tls_upkeep_wanted {
    struct tls_ticket_keys *keys; /* NULL: none to rotate */
    /* a key opens tickets that long and seals new ones during the first half of it */
    uint64_t ticket_key_lifetime_ms;
    bool keys_are_foreign;              /* of files that were given up: they are rotated at once */
    struct tls_server_config *stapling; /* NULL: nothing to fetch */
};

/* NULL: no memory or no thread. */
struct tls_upkeep *tls_upkeep_start(const struct tls_upkeep_wanted *wanted);
/* At once: a fetch that is under way is given up. Accepts NULL. */
void tls_upkeep_stop(struct tls_upkeep *upkeep);

#endif
