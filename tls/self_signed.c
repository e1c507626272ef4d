#include "tls/self_signed.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/pki_identity.h"

enum { SECONDS_PER_DAY = 86400, VALID_DAYS = 3650 };

int self_signed_create(struct self_signed *ret_pair)
{
    const int64_t now_s = (int64_t)time(NULL);
    const struct pki_spec spec = {
        .common_name = "localhost",
        .not_before_s = now_s - SECONDS_PER_DAY, /* for clients whose clock is behind */
        .not_after_s = now_s + (int64_t)VALID_DAYS * SECONDS_PER_DAY,
        .basic_constraints = "critical,CA:FALSE",
        .key_usage = "critical,digitalSignature",
        .extended_key_usage = "serverAuth",
        .alternative_names = "DNS:localhost,IP:127.0.0.1,IP:::1",
    };
    struct tls_error error;
    SCOPED(pki_identity) identity = pki_identity_create(&spec, &error);
    struct self_signed pair = { NULL, NULL };

    if (!identity)
        return -EIO;
    pair.chain_pem = strdup(pki_identity_certificate_pem(identity));
    pair.key_pem = strdup(pki_identity_key_pem(identity));
    if (!pair.chain_pem || !pair.key_pem) {
        self_signed_done(&pair);
        return -ENOMEM;
    }
    *ret_pair = pair;
    return 0;
}

void self_signed_done(struct self_signed *pair)
{
    if (pair->key_pem)
        OPENSSL_cleanse(pair->key_pem, strlen(pair->key_pem));
    free(pair->key_pem);
    free(pair->chain_pem);
    *pair = (struct self_signed){ NULL, NULL };
}
