/*
 * test_client_policy: what is asked of clients is built from the operator's texts, or refused with
 * the text that is wrong.
 */
#include "tls/client_policy_priv.h"

#include <errno.h>

#include "tests/check.h"
#include "tests/unit/tls/pki.h"

static void check_build(const char *crl_pem, int result, const char *said)
{
    const struct tls_policy wanted = { .label = "mtls",
                                       .mode = TLS_VERIFY_REQUIRED,
                                       .ca_pem = pki_shelf()->root.pem,
                                       .crl_pem = crl_pem,
                                       .depth = -1 };
    struct client_policy policy;
    struct tls_error error = { "" };

    CHECK_INT(client_policy_init(&policy, &wanted, &error), result);
    CHECK_STR(error.text, said);
    CHECK_INT(ERR_peek_error(), 0);
    client_policy_done(&policy);
}

TEST(a_crl_that_cannot_be_read_is_named_by_number)
{
    char *root = pki_crl(&pki_shelf()->root, 90), *ca = pki_crl(&pki_shelf()->intermediate, 90);
    char *both = pki_join(root, ca, NULL, NULL), *cut = pki_join(root, ca, NULL, NULL);

    check_build(root, 0, "");
    check_build(both, 0, "");
    check_build("text around it", -EINVAL,
                "mtls: there is no CRL in the text (-----BEGIN X509 CRL-----)");
    cut[strlen(cut) - 40] = '\0';
    check_build(cut, -EINVAL, "mtls: CRL 2 is damaged");
    memcpy(strstr(both, "-----\n") + 6, "////", 4);
    check_build(both, -EINVAL, "mtls: CRL 1 is damaged");
    free(root);
    free(ca);
    free(both);
    free(cut);
}

TESTS(TEST_CASE(a_crl_that_cannot_be_read_is_named_by_number))
