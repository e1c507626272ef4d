/*
 * pem_facts: what a PEM text holds, for who must decide whether to keep it.
 *
 * Role    the Admin API's questions about certificates and keys: readable, of one pair, an authority,
 *         expired, its digest
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_PEM_FACTS_H
#define TLS_PEM_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEM_DIGEST_TEXT = 64, PEM_REASON_MAX = 256 };

/* Of the first certificate of a text. */
struct pem_certificate_facts {
    char sha256[PEM_DIGEST_TEXT + 1]; /* of its DER, in lower-case hex */
    bool is_authority;                /* basicConstraints: CA:TRUE */
    int64_t not_after_s;              /* Unix time */
    int key_type;                     /* equal for two certificates of the same kind of key */
};

/* 0; -EINVAL and why in reason (PEM_REASON_MAX bytes); -ENOMEM. */
int pem_certificate_facts(const char *pem, struct pem_certificate_facts *ret, char *reason);
int pem_private_key_check(const char *pem, char *reason);
int pem_public_key_check(const char *pem, char *reason);

/* Whether they belong together; false also when one cannot be read. */
bool pem_key_is_of_certificate(const char *certificate_pem, const char *key_pem);
bool pem_keys_are_one_pair(const char *public_pem, const char *private_pem);

#endif
