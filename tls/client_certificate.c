#include "tls/client_certificate_priv.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tls/client_session_priv.h"

/* The public struct and the memory behind it. */
struct owner {
    struct tls_client_certificate view; /* first */
    BIO *texts; /* every text and DER form, one behind the other; read-only once complete */
};

/*
 * Texts are written into one growing memory, so their addresses are known only when the last one is
 * written: until then the view holds offsets (plus one, for NULL stays NULL).
 */
static void *offset_now(const struct owner *owner)
{
    return (void *)(uintptr_t)(BIO_pending(owner->texts) + 1);
}

/* Where what has that offset is; NULL stays NULL. */
static const void *placed(const char *base, const void *offset)
{
    return offset ? base + (uintptr_t)offset - 1 : NULL;
}

static bool end_text(struct owner *owner)
{
    return BIO_write(owner->texts, "", 1) == 1;
}

static bool add_name(struct owner *owner, const X509_NAME *name, const char **ret)
{
    *ret = offset_now(owner);
    return X509_NAME_print_ex(owner->texts, name, 0, XN_FLAG_RFC2253) >= 0 && end_text(owner);
}

static bool add_serial(struct owner *owner, X509 *leaf)
{
    owner->view.serial = offset_now(owner);
    return i2a_ASN1_INTEGER(owner->texts, X509_get0_serialNumber(leaf)) > 0 && end_text(owner);
}

static bool add_fingerprint(struct owner *owner, X509 *leaf, const EVP_MD *digest, const char **ret)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length;

    *ret = offset_now(owner);
    if (X509_digest(leaf, digest, bytes, &length) != 1)
        return false;
    for (unsigned i = 0; i < length; i++)
        if (BIO_printf(owner->texts, "%02x", bytes[i]) != 2)
            return false;
    return end_text(owner);
}

static bool add_time(struct owner *owner, const ASN1_TIME *at, const char **ret, int64_t *ret_s)
{
    struct tm tm;

    *ret = offset_now(owner);
    if (ASN1_TIME_to_tm(at, &tm) == 1)
        *ret_s = timegm(&tm);
    /* a date that cannot be printed leaves OpenSSL's own "Bad time value" */
    (void)ASN1_TIME_print(owner->texts, at);
    return end_text(owner);
}

static bool add_der(struct owner *owner, X509 *certificate, struct tls_der *ret)
{
    long before = BIO_pending(owner->texts);

    ret->bytes = offset_now(owner);
    if (i2d_X509_bio(owner->texts, certificate) != 1)
        return false;
    ret->length = (size_t)(BIO_pending(owner->texts) - before);
    return true;
}

static bool is_plain(const ASN1_STRING *text)
{
    const unsigned char *bytes = ASN1_STRING_get0_data(text);

    for (int i = 0; i < ASN1_STRING_length(text); i++)
        if (bytes[i] <= ' ' || bytes[i] > '~')
            return false;
    return ASN1_STRING_length(text) > 0;
}

static bool add_alternative_name(struct owner *owner, struct tls_names *names,
                                 const ASN1_STRING *text)
{
    if (!is_plain(text))
        return true;
    names->items[names->count++] = offset_now(owner);
    return BIO_write(owner->texts, ASN1_STRING_get0_data(text), ASN1_STRING_length(text)) > 0 &&
           end_text(owner);
}

static bool reserve_names(struct tls_names *names, int count)
{
    names->items = calloc((size_t)count, sizeof(*names->items));
    return names->items != NULL;
}

/* dns NULL: they do not matter. */
static bool add_alternative_names(struct owner *owner, const X509 *certificate,
                                  struct tls_names *dns, struct tls_names *uris)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int count = sk_GENERAL_NAME_num(names);
    bool done = true;

    if (count > 0)
        done = (!dns || reserve_names(dns, count)) && reserve_names(uris, count);
    for (int i = 0; done && i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type == GEN_DNS && dns)
            done = add_alternative_name(owner, dns, name->d.dNSName);
        else if (name->type == GEN_URI)
            done = add_alternative_name(owner, uris, name->d.uniformResourceIdentifier);
    }
    GENERAL_NAMES_free(names);
    return done;
}

static bool has_controls(const unsigned char *bytes, int length)
{
    for (int i = 0; i < length; i++)
        if (bytes[i] < ' ' || bytes[i] == 0x7f)
            return true;
    return false;
}

/* The last one, as OpenSSL and browsers read it. */
static bool add_common_name(struct owner *owner, const X509_NAME *subject, const char **ret)
{
    int next, at = -1, length = 0;
    unsigned char *text = NULL;
    bool done = true;

    while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
        at = next;
    if (at >= 0)
        length =
            ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    *ret = offset_now(owner);
    if (length > 0 && !has_controls(text, length))
        done = BIO_write(owner->texts, text, length) == length;
    OPENSSL_free(text);
    return done && end_text(owner);
}

static bool add_chain(struct owner *owner, const STACK_OF(X509) * chain)
{
    struct tls_client_certificate *view = &owner->view;
    int count = sk_X509_num(chain);

    if (count <= 0)
        return true;
    view->chain = calloc((size_t)count, sizeof(*view->chain));
    for (int i = 0; view->chain && i < count; i++) {
        if (!add_der(owner, sk_X509_value(chain, i), &view->chain[i]))
            return false;
        view->chain_count++;
    }
    return view->chain != NULL;
}

static void place_names(const char *base, struct tls_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        names->items[i] = placed(base, names->items[i]);
}

static void place_all(struct owner *owner)
{
    struct tls_client_certificate *view = &owner->view;
    char *base;

    (void)BIO_get_mem_data(owner->texts, &base);
    view->subject = placed(base, view->subject);
    view->issuer = placed(base, view->issuer);
    view->common_name = placed(base, view->common_name);
    view->serial = placed(base, view->serial);
    view->sha1 = placed(base, view->sha1);
    view->sha256 = placed(base, view->sha256);
    view->not_before = placed(base, view->not_before);
    view->not_after = placed(base, view->not_after);
    view->pem = placed(base, view->pem);
    view->der.bytes = placed(base, view->der.bytes);
    place_names(base, &view->dns_names);
    place_names(base, &view->uris);
    place_names(base, &view->server_uris);
    for (size_t i = 0; i < view->chain_count; i++)
        view->chain[i].bytes = placed(base, view->chain[i].bytes);
}

static bool read_all(struct owner *owner, X509 *leaf, const STACK_OF(X509) * chain)
{
    struct tls_client_certificate *view = &owner->view;

    owner->texts = BIO_new(BIO_s_mem());
    if (!owner->texts || !add_name(owner, X509_get_subject_name(leaf), &view->subject) ||
        !add_name(owner, X509_get_issuer_name(leaf), &view->issuer) ||
        !add_common_name(owner, X509_get_subject_name(leaf), &view->common_name) ||
        !add_serial(owner, leaf) || !add_fingerprint(owner, leaf, EVP_sha1(), &view->sha1) ||
        !add_fingerprint(owner, leaf, EVP_sha256(), &view->sha256) ||
        !add_time(owner, X509_get0_notBefore(leaf), &view->not_before, &view->not_before_s) ||
        !add_time(owner, X509_get0_notAfter(leaf), &view->not_after, &view->not_after_s))
        return false;
    view->pem = offset_now(owner);
    if (PEM_write_bio_X509(owner->texts, leaf) != 1 || !end_text(owner) ||
        !add_der(owner, leaf, &view->der) ||
        !add_alternative_names(owner, leaf, &view->dns_names, &view->uris))
        return false;
    return add_chain(owner, chain);
}

/* server: what we showed; NULL: nothing. */
static int create(X509 *leaf, const STACK_OF(X509) * chain, const X509 *server,
                  struct tls_client_certificate **ret)
{
    struct owner *owner = calloc(1, sizeof(*owner));
    bool done;

    if (!owner)
        return -ENOMEM;
    done = read_all(owner, leaf, chain) &&
           (!server || add_alternative_names(owner, server, NULL, &owner->view.server_uris));
    ERR_clear_error();
    if (!done) {
        tls_client_certificate_free(&owner->view);
        return -ENOMEM;
    }
    place_all(owner);
    *ret = &owner->view;
    return 0;
}

int tls_client_certificate_create(SSL *ssl, struct tls_client_certificate **ret)
{
    X509 *leaf = SSL_get0_peer_certificate(ssl), *ours = SSL_get_certificate(ssl);
    STACK_OF(X509) *chain = NULL;
    int r;

    *ret = NULL;
    if (!leaf)
        return 0;
    if (!SSL_session_reused(ssl))
        return create(leaf, SSL_get_peer_cert_chain(ssl), ours, ret);
    r = client_session_chain(SSL_get_session(ssl), &chain);
    if (r == 0)
        r = create(leaf, chain, ours, ret);
    sk_X509_pop_free(chain, X509_free);
    return r < 0 ? -ENOMEM : 0; /* a chain that cannot be read was not resumed */
}

int tls_client_certificate_read(X509 *leaf, const STACK_OF(X509) * chain,
                                struct tls_client_certificate **ret)
{
    return create(leaf, chain, NULL, ret);
}

void tls_client_certificate_free(struct tls_client_certificate *certificate)
{
    struct owner *owner = (struct owner *)certificate;

    if (!owner)
        return;
    BIO_free(owner->texts);
    free(certificate->dns_names.items);
    free(certificate->uris.items);
    free(certificate->server_uris.items);
    free(certificate->chain);
    free(owner);
}
