#include "tls/alert.h"

#include <stddef.h>

struct alert {
    int number;
    const char *name;
    const char *meaning;
};

/* IANA "TLS Alerts"; the meanings are those seen from a client. */
static const struct alert alerts[] = {
    { 0, "close_notify", NULL },
    { 10, "unexpected_message", NULL },
    { 20, "bad_record_mac", "the bytes were changed on the way, or its TLS is broken" },
    { 21, "decryption_failed", NULL },
    { 22, "record_overflow", NULL },
    { 40, "handshake_failure", "mostly no cipher suite or group in common" },
    { 41, "no_certificate", NULL },
    { 42, "bad_certificate", "it does not accept our client certificate" },
    { 43, "unsupported_certificate", "it does not accept the type of our client certificate" },
    { 44, "certificate_revoked", "our client certificate is revoked" },
    { 45, "certificate_expired", "our client certificate has expired" },
    { 46, "certificate_unknown", "it does not accept our client certificate" },
    { 47, "illegal_parameter", NULL },
    { 48, "unknown_ca", "it does not trust the issuer of our client certificate" },
    { 49, "access_denied", "our client certificate has no access" },
    { 50, "decode_error", NULL },
    { 51, "decrypt_error", "our client certificate's key or signature was not accepted" },
    { 60, "export_restriction", NULL },
    { 70, "protocol_version", "it speaks none of the TLS versions offered" },
    { 71, "insufficient_security", "it wants stronger cipher suites than those offered" },
    { 80, "internal_error", "it failed by itself; its own log says why" },
    { 86, "inappropriate_fallback", NULL },
    { 90, "user_canceled", NULL },
    { 100, "no_renegotiation", NULL },
    { 109, "missing_extension", NULL },
    { 110, "unsupported_extension", NULL },
    { 111, "certificate_unobtainable", NULL },
    { 112, "unrecognized_name", "it has no certificate for the server name that was sent" },
    { 113, "bad_certificate_status_response", NULL },
    { 114, "bad_certificate_hash_value", NULL },
    { 115, "unknown_psk_identity", NULL },
    { 116, "certificate_required", "it requires a client certificate" },
    { 120, "no_application_protocol", "it does not speak HTTP/1.1 over TLS (ALPN)" },
};

static const struct alert *find(int number)
{
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
        if (alerts[i].number == number)
            return &alerts[i];
    return NULL;
}

const char *alert_name(int number)
{
    const struct alert *alert = find(number);

    return alert ? alert->name : "unknown_alert";
}

const char *alert_meaning(int number)
{
    const struct alert *alert = find(number);

    return alert ? alert->meaning : NULL;
}
