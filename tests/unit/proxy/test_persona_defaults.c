/* persona_defaults: what a file says stays, what it leaves out is the persona's. */
#include "proxy/snapshot/persona_defaults.h"

#include "tests/unit/proxy/fixture.h"

TEST(services_get_the_timeouts_that_their_file_leaves_out)
{
    SCOPED(persona) alb = fixture_persona("alb");
    struct config_service services[] = {
        { .connect_timeout_ms = 60000, .write_timeout_ms = 60000, .read_timeout_ms = 60000 },
        { .connect_timeout_ms = 700,
          .write_timeout_ms = 800,
          .read_timeout_ms = 900,
          .said = { true, true, true } },
    };
    struct config config = { .services = services, .services_count = 2 };

    persona_defaults_fill_in(alb, &config);
    CHECK_INT(services[0].connect_timeout_ms, 10000);
    CHECK_INT(services[0].tls_timeout_ms, 10000);
    CHECK_INT(services[0].read_timeout_ms, 60000);
    CHECK_INT(services[1].connect_timeout_ms, 700);
    CHECK_INT(services[1].tls_timeout_ms, 0); /* the handshake gets the connect_timeout again */
    CHECK_INT(services[1].write_timeout_ms, 800);
    CHECK_INT(services[1].read_timeout_ms, 900);
}

TEST(kongs_services_keep_kongs_defaults)
{
    SCOPED(persona) kong = fixture_persona("kong");
    struct config_service service = { .connect_timeout_ms = 60000,
                                      .write_timeout_ms = 60000,
                                      .read_timeout_ms = 60000 };
    struct config config = { .services = &service, .services_count = 1 };

    persona_defaults_fill_in(kong, &config);
    CHECK_INT(service.connect_timeout_ms, 60000);
    CHECK_INT(service.write_timeout_ms, 60000);
    CHECK_INT(service.read_timeout_ms, 60000);
}

TEST(an_upstream_fails_open_unless_it_has_a_threshold_of_its_own)
{
    SCOPED(persona) alb = fixture_persona("alb");
    SCOPED(persona) edge = fixture_persona("edge");
    struct config_upstream upstreams[] = { { .panic_percent = 0 }, { .panic_percent = 50 } };
    struct config config = { .upstreams = upstreams, .upstreams_count = 2 };

    persona_defaults_fill_in(alb, &config);
    CHECK(upstreams[0].fails_open && !upstreams[1].fails_open);
    persona_defaults_fill_in(edge, &config);
    CHECK(!upstreams[0].fails_open && !upstreams[1].fails_open);
}

TESTS(TEST_CASE(services_get_the_timeouts_that_their_file_leaves_out),
      TEST_CASE(kongs_services_keep_kongs_defaults),
      TEST_CASE(an_upstream_fails_open_unless_it_has_a_threshold_of_its_own))
