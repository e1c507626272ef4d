#include "tls/server_sessions_priv.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SLOT_BYTES = 512,         /* of the budget, per session */
    SESSION_BYTES_MAX = 2048, /* as DER; what is larger is not kept */
    SET_SLOTS = 4,            /* an id may be in one of these */
};

struct slot {
    atomic_flag busy;
    unsigned char id[SSL_MAX_SSL_SESSION_ID_LENGTH];
    unsigned id_length; /* 0: free */
    time_t expires_at;
    unsigned char *der;
    size_t length;
};

struct tls_server_sessions {
    size_t sets_count;
    struct slot slots[];
};

struct tls_server_sessions *tls_server_sessions_create(size_t bytes)
{
    size_t sets = bytes / SLOT_BYTES / SET_SLOTS;
    struct tls_server_sessions *sessions;

    if (sets == 0)
        sets = 1;
    sessions = calloc(1, sizeof(*sessions) + sets * SET_SLOTS * sizeof(sessions->slots[0]));
    if (!sessions)
        return NULL;
    sessions->sets_count = sets;
    return sessions; /* zeroed flags are clear on every platform that we know (C17 7.17.8) */
}

static void slot_empty(struct slot *slot)
{
    OPENSSL_clear_free(slot->der, slot->length);
    slot->der = NULL;
    slot->length = 0;
    slot->id_length = 0;
}

void tls_server_sessions_free(struct tls_server_sessions *sessions)
{
    if (!sessions)
        return;
    for (size_t i = 0; i < sessions->sets_count * SET_SLOTS; i++)
        slot_empty(&sessions->slots[i]);
    free(sessions);
}

/* Ids that we made are random; those that a client makes up find nothing wherever they lead. */
static struct slot *set_of(struct tls_server_sessions *sessions, struct slice id)
{
    uint32_t number = 0;

    memcpy(&number, id.ptr, id.len < sizeof(number) ? id.len : sizeof(number));
    return &sessions->slots[number % sessions->sets_count * SET_SLOTS];
}

static bool slot_try_enter(struct slot *slot)
{
    return !atomic_flag_test_and_set_explicit(&slot->busy, memory_order_acquire);
}

static void slot_leave(struct slot *slot)
{
    atomic_flag_clear_explicit(&slot->busy, memory_order_release);
}

static bool slot_has(const struct slot *slot, struct slice id)
{
    return slot->id_length == id.len && id.len > 0 && memcmp(slot->id, id.ptr, id.len) == 0;
}

/* A free slot has expired long ago. Entered; NULL: all are in use. */
static struct slot *enter_oldest(struct slot *set)
{
    struct slot *oldest = NULL;

    for (size_t i = 0; i < SET_SLOTS; i++) {
        struct slot *slot = &set[i];

        if (!slot_try_enter(slot))
            continue;
        if (!oldest || slot->id_length == 0 || slot->expires_at < oldest->expires_at) {
            if (oldest)
                slot_leave(oldest);
            oldest = slot;
        } else {
            slot_leave(slot);
        }
    }
    return oldest;
}

void tls_server_sessions_put(struct tls_server_sessions *sessions, const SSL_SESSION *session)
{
    unsigned id_length;
    const unsigned char *id = SSL_SESSION_get_id(session, &id_length);
    unsigned char *der = NULL;
    int length = i2d_SSL_SESSION((SSL_SESSION *)session, &der); /* not const in OpenSSL 3.0 */
    struct slot *slot = NULL;

    if (length > 0 && length <= SESSION_BYTES_MAX && id_length > 0 &&
        id_length <= SSL_MAX_SSL_SESSION_ID_LENGTH)
        slot = enter_oldest(set_of(sessions, (struct slice){ (const char *)id, id_length }));
    if (!slot) {
        OPENSSL_clear_free(der, length > 0 ? (size_t)length : 0);
        ERR_clear_error();
        return;
    }
    slot_empty(slot);
    memcpy(slot->id, id, id_length);
    slot->id_length = id_length;
    slot->der = der;
    slot->length = (size_t)length;
    slot->expires_at = (time_t)(SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session));
    slot_leave(slot);
}

/* Its length; 0: not this one. */
static size_t copy_if_it_is(struct slot *slot, struct slice id,
                            unsigned char into[static SESSION_BYTES_MAX])
{
    size_t length = 0;

    if (!slot_try_enter(slot))
        return 0;
    if (slot_has(slot, id)) {
        length = slot->length;
        memcpy(into, slot->der, length);
    }
    slot_leave(slot);
    return length;
}

SSL_SESSION *tls_server_sessions_get(struct tls_server_sessions *sessions, struct slice id)
{
    struct slot *set = set_of(sessions, id);
    unsigned char der[SESSION_BYTES_MAX];
    const unsigned char *at = der;
    SSL_SESSION *session;
    size_t length = 0;

    for (size_t i = 0; i < SET_SLOTS && length == 0; i++)
        length = copy_if_it_is(&set[i], id, der);
    if (length == 0)
        return NULL;
    session = d2i_SSL_SESSION(NULL, &at, (long)length);
    OPENSSL_cleanse(der, length);
    ERR_clear_error();
    return session; /* OpenSSL looks at its age and its session id context */
}
