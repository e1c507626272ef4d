#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "core/addr.h"
#include "tests/check.h"

static const char *print(const char *text, uint16_t default_port)
{
    static char into[ADDR_TEXT_MAX];
    struct sockaddr_storage addr;

    if (addr_parse(slice_of(text), default_port, &addr) < 0)
        return "refused";
    return addr_format(&addr, into, sizeof(into));
}

TEST(address_text_survives_parsing_and_printing)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "192.0.2.1:80", "192.0.2.1:80" },
        { "192.0.2.1", "192.0.2.1:8000" },
        { "0.0.0.0:0", "0.0.0.0:0" },
        { "[2001:db8::1]:443", "[2001:db8::1]:443" },
        { "[::]", "[::]:8000" },
        { "2001:DB8:0:0::1", "[2001:db8::1]:8000" },
        { "::ffff:192.0.2.1", "192.0.2.1:8000" },
        { "", "refused" },
        { ":80", "refused" },
        { "192.0.2.1:", "refused" },
        { "192.0.2.1:65536", "refused" },
        { "192.0.2.1:8o", "refused" },
        { "192.0.2.1:+1", "refused" },
        { "192.0.2", "refused" },
        { "192.0.2.01", "refused" },
        { "[::1", "refused" },
        { "[::1]80", "refused" },
        { "[]:80", "refused" },
        { "fe80::1%eth0", "refused" },
        { "localhost:80", "refused" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(print(rows[i].text, 8000), rows[i].want);
}

TEST(host_and_port_are_cut_at_the_right_colon)
{
    struct slice host, port;

    CHECK_INT(addr_split_host_port(SLICE("example.com:8080"), &host, &port), 0);
    CHECK_SLICE(host, "example.com");
    CHECK_SLICE(port, "8080");
    CHECK_INT(addr_split_host_port(SLICE("::1"), &host, &port), 0);
    CHECK_SLICE(host, "::1");
    CHECK(port.ptr == NULL);
    CHECK_INT(addr_split_host_port(SLICE("example.com:"), &host, &port), -EINVAL);
}

TEST(text_that_does_not_fit_is_cut_and_terminated)
{
    struct sockaddr_storage addr;
    char into[6];

    CHECK_INT(addr_parse(SLICE("192.0.2.1:80"), 0, &addr), 0);
    CHECK_STR(addr_format(&addr, into, sizeof(into)), "192.0");
}

TEST(every_ipv4_octet_prints_as_a_plain_decimal)
{
    struct sockaddr_storage addr = { .ss_family = AF_INET };
    uint8_t *bytes = (uint8_t *)&((struct sockaddr_in *)&addr)->sin_addr;

    for (unsigned octet = 0; octet < 256; octet++) {
        const uint8_t order[4] = { (uint8_t)octet, 0, 255, (uint8_t)(255 - octet) };
        char into[ADDR_IP_TEXT_MAX], expected[ADDR_IP_TEXT_MAX];

        memcpy(bytes, order, sizeof(order));
        (void)snprintf(expected, sizeof(expected), "%u.0.255.%u", octet, 255 - octet);
        CHECK_STR(addr_format_ip(&addr, into, sizeof(into)), expected);
    }
}

TEST(expanded_form_has_four_digits_per_group)
{
    struct sockaddr_storage addr;
    char into[ADDR_EXPANDED_MAX];

    CHECK_INT(addr_parse(SLICE("[2001:db8::1]:1"), 0, &addr), 0);
    CHECK_STR(addr_format_expanded(&addr, into, sizeof(into)),
              "2001:0db8:0000:0000:0000:0000:0000:0001");
}

TEST(a_family_that_is_not_ip_prints_as_a_dash)
{
    struct sockaddr_storage addr = { .ss_family = AF_UNIX };
    char into[ADDR_TEXT_MAX];

    CHECK_STR(addr_format(&addr, into, sizeof(into)), "-");
    CHECK_INT(addr_length(&addr), 0);
    CHECK_INT(addr_port(&addr), 0);
}

TEST(a_mapped_address_equals_its_ipv4_form)
{
    struct sockaddr_storage v4, mapped, other_port, v6;

    CHECK_INT(addr_parse(SLICE("192.0.2.1:80"), 0, &v4), 0);
    CHECK_INT(addr_parse(SLICE("[::ffff:192.0.2.1]:80"), 0, &mapped), 0);
    CHECK_INT(addr_parse(SLICE("192.0.2.1:81"), 0, &other_port), 0);
    CHECK_INT(addr_parse(SLICE("[::1]:80"), 0, &v6), 0);
    CHECK(addr_equal(&v4, &mapped));
    CHECK(!addr_equal(&v4, &other_port));
    CHECK(!addr_equal(&v4, &v6));
    CHECK_INT(addr_length(&v4), sizeof(struct sockaddr_in));
    CHECK_INT(addr_length(&v6), sizeof(struct sockaddr_in6));
}

TEST(a_cidr_contains_what_shares_its_prefix)
{
    static const struct {
        const char *cidr, *ip;
        bool inside;
    } rows[] = {
        { "10.0.0.0/8", "10.255.0.1", true },
        { "10.0.0.0/8", "11.0.0.1", false },
        { "10.1.2.3/8", "10.9.9.9", true }, /* host bits do not count */
        { "192.0.2.1", "192.0.2.1", true },
        { "192.0.2.1", "192.0.2.2", false },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.128/25", "192.0.2.200", true },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "2001:db8::1", false },
        { "::/0", "2001:db8::1", true },
        { "::/0", "203.0.113.9", false },
        { "2001:db8::/33", "2001:db8:7fff::1", true },
        { "2001:db8::/33", "2001:db8:8000::1", false },
        { "10.0.0.0/8", "::ffff:10.0.0.1", true }, /* an IPv4 peer on a dual-stack socket */
        { "::ffff:10.0.0.0/104", "10.0.0.1", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct addr_cidr cidr;
        struct sockaddr_storage addr;
        CHECK_INT(addr_cidr_parse(slice_of(rows[i].cidr), &cidr), 0);
        CHECK_INT(addr_parse(slice_of(rows[i].ip), 0, &addr), 0);
        if (addr_cidr_contains(&cidr, &addr) != rows[i].inside)
            fail_msg("%s in %s", rows[i].ip, rows[i].cidr);
    }
}

TEST(a_bad_cidr_is_refused)
{
    static const char *const rows[] = {
        "10.0.0.0/33", "::1/129",    "10.0.0.0/", "10.0.0/8",
        "/8",          "10.0.0.0/a", "",          "::ffff:1.2.3.4/64"
    };
    struct addr_cidr cidr;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_INT(addr_cidr_parse(slice_of(rows[i]), &cidr), -EINVAL);
}

TEST(a_list_of_cidrs_contains_what_any_of_them_does)
{
    struct addr_cidrs cidrs = { 0 };
    struct sockaddr_storage inside, outside;

    CHECK_INT(addr_parse(SLICE("[2001:db8::7]:9"), 0, &inside), 0);
    CHECK_INT(addr_parse(SLICE("192.0.2.1"), 0, &outside), 0);
    CHECK(!addr_cidrs_contain(&cidrs, &inside));
    CHECK_INT(addr_cidrs_add(&cidrs, SLICE("10.0.0.0/8")), 0);
    CHECK_INT(addr_cidrs_add(&cidrs, SLICE("nonsense")), -EINVAL);
    CHECK_INT(addr_cidrs_add(&cidrs, SLICE("2001:db8::/32")), 0);
    CHECK_INT(cidrs.count, 2);
    CHECK(addr_cidrs_contain(&cidrs, &inside));
    CHECK(!addr_cidrs_contain(&cidrs, &outside));
    addr_cidrs_done(&cidrs);
    CHECK_INT(cidrs.count, 0);
}

TESTS(TEST_CASE(address_text_survives_parsing_and_printing),
      TEST_CASE(host_and_port_are_cut_at_the_right_colon),
      TEST_CASE(text_that_does_not_fit_is_cut_and_terminated),
      TEST_CASE(every_ipv4_octet_prints_as_a_plain_decimal),
      TEST_CASE(expanded_form_has_four_digits_per_group),
      TEST_CASE(a_family_that_is_not_ip_prints_as_a_dash),
      TEST_CASE(a_mapped_address_equals_its_ipv4_form),
      TEST_CASE(a_cidr_contains_what_shares_its_prefix), TEST_CASE(a_bad_cidr_is_refused),
      TEST_CASE(a_list_of_cidrs_contains_what_any_of_them_does))
