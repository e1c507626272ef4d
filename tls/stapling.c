#include "tls/stapling.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <time.h>

#include "tls/cert_chain_priv.h"
#include "tls/ocsp_priv.h"
#include "tls/tls_context_priv.h"

enum { STATUS_REQUEST = 5 }; /* the TLS feature (RFC 7633 6) */

int tls_stapling_set(struct tls_server_config *config, struct slice der, struct tls_error *reterr)
{
    struct server_context *context = &config->contexts[config->default_context];

    for (size_t i = 0; i < context->staples_count; i++)
        if (ocsp_staple_set(&context->staples[i], der, time(NULL), reterr) == 0)
            return 0;
    return -EINVAL;
}

static void refresh(struct ocsp_staple *staple, const struct tls_stapling_fetch *fetch)
{
    struct tls_error error = { "" };
    char name[256];
    int r;

    if (!ocsp_staple_is_due(staple, time(NULL)))
        return;
    r = ocsp_staple_fetch(staple, fetch, &error);
    if (r == -ECANCELED)
        return;
    cert_name_text(X509_get_subject_name(staple->leaf), name, sizeof(name));
    fetch->told(name, r, error.text);
}

void tls_stapling_refresh(struct tls_server_config *config, const struct tls_stapling_fetch *fetch)
{
    for (size_t i = 0; i < config->contexts_count; i++) {
        struct server_context *context = &config->contexts[i];

        for (size_t k = 0; k < context->staples_count; k++)
            refresh(&context->staples[k], fetch);
    }
}

bool tls_stapling_is_demanded(const struct tls_pem_pair *pair)
{
    struct ocsp_staple staple = { .leaf = NULL };
    TLS_FEATURE *features = NULL;
    bool demanded = false;

    if (ocsp_staple_init(&staple, pair) == 0)
        features = X509_get_ext_d2i(staple.leaf, NID_tlsfeature, NULL, NULL);
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
        demanded =
            demanded || ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == STATUS_REQUEST;
    TLS_FEATURE_free(features);
    ocsp_staple_done(&staple);
    ERR_clear_error();
    return demanded;
}
