#include "tls/client_facts_priv.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/slice.h"
#include "tls/alert.h"
#include "tls/cert_chain_priv.h"
#include "tls/tls_context_priv.h"

enum { NAMES_SHOWN_MAX = 8, NAME_TEXT_MAX = 256, AUTHORITIES_SHOWN_MAX = 4 };

/* A line being put together; what does not fit is cut. */
struct line {
    char text[1536];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct line *line, const char *format, ...)
{
    size_t room = sizeof(line->text) - line->length;
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(line->text + line->length, room, format, arguments);
    va_end(arguments);
    if (n > 0)
        line->length += (size_t)n < room ? (size_t)n : room - 1;
}

struct client_facts *client_facts_create(const struct tls_client_config *config)
{
    struct client_facts *facts = calloc(1, sizeof(*facts));

    if (facts)
        facts->config = config;
    return facts;
}

void client_facts_free(struct client_facts *facts)
{
    if (!facts)
        return;
    free(facts->text);
    free(facts);
}

static void complete(struct client_facts *facts, enum tls_cause cause, const struct line *line)
{
    facts->is_complete = true;
    facts->text = line->length > 0 ? strdup(line->text) : NULL;
    facts->failure.cause = cause;
    facts->failure.explanation = facts->text;
}

/* ---- certificates --------------------------------------------------------------------------- */

static void add_subject(struct line *line, const X509 *certificate)
{
    char name[NAME_TEXT_MAX];

    add(line, "\"%s\"", cert_name_text(X509_get_subject_name(certificate), name, sizeof(name)));
}

static void add_issuer(struct line *line, const X509 *certificate)
{
    char name[NAME_TEXT_MAX];

    add(line, "\"%s\"", cert_name_text(X509_get_issuer_name(certificate), name, sizeof(name)));
}

static void add_date(struct line *line, const ASN1_TIME *at)
{
    char text[64];
    struct tm tm;

    if (ASN1_TIME_to_tm(at, &tm) == 1 && strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &tm))
        add(line, "%s", text);
    else
        add(line, "an unreadable date");
}

/* false: a kind of name that nobody checks here. */
static bool add_general_name(struct line *line, const GENERAL_NAME *name, const char *before)
{
    if (name->type == GEN_DNS) {
        add(line, "%s%.*s", before, ASN1_STRING_length(name->d.dNSName),
            (const char *)ASN1_STRING_get0_data(name->d.dNSName));
        return true;
    }
    if (name->type == GEN_IPADD) {
        const unsigned char *a = ASN1_STRING_get0_data(name->d.iPAddress);
        int length = ASN1_STRING_length(name->d.iPAddress);

        add(line, "%s", before);
        if (length == 4)
            add(line, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
        for (int i = 0; length == 16 && i < length; i += 2)
            add(line, "%s%x", i > 0 ? ":" : "", (unsigned)(a[i] << 8 | a[i + 1]));
        return true;
    }
    return false;
}

/* "a.example, 10.0.0.1 and 3 more"; a certificate without any has only its subject. */
static void add_names(struct line *line, const X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    int shown = 0, count = sk_GENERAL_NAME_num(names);

    for (int i = 0; i < count && shown < NAMES_SHOWN_MAX; i++)
        shown += add_general_name(line, sk_GENERAL_NAME_value(names, i), shown ? ", " : "");
    if (shown == 0)
        add(line, "no names");
    if (count > NAMES_SHOWN_MAX)
        add(line, " and %d more", count - NAMES_SHOWN_MAX);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

/* What the target showed, and what it was checked against: the half that is the same for all. */
static void add_evidence(struct line *line, const struct client_facts *facts, X509 *leaf)
{
    add(line, "; presented: subject ");
    add_subject(line, leaf);
    add(line, ", issuer ");
    add_issuer(line, leaf);
    add(line, ", for ");
    add_names(line, leaf);
    add(line, ", valid ");
    add_date(line, X509_get0_notBefore(leaf));
    add(line, " to ");
    add_date(line, X509_get0_notAfter(leaf));
    add(line, "; trusted: %s", facts->config->trust_label);
}

static enum tls_cause verify_cause(int error)
{
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return TLS_CAUSE_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_CAUSE_NOT_YET_VALID;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return TLS_CAUSE_SELF_SIGNED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED:
        return TLS_CAUSE_UNKNOWN_ISSUER;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return TLS_CAUSE_NAME;
    default:
        return TLS_CAUSE_CERTIFICATE;
    }
}

static void add_unknown_issuer(struct line *line, X509 *certificate, int error, int sent_count)
{
    if (error == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN) {
        add(line, "the chain ends at ");
        add_subject(line, certificate);
        add(line, ", which is not trusted here; add it to ca_certificates if it should be");
        return;
    }
    add(line, "the issuer ");
    add_issuer(line, certificate);
    add(line, " of certificate ");
    add_subject(line, certificate);
    add(line, " was not sent and is not trusted here");
    if (sent_count == 1)
        add(line, " (the target sent its own certificate only: its intermediates may be missing)");
}

static void add_verify_problem(struct line *line, enum tls_cause cause, X509_STORE_CTX *store,
                               const char *name)
{
    X509 *certificate = X509_STORE_CTX_get_current_cert(store);
    int error = X509_STORE_CTX_get_error(store);

    switch (cause) {
    case TLS_CAUSE_UNKNOWN_ISSUER:
        add_unknown_issuer(line, certificate, error,
                           sk_X509_num(X509_STORE_CTX_get0_untrusted(store)));
        return;
    case TLS_CAUSE_NAME:
        add(line, "the certificate is not for \"%s\", it is for ", name);
        add_names(line, certificate);
        return;
    default:
        break;
    }
    add(line, "certificate ");
    add_subject(line, certificate);
    if (cause == TLS_CAUSE_EXPIRED) {
        add(line, " expired on ");
        add_date(line, X509_get0_notAfter(certificate));
    } else if (cause == TLS_CAUSE_NOT_YET_VALID) {
        add(line, " is not valid before ");
        add_date(line, X509_get0_notBefore(certificate));
        add(line, "; is the clock of this host right?");
    } else if (cause == TLS_CAUSE_SELF_SIGNED) {
        add(line, " is self-signed and not trusted here");
    } else {
        add(line, " at depth %d: %s", X509_STORE_CTX_get_error_depth(store),
            X509_verify_cert_error_string(error));
    }
}

void client_facts_note_verification(struct client_facts *facts, X509_STORE_CTX *store,
                                    const char *name)
{
    enum tls_cause cause = verify_cause(X509_STORE_CTX_get_error(store));
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    struct line line = { .length = 0 };

    if (facts->is_complete)
        return;
    if (X509_STORE_CTX_get_current_cert(store))
        add_verify_problem(&line, cause, store, name);
    if (leaf)
        add_evidence(&line, facts, leaf);
    complete(facts, cause, &line);
}

/* ---- not TLS --------------------------------------------------------------------------------- */

bool client_facts_are_foreign(const struct buf *received)
{
    unsigned char start[2] = { 0 };
    size_t n = buf_peek(received, (char *)start, sizeof(start));

    return n > 0 && (start[0] < SSL3_RT_CHANGE_CIPHER_SPEC || start[0] > SSL3_RT_APPLICATION_DATA ||
                     (n > 1 && start[1] != SSL3_VERSION_MAJOR));
}

void client_facts_note_first_bytes(struct client_facts *facts, const struct buf *received)
{
    facts->first_bytes_count =
        buf_peek(received, (char *)facts->first_bytes, sizeof(facts->first_bytes));
}

static const struct {
    struct slice prefix;
    const char *says;
} greetings[] = {
    { { "HTTP/", 5 }, "the target speaks plain HTTP" },
    { { "<", 1 }, "the target answers in HTML or XML without HTTP, like an HTTP/0.9 server" },
    { { "SSH-", 4 }, "the target is an SSH server" },
    { { "220", 3 }, "the target greets like an SMTP or FTP server" },
    { { "+OK", 3 }, "the target greets like a POP3 server" },
    { { "* OK", 4 }, "the target greets like an IMAP server" },
    { { "-ERR", 4 }, "the target answers like a Redis server" },
    { { "AMQP", 4 }, "the target speaks AMQP" },
    { { "RFB ", 4 }, "the target is a VNC server" },
    { { "PROXY ", 6 }, "the target sends a PROXY protocol header itself" },
};

static const char *greeting_of(const struct client_facts *facts)
{
    /* RFC 9113 3.4: SETTINGS comes first; behind its length type 4, no flags, stream 0 */
    static const unsigned char http2_settings[] = { 4, 0, 0, 0, 0, 0 };
    struct slice text = { (const char *)facts->first_bytes, facts->first_bytes_count };

    for (size_t i = 0; i < sizeof(greetings) / sizeof(greetings[0]); i++) {
        struct slice prefix = greetings[i].prefix;

        if (text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0)
            return greetings[i].says;
    }
    if (text.len >= 3 + sizeof(http2_settings) &&
        memcmp(text.ptr + 3, http2_settings, sizeof(http2_settings)) == 0)
        return "the target speaks HTTP/2 without TLS";
    /* MySQL: 3 bytes of length, sequence number 0, protocol version 10 */
    if (text.len > 4 && text.ptr[3] == 0 && text.ptr[4] == 10)
        return "the target greets like a MySQL server";
    return "the target does not speak TLS on this port";
}

static void explain_foreign(struct client_facts *facts)
{
    struct line line = { .length = 0 };

    add(&line, "%s: its first bytes are \"", greeting_of(facts));
    for (size_t i = 0; i < facts->first_bytes_count; i++) {
        unsigned char c = facts->first_bytes[i];

        if (c == '\r' || c == '\n')
            break; /* the first line says enough */
        if (c >= ' ' && c < 0x7f)
            add(&line, "%c", c);
        else
            add(&line, "\\x%02X", c);
    }
    add(&line, "\"; use protocol http, or the port that speaks TLS");
    complete(facts, TLS_CAUSE_NOT_TLS, &line);
}

/* ---- alerts and the rest --------------------------------------------------------------------- */

static void add_certificate_request(struct line *line, SSL *ssl)
{
    const STACK_OF(X509_NAME) *authorities = SSL_get0_peer_CA_list(ssl);
    int count = sk_X509_NAME_num(authorities);
    char name[NAME_TEXT_MAX];

    for (int i = 0; i < count && i < AUTHORITIES_SHOWN_MAX; i++)
        add(line, "%s\"%s\"", i == 0 ? "; it accepts certificates issued by " : ", ",
            cert_name_text(sk_X509_NAME_value(authorities, i), name, sizeof(name)));
    if (count > AUTHORITIES_SHOWN_MAX)
        add(line, " and %d more", count - AUTHORITIES_SHOWN_MAX);
}

static bool is_about_our_certificate(int alert)
{
    return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
           alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_UNKNOWN_CA ||
           alert == SSL_AD_ACCESS_DENIED || alert == SSL_AD_CERTIFICATE_REQUIRED;
}

static void add_missing_certificate(struct line *line, SSL *ssl)
{
    add(line, "upstream requested a client certificate and none is configured; set "
              "client_certificate of the service or of its upstream, or client_ssl_cert");
    add_certificate_request(line, ssl);
}

static void explain_alert(struct client_facts *facts, SSL *ssl, int alert)
{
    bool about_us = facts->certificate_requested && is_about_our_certificate(alert);
    X509 *own = SSL_get_certificate(ssl);
    const char *meaning = alert_meaning(alert);
    enum tls_cause cause = TLS_CAUSE_ALERT;
    struct line line = { .length = 0 };

    facts->failure.alert = alert;
    if (about_us && !own) {
        cause = TLS_CAUSE_CLIENT_CERT;
        add_missing_certificate(&line, ssl);
        add(&line, " (alert %s)", alert_name(alert));
        complete(facts, cause, &line);
        return;
    }
    if (alert == SSL_AD_PROTOCOL_VERSION || alert == SSL_AD_HANDSHAKE_FAILURE ||
        alert == SSL_AD_INSUFFICIENT_SECURITY)
        cause = TLS_CAUSE_MISMATCH;
    add(&line, "the target sent alert %s (%d)%s%s", alert_name(alert), alert, meaning ? ": " : "",
        meaning ? meaning : "");
    if (about_us) {
        add(&line, "; we showed ");
        add_subject(&line, own);
        add(&line, ", issued by ");
        add_issuer(&line, own);
        add_certificate_request(&line, ssl);
    }
    complete(facts, cause, &line);
}

static bool is_mismatch(int reason)
{
    switch (reason) {
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNSUPPORTED_SSL_VERSION:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_WRONG_CIPHER_RETURNED:
    case SSL_R_UNKNOWN_CIPHER_RETURNED:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_WRONG_CURVE:
    case SSL_R_DH_KEY_TOO_SMALL:
    case SSL_R_WRONG_SIGNATURE_TYPE:
    case SSL_R_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED:
    case SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED:
        return true;
    default:
        return false;
    }
}

void client_facts_note_error(struct client_facts *facts, SSL *ssl, unsigned long code)
{
    bool from_ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
    int reason = ERR_GET_REASON(code);
    struct line line = { .length = 0 };

    if (facts->is_complete)
        return;
    if (facts->first_bytes_count > 0) {
        explain_foreign(facts);
    } else if (from_ssl && reason > SSL_AD_REASON_OFFSET) {
        explain_alert(facts, ssl, reason - SSL_AD_REASON_OFFSET);
    } else if (from_ssl && is_mismatch(reason)) {
        add(&line,
            "the target chose a version, cipher suite or key size that is not accepted here: "
            "%s",
            ERR_reason_error_string(code));
        complete(facts, TLS_CAUSE_MISMATCH, &line);
    }
}

void client_facts_note_close(struct client_facts *facts, SSL *ssl, bool received)
{
    struct line line = { .length = 0 };

    if (facts->is_complete)
        return;
    if (facts->first_bytes_count > 0) {
        explain_foreign(facts);
        return;
    }
    if (facts->certificate_requested && !SSL_get_certificate(ssl))
        add_missing_certificate(&line, ssl);
    else if (received)
        add(&line, "the target closed the connection in the middle of the handshake, without an "
                   "alert");
    else
        add(&line, "the target closed the connection without a byte: it may not speak TLS on this "
                   "port, or serve no such server name");
    complete(facts, TLS_CAUSE_CLOSED, &line);
}
