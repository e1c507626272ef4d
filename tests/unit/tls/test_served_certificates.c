/*
 * test_served_certificates: the list has every certificate that clients may get, and its end.
 */
#include "tls/served_certificates.h"

#include <time.h>

#include "tests/check.h"
#include "tests/unit/tls/pki.h"
#include "tls/tls.h"

static struct tls_pem_pair pair_of(const struct pki_cert *certificate)
{
    return (struct tls_pem_pair){ certificate->pem, certificate->key_pem };
}

static struct pki_cert ec, rsa, other; /* as long as the program: pki.h frees nothing */

static void make_certificates(void)
{
    ec = pki_make(
        &(struct pki_request){ .name = "a", .san = "DNS:a.test,IP:127.0.0.1", .to_days = 9 });
    rsa = pki_make(
        &(struct pki_request){ .name = "a", .san = "DNS:a.test", .rsa = true, .to_days = 20 });
    other = pki_make(&(struct pki_request){ .name = "b\"b", .to_days = 30 });
}

static struct tls_server_config *make_config(void)
{
    const struct tls_certificate certificates[] = {
        { .label = "first", .pair = pair_of(&ec), .alternative = pair_of(&rsa) },
        { .label = "second", .pair = pair_of(&other) },
    };
    const struct tls_server_settings settings = { .certificates = certificates,
                                                  .certificates_count = 2 };
    struct tls_error error = { "" };

    return tls_server_config_create(&settings, &error);
}

TEST(both_pairs_of_each_certificate_are_listed_with_their_end)
{
    struct tls_server_config *config = (make_certificates(), make_config());
    struct served_certificates list = { 0 };
    int64_t now_s = (int64_t)time(NULL);

    assert_non_null(config);
    CHECK_INT(served_certificates_add(&list, config), 0);
    CHECK_INT(list.count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct served_certificate *item = &list.items[i];
        bool is_rsa = strncmp(item->key, "RSA", 3) == 0;
        int days = item->index == 1 ? 30 : is_rsa ? 20 : 9;

        CHECK_STR(item->name, item->index == 1 ? "CN=b\\\"b" : "a.test");
        CHECK(item->not_after_s > now_s + (days - 1) * PKI_DAY_S);
        CHECK(item->not_after_s <= now_s + days * PKI_DAY_S + 60);
        CHECK_INT(strlen(item->sha256), 64);
    }
    CHECK_INT(list.items[2].index, 1);
    served_certificates_done(&list);
    CHECK(list.items == NULL && list.count == 0);
    tls_server_config_unref(config);
}

TESTS(TEST_CASE(both_pairs_of_each_certificate_are_listed_with_their_end))
