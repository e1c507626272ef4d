/*
 * test_client_identity: what each family says of a certificate, byte for byte as other tools say it
 * (tests/data/client-identity.json), and that nobody else can say it.
 */
#include "proxy/rewrite/client_identity.h"

#include <ctype.h>

#include "proxy/rewrite/rewrite.h"
#include "tests/unit/proxy/identity_fixture.h"

static const char *const leaf[] = { "leaf", "ca", NULL };
static const char *const odd[] = { "odd", "ca", NULL };
static const char *const big[] = { "big", "ca", NULL };
static const char *const under_big[] = { "under_big", "big_ca", NULL };

static const struct {
    enum persona_client_cert family;
    const char *name;
} families[] = {
    { PERSONA_CLIENT_CERT_NONE, "none" },
    { PERSONA_CLIENT_CERT_RFC9440, "rfc9440" },
    { PERSONA_CLIENT_CERT_X_SSL_CLIENT, "x-ssl-client" },
    { PERSONA_CLIENT_CERT_XFCC, "xfcc" },
    { PERSONA_CLIENT_CERT_ALB, "alb" },
};
enum { FAMILIES_COUNT = sizeof(families) / sizeof(families[0]) };

static struct fields told(struct exchange_fixture *x, enum persona_client_cert family)
{
    struct fields fields;

    x->persona->request.client_cert_fields = family;
    fields_init(&fields, &x->arena);
    CHECK_INT(client_identity_add(&x->record, &fields), 0);
    return fields;
}

static void check_told(const struct fields *fields, const json_t *wanted)
{
    CHECK(json_is_array(wanted));
    for (size_t i = 0; i < json_array_size(wanted); i++) {
        const json_t *pair = json_array_get(wanted, i);

        CHECK(i < fields->count);
        CHECK_SLICE(fields->items[i].name, json_string_value(json_array_get(pair, 0)));
        CHECK_SLICE(fields->items[i].value, json_string_value(json_array_get(pair, 1)));
    }
    CHECK_INT(fields->count, json_array_size(wanted));
}

static void check_every_family(const char *const *shown)
{
    struct identity_fixture f;
    struct exchange_fixture x;
    struct fields fields;
    const json_t *wanted;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h");
    wanted = json_object_get(f.data, shown[0]);
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL, shown);
    CHECK_STR(x.record.client_identity.verify, "SUCCESS");
    for (size_t i = 1; i < FAMILIES_COUNT; i++) {
        fields = told(&x, families[i].family);
        check_told(&fields, json_object_get(wanted, families[i].name));
    }
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL_NO_CA, shown);
    fields = told(&x, PERSONA_CLIENT_CERT_ALB);
    check_told(&fields, json_object_get(wanted, "alb passthrough"));
    fields = told(&x, PERSONA_CLIENT_CERT_NONE);
    CHECK_INT(fields.count, 0);
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

TEST(each_family_tells_of_a_certificate_byte_for_byte)
{
    check_every_family(leaf);
}

/* Quotes, commas, UTF-8, line ends and NUL in its names; a URI with line ends is left out. */
TEST(each_family_tells_of_odd_names_byte_for_byte)
{
    check_every_family(odd);
}

TEST(an_unverified_certificate_is_told_as_such)
{
    static const char *const without_ca[] = { "leaf", NULL };
    struct identity_fixture f;
    struct exchange_fixture x;
    struct fields fields;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h");
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL_NO_CA, without_ca);
    fields = told(&x, PERSONA_CLIENT_CERT_X_SSL_CLIENT);
    CHECK_SLICE(fields.items[0].value, "FAILED:unable to verify the first certificate");
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

TEST(nothing_is_told_of_a_client_without_a_certificate)
{
    static const char *const none[] = { NULL };
    struct identity_fixture f;
    struct exchange_fixture x;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h");
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        CHECK_INT(told(&x, families[i].family).count, 0);
    identity_fixture_show(&f, &x, TLS_VERIFY_REQUIRED, none);
    CHECK_STR(x.record.client_identity.verify, "NONE");
    CHECK_INT(x.record.client_identity.verdict, TLS_CLIENT_CERTIFICATE_MISSING);
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        CHECK_INT(told(&x, families[i].family).count, 0);
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

/* ---- too long ---- */

/* Whatever is told fits a line, and is whole: what it says is what is said of that certificate. */
static void check_shortened(const char *const *shown, enum persona_client_cert family,
                            const char *names, const char *shortened)
{
    struct identity_fixture f;
    struct exchange_fixture x;
    struct slice found = SLICE("");
    struct fields fields;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h");
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL, shown);
    fields = told(&x, family);
    for (uint32_t i = 0; i < fields.count; i++) {
        struct slice name = fields.items[i].name, value = fields.items[i].value;

        CHECK(name.len + 2 + value.len <= CLIENT_IDENTITY_LINE_MAX);
        found = arena_printf(&x.arena, "%s%.*s|", found.ptr, SLICE_ARG(name));
    }
    CHECK_SLICE(found, names);
    CHECK_SLICE(client_identity_shortened(&x.record, &x.arena), shortened);
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

TEST(a_chain_that_is_too_long_is_left_out)
{
    check_shortened(under_big, PERSONA_CLIENT_CERT_RFC9440, "Client-Cert|", "Client-Cert-Chain");
    check_shortened(under_big, PERSONA_CLIENT_CERT_XFCC, "X-Forwarded-Client-Cert|",
                    "X-Forwarded-Client-Cert");
    check_shortened(leaf, PERSONA_CLIENT_CERT_RFC9440, "Client-Cert|Client-Cert-Chain|", "");
    check_shortened(leaf, PERSONA_CLIENT_CERT_XFCC, "X-Forwarded-Client-Cert|", "");
}

TEST(a_certificate_that_is_too_long_is_left_out_and_its_names_stay)
{
    check_shortened(big, PERSONA_CLIENT_CERT_RFC9440, "Client-Cert-Chain|", "Client-Cert");
    check_shortened(big, PERSONA_CLIENT_CERT_X_SSL_CLIENT,
                    "X-SSL-Client-Verify|X-SSL-Client-S-DN|X-SSL-Client-I-DN|X-SSL-Client-Serial|"
                    "X-SSL-Client-Fingerprint|X-SSL-Client-NotBefore|X-SSL-Client-NotAfter|",
                    "X-SSL-Client-Cert");
    check_shortened(big, PERSONA_CLIENT_CERT_XFCC, "X-Forwarded-Client-Cert|",
                    "X-Forwarded-Client-Cert");
    check_shortened(big, PERSONA_CLIENT_CERT_ALB,
                    "X-Amzn-Mtls-Clientcert-Serial-Number|X-Amzn-Mtls-Clientcert-Issuer|"
                    "X-Amzn-Mtls-Clientcert-Subject|X-Amzn-Mtls-Clientcert-Validity|",
                    "X-Amzn-Mtls-Clientcert-Leaf");
}

TEST(a_shortened_xfcc_says_what_is_left)
{
    struct identity_fixture f;
    struct exchange_fixture x;
    struct slice value;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h");
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL, under_big);
    value = told(&x, PERSONA_CLIENT_CERT_XFCC).items[0].value;
    CHECK(memmem(value.ptr, value.len, ";Cert=\"-----BEGIN", 17));
    CHECK(!memmem(value.ptr, value.len, "Chain=", 6));
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL, big);
    value = told(&x, PERSONA_CLIENT_CERT_XFCC).items[0].value;
    CHECK(slice_starts_with(value, SLICE("Hash=")));
    CHECK_INT(value.len, strlen("Hash=;Subject=\"CN=big\"") + 64);
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

/* ---- from clients ---- */

/* Every name of every family; which: the one it belongs to. */
static const struct {
    const char *name;
    enum persona_client_cert which;
} names[] = {
    { "Client-Cert", PERSONA_CLIENT_CERT_RFC9440 },
    { "Client-Cert-Chain", PERSONA_CLIENT_CERT_RFC9440 },
    { "X-SSL-Client-Verify", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-Cert", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-S-DN", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-I-DN", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-DN", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-CN", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-Serial", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-SHA1", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-Fingerprint", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-NotBefore", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Client-NotAfter", PERSONA_CLIENT_CERT_X_SSL_CLIENT },
    { "X-SSL-Issuer", PERSONA_CLIENT_CERT_NONE },
    { "X-Client-Cert", PERSONA_CLIENT_CERT_NONE },
    { "SSLClientCertSN", PERSONA_CLIENT_CERT_NONE },
    { "X-Forwarded-Client-Cert", PERSONA_CLIENT_CERT_XFCC },
    { "X-Amzn-Mtls-Clientcert", PERSONA_CLIENT_CERT_ALB },
    { "X-Amzn-Mtls-Clientcert-Serial-Number", PERSONA_CLIENT_CERT_ALB },
    { "X-Amzn-Mtls-Clientcert-Issuer", PERSONA_CLIENT_CERT_ALB },
    { "X-Amzn-Mtls-Clientcert-Subject", PERSONA_CLIENT_CERT_ALB },
    { "X-Amzn-Mtls-Clientcert-Validity", PERSONA_CLIENT_CERT_ALB },
    { "X-Amzn-Mtls-Clientcert-Leaf", PERSONA_CLIENT_CERT_ALB },
};

enum variant { AS_IT_IS, LOWER, UPPER, UNDERSCORES, FIRST_UNDERSCORE, LAST_UNDERSCORE, VARIANTS };

static void spell(const char *name, enum variant variant, char into[64])
{
    char *hyphen;

    snprintf(into, 64, "%s", name);
    for (char *at = into; *at; at++) {
        if (variant == LOWER)
            *at = (char)tolower(*at);
        if (variant == UPPER)
            *at = (char)toupper(*at);
        if (variant == UNDERSCORES && *at == '-')
            *at = '_';
    }
    hyphen = variant == FIRST_UNDERSCORE  ? strchr(into, '-')
             : variant == LAST_UNDERSCORE ? strrchr(into, '-')
                                          : NULL;
    if (hyphen)
        *hyphen = '_';
}

/* How many lines of a forged field get through, of two in the head or in the trailers. */
static uint32_t passed(struct exchange_fixture *x, const char *name, bool in_trailers)
{
    static const struct rewrite_framing none = { .framing = HTTP_FRAMING_NONE };
    struct fields forged, out;
    uint32_t count = 0;

    fields_init(&out, &x->arena);
    fields_init(&forged, &x->arena);
    for (int i = 0; i < 2; i++)
        CHECK_INT(fields_add(&forged, slice_of(name), SLICE("forged")), 0);
    if (in_trailers) {
        CHECK_INT(rewrite_trailers(&x->record, &forged, true, &out), 0);
    } else {
        x->request.fields = forged;
        CHECK_INT(rewrite_request(&x->record, &none, &out), 0);
    }
    for (uint32_t i = 0; i < out.count; i++)
        count += slice_equal(out.items[i].value, SLICE("forged"));
    return count;
}

static void check_forged(struct exchange_fixture *x, size_t index, bool all_go)
{
    enum persona_client_cert family = x->persona->request.client_cert_fields;
    bool goes =
        all_go || (names[index].which != PERSONA_CLIENT_CERT_NONE && names[index].which == family);
    char name[64];

    for (int variant = 0; variant < VARIANTS; variant++) {
        spell(names[index].name, (enum variant)variant, name);
        for (int in_trailers = 0; in_trailers < 2; in_trailers++)
            if (passed(x, name, in_trailers) != (goes ? 0 : 2))
                fail_msg("%s under %s with family %d%s", name, x->persona->name, (int)family,
                         in_trailers ? ", in trailers" : "");
    }
}

static void check_all_forged(const char *persona, bool all_go)
{
    for (size_t i = 0; i < FAMILIES_COUNT; i++)
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            struct exchange_fixture x;

            exchange_fixture_init(&x, persona, "Host: h");
            x.persona->content.trailers = PERSONA_TRAILERS_FORWARD;
            x.persona->request.client_cert_fields = families[i].family;
            check_forged(&x, k, all_go);
            exchange_fixture_done(&x);
        }
}

TEST(no_client_tells_edge_who_it_is)
{
    check_all_forged("edge", true);
}

TEST(no_client_tells_f5_who_it_is)
{
    check_all_forged("f5", true);
}

/* Kong lets them pass, except those that it was told to write itself. */
TEST(kong_lets_pass_all_but_the_family_that_it_writes)
{
    check_all_forged("kong", false);
}

TEST(connection_cannot_remove_what_this_hop_tells)
{
    static const struct rewrite_framing none = { .framing = HTTP_FRAMING_NONE };
    struct identity_fixture f;
    struct exchange_fixture x;
    struct fields out;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h|Connection: Client-Cert|Client-Cert: :x:");
    identity_fixture_show(&f, &x, TLS_VERIFY_OPTIONAL, leaf);
    fields_init(&out, &x.arena);
    CHECK_INT(rewrite_request(&x.record, &none, &out), 0);
    CHECK(fields_find_name(&out, SLICE("Client-Cert")));
    CHECK_INT(fields_remove_name(&out, SLICE("Client-Cert")), 1);
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

/* Whoever stands behind this hop may have been told to believe that field, too. */
TEST(the_trusted_field_passes_from_trusted_peers_only)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.persona->content.trailers = PERSONA_TRAILERS_FORWARD;
    x.persona->client.trusted_client_cert = PERSONA_TRUSTED_CERT_CLIENT_CERT;
    for (int in_trailers = 0; in_trailers < 2; in_trailers++) {
        CHECK_INT(passed(&x, "client_cert", in_trailers), 0);
        CHECK_INT(passed(&x, "Client-Cert-Chain", in_trailers), 0);
        CHECK_INT(passed(&x, "X-SSL-Client-Cert", in_trailers), 2);
    }
    x.record.client_is_trusted = true;
    CHECK_INT(passed(&x, "Client-Cert", false), 2);
    CHECK_INT(passed(&x, "client-cert-chain", false), 2);
    exchange_fixture_done(&x);
}

/* This hop did not read it, so nobody vouches for it; behind CGI it would be that field. */
TEST(no_peer_tells_the_trusted_field_by_another_name)
{
    struct exchange_fixture x;

    exchange_fixture_init(&x, "kong", "Host: h");
    x.persona->content.trailers = PERSONA_TRAILERS_FORWARD;
    x.persona->client.trusted_client_cert = PERSONA_TRUSTED_CERT_CLIENT_CERT;
    x.record.client_is_trusted = true;
    for (int in_trailers = 0; in_trailers < 2; in_trailers++) {
        CHECK_INT(passed(&x, "Client_Cert", in_trailers), 0);
        CHECK_INT(passed(&x, "client-cert_chain", in_trailers), 0);
    }
    exchange_fixture_done(&x);
}

TESTS(TEST_CASE(each_family_tells_of_a_certificate_byte_for_byte),
      TEST_CASE(each_family_tells_of_odd_names_byte_for_byte),
      TEST_CASE(an_unverified_certificate_is_told_as_such),
      TEST_CASE(nothing_is_told_of_a_client_without_a_certificate),
      TEST_CASE(a_chain_that_is_too_long_is_left_out),
      TEST_CASE(a_certificate_that_is_too_long_is_left_out_and_its_names_stay),
      TEST_CASE(a_shortened_xfcc_says_what_is_left), TEST_CASE(no_client_tells_edge_who_it_is),
      TEST_CASE(no_client_tells_f5_who_it_is),
      TEST_CASE(kong_lets_pass_all_but_the_family_that_it_writes),
      TEST_CASE(connection_cannot_remove_what_this_hop_tells),
      TEST_CASE(the_trusted_field_passes_from_trusted_peers_only),
      TEST_CASE(no_peer_tells_the_trusted_field_by_another_name))
