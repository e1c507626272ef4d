#include "tls/self_signed.h"

#include <time.h>

#include "tests/unit/tls/scene.h"
#include "tls/cert_check.h"

TEST(the_pair_has_no_findings_now_nor_in_nine_years)
{
    struct self_signed pair;
    struct cert_report report;

    CHECK_INT(self_signed_create(&pair), 0);
    for (int years = 0; years < 10; years += 9) {
        const struct tls_pem_pair texts = { pair.chain_pem, pair.key_pem };

        CHECK_INT(
            cert_check(&texts, (int64_t)time(NULL) + (int64_t)years * 365 * PKI_DAY_S, &report), 0);
        if (report.count > 0)
            fail_msg("%s", report.problems[0].text);
        cert_report_done(&report);
    }
    self_signed_done(&pair);
    CHECK(!pair.key_pem && !pair.chain_pem);
}

TEST(clients_that_trust_it_verify_localhost_by_name_and_address)
{
    static const char *const names[] = { "localhost", "127.0.0.1", "[::1]" };
    struct self_signed pair;

    CHECK_INT(self_signed_create(&pair), 0);
    for (size_t i = 0; i < 3; i++) {
        const struct tls_certificate certificate = { .pair = { pair.chain_pem, pair.key_pem } };
        struct scene scene;

        scene_init(&scene, server_config_of(&(struct tls_server_settings){
                               .certificates = &certificate, .certificates_count = 1 }));
        scene_start_server(&scene);
        scene_start_client(&scene,
                           client_config_of(&(struct tls_client_settings){
                               .verify = true, .verify_depth = -1, .ca_pem = pair.chain_pem }),
                           &(struct tls_connect_options){ .server_name = names[i] });
        scene_run(&scene);
        CHECK_STR(scene.client.failed_detail, "");
        CHECK(scene.client.open);
        scene_done(&scene);
    }
    self_signed_done(&pair);
}

TEST(each_pair_is_another)
{
    struct self_signed a, b;

    CHECK_INT(self_signed_create(&a), 0);
    CHECK_INT(self_signed_create(&b), 0);
    CHECK(strcmp(a.chain_pem, b.chain_pem) != 0);
    CHECK(strcmp(a.key_pem, b.key_pem) != 0);
    self_signed_done(&a);
    self_signed_done(&b);
}

TESTS(TEST_CASE(the_pair_has_no_findings_now_nor_in_nine_years),
      TEST_CASE(clients_that_trust_it_verify_localhost_by_name_and_address),
      TEST_CASE(each_pair_is_another))
