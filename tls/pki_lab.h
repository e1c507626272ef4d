/*
 * pki_lab: every certificate situation that an operator meets, made on purpose.
 *
 * Role    one table of certificates and one of situations (pki_lab_table.c), and what turns them
 *         into files: chain, key, CRL, OCSP answer; `hopgate lab pki` writes them
 * Owns    the bytes of the files
 * Thread  any
 *
 * Names, structure and flaws are fixed; keys and serial numbers are new each time; dates are
 * relative to now. "{name}" in a text of the table stands for the server's name.
 */
#ifndef TLS_PKI_LAB_H
#define TLS_PKI_LAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cleanup.h"
#include "tls/tls.h"

#define PKI_LAB_PASS_PHRASE "shelf"

enum pki_role { PKI_ROLE_SERVER, PKI_ROLE_CLIENT };

/* The files of one folder; lists are names of the table, divided by blanks. */
struct pki_situation {
    const char *name; /* the folder */
    enum pki_role role;
    const char *chain; /* as the file has it; a last "*" means the whole series, lowest first */
    const char *key;   /* whose key; NULL: that of the chain's first */
    const char *crls;  /* NULL: no crl.pem */
    const char *ocsp;  /* NULL: no ocsp.der */
    bool key_is_encrypted;
    const char *verify_options; /* of `openssl verify` with which the flaw shows; "" none needed */
    int verify_error;           /* X509_V_ERR_* that it then says; 0: it is satisfied */
    const char *flaw;           /* one sentence: what is wrong, or what to know */
    const char *fix;
};

struct pki_file {
    char *path; /* "expired/chain.pem" */
    unsigned char *bytes;
    size_t length;  /* a text has a NUL behind, not counted */
    bool is_secret; /* holds a private key */
};

struct pki_lab {
    struct pki_file *files;
    size_t count, capacity;
};

struct pki_lab_settings {
    const char *server_name; /* NULL: "shelf.test"; no white space, comma or control byte in it */
    int days;                /* validity of what is valid; 0: 90 */
    int64_t now_s;           /* since 1970 */
};

/* NULL: see reterr. */
struct pki_lab *pki_lab_create(const struct pki_lab_settings *settings, struct tls_error *reterr);
void pki_lab_free(struct pki_lab *lab); /* accepts NULL; wipes the keys */
DEFINE_SCOPED(pki_lab);

/* NULL: no such file. */
const struct pki_file *pki_lab_find(const struct pki_lab *lab, const char *path);

/* The table, in its order. */
const struct pki_situation *pki_lab_situations(size_t *ret_count);

/* What OpenSSL's verifier says: "certificate has expired", "OK". */
const char *pki_situation_verdict(const struct pki_situation *situation);

#endif
