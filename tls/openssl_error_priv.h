/*
 * openssl_error: what OpenSSL's error queue says, as text.
 *
 * Role    the queue is per thread and a stale entry would be taken for the next connection's error:
 *         whoever sees a failure empties it here
 * Owns    nothing
 * Thread  any
 */
#ifndef TLS_OPENSSL_ERROR_PRIV_H
#define TLS_OPENSSL_ERROR_PRIV_H

#include <stddef.h>

/* "error:0A000410:SSL routines::sslv3 alert handshake failure:SSL alert number 40", entries joined
 * by a space as nginx does; empties the queue. "" when it was empty. */
void openssl_error_drain(char *into, size_t size);

/* The words of the newest entry only ("bad base64 decode"), for messages about files. */
void openssl_error_reason(char *into, size_t size);

#endif
