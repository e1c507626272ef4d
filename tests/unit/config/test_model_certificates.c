#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/model/model_process.h"
#include "tests/check.h"
#include "tls/pki_lab.h"

#define MISMATCH "certificate does not match key"
#define ALIKE                                                                                    \
    "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), " \
    "the provided certificates were both of the same type"

static struct pki_lab *lab;

static const char *file(const char *path)
{
    const struct pki_file *found = pki_lab_find(lab, path);

    if (!found)
        fail_msg("the lab has no %s", path);
    return (const char *)found->bytes;
}

/* What is said of the entity as a whole; "": it is taken, and *ret_entity is it. */
static char *process(const char *entity, json_t *input, json_t **ret_entity)
{
    struct kong_error error = { 0 };
    json_t *got = NULL;
    char *said;
    struct model_request request = { .entity = model_entity(model_get(), entity),
                                     .input = input,
                                     .now_s = (double)time(NULL) };
    int r = model_process(model_get(), &request, &got, &error);

    said = strdup(r == 0 ? "" : error.message);
    if (ret_entity)
        *ret_entity = json_incref(got);
    json_decref(got);
    json_decref(input);
    kong_error_done(&error);
    return said;
}

static void check(const char *entity, json_t *input, const char *want)
{
    char *said = process(entity, input, NULL);

    CHECK_STR(said, want);
    free(said);
}

TEST(a_certificate_is_of_its_key)
{
    const char *chain = file("good/chain.pem"), *key = file("good/key.pem"),
               *rsa = file("good-rsa/chain.pem"), *rsa_key = file("good-rsa/key.pem");

    check("certificates", json_pack("{s:s, s:s}", "cert", chain, "key", key), "");
    check("certificates", json_pack("{s:s, s:s}", "cert", chain, "key", rsa_key),
          "schema violation (" MISMATCH ")");
    check("certificates",
          json_pack("{s:s, s:s, s:s, s:s}", "cert", chain, "key", key, "cert_alt", rsa, "key_alt",
                    rsa_key),
          "");
    check("certificates",
          json_pack("{s:s, s:s, s:s, s:s}", "cert", chain, "key", key, "cert_alt", rsa, "key_alt",
                    key),
          "schema violation (alternative " MISMATCH ")");
    check("certificates",
          json_pack("{s:s, s:s, s:s, s:s}", "cert", chain, "key", key, "cert_alt", chain, "key_alt",
                    key),
          "schema violation (" ALIKE ")");
    check("certificates", json_pack("{s:s, s:s, s:s}", "cert", chain, "key", key, "cert_alt", rsa),
          "schema violation (all or none of these fields must be set: 'cert_alt', 'key_alt')");
}

TEST(names_of_a_certificate_are_passed_on)
{
    json_t *got = NULL;
    char *said = process("certificates",
                         json_pack("{s:s, s:s, s:[s, s, s]}", "cert", file("good/chain.pem"), "key",
                                   file("good/key.pem"), "snis", "a", "b", "a"),
                         &got);

    CHECK_STR(said, "");
    CHECK_INT(json_array_size(json_object_get(got, "snis")), 2);
    free(said);
    json_decref(got);
    said = process(
        "certificates",
        json_pack("{s:s, s:s}", "cert", file("good/chain.pem"), "key", file("good/key.pem")), &got);
    CHECK(json_object_get(got, "snis") == NULL);
    CHECK(json_is_null(json_object_get(got, "cert_alt")));
    free(said);
    json_decref(got);
}

TEST(an_authority_has_a_digest)
{
    json_t *got = NULL;
    char *said = process("ca_certificates", json_pack("{s:s}", "cert", file("ca.pem")), &got);
    const char *digest = json_string_value(json_object_get(got, "cert_digest"));

    CHECK_STR(said, "");
    CHECK(digest && strlen(digest) == 64 && strspn(digest, "0123456789abcdef") == 64);
    free(said);
    json_decref(got);
}

TEST(what_is_no_authority_is_refused)
{
    check("ca_certificates", json_pack("{s:s}", "cert", file("self-signed/chain.pem")),
          "schema violation (certificate does not appear to be a CA because it is missing the "
          "\"CA\" basic constraint)");
    check("ca_certificates", json_pack("{s:s}", "cert", file("expired/chain.pem")),
          "schema violation (please submit only one certificate at a time)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_CASE(a_certificate_is_of_its_key),
        TEST_CASE(names_of_a_certificate_are_passed_on),
        TEST_CASE(an_authority_has_a_digest),
        TEST_CASE(what_is_no_authority_is_refused),
    };
    struct pki_lab_settings settings = { .now_s = (int64_t)time(NULL) };
    struct tls_error error;
    int failed;

    lab = pki_lab_create(&settings, &error);
    if (!lab)
        return 1;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    pki_lab_free(lab);
    return failed;
}
