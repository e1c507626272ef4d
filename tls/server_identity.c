/* Which settings a server configuration was made from: equal ones need not be made again. */
#include <openssl/evp.h>

#include <assert.h>
#include <string.h>

#include "tls/tls_context_priv.h"

/* Who adds a field adds it below: else a reload that changes nothing but that changes nothing. */
static_assert(sizeof(struct tls_server_settings) == 136, "see add_settings");
static_assert(sizeof(struct tls_policy) == 56, "see add_policy");
static_assert(sizeof(struct tls_certificate) == 72, "see add_certificate");

static bool add_number(EVP_MD_CTX *digest, uint64_t number)
{
    return EVP_DigestUpdate(digest, &number, sizeof(number)) == 1;
}

static bool add_texts(EVP_MD_CTX *digest, const char *const *texts, size_t count)
{
    bool done = add_number(digest, count);

    for (size_t i = 0; done && i < count; i++)
        done = tls_digest_text(digest, texts[i]);
    return done;
}

static bool add_pair(EVP_MD_CTX *digest, const struct tls_pem_pair *pair)
{
    return tls_digest_text(digest, pair->chain_pem) && tls_digest_text(digest, pair->key_pem);
}

/* But for its label, which only messages about its making have. */
static bool add_certificate(EVP_MD_CTX *digest, const struct tls_certificate *certificate)
{
    bool done = add_pair(digest, &certificate->pair) &&
                add_pair(digest, &certificate->alternative) &&
                add_number(digest, certificate->others_count);

    for (size_t i = 0; done && i < certificate->others_count; i++)
        done = add_pair(digest, &certificate->others[i]);
    return done && add_texts(digest, certificate->snis, certificate->snis_count);
}

static bool add_policy(EVP_MD_CTX *digest, const struct tls_policy *policy)
{
    return tls_digest_text(digest, policy->label) && add_number(digest, policy->mode) &&
           add_number(digest, policy->refusal) && tls_digest_text(digest, policy->ca_pem) &&
           tls_digest_text(digest, policy->crl_pem) &&
           add_number(digest, (uint64_t)(int64_t)policy->depth) &&
           add_number(digest, policy->partial_chain) && add_number(digest, policy->trusts_nobody) &&
           add_texts(digest, policy->snis, policy->snis_count);
}

static bool add_settings(EVP_MD_CTX *digest, const struct tls_server_settings *settings)
{
    const uint64_t numbers[] = {
        settings->certificates_count,
        settings->default_certificate,
        settings->policies_count,
        settings->min_version,
        settings->max_version,
        settings->cipher_profile,
        settings->server_preference,
        settings->alpn_required,
        settings->unknown_sni,
        settings->missing_sni,
        settings->session_timeout_s,
        settings->staples,
        (uintptr_t)settings->ticket_keys,
        (uintptr_t)settings->sessions,
    };
    bool done = EVP_DigestUpdate(digest, numbers, sizeof(numbers)) == 1 &&
                tls_digest_text(digest, settings->ciphers) &&
                tls_digest_text(digest, settings->groups) &&
                add_texts(digest, settings->alpn, settings->alpn_count);

    for (size_t i = 0; done && i < settings->certificates_count; i++)
        done = add_certificate(digest, &settings->certificates[i]);
    for (size_t i = 0; done && i < settings->policies_count; i++)
        done = add_policy(digest, &settings->policies[i]);
    return done;
}

bool tls_server_identify(const struct tls_server_settings *settings,
                         unsigned char ret[SHA256_DIGEST_LENGTH])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool done = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
                add_settings(digest, settings) && EVP_DigestFinal_ex(digest, ret, NULL) == 1;

    EVP_MD_CTX_free(digest);
    return done;
}

struct tls_server_config *tls_server_config_reuse(struct tls_server_config *former,
                                                  const struct tls_server_settings *settings)
{
    unsigned char identity[SHA256_DIGEST_LENGTH];

    if (!former || !tls_server_identify(settings, identity) ||
        memcmp(former->identity, identity, sizeof(identity)) != 0)
        return NULL;
    return tls_server_config_ref(former);
}
