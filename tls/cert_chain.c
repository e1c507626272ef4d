#include "tls/cert_chain_priv.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tls/openssl_error_priv.h"

struct pem_block {
    char *name, *header;
    unsigned char *data;
    long length;
};

static void pem_block_done(struct pem_block *block)
{
    OPENSSL_free(block->name);
    OPENSSL_free(block->header);
    OPENSSL_clear_free(block->data, (size_t)block->length); /* may be a key: a combined file */
}

/* NULL for other kinds of blocks; *ret_damaged for a certificate that is none. */
static X509 *certificate_of_block(const struct pem_block *block, bool *ret_damaged)
{
    const unsigned char *data = block->data;
    X509 *certificate = NULL;

    if (strcmp(block->name, PEM_STRING_X509) == 0 || strcmp(block->name, PEM_STRING_X509_OLD) == 0)
        certificate = d2i_X509(NULL, &data, block->length);
    else if (strcmp(block->name, PEM_STRING_X509_TRUSTED) == 0)
        certificate = d2i_X509_AUX(NULL, &data, block->length);
    else
        return NULL;
    *ret_damaged = certificate == NULL;
    return certificate;
}

/* 1: one block handled, 0: end of text, negative errno. */
static int read_block(BIO *bio, STACK_OF(X509) * into, size_t number, char *reterr, size_t size)
{
    struct pem_block block = { 0 };
    bool damaged = false;
    char reason[128];
    X509 *certificate;

    ERR_clear_error();
    if (!PEM_read_bio(bio, &block.name, &block.header, &block.data, &block.length)) {
        if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return 0;
        }
        openssl_error_reason(reason, sizeof(reason));
        snprintf(reterr, size, "PEM block %zu is damaged: %s", number, reason);
        return -EINVAL;
    }
    certificate = certificate_of_block(&block, &damaged);
    if (damaged) {
        openssl_error_reason(reason, sizeof(reason));
        snprintf(reterr, size, "PEM block %zu (%s) is not a certificate: %s", number, block.name,
                 reason);
    }
    pem_block_done(&block);
    if (damaged)
        return -EINVAL;
    if (certificate && !sk_X509_push(into, certificate)) {
        X509_free(certificate);
        return -ENOMEM;
    }
    return 1;
}

STACK_OF(X509) * cert_bundle_parse(const char *pem, char *reterr, size_t reterr_size)
{
    STACK_OF(X509) *found = sk_X509_new_null();
    BIO *bio = BIO_new_mem_buf(pem, -1);
    int r = -ENOMEM;

    snprintf(reterr, reterr_size, "out of memory");
    if (found && bio) {
        size_t number = 1;

        do
            r = read_block(bio, found, number++, reterr, reterr_size);
        while (r > 0);
    }
    BIO_free(bio);
    if (r < 0) {
        sk_X509_pop_free(found, X509_free);
        return NULL;
    }
    return found;
}

static size_t remove_duplicates(STACK_OF(X509) * found)
{
    size_t count = 0;

    for (int i = 1; i < sk_X509_num(found); i++) {
        for (int j = 0; j < i; j++) {
            if (X509_cmp(sk_X509_value(found, i), sk_X509_value(found, j)) != 0)
                continue;
            X509_free(sk_X509_delete(found, i--));
            count++;
            break;
        }
    }
    return count;
}

static X509 *find_leaf(STACK_OF(X509) * found, EVP_PKEY *key)
{
    for (int i = 0; key && i < sk_X509_num(found); i++)
        if (X509_check_private_key(sk_X509_value(found, i), key) == 1)
            return sk_X509_value(found, i);
    return sk_X509_num(found) > 0 ? sk_X509_value(found, 0) : NULL;
}

/* By name and by signature: a renewed intermediate has the same name and another key. */
static bool has_issued(X509 *issuer, X509 *subject)
{
    return X509_check_issued(issuer, subject) == X509_V_OK &&
           X509_verify(subject, X509_get0_pubkey(issuer)) == 1;
}

static X509 *find_issuer(const struct cert_chain *chain, X509 *subject)
{
    for (int i = 0; i < sk_X509_num(chain->found); i++) {
        X509 *candidate = sk_X509_value(chain->found, i);

        /* one that is already in the chain would make a ring of two cross-signed certificates */
        if (candidate != chain->leaf && sk_X509_find(chain->above, candidate) < 0 &&
            has_issued(candidate, subject))
            return candidate;
    }
    return NULL;
}

/* A certificate that comes next in the chain must come later in the text. */
static void note_position(struct cert_chain *chain, X509 *certificate, int *last)
{
    for (int i = 0; i < sk_X509_num(chain->found); i++) {
        if (sk_X509_value(chain->found, i) != certificate)
            continue;
        if (i < *last)
            chain->shuffled = true;
        *last = i;
    }
}

static int arrange(struct cert_chain *chain)
{
    X509 *top = chain->leaf;
    int last = 0, used;

    /* the leaf comes first, whatever else is in the text */
    chain->shuffled = sk_X509_value(chain->found, 0) != chain->leaf;
    note_position(chain, chain->leaf, &last);
    while (top && !chain->root && X509_self_signed(top, 0) != 1) {
        X509 *issuer = find_issuer(chain, top);

        if (!issuer)
            break;
        note_position(chain, issuer, &last);
        if (X509_self_signed(issuer, 0) == 1)
            chain->root = issuer;
        else if (!sk_X509_push(chain->above, issuer))
            return -ENOMEM;
        top = issuer;
    }
    used = 1 + sk_X509_num(chain->above) + (chain->root != NULL);
    chain->unrelated_count = (size_t)(sk_X509_num(chain->found) - used);
    ERR_clear_error(); /* candidates that did not fit */
    return 0;
}

int cert_chain_parse(struct cert_chain *chain, const char *pem, EVP_PKEY *key, char *reterr,
                     size_t reterr_size)
{
    int r = 0;

    *chain = (struct cert_chain){ 0 };
    chain->found = cert_bundle_parse(pem, reterr, reterr_size);
    if (!chain->found)
        return -EINVAL;
    chain->above = sk_X509_new_null();
    if (!chain->above)
        r = -ENOMEM;
    chain->duplicate_count = remove_duplicates(chain->found);
    chain->leaf = find_leaf(chain->found, key);
    if (r == 0 && chain->leaf)
        r = arrange(chain);
    ERR_clear_error();
    if (r < 0) {
        snprintf(reterr, reterr_size, "out of memory");
        cert_chain_done(chain);
    }
    return r;
}

void cert_chain_done(struct cert_chain *chain)
{
    sk_X509_free(chain->above);
    sk_X509_pop_free(chain->found, X509_free);
    *chain = (struct cert_chain){ 0 };
}

/* Never ask on a terminal: a hop that waits for a pass phrase at start looks hung. */
static int refuse_pass_phrase(char *into, int size, int for_writing, void *asked)
{
    (void)into;
    (void)size;
    (void)for_writing;
    *(bool *)asked = true;
    return -1;
}

EVP_PKEY *cert_key_parse(const char *pem, char *reterr, size_t reterr_size)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = NULL;
    bool encrypted = false;
    char reason[128];

    ERR_clear_error();
    if (bio)
        key = PEM_read_bio_PrivateKey(bio, NULL, refuse_pass_phrase, &encrypted);
    BIO_free(bio);
    if (key)
        return key;
    if (encrypted)
        snprintf(reterr, reterr_size,
                 "the private key is encrypted; store it without a pass phrase "
                 "(openssl pkey -in KEY -out KEY.plain)");
    else if (!strstr(pem, "PRIVATE KEY-----")) /* OpenSSL's decoder only says "unsupported" */
        snprintf(reterr, reterr_size, "the text has no private key (no PEM block of that kind)");
    else {
        openssl_error_reason(reason, sizeof(reason));
        snprintf(reterr, reterr_size, "the private key is damaged: %s", reason);
    }
    ERR_clear_error();
    return NULL;
}

const char *cert_name_text(const X509_NAME *name, char *into, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int length = 0;

    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0)
        length = BIO_read(bio, into, (int)size - 1);
    BIO_free(bio);
    into[length > 0 ? length : 0] = '\0';
    ERR_clear_error();
    return into;
}
