/*
 * client_certificate_field: the certificate that a hop before us hands on.
 *
 * Role    field values to DER; whether they are certificates is for tls/client_verifier.h to say
 * Owns    nothing; what is read lives in the arena
 * Thread  one worker; pure
 *
 * Client-Cert and Client-Cert-Chain are RFC 9440's byte sequences. The PEM fields hold the leaf, or
 * the leaf and its chain, with % escapes (nginx, ALB), with line ends gone or turned into spaces, or
 * the bare base64 of one DER (HAProxy, F5). Of X-Forwarded-Client-Cert the last element counts: it is
 * the one that the hop before us wrote; it must have Cert or Chain.
 *
 * An empty value is an absent one. What is not exactly of its form is an error, never a guess.
 */
#ifndef PROXY_CLIENT_CERTIFICATE_FIELD_H
#define PROXY_CLIENT_CERTIFICATE_FIELD_H

#include "core/http/fields.h"
#include "proxy/persona/persona.h"
#include "tls/client_certificate.h"

struct client_certificate_field {
    struct tls_der *certificates; /* the leaf first */
    size_t count;                 /* 0: the field is not there */
    struct slice name;            /* of the field that is wrong */
    const char *problem;          /* with -EINVAL */
};

/* 0, -EINVAL, -ENOMEM. */
int client_certificate_field_read(enum persona_trusted_cert which, const struct fields *fields,
                                  struct arena *arena, struct client_certificate_field *ret);

/* How the field is spelled; empty for NONE. */
struct slice client_certificate_field_name(enum persona_trusted_cert which);

/* It is that field or goes with it. as_cgi: also with "_" for "-", see field_name_matches. */
bool client_certificate_field_is(enum persona_trusted_cert which, struct slice name, bool as_cgi);

#endif
