/*
 * ticket_keys: the keys that seal session tickets (RFC 5077, RFC 8446 4.6.1).
 *
 * Role    a ring {current, previous}, or what files say: new tickets by the first key, tickets of the
 *         others are still opened and renewed, older ones mean a full handshake
 * Owns    the keys; wiped when replaced and on free
 * Thread  any worker reads, one thread at a time rotates; no lock on the reading side
 *
 * Rings lie in a few fixed slots and one atomic pointer names the one in force. A reader counts
 * itself into the slot, looks at the pointer again, and goes back if it moved meanwhile. The
 * rotating thread only fills a slot that is not in force and that no reader is counted into, so a
 * reader never sees a ring change, and nothing is freed under it.
 */
#ifndef TLS_TICKET_KEYS_H
#define TLS_TICKET_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "core/slice.h"

enum { TLS_TICKET_KEYS_MAX = 8 };

struct tls_ticket_keys;

/* Random keys. NULL: no memory or no randomness. Outlives every configuration that uses it. */
struct tls_ticket_keys *tls_ticket_keys_create(void);
void tls_ticket_keys_free(struct tls_ticket_keys *keys);
DEFINE_SCOPED(tls_ticket_keys);

/*
 * A new current key; what was current becomes previous. 0, -EIO (no randomness), or -EBUSY: readers
 * are inside every spare slot, which lasts microseconds; try again later. On failure nothing
 * changed.
 */
int tls_ticket_keys_rotate(struct tls_ticket_keys *keys);

/*
 * Keys that several nodes share, each the content of a file of 48 or 80 bytes as nginx has them; the
 * first is current. 0; -EINVAL: no file, too many, or one of another length; -EBUSY as above.
 */
int tls_ticket_keys_load(struct tls_ticket_keys *keys, const struct slice *files, size_t count);

/* What tls_ticket_keys_save needs at most. */
enum { TLS_TICKET_KEYS_BYTES_MAX = TLS_TICKET_KEYS_MAX * (1 + 80) };

/*
 * The ring for another process that goes on in this one's place; the caller wipes the bytes. Returns
 * how many there are. tls_ticket_keys_restore takes them: 0, -EINVAL (no such bytes) or -EBUSY.
 */
size_t tls_ticket_keys_save(struct tls_ticket_keys *keys,
                            unsigned char into[TLS_TICKET_KEYS_BYTES_MAX]);
int tls_ticket_keys_restore(struct tls_ticket_keys *keys, const unsigned char *bytes, size_t count,
                            uint64_t age_ms);

/* For how long the current key has sealed tickets. Not while another thread changes the keys. */
uint64_t tls_ticket_keys_age_ms(const struct tls_ticket_keys *keys);

#endif
