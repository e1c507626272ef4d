/*
 * self_signed: the certificate for `localhost` that a hop uses when none is configured.
 *
 * Role    ECDSA P-256, CN and SAN localhost, 127.0.0.1 and ::1; made anew at each start (a reload keeps it)
 * Owns    the texts
 * Thread  any
 */
#ifndef TLS_SELF_SIGNED_H
#define TLS_SELF_SIGNED_H

struct self_signed {
    char *chain_pem;
    char *key_pem;
};

/* 0, -ENOMEM, or -EIO when OpenSSL fails. */
int self_signed_create(struct self_signed *ret_pair);
void self_signed_done(struct self_signed *pair); /* wipes the key */

#endif
