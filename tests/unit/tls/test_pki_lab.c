#include "tls/pki_lab.h"

#include <openssl/err.h>

#include <stdio.h>
#include <time.h>

#include "tests/check.h"
#include "tls/cert_chain_priv.h"
#include "tls/chain_facts_priv.h"

static struct pki_lab *make(const char *name, int days)
{
    struct tls_error error = { "" };
    struct pki_lab *lab = pki_lab_create(&(struct pki_lab_settings){ .server_name = name,
                                                                     .days = days,
                                                                     .now_s = (int64_t)time(NULL) },
                                         &error);

    if (!lab)
        fail_msg("%s", error.text);
    CHECK_INT(ERR_peek_error(), 0);
    return lab;
}

static const struct pki_file *find(const struct pki_lab *lab, const char *folder, const char *name)
{
    char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return pki_lab_find(lab, path);
}

static struct chain_facts leaf_facts(const struct pki_lab *lab, const char *folder)
{
    char error[256];
    struct chain_facts facts;
    STACK_OF(X509) *found = cert_bundle_parse((const char *)find(lab, folder, "chain.pem")->bytes,
                                              error, sizeof(error));

    CHECK(found && sk_X509_num(found) > 0);
    chain_facts_read(sk_X509_value(found, 0), (int64_t)time(NULL), &facts);
    sk_X509_pop_free(found, X509_free);
    return facts;
}

TEST(each_situation_has_the_files_that_its_row_promises)
{
    SCOPED(pki_lab) lab = make(NULL, 0);
    size_t count;
    const struct pki_situation *situations = pki_lab_situations(&count);

    CHECK(count > 40);
    for (size_t i = 0; i < count; i++) {
        const char *name = situations[i].name;

        CHECK(find(lab, name, "chain.pem") && !find(lab, name, "chain.pem")->is_secret);
        CHECK(find(lab, name, "key.pem") && find(lab, name, "key.pem")->is_secret);
        CHECK_INT(find(lab, name, "crl.pem") != NULL, situations[i].crls != NULL);
        CHECK_INT(find(lab, name, "ocsp.der") != NULL, situations[i].ocsp != NULL);
        CHECK(situations[i].flaw[0] && situations[i].fix[0]);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(name, situations[j].name) != 0);
    }
}

TEST(only_one_key_does_not_match_and_only_one_is_encrypted)
{
    SCOPED(pki_lab) lab = make(NULL, 0);
    size_t count;
    const struct pki_situation *situations = pki_lab_situations(&count);

    for (size_t i = 0; i < count; i++) {
        const char *name = situations[i].name;
        struct cert_chain chain;
        char error[256];
        EVP_PKEY *key =
            cert_key_parse((const char *)find(lab, name, "key.pem")->bytes, error, sizeof(error));

        CHECK_INT(key == NULL, strcmp(name, "key-encrypted") == 0);
        CHECK_INT(cert_chain_parse(&chain, (const char *)find(lab, name, "chain.pem")->bytes, key,
                                   error, sizeof(error)),
                  0);
        if (key && X509_check_private_key(chain.leaf, key) != (strcmp(name, "key-mismatch") != 0))
            fail_msg("%s: the key", name);
        ERR_clear_error();
        cert_chain_done(&chain);
        EVP_PKEY_free(key);
    }
}

TEST(name_and_days_are_taken)
{
    SCOPED(pki_lab) lab = make("www.example.org", 7);
    struct chain_facts facts = leaf_facts(lab, "good");

    CHECK_STR(facts.subject, "CN=www.example.org");
    CHECK_STR(facts.issuer, "CN=Shelf Intermediate");
    CHECK_STR(facts.names, "DNS:www.example.org, IP:127.0.0.1, IP:::1");
    CHECK_STR(facts.key, "EC P-256");
    CHECK_STR(facts.signature, "ecdsa-with-SHA256");
    CHECK_STR(facts.issuer_url, "http://ca.shelf.invalid/intermediate.cer");
    CHECK(facts.days_left == 6 || facts.days_left == 7);
    CHECK(!facts.is_authority && !facts.is_self_signed && !facts.must_staple);
    CHECK_INT(strlen(facts.sha256), 64);
    facts = leaf_facts(lab, "weak-key");
    CHECK_STR(facts.key, "RSA 1024");
    facts = leaf_facts(lab, "sha1");
    CHECK_STR(facts.signature, "ecdsa-with-SHA1");
    CHECK(leaf_facts(lab, "must-staple").must_staple);
    CHECK(leaf_facts(lab, "self-signed").is_self_signed);
    CHECK(leaf_facts(lab, "leaf-last").is_authority);
}

TEST(keys_and_serial_numbers_are_new_each_time_and_names_are_not)
{
    SCOPED(pki_lab) one = make(NULL, 0);
    SCOPED(pki_lab) two = make(NULL, 0);
    struct chain_facts a = leaf_facts(one, "good"), b = leaf_facts(two, "good");

    CHECK_INT(one->count, two->count);
    for (size_t i = 0; i < one->count; i++)
        CHECK_STR(one->files[i].path, two->files[i].path);
    CHECK(strcmp(a.serial, b.serial) != 0 && strcmp(a.sha256, b.sha256) != 0);
    CHECK_STR(a.subject, b.subject);
    CHECK(strcmp((const char *)find(one, "good", "key.pem")->bytes,
                 (const char *)find(two, "good", "key.pem")->bytes) != 0);
}

TEST(a_name_that_could_add_other_names_is_refused)
{
    static const char *const bad[] = { "", "a.test,DNS:b.test", "a b", "a\nb", "{name}" };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tls_error error = { "" };

        CHECK(pki_lab_create(&(struct pki_lab_settings){ .server_name = bad[i] }, &error) == NULL);
        CHECK(strstr(error.text, "is no DNS name"));
    }
}

TESTS(TEST_CASE(each_situation_has_the_files_that_its_row_promises),
      TEST_CASE(only_one_key_does_not_match_and_only_one_is_encrypted),
      TEST_CASE(name_and_days_are_taken),
      TEST_CASE(keys_and_serial_numbers_are_new_each_time_and_names_are_not),
      TEST_CASE(a_name_that_could_add_other_names_is_refused))
