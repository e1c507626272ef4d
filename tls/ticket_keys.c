#include "tls/ticket_keys_priv.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"

enum {
    TICKET_NAME_BYTES = 16,
    TICKET_IV_BYTES = 16,
    TICKET_SECRET_BYTES = 32, /* each of two: AES-256, HMAC-SHA256 */
    TICKET_SHORT_BYTES = 16,  /* AES-128, in nginx's older files */
};

/* One ring in force, one that late readers may still be in, one to fill, one in reserve. */
enum { RING_SLOTS = 4 };

struct ticket_key {
    unsigned char name[TICKET_NAME_BYTES]; /* public: stands in the ticket */
    unsigned char cipher_key[TICKET_SECRET_BYTES];
    unsigned char mac_key[TICKET_SECRET_BYTES];
    size_t secret_bytes; /* of each of the two */
};

struct ticket_ring {
    atomic_uint readers;
    size_t count;
    struct ticket_key keys[TLS_TICKET_KEYS_MAX]; /* [0] seals, all open */
};

struct tls_ticket_keys {
    _Atomic(struct ticket_ring *) in_force;
    struct ticket_ring slots[RING_SLOTS];
    _Atomic uint64_t current_since_ms; /* monotonic */
};

static int key_make(struct ticket_key *key)
{
    /* the name is seen by everyone, so it must not come from the generator of the secrets */
    if (RAND_bytes(key->name, sizeof(key->name)) != 1 ||
        RAND_priv_bytes(key->cipher_key, sizeof(key->cipher_key)) != 1 ||
        RAND_priv_bytes(key->mac_key, sizeof(key->mac_key)) != 1)
        return -EIO;
    key->secret_bytes = TICKET_SECRET_BYTES;
    return 0;
}

struct tls_ticket_keys *tls_ticket_keys_create(void)
{
    struct tls_ticket_keys *keys = calloc(1, sizeof(*keys));

    if (!keys)
        return NULL;
    if (key_make(&keys->slots[0].keys[0]) < 0) {
        tls_ticket_keys_free(keys);
        return NULL;
    }
    keys->slots[0].count = 1;
    atomic_init(&keys->in_force, &keys->slots[0]);
    atomic_init(&keys->current_since_ms, clock_now_ms());
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

/* What is out of force opens no ticket any more: it must not stay in memory. */
static void wipe_spare_rings(struct tls_ticket_keys *keys)
{
    for (size_t i = 0; i < RING_SLOTS; i++) {
        struct ticket_ring *ring = &keys->slots[i];

        if (!ring_is_spare(keys, ring))
            continue;
        OPENSSL_cleanse(ring->keys, sizeof(ring->keys));
    }
}

/* 0 or -EBUSY. The keys are copied. */
static int put_in_force(struct tls_ticket_keys *keys, const struct ticket_key *fresh, size_t count)
{
    for (size_t i = 0; i < RING_SLOTS; i++) {
        struct ticket_ring *ring = &keys->slots[i];

        if (!ring_is_spare(keys, ring))
            continue;
        memcpy(ring->keys, fresh, count * sizeof(*fresh));
        ring->count = count;
        atomic_store(&keys->in_force, ring);
        atomic_store(&keys->current_since_ms, clock_now_ms());
        wipe_spare_rings(keys);
        return 0;
    }
    return -EBUSY;
}

int tls_ticket_keys_rotate(struct tls_ticket_keys *keys)
{
    struct ticket_key fresh[2];
    int r = key_make(&fresh[0]);

    if (r == 0) {
        fresh[1] = atomic_load(&keys->in_force)->keys[0];
        r = put_in_force(keys, fresh, 2);
    }
    OPENSSL_cleanse(fresh, sizeof(fresh));
    return r;
}

/* nginx's ssl_session_ticket_key: name, then AES-128 and HMAC, or HMAC and AES-256. */
static bool key_read(struct ticket_key *key, struct slice file)
{
    bool is_long = file.len == TICKET_NAME_BYTES + 2 * TICKET_SECRET_BYTES;
    size_t n = is_long ? TICKET_SECRET_BYTES : TICKET_SHORT_BYTES;
    const char *first = file.ptr + TICKET_NAME_BYTES, *second = first + n;

    if (file.len != TICKET_NAME_BYTES + 2 * n)
        return false;
    memcpy(key->name, file.ptr, TICKET_NAME_BYTES);
    memcpy(key->cipher_key, is_long ? second : first, n);
    memcpy(key->mac_key, is_long ? first : second, n);
    key->secret_bytes = n;
    return true;
}

int tls_ticket_keys_load(struct tls_ticket_keys *keys, const struct slice *files, size_t count)
{
    struct ticket_key fresh[TLS_TICKET_KEYS_MAX] = { 0 };
    int r = count > 0 && count <= TLS_TICKET_KEYS_MAX ? 0 : -EINVAL;

    for (size_t i = 0; r == 0 && i < count; i++)
        if (!key_read(&fresh[i], files[i]))
            r = -EINVAL;
    if (r == 0)
        r = put_in_force(keys, fresh, count);
    OPENSSL_cleanse(fresh, sizeof(fresh));
    return r;
}

/* ---- to another process ---- */

/* One key after the other, each with its length before it and in the form that key_read knows. */
size_t tls_ticket_keys_save(struct tls_ticket_keys *keys,
                            unsigned char into[TLS_TICKET_KEYS_BYTES_MAX])
{
    struct ticket_ring *ring = ring_enter(keys);
    unsigned char *at = into;

    for (size_t i = 0; i < ring->count; i++) {
        const struct ticket_key *key = &ring->keys[i];
        size_t n = key->secret_bytes;
        bool is_long = n == TICKET_SECRET_BYTES;

        *at++ = (unsigned char)(TICKET_NAME_BYTES + 2 * n);
        memcpy(at, key->name, TICKET_NAME_BYTES);
        at += TICKET_NAME_BYTES;
        memcpy(at, is_long ? key->mac_key : key->cipher_key, n);
        memcpy(at + n, is_long ? key->cipher_key : key->mac_key, n);
        at += 2 * n;
    }
    ring_leave(ring);
    return (size_t)(at - into);
}

int tls_ticket_keys_restore(struct tls_ticket_keys *keys, const unsigned char *bytes, size_t count,
                            uint64_t age_ms)
{
    struct slice files[TLS_TICKET_KEYS_MAX];
    uint64_t now_ms = clock_now_ms();
    size_t n = 0, at = 0;
    int r;

    while (at < count && n < TLS_TICKET_KEYS_MAX && bytes[at] < count - at) {
        files[n++] = (struct slice){ (const char *)bytes + at + 1, bytes[at] };
        at += 1 + (size_t)bytes[at];
    }
    if (at != count)
        return -EINVAL;
    r = tls_ticket_keys_load(keys, files, n);
    if (r == 0)
        atomic_store(&keys->current_since_ms, now_ms > age_ms ? now_ms - age_ms : 0);
    return r;
}

uint64_t tls_ticket_keys_age_ms(const struct tls_ticket_keys *keys)
{
    return clock_now_ms() - atomic_load(&keys->current_since_ms);
}

/* ---- use ---- */

static int crypto_init(const struct ticket_key *key, const struct ticket_crypto *crypto,
                       int sealing)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac_key,
                                          key->secret_bytes),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };

    const EVP_CIPHER *cipher =
        key->secret_bytes == TICKET_SECRET_BYTES ? EVP_aes_256_cbc() : EVP_aes_128_cbc();

    if (EVP_CipherInit_ex(crypto->cipher, cipher, NULL, key->cipher_key, crypto->iv, sealing) !=
            1 ||
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
    memcpy(crypto->name, ring->keys[0].name, TICKET_NAME_BYTES);
    r = crypto_init(&ring->keys[0], crypto, 1);
    ring_leave(ring);
    return r;
}

int tls_ticket_keys_open(struct tls_ticket_keys *keys, const struct ticket_crypto *crypto)
{
    struct ticket_ring *ring = ring_enter(keys);
    int r = 0;

    for (size_t i = 0; i < ring->count; i++) {
        if (memcmp(crypto->name, ring->keys[i].name, TICKET_NAME_BYTES) != 0)
            continue;
        r = crypto_init(&ring->keys[i], crypto, 0);
        if (r == 1 && i > 0)
            r = 2; /* the client gets one of the current key */
        break;
    }
    ring_leave(ring);
    return r;
}
