/*
 * test_real_ip: only a trusted peer may say who the client is, and nginx's walk decides whom it means.
 */
#include "proxy/route/real_ip.h"

#include "tests/unit/proxy/fixture.h"

struct real_ip_case {
    const char *trusted; /* one block, or "" */
    const char *header;
    bool recursive;
    const char *lines;
    const char *want;
};

static void check_case(const struct real_ip_case *c)
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct sockaddr_storage peer = fixture_addr("10.0.0.5:50000");
    struct addr_cidrs trusted = { 0 };
    struct real_ip_settings settings = { slice_of(c->header), c->recursive, &trusted };
    struct fields fields;
    struct arena arena;
    struct real_ip got;

    arena_init(&arena, pool, 0);
    fixture_fields(&fields, &arena, c->lines);
    if (c->trusted[0])
        CHECK_INT(addr_cidrs_add(&trusted, slice_of(c->trusted)), 0);
    CHECK_INT(real_ip_resolve(&settings, &peer, &fields, &arena, &got), 0);
    CHECK_SLICE(got.text, c->want);
    CHECK_INT(got.peer_is_trusted, c->trusted[0] == '1');
    addr_cidrs_done(&trusted);
    arena_done(&arena);
    chunk_pool_free(pool);
}

/* The numbered examples of Kong's trusted_ips, real_ip_header and real_ip_recursive. */
TEST(the_worked_examples_of_kong)
{
    static const struct real_ip_case cases[] = {
        { "", "X-Real-IP", false, "", "10.0.0.5" },
        { "", "X-Real-IP", false, "X-Forwarded-For: 203.0.113.9", "10.0.0.5" },
        { "", "X-Real-IP", false, "X-Real-IP: 203.0.113.9", "10.0.0.5" },
        { "10.0.0.0/8", "X-Real-IP", false, "", "10.0.0.5" },
        { "10.0.0.0/8", "X-Real-IP", false, "X-Forwarded-For: 203.0.113.9", "10.0.0.5" },
        { "10.0.0.0/8", "X-Real-IP", false, "X-Real-IP: 203.0.113.9", "203.0.113.9" },
        { "10.0.0.0/8", "X-Real-IP", false, "X-Real-IP: 203.0.113.9|X-Forwarded-For: 203.0.113.9",
          "203.0.113.9" },
        { "10.0.0.0/8", "X-Forwarded-For", false, "X-Forwarded-For: 198.51.100.7, 203.0.113.9",
          "203.0.113.9" },
        { "10.0.0.0/8", "X-Forwarded-For", true,
          "X-Forwarded-For: 198.51.100.7, 203.0.113.9, 10.1.1.1", "203.0.113.9" },
        { "10.0.0.0/8", "X-Forwarded-For", true, "X-Forwarded-For: 10.2.2.2, 10.1.1.1",
          "10.2.2.2" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        check_case(&cases[i]);
}

TEST(an_untrusted_peer_is_never_believed)
{
    check_case(&(struct real_ip_case){ "", "X-Forwarded-For", true,
                                       "X-Forwarded-For: 203.0.113.9|X-Real-IP: 203.0.113.9",
                                       "10.0.0.5" });
}

TEST(a_token_that_is_no_address_ends_the_walk)
{
    check_case(&(struct real_ip_case){ "10.0.0.0/8", "X-Forwarded-For", true,
                                       "X-Forwarded-For: 203.0.113.9, junk, 10.1.1.1",
                                       "10.1.1.1" });
    check_case(&(struct real_ip_case){ "10.0.0.0/8", "X-Forwarded-For", false,
                                       "X-Forwarded-For: junk", "10.0.0.5" });
}

TEST(several_lines_are_read_from_the_last_to_the_first)
{
    check_case(&(struct real_ip_case){
        "10.0.0.0/8", "X-Forwarded-For", true,
        "X-Forwarded-For: 203.0.113.9|X-A: b|X-Forwarded-For: 10.1.1.1", "203.0.113.9" });
    check_case(&(struct real_ip_case){ "10.0.0.0/8", "X-Forwarded-For", false,
                                       "X-Forwarded-For: 203.0.113.9|X-Forwarded-For: 198.51.100.7",
                                       "198.51.100.7" });
    check_case(&(struct real_ip_case){ "10.0.0.0/8", "X-Real-IP", true,
                                       "X-Real-IP: 203.0.113.9|X-Real-IP: 198.51.100.7",
                                       "203.0.113.9" });
}

TEST(ports_and_brackets_belong_to_the_token_not_to_the_address)
{
    check_case(&(struct real_ip_case){ "10.0.0.0/8", "X-Forwarded-For", false,
                                       "X-Forwarded-For: 203.0.113.9:4711", "203.0.113.9" });
    check_case(&(struct real_ip_case){ "10.0.0.0/8", "X-Forwarded-For", false,
                                       "X-Forwarded-For: [2001:db8::1]:4711", "2001:db8::1" });
}

TESTS(TEST_CASE(the_worked_examples_of_kong), TEST_CASE(an_untrusted_peer_is_never_believed),
      TEST_CASE(a_token_that_is_no_address_ends_the_walk),
      TEST_CASE(several_lines_are_read_from_the_last_to_the_first),
      TEST_CASE(ports_and_brackets_belong_to_the_token_not_to_the_address))
