#include "tls/client_verifier.h"

#include <openssl/err.h>

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/client_verdict_priv.h"
#include "tls/tls_context_priv.h"

struct tls_judgement {
    unsigned refs;
    bool is_new;
    int64_t good_until_s; /* as long as it may be remembered */
    struct client_verdict verdict;
};

struct remembered {
    struct tls_judgement *judgement; /* NULL: the entry is free */
    unsigned char key[SHA256_DIGEST_LENGTH];
    int64_t made_at_s;
    uint64_t used_at; /* the verifier's own clock: one tick per use */
};

/* A plain scan: it costs less than to parse one certificate. */
struct tls_client_verifier {
    uint64_t clock;
    size_t count;
    struct remembered entries[];
};

/* ---- judgements ---------------------------------------------------------------------------- */

void tls_judgement_release(struct tls_judgement *judgement)
{
    if (!judgement || --judgement->refs > 0)
        return;
    client_verdict_done(&judgement->verdict);
    free(judgement);
}

const struct tls_client_identity *tls_judgement_identity(const struct tls_judgement *judgement)
{
    return &judgement->verdict.identity;
}

bool tls_judgement_is_new(const struct tls_judgement *judgement)
{
    return judgement->is_new;
}

static struct tls_judgement *judgement_create(void)
{
    struct tls_judgement *judgement = calloc(1, sizeof(*judgement));

    if (!judgement)
        return NULL;
    judgement->refs = 1;
    judgement->is_new = true;
    return judgement;
}

/* ---- parsing and verifying ----------------------------------------------------------------- */

/* NULL: ret_bad. */
static X509 *parse(const struct tls_presented *presented, size_t index, size_t *ret_bad)
{
    const struct tls_der *der = &presented->certificates[index];
    const unsigned char *at = der->bytes;
    X509 *certificate = der->length > LONG_MAX ? NULL : d2i_X509(NULL, &at, (long)der->length);

    if (certificate && at == der->bytes + der->length)
        return certificate;
    X509_free(certificate);
    *ret_bad = index;
    return NULL;
}

/* All but the leaf. NULL: -ENOMEM, or -EINVAL with ret_bad. */
static STACK_OF(X509) *
    parse_others(const struct tls_presented *presented, int *ret_error, size_t *ret_bad)
{
    STACK_OF(X509) *others = sk_X509_new_null();

    *ret_error = -ENOMEM;
    for (size_t i = 1; others && i < presented->count; i++) {
        X509 *other = parse(presented, i, ret_bad);

        if (other && sk_X509_push(others, other) > 0)
            continue;
        *ret_error = other ? -ENOMEM : -EINVAL;
        X509_free(other);
        sk_X509_pop_free(others, X509_free);
        others = NULL;
    }
    return others;
}

/* What OpenSSL would ask of the key and signature algorithms in a handshake. */
static int auth_level(const struct tls_presented *presented)
{
    const struct tls_server_config *config = presented->config;

    return SSL_CTX_get_security_level(config->contexts[config->default_context].context);
}

/* Moves *until_s to where the certificate ends, if that lies between now and then. */
static void bound_by_end(X509 *certificate, int64_t now_s, int64_t *until_s)
{
    struct tm tm;
    int64_t end_s;

    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &tm) != 1)
        return;
    end_s = timegm(&tm);
    if (end_s > now_s && end_s < *until_s)
        *until_s = end_s;
}

/* One that has ended already is refused, and stays so. */
static int64_t good_until(const struct client_chain *chain)
{
    int64_t until_s = (int64_t)chain->now_s + TLS_JUDGEMENT_LIFETIME_S;

    bound_by_end(chain->leaf, chain->now_s, &until_s);
    for (int i = 0; i < sk_X509_num(chain->others); i++)
        bound_by_end(sk_X509_value(chain->others, i), chain->now_s, &until_s);
    return until_s;
}

static int verify(const struct client_policy *policy, const struct tls_presented *presented,
                  struct tls_judgement *judgement, size_t *ret_bad)
{
    struct tls_client_certificate *certificate = NULL;
    struct client_chain chain = { .auth_level = auth_level(presented),
                                  .now_s = (time_t)presented->now_s };
    long result;
    int r = -EINVAL;

    chain.leaf = parse(presented, 0, ret_bad);
    if (chain.leaf)
        chain.others = parse_others(presented, &r, ret_bad);
    if (chain.others) {
        r = client_policy_verify(policy, &chain, &result);
        if (r == 0)
            r = tls_client_certificate_read(chain.leaf, chain.others, &certificate);
        if (r == 0)
            r = client_verdict_init(&judgement->verdict, policy, &certificate, result);
        judgement->good_until_s = good_until(&chain);
    }
    sk_X509_pop_free(chain.others, X509_free);
    X509_free(chain.leaf);
    ERR_clear_error();
    return r;
}

/* ---- remembering --------------------------------------------------------------------------- */

struct tls_client_verifier *tls_client_verifier_create(size_t judgements_max)
{
    struct tls_client_verifier *verifier;

    assert(judgements_max > 0);
    verifier = calloc(1, sizeof(*verifier) + judgements_max * sizeof(verifier->entries[0]));
    if (verifier)
        verifier->count = judgements_max;
    return verifier;
}

void tls_client_verifier_free(struct tls_client_verifier *verifier)
{
    if (!verifier)
        return;
    for (size_t i = 0; i < verifier->count; i++)
        tls_judgement_release(verifier->entries[i].judgement);
    free(verifier);
}

/* Of all that judges, and of each certificate with its length: nothing can be moved across a border. */
static bool make_key(const struct client_policy *policy, const struct tls_presented *presented,
                     unsigned char key[static SHA256_DIGEST_LENGTH])
{
    const int level = auth_level(presented);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(digest, policy->digest, sizeof(policy->digest)) == 1 &&
                EVP_DigestUpdate(digest, &level, sizeof(level)) == 1;

    for (size_t i = 0; done && i < presented->count; i++) {
        const struct tls_der *der = &presented->certificates[i];

        done = EVP_DigestUpdate(digest, &der->length, sizeof(der->length)) == 1 &&
               EVP_DigestUpdate(digest, der->bytes, der->length) == 1;
    }
    done = done && EVP_DigestFinal_ex(digest, key, NULL) == 1;
    EVP_MD_CTX_free(digest);
    return done;
}

static bool is_fresh(const struct remembered *entry, int64_t now_s)
{
    return now_s >= entry->made_at_s && now_s < entry->judgement->good_until_s;
}

/* The entry of that key, else the one that makes room: a free one has used_at 0. */
static struct remembered *find_entry(struct tls_client_verifier *verifier, const unsigned char *key)
{
    struct remembered *oldest = &verifier->entries[0];

    for (size_t i = 0; i < verifier->count; i++) {
        struct remembered *entry = &verifier->entries[i];

        if (entry->judgement && memcmp(entry->key, key, sizeof(entry->key)) == 0)
            return entry;
        if (entry->used_at < oldest->used_at)
            oldest = entry;
    }
    return oldest;
}

static struct tls_judgement *recall(struct tls_client_verifier *verifier, const unsigned char *key,
                                    int64_t now_s)
{
    struct remembered *entry = find_entry(verifier, key);

    if (!entry->judgement || memcmp(entry->key, key, sizeof(entry->key)) != 0 ||
        !is_fresh(entry, now_s))
        return NULL;
    entry->used_at = ++verifier->clock;
    entry->judgement->refs++;
    entry->judgement->is_new = false;
    return entry->judgement;
}

static void remember(struct tls_client_verifier *verifier, const unsigned char *key, int64_t now_s,
                     struct tls_judgement *judgement)
{
    struct remembered *entry = find_entry(verifier, key);

    tls_judgement_release(entry->judgement);
    judgement->refs++;
    entry->judgement = judgement;
    entry->made_at_s = now_s;
    entry->used_at = ++verifier->clock;
    memcpy(entry->key, key, sizeof(entry->key));
}

/* As in a handshake in which none came. */
static int judge_absence(const struct client_policy *policy, struct client_verdict *verdict)
{
    struct tls_client_certificate *none = NULL;

    return client_verdict_init(verdict, policy, &none, X509_V_OK);
}

int tls_client_verifier_judge(struct tls_client_verifier *verifier,
                              const struct tls_presented *presented, struct tls_judgement **ret,
                              size_t *ret_bad)
{
    const struct client_policy *policy =
        tls_server_config_policy(presented->config, presented->host);
    bool has_certificate = presented->count > 0 && policy->mode != TLS_VERIFY_OFF;
    unsigned char key[SHA256_DIGEST_LENGTH];
    struct tls_judgement *judgement = NULL;
    int r;

    if (has_certificate) {
        if (!make_key(policy, presented, key))
            return -ENOMEM;
        judgement = recall(verifier, key, presented->now_s);
    }
    if (judgement) {
        *ret = judgement;
        return 0;
    }
    judgement = judgement_create();
    if (!judgement)
        return -ENOMEM;
    r = has_certificate ? verify(policy, presented, judgement, ret_bad)
                        : judge_absence(policy, &judgement->verdict);
    if (r < 0) {
        tls_judgement_release(judgement);
        return r;
    }
    if (has_certificate)
        remember(verifier, key, presented->now_s, judgement);
    *ret = judgement;
    return 0;
}
