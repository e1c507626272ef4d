#include <openssl/err.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tls/openssl_error_priv.h"
#include "tls/tls_probe_priv.h"

enum { CONTENT_ALERT = 21, CONTENT_HANDSHAKE = 22 }; /* RFC 8446 5.1: a record's first byte */

/* RFC 8446 6.2: name, what a server means by it, what to do. */
static const struct {
    int number;
    const char *name, *meaning;
} alerts[] = {
    { 40, "handshake_failure",
      "it has no version, cipher or curve in common with us, has no certificate for this name, or "
      "(TLS 1.2) insists on a client certificate: try --sni, or --cert and --key" },
    { 42, "bad_certificate", "it refuses the client certificate: check its dates and chain" },
    { 43, "unsupported_certificate",
      "it refuses the client certificate: does that allow clientAuth?" },
    { 44, "certificate_revoked", "the client certificate is revoked: use another" },
    { 45, "certificate_expired", "the client certificate has expired: use another" },
    { 46, "certificate_unknown", "it refuses the client certificate: use another" },
    { 47, "illegal_parameter", "it cannot follow our handshake: a middlebox may have changed it" },
    { 48, "unknown_ca",
      "it does not know the authority of the client certificate: use one of an accepted authority, "
      "and send its intermediate" },
    { 49, "access_denied", "it refuses this client: use another client certificate" },
    { 51, "decrypt_error", "a signature did not verify: do certificate and key belong together?" },
    { 70, "protocol_version", "it speaks none of our TLS versions: look at its configuration" },
    { 71, "insufficient_security", "it wants stronger ciphers than we offer" },
    { 80, "internal_error", "it has a problem of its own: look at its log" },
    { 112, "unrecognized_name",
      "it has no certificate for that server name: correct --sni, or add the name there" },
    { 116, "certificate_required", "it insists on a client certificate: give --cert and --key" },
    { 120, "no_application_protocol", "it does not offer http/1.1 (ALPN)" },
};

/* What a server that speaks no TLS says first. */
static const struct {
    const char *prefix;
    size_t length;
    const char *protocol;
} greetings[] = {
#define GREETING(prefix, protocol)           \
    {                                        \
        prefix, sizeof(prefix) - 1, protocol \
    }
    GREETING("HTTP/", "plain HTTP: use http://, or the port that speaks TLS"),
    GREETING("<", "a web page without a head: use http://, or the port that speaks TLS"),
    GREETING("SSH-", "SSH: this is another port than you think"),
    GREETING("220", "SMTP or FTP, which begin in the clear: use the port of their TLS variant"),
    GREETING("+OK", "POP3, which begins in the clear: use its TLS port"),
    GREETING("* OK", "IMAP, which begins in the clear: use its TLS port"),
    GREETING("-ERR", "Redis: this is another port than you think"),
    GREETING("\0\0\x12\x04", "HTTP/2 in the clear: use http://, or the port that speaks TLS"),
    GREETING("\0\0\0\x04", "HTTP/2 in the clear: use http://, or the port that speaks TLS"),
    GREETING("PROXY ", "the PROXY protocol: this is the wrong end of it"),
#undef GREETING
};

static const char *protocol_of(const unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++)
        if (length >= greetings[i].length &&
            memcmp(bytes, greetings[i].prefix, greetings[i].length) == 0)
            return greetings[i].protocol;
    return "no protocol known here: this may be another port than you think";
}

/* Printable: everything but visible ASCII as \xHH. */
static const char *show_bytes(const unsigned char *bytes, size_t length, char *into, size_t size)
{
    size_t used = 0;

    into[0] = '\0';
    for (size_t i = 0; i < length && used + 5 < size; i++) {
        bool visible = bytes[i] >= 0x20 && bytes[i] < 0x7f && bytes[i] != '\\';

        snprintf(into + used, size - used, visible ? "%c" : "\\x%02x", bytes[i]);
        used += strlen(into + used);
    }
    return into;
}

__attribute__((format(printf, 3, 4))) static void set_failure(struct tls_probe_failure *failure,
                                                              const char *kind, const char *format,
                                                              ...)
{
    va_list arguments;

    failure->kind = kind;
    va_start(arguments, format);
    vsnprintf(failure->text, sizeof(failure->text), format, arguments);
    va_end(arguments);
}

static void explain_alert(const struct tls_probe_conn *conn, struct tls_probe_failure *failure)
{
    for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++) {
        if (alerts[i].number != conn->alert)
            continue;
        if (conn->alert == SSL_AD_HANDSHAKE_FAILURE && conn->certificate_requested &&
            !conn->probe->has_certificate)
            set_failure(failure, "alert",
                        "the server asked for a client certificate, got none and refused with the "
                        "alert %s: give --cert and --key",
                        alerts[i].name);
        else
            set_failure(failure, "alert", "the server refused with the alert %s: %s",
                        alerts[i].name, alerts[i].meaning);
        return;
    }
    set_failure(failure, "alert", "the server refused with the alert %d (%s)", conn->alert,
                SSL_alert_desc_string_long(conn->alert));
}

static bool is_tls(const struct tls_probe_conn *conn)
{
    return conn->first_length == 0 || conn->first_bytes[0] == CONTENT_ALERT ||
           conn->first_bytes[0] == CONTENT_HANDSHAKE;
}

static void explain_end(const struct tls_probe_conn *conn, int error,
                        struct tls_probe_failure *failure)
{
    const char *when =
        SSL_is_init_finished(conn->ssl) ? "after the handshake" : "during the handshake";

    if (error == ECONNRESET || error == EPIPE)
        set_failure(failure, "reset",
                    "the server reset the connection %s, without an alert: something on the way, "
                    "or a rule by server name or address, does not want it",
                    when);
    else if (error != 0)
        set_failure(failure, "closed", "the connection broke %s: %s", when, strerror(error));
    else
        set_failure(failure, "closed",
                    "the server closed the connection %s, without an alert: it may speak no TLS on "
                    "this port, or not want this server name",
                    when);
}

void tls_probe_explain(const struct tls_probe_conn *conn, int r, bool timed_out,
                       struct tls_probe_failure *failure)
{
    int saved_errno = errno, code = SSL_get_error(conn->ssl, r);
    unsigned long last = ERR_peek_last_error();
    char shown[4 * TLS_PROBE_FIRST_BYTES + 1], reason[128];

    if (timed_out && conn->first_length == 0)
        set_failure(failure, "timeout",
                    "the server accepts the connection but says nothing to our ClientHello: it may "
                    "speak no TLS on this port, be overloaded, or a firewall drops what it says");
    else if (timed_out)
        set_failure(failure, "timeout", "the server stopped in the middle; nothing came in time");
    else if (!is_tls(conn))
        set_failure(failure, "not-tls",
                    "the server speaks no TLS on this port: its first bytes are \"%s\", which "
                    "looks like %s",
                    show_bytes(conn->first_bytes, conn->first_length, shown, sizeof(shown)),
                    protocol_of(conn->first_bytes, conn->first_length));
    else if (conn->alert != TLS_PROBE_NO_ALERT && conn->alert != SSL_AD_CLOSE_NOTIFY)
        explain_alert(conn, failure);
    else if (code == SSL_ERROR_SYSCALL)
        explain_end(conn, saved_errno, failure);
    else if (ERR_GET_REASON(last) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        explain_end(conn, 0, failure);
    else {
        openssl_error_reason(reason, sizeof(reason));
        set_failure(failure, "protocol", "the handshake failed: %s", reason);
    }
    ERR_clear_error();
}
