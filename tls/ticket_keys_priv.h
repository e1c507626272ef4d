/*
 * ticket_keys, the part that OpenSSL's callback uses.
 *
 * Role    readies a cipher and a MAC context for sealing or opening one ticket
 * Owns    nothing
 * Thread  any worker
 */
#ifndef TLS_TICKET_KEYS_PRIV_H
#define TLS_TICKET_KEYS_PRIV_H

#include <openssl/evp.h>

#include "tls/ticket_keys.h"

struct ticket_crypto {
    unsigned char *name; /* 16 bytes: written when sealing, read when opening */
    unsigned char *iv;   /* likewise */
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
};

/* Results of SSL_CTX_set_tlsext_ticket_key_evp_cb's callback: 1 done, 2 done but renew the ticket,
 * 0 no such key (full handshake), -1 error. */
int tls_ticket_keys_seal(struct tls_ticket_keys *keys, const struct ticket_crypto *crypto);
int tls_ticket_keys_open(struct tls_ticket_keys *keys, const struct ticket_crypto *crypto);

#endif
