#include "tls/pem_facts.h"

#include <errno.h>
#include <time.h>

#include "tests/check.h"
#include "tests/unit/tls/pki.h"

TEST(facts_of_a_certificate)
{
    const struct pki_shelf *shelf = pki_shelf();
    struct pem_certificate_facts root, rsa, expired;
    char reason[PEM_REASON_MAX];

    CHECK_INT(pem_certificate_facts(shelf->root.pem, &root, reason), 0);
    CHECK(root.is_authority && root.not_after_s > (int64_t)time(NULL));
    CHECK_INT(strlen(root.sha256), PEM_DIGEST_TEXT);
    CHECK_INT(pem_certificate_facts(shelf->www_rsa_chain, &rsa, reason), 0);
    CHECK(!rsa.is_authority && rsa.key_type != root.key_type);
    CHECK(strcmp(rsa.sha256, root.sha256) != 0);
    CHECK_INT(pem_certificate_facts(shelf->expired.pem, &expired, reason), 0);
    CHECK(expired.not_after_s < (int64_t)time(NULL) && expired.key_type == root.key_type);
}

TEST(what_is_no_certificate_is_told)
{
    struct pem_certificate_facts facts;
    char reason[PEM_REASON_MAX];

    CHECK_INT(pem_certificate_facts("nothing", &facts, reason), -EINVAL);
    CHECK_STR(reason, "the text has no certificate");
    CHECK_INT(pem_certificate_facts("-----BEGIN CERTIFICATE-----\nAAAA\n"
                                    "-----END CERTIFICATE-----\n",
                                    &facts, reason),
              -EINVAL);
    CHECK(strstr(reason, "is not a certificate") != NULL);
}

TEST(a_key_is_of_its_certificate)
{
    const struct pki_shelf *shelf = pki_shelf();
    char reason[PEM_REASON_MAX];

    CHECK(pem_key_is_of_certificate(shelf->www_chain, shelf->www.key_pem));
    CHECK(!pem_key_is_of_certificate(shelf->www_chain, shelf->other.key_pem));
    CHECK(!pem_key_is_of_certificate(shelf->www_chain, "nothing"));
    CHECK(!pem_key_is_of_certificate("nothing", shelf->www.key_pem));
    CHECK_INT(pem_private_key_check(shelf->www.key_pem, reason), 0);
    CHECK_INT(pem_private_key_check(shelf->www.pem, reason), -EINVAL);
    CHECK_STR(reason, "the text has no private key (no PEM block of that kind)");
}

TEST(a_public_key_is_of_its_private_key)
{
    const struct pki_shelf *shelf = pki_shelf();
    BIO *bio = BIO_new(BIO_s_mem());
    char *text, reason[PEM_REASON_MAX];

    CHECK_INT(PEM_write_bio_PUBKEY(bio, shelf->www.key), 1);
    text = pki_bio_text(bio);
    CHECK_INT(pem_public_key_check(text, reason), 0);
    CHECK_INT(pem_public_key_check(shelf->www.key_pem, reason), -EINVAL);
    CHECK(pem_keys_are_one_pair(text, shelf->www.key_pem));
    CHECK(!pem_keys_are_one_pair(text, shelf->other.key_pem));
    CHECK(!pem_keys_are_one_pair("nothing", shelf->www.key_pem));
    free(text);
}

TESTS(TEST_CASE(facts_of_a_certificate), TEST_CASE(what_is_no_certificate_is_told),
      TEST_CASE(a_key_is_of_its_certificate), TEST_CASE(a_public_key_is_of_its_private_key))
