#include "tls/ticket_keys_priv.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TICKET_NAME_BYTES = 16, TICKET_IV_BYTES = 16, TICKET_SECRET_BYTES = 32 };

/* One ring in force, one that late readers may still be in, one to fill, one in reserve. */
enum { RING_SLOTS = 4 };

struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES]; /* public: stands in the ticket */
    unsigned char cipher_key[TICKET_SECRET_BYTES];
    unsigned char mac_key[TICKET_SECRET_BYTES];
};

struct ticket_ring {
    atomic_uint readers;
    bool has_previous;
    struct ticket_key current, previous;
};

struct tls_ticket_keys {
    _Atomic(struct ticket_ring *) in_force;
    struct ticket_ring slots[RING_SLOTS];
};

static int key_make(struct ticket_key *key)
{
    /* the name is seen by everyone, so it must not come from the generator of the secrets */
    if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
        RAND_priv_bytes(key->cipher_key, sizeof(key->cipher_key)) != 1 ||
        RAND_priv_bytes(key->mac_key, sizeof(key->mac_key)) != 1)
        return -EIO;
    return 0;
}

struct tls_ticket_keys *tls_ticket_keys_create(void)
{
    struct tls_ticket_keys *keys = calloc(1, sizeof(*keys));

    if (!keys)
        return NULL;
    if (key_make(&keys->slots[0].current) < 0) {
        tls_ticket_keys_free(keys);
        return NULL;
    }
    atomic_init(&keys->in_force, &keys->slots[0]);
    return keys;
}

void tls_ticket_keys_free(struct tls_ticket_keys *keys)
{
    if (!keys)
        return;
    OPENSSL_cleanse(keys, sizeof(*keys));
    free(keys);
}

/*
 * Sequentially consistent on both sides: either the rotating thread sees our count, or we see that
 * the slot is not in force any more and leave it unread.
 */
static struct ticket_ring *ring_enter(struct tls_ticket_keys *keys)
{
    for (;;) {
        struct ticket_ring *ring = atomic_load(&keys->in_force);

        atomic_fetch_add(&ring->readers, 1);
        if (atomic_load(&keys->in_force) == ring)
            return ring;
        atomic_fetch_sub(&ring->readers, 1);
    }
}

static void ring_leave(struct ticket_ring *ring)
{
    atomic_fetch_sub(&ring->readers, 1);
}

/* A slot that may be written: not in force, no reader inside. */
static bool ring_is_spare(struct tls_ticket_keys *keys, struct ticket_ring *ring)
{
    return ring != atomic_load(&keys->in_force) && atomic_load(&ring->readers) == 0;
}

/* What is two rotations old opens no ticket any more: it must not stay in memory. */
static void wipe_spare_rings(struct tls_ticket_keys *keys)
{
    for (size_t i = 0; i < RING_SLOTS; i++) {
        struct ticket_ring *ring = &keys->slots[i];

        if (!ring_is_spare(keys, ring))
            continue;
        OPENSSL_cleanse(&ring->current, sizeof(ring->current));
        OPENSSL_cleanse(&ring->previous, sizeof(ring->previous));
    }
}

int tls_ticket_keys_rotate(struct tls_ticket_keys *keys)
{
    const struct ticket_ring *old = atomic_load(&keys->in_force);
    struct ticket_key fresh;
    int r = key_make(&fresh);

    if (r == 0)
        r = -EBUSY;
    for (size_t i = 0; r == -EBUSY && i < RING_SLOTS; i++) {
        struct ticket_ring *ring = &keys->slots[i];

        if (!ring_is_spare(keys, ring))
            continue;
        ring->current = fresh;
        ring->previous = old->current;
        ring->has_previous = true;
        atomic_store(&keys->in_force, ring);
        r = 0;
    }
    OPENSSL_cleanse(&fresh, sizeof(fresh));
    if (r == 0)
        wipe_spare_rings(keys);
    return r;
}

static int crypto_init(const struct ticket_key *key, const struct ticket_crypto *crypto,
                       int sealing)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key,
                                          sizeof(key->mac_key)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    if (EVP_CipherInit_ex(crypto->cipher, EVP_aes_256_cbc(), NULL, key->cipher_key, crypto->iv,
                          sealing) != 1 ||
        EVP_MAC_CTX_set_params(crypto->mac, params) != 1)
        return -1;
    return 1;
}

int tls_ticket_keys_seal(struct tls_ticket_keys *keys, const struct ticket_crypto *crypto)
{
    struct ticket_ring *ring;
    int r;

    if (RAND_bytes(crypto->iv, TICKET_IV_BYTES) != 1)
        return -1;
    ring = ring_enter(keys);
    memcpy(crypto->name, ring->current.name, TICKET_NAME_BYTES);
    r = crypto_init(&ring->current, crypto, 1);
    ring_leave(ring);
    return r;
}

int tls_ticket_keys_open(struct tls_ticket_keys *keys, const struct ticket_crypto *crypto)
{
    struct ticket_ring *ring = ring_enter(keys);
    int r = 0;

    if (memcmp(crypto->name, ring->current.name, TICKET_NAME_BYTES) == 0)
        r = crypto_init(&ring->current, crypto, 0);
    else if (ring->has_previous &&
             memcmp(crypto->name, ring->previous.name, TICKET_NAME_BYTES) == 0)
        r = crypto_init(&ring->previous, crypto, 0) == 1 ? 2 : -1;
    ring_leave(ring);
    return r;
}
