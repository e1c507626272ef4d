#include "lb/persistence_cookie.h"

#include "core/addr.h"
#include "tests/check.h"

static void check_both(const char *address, const char *value)
{
    struct sockaddr_storage parsed, read;
    char text[PERSISTENCE_COOKIE_MAX];

    CHECK_INT(addr_parse(slice_of(address), 0, &parsed), 0);
    CHECK_STR(persistence_cookie_write(&parsed, text), value);
    CHECK(persistence_cookie_read(slice_of(value), &read));
    CHECK(addr_equal(&read, &parsed));
}

static void check_read(const char *value, const char *address)
{
    struct sockaddr_storage parsed, read;

    CHECK_INT(addr_parse(slice_of(address), 0, &parsed), 0);
    CHECK(persistence_cookie_read(slice_of(value), &read));
    CHECK(addr_equal(&read, &parsed));
}

TEST(values_are_those_of_f5)
{
    check_both("10.1.1.100:8080", "1677787402.36895.0000");
    check_both("10.1.1.100:80", "1677787402.20480.0000");
    check_both("10.1.1.100:443", "1677787402.47873.0000");
    check_both("[2001:112::30]:80", "vi20010112000000000000000000000030.20480");
    check_both("255.255.255.255:65535", "4294967295.65535.0000");
    check_read("rd5o00000000000000000000ffffc0000201o80", "192.0.2.1:80");
    check_read("rd3o20010112000000000000000000000030o80", "[2001:112::30]:80");
}

TEST(what_is_not_one_is_refused_however_it_is_cut)
{
    static const char *const values[] = { "1677787402.36895.0000",
                                          "vi20010112000000000000000000000030.20480",
                                          "rd5o00000000000000000000ffffc0000201o80" };
    static const char *const bad[] = { "4294967296.1.0000",
                                       "1.65536.0000",
                                       "1.1.0001",
                                       "1.1.0000 ",
                                       "vi2001011200000000000000000000003g.1",
                                       "!abcdef",
                                       "-1.1.0000" };
    struct sockaddr_storage address;

    for (unsigned i = 0; i < 3; i++)
        for (size_t cut = 0; cut < strlen(values[i]) - (i == 0 ? 0 : i == 1 ? 4 : 1); cut++)
            CHECK(!persistence_cookie_read((struct slice){ values[i], cut }, &address));
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(!persistence_cookie_read(slice_of(bad[i]), &address));
}

TESTS(TEST_CASE(values_are_those_of_f5), TEST_CASE(what_is_not_one_is_refused_however_it_is_cut))
