#include "tls/ticket_keys_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <openssl/core_names.h>

#include "tests/check.h"

struct sealed {
    unsigned char name[16];
    unsigned char text[64];
    int length;
};

struct bench {
    EVP_MAC *mac;
    EVP_MAC_CTX *mac_ctx;
    EVP_CIPHER_CTX *cipher_ctx;
    unsigned char iv[EVP_MAX_IV_LENGTH];
};

static const unsigned char plain[] = "the session";

static void bench_init(struct bench *bench)
{
    bench->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    bench->mac_ctx = EVP_MAC_CTX_new(bench->mac);
    bench->cipher_ctx = EVP_CIPHER_CTX_new();
    CHECK(bench->mac && bench->mac_ctx && bench->cipher_ctx);
}

static void bench_done(struct bench *bench)
{
    EVP_CIPHER_CTX_free(bench->cipher_ctx);
    EVP_MAC_CTX_free(bench->mac_ctx);
    EVP_MAC_free(bench->mac);
}

static bool seal(struct tls_ticket_keys *keys, struct bench *bench, struct sealed *sealed)
{
    struct ticket_crypto crypto = { sealed->name, bench->iv, bench->cipher_ctx, bench->mac_ctx };
    int first = 0, rest = 0;

    if (tls_ticket_keys_seal(keys, &crypto) != 1 ||
        EVP_EncryptUpdate(bench->cipher_ctx, sealed->text, &first, plain, sizeof(plain)) != 1 ||
        EVP_EncryptFinal_ex(bench->cipher_ctx, sealed->text + first, &rest) != 1)
        return false;
    sealed->length = first + rest;
    return true;
}

/* The result of open, or -1 when the text is not what was sealed. */
static int unseal(struct tls_ticket_keys *keys, struct bench *bench, struct sealed *sealed)
{
    struct ticket_crypto crypto = { sealed->name, bench->iv, bench->cipher_ctx, bench->mac_ctx };
    unsigned char text[sizeof(sealed->text) + 16];
    int first = 0, rest = 0;
    int r = tls_ticket_keys_open(keys, &crypto);

    if (r <= 0)
        return r;
    if (EVP_DecryptUpdate(bench->cipher_ctx, text, &first, sealed->text, sealed->length) != 1 ||
        EVP_DecryptFinal_ex(bench->cipher_ctx, text + first, &rest) != 1 ||
        first + rest != (int)sizeof(plain) || memcmp(text, plain, sizeof(plain)) != 0)
        return -1;
    return r;
}

TEST(current_opens_previous_renews_older_is_unknown)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct sealed sealed;
    struct bench bench;

    bench_init(&bench);
    CHECK(seal(keys, &bench, &sealed));
    CHECK_INT(unseal(keys, &bench, &sealed), 1);
    CHECK_INT(tls_ticket_keys_rotate(keys), 0);
    CHECK_INT(unseal(keys, &bench, &sealed), 2);
    CHECK_INT(tls_ticket_keys_rotate(keys), 0);
    CHECK_INT(unseal(keys, &bench, &sealed), 0);
    bench_done(&bench);
}

TEST(a_name_of_zeros_is_no_key_before_the_first_rotation)
{
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct sealed sealed = { .length = 16 };
    struct bench bench;

    bench_init(&bench);
    CHECK_INT(unseal(keys, &bench, &sealed), 0);
    bench_done(&bench);
}

TEST(keys_of_files_open_each_others_tickets)
{
    SCOPED(tls_ticket_keys) first = tls_ticket_keys_create();
    SCOPED(tls_ticket_keys) second = tls_ticket_keys_create();
    char a[80], b[48];
    const struct slice ab[] = { { a, sizeof(a) }, { b, sizeof(b) } };
    struct sealed by_a, by_b;
    struct bench bench;

    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    bench_init(&bench);
    CHECK_INT(tls_ticket_keys_load(first, ab, 2), 0);
    CHECK_INT(tls_ticket_keys_load(second, &ab[1], 1), 0);
    CHECK(seal(first, &bench, &by_a));
    CHECK_INT(unseal(second, &bench, &by_a), 0);
    CHECK_INT(unseal(first, &bench, &by_a), 1);
    CHECK(seal(second, &bench, &by_b));
    CHECK_INT(unseal(first, &bench, &by_b), 2); /* the older of its two keys */
    CHECK_INT(tls_ticket_keys_load(second, &(struct slice){ a, 79 }, 1), -EINVAL);
    CHECK_INT(unseal(second, &bench, &by_b), 1); /* nothing changed */
    bench_done(&bench);
}

TEST(saved_keys_go_on_elsewhere_with_their_age)
{
    static const unsigned char no_key[] = { 47 };
    SCOPED(tls_ticket_keys) former = tls_ticket_keys_create();
    SCOPED(tls_ticket_keys) next = tls_ticket_keys_create();
    unsigned char bytes[TLS_TICKET_KEYS_BYTES_MAX];
    struct sealed older, current, own;
    struct bench by_older, by_current, by_own; /* each keeps the IV of what it sealed */
    size_t count;

    bench_init(&by_older);
    bench_init(&by_current);
    bench_init(&by_own);
    CHECK(seal(next, &by_own, &own));
    CHECK(seal(former, &by_older, &older));
    CHECK_INT(tls_ticket_keys_rotate(former), 0);
    CHECK(seal(former, &by_current, &current));
    count = tls_ticket_keys_save(former, bytes);
    CHECK_INT(tls_ticket_keys_restore(next, bytes, count - 1, 0), -EINVAL);
    CHECK_INT(tls_ticket_keys_restore(next, bytes, 0, 0), -EINVAL);
    CHECK_INT(tls_ticket_keys_restore(next, no_key, sizeof(no_key), 0), -EINVAL);
    CHECK_INT(unseal(next, &by_own, &own), 1); /* nothing changed */
    CHECK_INT(tls_ticket_keys_restore(next, bytes, count, 60 * 1000), 0);
    CHECK_INT(unseal(next, &by_current, &current), 1);
    CHECK_INT(unseal(next, &by_older, &older), 2);
    CHECK_INT(unseal(next, &by_own, &own), 0);
    CHECK(tls_ticket_keys_age_ms(next) >= 60 * 1000);
    CHECK_INT(tls_ticket_keys_rotate(next), 0);
    CHECK(tls_ticket_keys_age_ms(next) < 60 * 1000);
    bench_done(&by_older);
    bench_done(&by_current);
    bench_done(&by_own);
}

TEST(saved_keys_keep_the_form_of_their_files)
{
    SCOPED(tls_ticket_keys) former = tls_ticket_keys_create();
    SCOPED(tls_ticket_keys) next = tls_ticket_keys_create();
    unsigned char bytes[TLS_TICKET_KEYS_BYTES_MAX];
    struct slice files[TLS_TICKET_KEYS_MAX];
    char texts[TLS_TICKET_KEYS_MAX][80];
    struct sealed sealed;
    struct bench bench;
    size_t count;

    for (size_t i = 0; i < TLS_TICKET_KEYS_MAX; i++) {
        memset(texts[i], 'a' + (int)i, sizeof(texts[i]));
        memset(texts[i] + 40, 'A' + (int)i, 40); /* the two secrets differ */
        files[i] = (struct slice){ texts[i], i % 2 ? 80 : 48 };
    }
    bench_init(&bench);
    CHECK_INT(tls_ticket_keys_load(former, files, TLS_TICKET_KEYS_MAX), 0);
    count = tls_ticket_keys_save(former, bytes);
    CHECK(count <= sizeof(bytes));
    CHECK_INT(tls_ticket_keys_restore(next, bytes, count, 0), 0);
    for (size_t i = 0; i < TLS_TICKET_KEYS_MAX; i++) {
        CHECK_INT(tls_ticket_keys_load(former, &files[i], 1), 0);
        CHECK(seal(former, &bench, &sealed));
        CHECK_INT(unseal(next, &bench, &sealed), i == 0 ? 1 : 2);
    }
    bench_done(&bench);
}

struct race {
    struct tls_ticket_keys *keys;
    atomic_bool stop;
    atomic_uint rounds, broken;
};

/* Whatever the rotation does, a ticket just sealed opens as itself or is unknown; never garbage. */
static void *seal_and_open(void *arg)
{
    struct race *race = arg;
    struct bench bench;

    bench_init(&bench);
    while (!atomic_load(&race->stop)) {
        struct sealed sealed;

        if (!seal(race->keys, &bench, &sealed) || unseal(race->keys, &bench, &sealed) < 0)
            atomic_fetch_add(&race->broken, 1);
        atomic_fetch_add(&race->rounds, 1);
    }
    bench_done(&bench);
    return NULL;
}

TEST(rotation_is_invisible_to_workers_in_the_middle_of_a_ticket)
{
    enum { WORKERS = 3, ROTATIONS = 2000, ROUNDS_MIN = 500 };
    SCOPED(tls_ticket_keys) keys = tls_ticket_keys_create();
    struct race race = { .keys = keys };
    pthread_t workers[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        CHECK_INT(pthread_create(&workers[i], NULL, seal_and_open, &race), 0);
    for (int done = 0; done < ROTATIONS || atomic_load(&race.rounds) < ROUNDS_MIN;)
        done += tls_ticket_keys_rotate(keys) == 0; /* -EBUSY: again */
    atomic_store(&race.stop, true);
    for (int i = 0; i < WORKERS; i++)
        CHECK_INT(pthread_join(workers[i], NULL), 0);
    CHECK_INT(atomic_load(&race.broken), 0);
}

TESTS(TEST_CASE(current_opens_previous_renews_older_is_unknown),
      TEST_CASE(a_name_of_zeros_is_no_key_before_the_first_rotation),
      TEST_CASE(keys_of_files_open_each_others_tickets),
      TEST_CASE(saved_keys_go_on_elsewhere_with_their_age),
      TEST_CASE(saved_keys_keep_the_form_of_their_files),
      TEST_CASE(rotation_is_invisible_to_workers_in_the_middle_of_a_ticket))
