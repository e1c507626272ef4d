#include "tls/client_session_priv.h"

#include <openssl/err.h>

#include <errno.h>

/* In place of a chain that is too long: no DER begins so. */
static const unsigned char too_long = 0xff;

static bool keep(SSL_SESSION *session, const void *bytes, size_t length)
{
    return SSL_SESSION_set1_ticket_appdata(session, bytes, length) == 1;
}

bool client_session_keep_chain(SSL *ssl)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
    unsigned char bytes[CLIENT_SESSION_CHAIN_BYTES_MAX], *at = bytes;
    SSL_SESSION *session = SSL_get_session(ssl);

    if (SSL_session_reused(ssl)) /* it has what it was made with; this connection saw no chain */
        return true;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int length = i2d_X509(sk_X509_value(chain, i), NULL);

        if (length < 0)
            return false;
        if (length > bytes + sizeof(bytes) - at)
            return keep(session, &too_long, sizeof(too_long));
        (void)i2d_X509(sk_X509_value(chain, i), &at); /* just measured */
    }
    return at == bytes || keep(session, bytes, (size_t)(at - bytes));
}

static int parse(const unsigned char *at, size_t length, STACK_OF(X509) * into)
{
    const unsigned char *end = at + length;

    while (at < end) {
        X509 *certificate = d2i_X509(NULL, &at, end - at);

        if (!certificate)
            return -EINVAL;
        if (sk_X509_push(into, certificate) <= 0) {
            X509_free(certificate);
            return -ENOMEM;
        }
    }
    return 0;
}

int client_session_chain(SSL_SESSION *session, STACK_OF(X509) * *ret)
{
    STACK_OF(X509) * chain;
    void *bytes = NULL;
    size_t length = 0;
    int r;

    *ret = NULL;
    if (SSL_SESSION_get0_ticket_appdata(session, &bytes, &length) != 1 || length == 0)
        return 0;
    chain = sk_X509_new_null();
    r = chain ? parse(bytes, length, chain) : -ENOMEM;
    if (r == 0)
        *ret = chain;
    else
        sk_X509_pop_free(chain, X509_free);
    ERR_clear_error();
    return r;
}

bool client_session_may_resume(SSL_SESSION *session, SSL *ssl, const struct client_policy *policy)
{
    struct client_chain chain = { .leaf = SSL_SESSION_get0_peer(session),
                                  .auth_level = SSL_get_security_level(ssl),
                                  .now_s = time(NULL) };
    long result = X509_V_ERR_UNSPECIFIED;
    bool good;

    if (!chain.leaf)
        return true; /* it has the session id context of a policy that allows that */
    good = policy->mode != TLS_VERIFY_OFF && client_session_chain(session, &chain.others) == 0 &&
           client_policy_verify(policy, &chain, &result) == 0 &&
           client_policy_judge(policy, true, result) == TLS_CLIENT_ACCEPTED;
    sk_X509_pop_free(chain.others, X509_free);
    return good;
}
