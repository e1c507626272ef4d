/*
 * test_client_certificate_field: what hops write is read back, and nothing that only looks like it.
 */
#include "proxy/rewrite/client_certificate_field.h"

#include <errno.h>

#include "proxy/rewrite/client_identity.h"
#include "tests/unit/proxy/identity_fixture.h"

static const char *const leaf[] = { "leaf", "ca", NULL };
static const char *const odd[] = { "odd", "ca", NULL };

/* ---- what hops write ---- */

static void check_same(const struct client_certificate_field *got,
                       const struct client_certificate_field *want, size_t count)
{
    CHECK_INT(got->count, count);
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(got->certificates[i].length, want->certificates[i].length);
        CHECK(memcmp(got->certificates[i].bytes, want->certificates[i].bytes,
                     want->certificates[i].length) == 0);
    }
}

/* What client_identity writes in that family is read as `count` of these certificates. */
static void check_round_trip(const char *const *shown, enum tls_verify_mode mode,
                             enum persona_client_cert family, enum persona_trusted_cert which,
                             size_t count)
{
    struct client_certificate_field want, got;
    struct identity_fixture f;
    struct exchange_fixture x;
    struct fields fields;

    identity_fixture_init(&f);
    exchange_fixture_init(&x, "edge", "Host: h");
    identity_fixture_show(&f, &x, mode, shown);
    want = identity_chain(&f, &x.arena, shown);
    x.persona->request.client_cert_fields = family;
    fields_init(&fields, &x.arena);
    CHECK_INT(client_identity_add(&x.record, &fields), 0);
    CHECK_INT(client_certificate_field_read(which, &fields, &x.arena, &got), 0);
    check_same(&got, &want, count);
    exchange_fixture_done(&x);
    identity_fixture_done(&f);
}

TEST(what_this_program_writes_it_reads)
{
    const char *const *const all[] = { leaf, odd };

    for (size_t i = 0; i < 2; i++) {
        check_round_trip(all[i], TLS_VERIFY_OPTIONAL, PERSONA_CLIENT_CERT_RFC9440,
                         PERSONA_TRUSTED_CERT_CLIENT_CERT, 2);
        check_round_trip(all[i], TLS_VERIFY_OPTIONAL, PERSONA_CLIENT_CERT_X_SSL_CLIENT,
                         PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT, 1);
        check_round_trip(all[i], TLS_VERIFY_OPTIONAL, PERSONA_CLIENT_CERT_XFCC,
                         PERSONA_TRUSTED_CERT_XFCC, 2);
        check_round_trip(all[i], TLS_VERIFY_OPTIONAL, PERSONA_CLIENT_CERT_ALB,
                         PERSONA_TRUSTED_CERT_ALB_LEAF, 1);
        check_round_trip(all[i], TLS_VERIFY_OPTIONAL_NO_CA, PERSONA_CLIENT_CERT_ALB,
                         PERSONA_TRUSTED_CERT_ALB, 2);
    }
}

/* ---- short values: "abc" stands for DER, which is not looked at here ---- */

struct reading {
    struct chunk_pool *pool;
    struct arena arena;
    struct client_certificate_field field;
    int result;
};

static void read_lines(struct reading *r, enum persona_trusted_cert which, const char *lines)
{
    struct fields fields;

    r->pool = chunk_pool_create(0);
    assert_non_null(r->pool);
    arena_init(&r->arena, r->pool, 0);
    fixture_fields(&fields, &r->arena, lines);
    r->result = client_certificate_field_read(which, &fields, &r->arena, &r->field);
}

static void reading_done(struct reading *r)
{
    arena_done(&r->arena);
    chunk_pool_free(r->pool);
}

/* wanted: the certificates' bytes, with "|" between. */
static void check_read(enum persona_trusted_cert which, const char *lines, const char *wanted)
{
    struct reading r;
    char found[64] = "";

    read_lines(&r, which, lines);
    if (r.result < 0)
        fail_msg("%s: %s", lines, r.field.problem);
    for (size_t i = 0; i < r.field.count; i++) {
        const struct tls_der *der = &r.field.certificates[i];

        snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%.*s", i > 0 ? "|" : "",
                 (int)der->length, (const char *)der->bytes);
    }
    CHECK_STR(found, wanted);
    reading_done(&r);
}

static void check_refused(enum persona_trusted_cert which, const char *lines, const char *problem)
{
    struct reading r;

    read_lines(&r, which, lines);
    if (r.result != -EINVAL)
        fail_msg("accepted: %s", lines);
    CHECK_STR(r.field.problem, problem);
    CHECK(r.field.name.len > 0);
    reading_done(&r);
}

#define BEGIN "-----BEGIN CERTIFICATE-----"
#define END   "-----END CERTIFICATE-----"

TEST(client_cert_is_one_byte_sequence)
{
    enum persona_trusted_cert which = PERSONA_TRUSTED_CERT_CLIENT_CERT;
    static const char no_sequence[] = "is no byte sequence (:base64:)";

    check_read(which, "Host: h", "");
    check_read(which, "client-CERT: :YWJj:", "abc");
    check_read(which, "Client-Cert: :YWI=:", "ab");
    check_read(which, "Client-Cert: :YWI:", "ab");
    check_read(which, "Client-Cert: ", "");
    check_read(which, "Client_Cert: :YWJj:|X-SSL-Client-Cert: YWJj", "");
    check_refused(which, "Client-Cert: YWJj", no_sequence);
    check_refused(which, "Client-Cert: :YWJj", no_sequence);
    check_refused(which, "Client-Cert: :", no_sequence);
    check_refused(which, "Client-Cert: \"YWJj\"", no_sequence);
    check_refused(which, "Client-Cert: ::", "holds an empty certificate");
    check_refused(which, "Client-Cert: :YW Jj:", "is not base64");
    check_refused(which, "Client-Cert: :YWJj%3D:", "is not base64");
    check_refused(which, "Client-Cert: :YWI==:", "is not base64");
    check_refused(which, "Client-Cert: :YWJj:, :YWJj:", "has more than one byte sequence");
    check_refused(which, "Client-Cert: :YWJj:;a=1", "has more than one byte sequence");
    check_refused(which, "Client-Cert: :YWJj:|Client-Cert: :YWJj:", "is given twice");
    check_refused(which, "Client-Cert: |client-cert: :YWJj:", "is given twice");
}

TEST(client_cert_chain_is_a_list_over_lines)
{
    enum persona_trusted_cert which = PERSONA_TRUSTED_CERT_CLIENT_CERT;
    static const char no_sequence[] = "is no byte sequence (:base64:)";

    check_read(which, "Client-Cert-Chain: :MQ==:, :Mg==:|Client-Cert: :YWJj:", "abc|1|2");
    check_read(which, "Client-Cert: :YWJj:|Client-Cert-Chain: :MQ==:|Client-Cert-Chain: :Mg==:",
               "abc|1|2");
    check_read(which, "Client-Cert: :YWJj:|Client-Cert-Chain: :MQ==: \t,:Mg==:", "abc|1|2");
    check_read(which, "Client-Cert: :YWJj:|Client-Cert-Chain: ", "abc");
    check_refused(which, "Client-Cert-Chain: :MQ==:", "comes without the certificate");
    check_refused(which, "Client-Cert: :YWJj:|Client-Cert-Chain: :MQ==:,", no_sequence);
    check_refused(which, "Client-Cert: :YWJj:|Client-Cert-Chain: ,:MQ==:", no_sequence);
    check_refused(which, "Client-Cert: :YWJj:|Client-Cert-Chain: :MQ==: :Mg==:",
                  "is no list of byte sequences");
    check_refused(which,
                  "Client-Cert: :YWJj:|Client-Cert-Chain: :MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,"
                  ":MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:,:MQ==:",
                  "holds too many certificates");
}

TEST(pem_comes_in_the_spellings_of_hops)
{
    static const enum persona_trusted_cert all[] = { PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT,
                                                     PERSONA_TRUSTED_CERT_ALB,
                                                     PERSONA_TRUSTED_CERT_ALB_LEAF };
    static const char *const values[][2] = {
        { "-----BEGIN%20CERTIFICATE-----%0AYWJj%0A-----END%20CERTIFICATE-----%0A", "abc" },
        { "-----BEGIN%20CERTIFICATE-----%0aYWI%3d%0a-----END%20CERTIFICATE-----%0a", "ab" },
        { BEGIN " YWJj " END, "abc" }, /* line ends turned into spaces */
        { BEGIN "YWJj" END, "abc" },   /* or gone */
        { BEGIN "\tYW\tJj\t" END " ", "abc" },
        { BEGIN "%0D%0AYWJj%0D%0A" END "%0D%0A", "abc" },
        { BEGIN "YWJj" END BEGIN "MQ==" END, "abc|1" },
        { BEGIN "%0AYWJj%0A" END "%0A" BEGIN "%0AMQ==%0A" END "%0A", "abc|1" },
        { "YWJj", "abc" }, /* bare base64 */
        { "YWI%3D", "ab" },
        { "", "" },
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        for (size_t k = 0; k < 3; k++) {
            struct slice name = client_certificate_field_name(all[k]);
            char line[256];

            snprintf(line, sizeof(line), "%.*s: %s", SLICE_ARG(name), values[i][0]);
            check_read(all[k], line, values[i][1]);
        }
}

TEST(pem_that_is_damaged_is_refused)
{
    static const char *const values[][2] = {
        { BEGIN "YWJj", "is no whole PEM certificate" },
        { BEGIN "YWJj-----END CERTIFICATE----", "is no whole PEM certificate" },
        { BEGIN "YWJj" END "x", "is no PEM certificate" },
        { BEGIN "YWJj" END BEGIN, "is no whole PEM certificate" },
        { BEGIN END, "holds an empty certificate" },
        { BEGIN "YW*j" END, "is not base64" },
        { "-----BEGIN PRIVATE KEY-----YWJj-----END PRIVATE KEY-----", "is no PEM certificate" },
        { "YWJj%", "has a broken % escape" },
        { "YWJj%0", "has a broken % escape" },
        { "YWJj%0g", "has a broken % escape" },
        { "%00YWJj", "is not base64" },
        { "YWJj%2520", "is not base64" }, /* escaped twice */
        { "x" BEGIN "YWJj" END, "is not base64" },
        { "(null)", "is not base64" },
    };

    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char line[256];

        snprintf(line, sizeof(line), "X-SSL-Client-Cert: %s", values[i][0]);
        check_refused(PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT, line, values[i][1]);
    }
    check_refused(PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT,
                  "X-SSL-Client-Cert: YWJj|x-ssl-client-cert: YWJj", "is given twice");
}

#define XFCC "X-Forwarded-Client-Cert: "

TEST(the_last_element_of_xfcc_counts)
{
    enum persona_trusted_cert which = PERSONA_TRUSTED_CERT_XFCC;

    check_read(which, XFCC "Hash=00;Cert=\"YWJj\";Subject=\"CN=a\\\"b,c;d\";URI=;DNS=x", "abc");
    check_read(which, XFCC "cert=YWJj", "abc");
    check_read(which, XFCC "Chain=\"" BEGIN "YWJj" END BEGIN "MQ==" END "\"", "abc|1");
    check_read(which, XFCC "Cert=YWJj;Chain=\"" BEGIN "YWJj" END BEGIN "MQ==" END "\"", "abc|1");
    check_read(which, XFCC "Cert=MQ==,By=x;Cert=\"YWJj\"", "abc");
    check_read(which, XFCC "Cert=MQ== , By=x ; Cert=\"YWJj\" ", "abc");
    check_read(which, XFCC "Cert=MQ==|" XFCC "Cert=YWJj", "abc");
    check_read(which, XFCC "Subject=\"Cert=MQ==,Cert=MQ==\";Cert=YWJj", "abc");
    check_read(which, XFCC, "");
}

TEST(xfcc_that_says_too_little_or_too_much_is_refused)
{
    enum persona_trusted_cert which = PERSONA_TRUSTED_CERT_XFCC;
    static const char *const malformed[] = {
        "Cert",           "=YWJj",          "Cert=YWJj;",          "Cert=YWJj,",     ",Cert=YWJj",
        ";Cert=YWJj",     "Cert=\"YWJj",    "Cert=\"YWJj\\\"",     "Cert=\"YWJj\"x", "Cert=YW\"Jj",
        "a=1,,Cert=YQ==", "a=1;;Cert=YQ==", "Cert=YQ==;Cert=YQ==", "x;Cert=YWJj",    "a=\"\\",
    };

    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        char line[128];

        snprintf(line, sizeof(line), XFCC "%s", malformed[i]);
        check_refused(which, line, "is no list of key=value pairs");
    }
    check_refused(which, XFCC "Hash=00;Subject=\"CN=admin\"", "has neither Cert nor Chain");
    check_refused(which, XFCC "Cert=YWJj,Hash=00", "has neither Cert nor Chain");
    check_refused(which, XFCC "Cert=YWJj|" XFCC "Hash=00", "has neither Cert nor Chain");
    check_refused(which, XFCC "Cert=MQ==;Chain=\"" BEGIN "YWJj" END "\"",
                  "has a Chain that does not begin with Cert");
    check_refused(which, XFCC "Cert=\"" BEGIN "YWJj" END BEGIN "MQ==" END "\";Chain=YWJj",
                  "has more than one certificate in Cert");
    check_refused(which, XFCC "Cert=\"\"", "holds an empty certificate");
}

TEST(only_the_named_field_is_read)
{
    static const char all[] = "Client-Cert: :MQ==:|X-SSL-Client-Cert: Mg==|" XFCC
                              "Cert=Mw==|X-Amzn-Mtls-Clientcert: NA==|X-Amzn-Mtls-Clientcert-Leaf: "
                              "NQ==";

    check_read(PERSONA_TRUSTED_CERT_NONE, all, "");
    check_read(PERSONA_TRUSTED_CERT_CLIENT_CERT, all, "1");
    check_read(PERSONA_TRUSTED_CERT_X_SSL_CLIENT_CERT, all, "2");
    check_read(PERSONA_TRUSTED_CERT_XFCC, all, "3");
    check_read(PERSONA_TRUSTED_CERT_ALB, all, "4");
    check_read(PERSONA_TRUSTED_CERT_ALB_LEAF, all, "5");
}

TESTS(TEST_CASE(what_this_program_writes_it_reads), TEST_CASE(client_cert_is_one_byte_sequence),
      TEST_CASE(client_cert_chain_is_a_list_over_lines),
      TEST_CASE(pem_comes_in_the_spellings_of_hops), TEST_CASE(pem_that_is_damaged_is_refused),
      TEST_CASE(the_last_element_of_xfcc_counts),
      TEST_CASE(xfcc_that_says_too_little_or_too_much_is_refused),
      TEST_CASE(only_the_named_field_is_read))
