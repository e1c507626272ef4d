/*
 * pki_lab_priv: the tables behind the lab's certificates.
 *
 * Role    types of the tables; the data is pki_lab_table.c
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_PKI_LAB_PRIV_H
#define TLS_PKI_LAB_PRIV_H

#include "tls/pki_identity.h"
#include "tls/pki_lab.h"

/* Gives the extensions that the row itself does not state. */
enum lab_profile { LAB_ROOT, LAB_AUTHORITY, LAB_SERVER, LAB_CLIENT };

/* `days` of the settings, where a row has no dates of its own */
enum { LAB_DAYS_DEFAULT = 0 };

struct lab_certificate {
    const char *id;
    const char *common_name; /* "{name}" is replaced */
    enum lab_profile profile;
    const char *issuer; /* an id above; NULL: self-signed; "huge*": the lowest of that series */
    const char *key_of; /* an id above; NULL: a key of its own */
    enum pki_key_kind key_kind;
    bool sha1;
    int from_days, to_days; /* relative to now; both 0: from yesterday, for the settings' days */
    unsigned series;        /* that many, each issued by the one before; 0: one */
    unsigned padding;       /* bytes of comment */
    /* NULL: the profile's; "": left out */
    const char *basic_constraints, *key_usage, *extended_key_usage, *alternative_names;
    const char *name_constraints, *tls_feature;
};

struct lab_crl {
    const char *id, *issuer;
    const char *revoked; /* ids divided by blanks; "" none */
    int from_days, to_days;
};

struct lab_ocsp {
    const char *id, *issuer, *subject;
    bool revoked;
    int from_days, to_days;
};

struct lab_tables {
    const struct lab_certificate *certificates;
    size_t certificates_count;
    const struct lab_crl *crls;
    size_t crls_count;
    const struct lab_ocsp *ocsps;
    size_t ocsps_count;
    const struct pki_situation *situations;
    size_t situations_count;
};

extern const struct lab_tables lab_tables;

#endif
