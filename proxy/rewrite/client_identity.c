#include "proxy/rewrite/client_identity.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "core/base64.h"
#include "proxy/persona/persona.h"
#include "proxy/report/text.h"
#include "proxy/rewrite/client_certificate_field.h"
#include "proxy/rewrite/field_name.h"
#include "proxy/rewrite/field_plan.h"
#include "tls/client_certificate.h"

/* How much of it is said. */
enum extent { EXTENT_ALL, EXTENT_NO_CHAIN, EXTENT_NO_CERTIFICATE, EXTENT_COUNT };

/* One value on its way. */
struct writer {
    const struct tls_client_identity *identity;
    const struct tls_client_certificate *certificate; /* the identity's; never NULL */
    enum extent extent;
    struct text text;
    size_t max;    /* bytes of value */
    bool too_long; /* something did not fit; the value is of no use */
};

struct identity_field {
    struct slice name;
    void (*write)(struct writer *);
};

struct identity_family {
    struct slice owns[2]; /* patterns; what clients may not send */
    const struct identity_field *fields;
    size_t fields_count;
};

#define NAME(literal)                \
    {                                \
        literal, sizeof(literal) - 1 \
    }
#define FAMILY(list) .fields = (list), .fields_count = sizeof(list) / sizeof((list)[0])

static void put(struct writer *w, struct slice s)
{
    if (w->too_long || s.len > w->max - w->text.length)
        w->too_long = true;
    else
        text_add(&w->text, s);
}

static void put_string(struct writer *w, const char *s)
{
    put(w, slice_of(s));
}

/* ---- certificates as text ------------------------------------------------------------------ */

/* RFC 8941 3.3.5: ":base64:". */
static void put_binary(struct writer *w, const struct tls_der *der)
{
    char piece[256];

    put_string(w, ":");
    for (size_t at = 0; at < der->length && !w->too_long; at += sizeof(piece) / 4 * 3) {
        size_t left = der->length - at, wanted = sizeof(piece) / 4 * 3;
        size_t length = left < wanted ? left : wanted;

        base64_encode(der->bytes + at, length, piece);
        put(w, (struct slice){ piece, base64_length(length) });
    }
    put_string(w, ":");
}

/* plain: characters of base64 that stand as they are. */
static void put_escaped(struct writer *w, struct slice s, const char *plain)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i], escape[4];

        if (base64_digit(c) >= 0 && c != '+' && c != '/') {
            put(w, (struct slice){ &c, 1 });
        } else if (strchr(plain, c)) {
            put(w, (struct slice){ &c, 1 });
        } else {
            snprintf(escape, sizeof(escape), "%%%02X", (unsigned char)c);
            put(w, (struct slice){ escape, 3 });
        }
    }
}

/* PEM with % escapes, as OpenSSL breaks its lines. */
static void put_pem(struct writer *w, const struct tls_der *der, const char *plain)
{
    enum { LINE_BYTES = 48 };
    char line[LINE_BYTES / 3 * 4];

    put_escaped(w, SLICE("-----BEGIN CERTIFICATE-----\n"), plain);
    for (size_t at = 0; at < der->length && !w->too_long; at += LINE_BYTES) {
        size_t left = der->length - at, length = left < LINE_BYTES ? left : LINE_BYTES;

        base64_encode(der->bytes + at, length, line);
        put_escaped(w, (struct slice){ line, base64_length(length) }, plain);
        put_escaped(w, SLICE("\n"), plain);
    }
    put_escaped(w, SLICE("-----END CERTIFICATE-----\n"), plain);
}

static const char as_component[] = "-._~"; /* nginx's NGX_ESCAPE_URI_COMPONENT, Envoy */
static const char as_alb[] = "-._~+/=";    /* "with +=/ as safe characters" */

static void put_pem_chain(struct writer *w, const char *plain)
{
    put_pem(w, &w->certificate->der, plain);
    for (size_t i = 0; w->extent == EXTENT_ALL && i < w->certificate->chain_count; i++)
        put_pem(w, &w->certificate->chain[i], plain);
}

/* ---- RFC 9440 ------------------------------------------------------------------------------ */

static void write_client_cert(struct writer *w)
{
    if (w->extent != EXTENT_NO_CERTIFICATE)
        put_binary(w, &w->certificate->der);
}

static void write_client_cert_chain(struct writer *w)
{
    if (w->extent != EXTENT_ALL)
        return;
    for (size_t i = 0; i < w->certificate->chain_count; i++) {
        put_string(w, i > 0 ? ", " : "");
        put_binary(w, &w->certificate->chain[i]);
    }
}

static const struct identity_field rfc9440_fields[] = {
    { NAME("Client-Cert"), write_client_cert },
    { NAME("Client-Cert-Chain"), write_client_cert_chain },
};

/* ---- nginx and F5 -------------------------------------------------------------------------- */

static void write_verify(struct writer *w)
{
    put_string(w, w->identity->verify);
}

static void write_escaped_cert(struct writer *w)
{
    if (w->extent != EXTENT_NO_CERTIFICATE)
        put_pem(w, &w->certificate->der, as_component);
}

static void write_subject(struct writer *w)
{
    put_string(w, w->certificate->subject);
}

static void write_issuer(struct writer *w)
{
    put_string(w, w->certificate->issuer);
}

static void write_serial(struct writer *w)
{
    put_string(w, w->certificate->serial);
}

static void write_fingerprint(struct writer *w)
{
    put_string(w, w->certificate->sha1);
}

static void write_not_before(struct writer *w)
{
    put_string(w, w->certificate->not_before);
}

static void write_not_after(struct writer *w)
{
    put_string(w, w->certificate->not_after);
}

static const struct identity_field x_ssl_client_fields[] = {
    { NAME("X-SSL-Client-Verify"), write_verify },
    { NAME("X-SSL-Client-Cert"), write_escaped_cert },
    { NAME("X-SSL-Client-S-DN"), write_subject },
    { NAME("X-SSL-Client-I-DN"), write_issuer },
    { NAME("X-SSL-Client-Serial"), write_serial },
    { NAME("X-SSL-Client-Fingerprint"), write_fingerprint },
    { NAME("X-SSL-Client-NotBefore"), write_not_before },
    { NAME("X-SSL-Client-NotAfter"), write_not_after },
};

/* ---- Envoy --------------------------------------------------------------------------------- */

/* A name of the certificate in a list whose separators it may contain. */
static void put_xfcc_pair(struct writer *w, const char *key, const char *value)
{
    bool quoted = value[strcspn(value, ",;=\"\\")] != '\0';

    put_string(w, key);
    if (!quoted) {
        put_string(w, value);
        return;
    }
    put_string(w, "\"");
    for (; *value; value++) {
        put_string(w, *value == '"' || *value == '\\' ? "\\" : "");
        put(w, (struct slice){ value, 1 });
    }
    put_string(w, "\"");
}

static void put_xfcc_names(struct writer *w, const char *key, const struct tls_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        put_xfcc_pair(w, key, names->items[i]);
}

/* Envoy's sanitize_set: one element, ours, with its order of keys. Chain begins with the leaf. */
static void write_xfcc(struct writer *w)
{
    const struct tls_client_certificate *certificate = w->certificate;

    for (size_t i = 0; i < certificate->server_uris.count; i++) {
        put_xfcc_pair(w, "By=", certificate->server_uris.items[i]);
        put_string(w, ";");
    }
    put_string(w, "Hash=");
    put_string(w, certificate->sha256);
    if (w->extent != EXTENT_NO_CERTIFICATE) {
        put_string(w, ";Cert=\"");
        put_pem(w, &certificate->der, as_component);
        put_string(w, "\"");
    }
    if (w->extent == EXTENT_ALL) {
        put_string(w, ";Chain=\"");
        put_pem_chain(w, as_component);
        put_string(w, "\"");
    }
    /* RFC 2253 escapes a quote with a backslash already, as a quoted value has to */
    put_string(w, ";Subject=\"");
    put_string(w, certificate->subject);
    put_string(w, "\"");
    put_xfcc_names(w, ";URI=", &certificate->uris);
    put_xfcc_names(w, ";DNS=", &certificate->dns_names);
}

static const struct identity_field xfcc_fields[] = {
    { NAME("X-Forwarded-Client-Cert"), write_xfcc },
};

/* ---- AWS ----------------------------------------------------------------------------------- */

/* Passthrough mode hands the chain on and judges nothing; verify mode tells what was verified. */
static bool is_passthrough(const struct writer *w)
{
    return w->identity->mode == TLS_VERIFY_OPTIONAL_NO_CA;
}

static void write_alb_chain(struct writer *w)
{
    if (is_passthrough(w) && w->extent != EXTENT_NO_CERTIFICATE)
        put_pem_chain(w, as_alb);
}

static void write_alb_serial(struct writer *w)
{
    if (!is_passthrough(w))
        write_serial(w);
}

static void write_alb_issuer(struct writer *w)
{
    if (!is_passthrough(w))
        write_issuer(w);
}

static void write_alb_subject(struct writer *w)
{
    if (!is_passthrough(w))
        write_subject(w);
}

static void put_iso_time(struct writer *w, int64_t at_s)
{
    time_t at = (time_t)at_s;
    char text[32];
    struct tm tm;

    if (gmtime_r(&at, &tm) && strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) > 0)
        put_string(w, text);
}

static void write_alb_validity(struct writer *w)
{
    if (is_passthrough(w))
        return;
    put_string(w, "NotBefore=");
    put_iso_time(w, w->certificate->not_before_s);
    put_string(w, ";NotAfter=");
    put_iso_time(w, w->certificate->not_after_s);
}

static void write_alb_leaf(struct writer *w)
{
    if (!is_passthrough(w) && w->extent != EXTENT_NO_CERTIFICATE)
        put_pem(w, &w->certificate->der, as_alb);
}

static const struct identity_field alb_fields[] = {
    { NAME("X-Amzn-Mtls-Clientcert"), write_alb_chain },
    { NAME("X-Amzn-Mtls-Clientcert-Serial-Number"), write_alb_serial },
    { NAME("X-Amzn-Mtls-Clientcert-Issuer"), write_alb_issuer },
    { NAME("X-Amzn-Mtls-Clientcert-Subject"), write_alb_subject },
    { NAME("X-Amzn-Mtls-Clientcert-Validity"), write_alb_validity },
    { NAME("X-Amzn-Mtls-Clientcert-Leaf"), write_alb_leaf },
};

/* ---- families ------------------------------------------------------------------------------ */

static const struct identity_family families[] = {
    [PERSONA_CLIENT_CERT_NONE] = { .fields_count = 0 },
    [PERSONA_CLIENT_CERT_RFC9440] = { { NAME("Client-Cert"), NAME("Client-Cert-Chain") },
                                      FAMILY(rfc9440_fields) },
    [PERSONA_CLIENT_CERT_X_SSL_CLIENT] = { { NAME("X-SSL-Client-*") },
                                           FAMILY(x_ssl_client_fields) },
    [PERSONA_CLIENT_CERT_XFCC] = { { NAME("X-Forwarded-Client-Cert") }, FAMILY(xfcc_fields) },
    [PERSONA_CLIENT_CERT_ALB] = { { NAME("X-Amzn-Mtls-*") }, FAMILY(alb_fields) },
};

enum { FAMILIES_COUNT = sizeof(families) / sizeof(families[0]) };

/* What hopgate.fields says of a family, for this peer. */
static enum config_field_policy policy_of(const struct exchange_record *record, size_t family)
{
    return record->field_plan ? field_choice_for(&record->field_plan->identity[family], record)
                              : CONFIG_POLICY_UNSET;
}

static bool is_written(const struct exchange_record *record, size_t family)
{
    enum config_field_policy policy = policy_of(record, family);

    return policy == CONFIG_POLICY_UNSET ? family == record->persona->request.client_cert_fields
                                         : policy == CONFIG_POLICY_REPLACE;
}

static bool owns(const struct identity_family *family, struct slice name, bool as_cgi)
{
    for (size_t i = 0; i < sizeof(family->owns) / sizeof(family->owns[0]); i++)
        if (family->owns[i].len > 0 && field_name_matches(family->owns[i], name, as_cgi))
            return true;
    return false;
}

bool client_identity_passes(const struct exchange_record *record, struct slice name)
{
    for (size_t i = 0; record->field_plan && i < FAMILIES_COUNT; i++)
        if (policy_of(record, i) == CONFIG_POLICY_PRESERVE && owns(&families[i], name, false))
            return true;
    return false;
}

/* Of a family that is written here, or whose policy refuses it. */
static bool is_of_ours(const struct exchange_record *record, struct slice name)
{
    if (!record->field_plan)
        return owns(&families[record->persona->request.client_cert_fields], name, true);
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        if ((is_written(record, i) || policy_of(record, i) != CONFIG_POLICY_UNSET) &&
            owns(&families[i], name, true))
            return true;
    return false;
}

bool client_identity_refuses(const struct exchange_record *record, struct slice name)
{
    enum persona_trusted_cert source = record->persona->client.trusted_client_cert;

    if (is_of_ours(record, name))
        return true;
    /* of a trusted hop only what we read: what is spelled otherwise would be believed behind us */
    return client_certificate_field_is(source, name, true) &&
           !(record->client_is_trusted && client_certificate_field_is(source, name, false));
}

/* The value as long as it may be; empty: nothing is to be said. ptr NULL: no memory. */
static struct slice value_of(const struct exchange_record *record,
                             const struct identity_field *field, struct arena *arena,
                             bool *ret_shortened)
{
    const struct tls_client_identity *identity = &record->client_identity;

    *ret_shortened = false;
    for (int extent = EXTENT_ALL; extent < EXTENT_COUNT; extent++) {
        struct writer w = { .identity = identity,
                            .certificate = identity->certificate,
                            .extent = (enum extent)extent,
                            .max = CLIENT_IDENTITY_LINE_MAX - field->name.len - 2 };

        text_init(&w.text, arena);
        field->write(&w);
        if (!w.too_long)
            return text_take(&w.text);
        *ret_shortened = true;
    }
    return SLICE("");
}

static int add_family(const struct exchange_record *record, const struct identity_family *family,
                      struct fields *into)
{
    bool shortened;

    for (size_t i = 0; i < family->fields_count; i++) {
        const struct identity_field *field = &family->fields[i];
        struct slice value = value_of(record, field, into->arena, &shortened);

        if (!value.ptr)
            return -ENOMEM;
        if (value.len > 0 && fields_add(into, field->name, value) < 0)
            return -ENOMEM;
    }
    return 0;
}

int client_identity_add(const struct exchange_record *record, struct fields *into)
{
    int r = 0;

    for (size_t i = 0; r == 0 && record->client_identity.certificate && i < FAMILIES_COUNT; i++)
        if (is_written(record, i))
            r = add_family(record, &families[i], into);
    return r;
}

static struct slice family_shortened(const struct exchange_record *record,
                                     const struct identity_family *family, struct arena *arena)
{
    bool shortened;

    for (size_t i = 0; i < family->fields_count; i++) {
        if (!value_of(record, &family->fields[i], arena, &shortened).ptr)
            return (struct slice){ NULL, 0 };
        if (shortened)
            return family->fields[i].name;
    }
    return SLICE("");
}

struct slice client_identity_shortened(const struct exchange_record *record, struct arena *arena)
{
    struct slice name = SLICE("");

    for (size_t i = 0; record->client_identity.certificate && i < FAMILIES_COUNT; i++) {
        if (name.ptr && name.len == 0 && is_written(record, i))
            name = family_shortened(record, &families[i], arena);
    }
    return name;
}
