#include "lb/hosts_file.h"

#include <errno.h>
#include <stdio.h>

#include "core/addr.h"
#include "tests/check.h"

static void check_found(const char *text, const char *name, const char *wanted)
{
    struct hosts_file hosts = { 0 };
    const struct hosts_entry *entry;
    char got[256] = "", address[ADDR_IP_TEXT_MAX];
    size_t count, length = 0;

    CHECK_INT(hosts_file_parse(slice_of(text), &hosts), 0);
    entry = hosts_file_find(&hosts, name, &count);
    CHECK((entry != NULL) == (count > 0));
    for (size_t i = 0; i < count; i++)
        length += (size_t)snprintf(got + length, sizeof(got) - length, "%s%s", i > 0 ? " " : "",
                                   addr_format_ip(&entry[i].address, address, sizeof(address)));
    CHECK_STR(got, wanted);
    hosts_file_done(&hosts);
}

TEST(names_are_found_whatever_their_case)
{
    const char *text = "127.0.0.1 localhost\n192.0.2.1\tone  ONE.example # two\n";

    check_found(text, "one", "192.0.2.1");
    check_found(text, "One.Example", "192.0.2.1");
    check_found(text, "two", "");
    check_found(text, "", "");
}

TEST(all_addresses_of_a_name_come_in_the_order_of_the_file)
{
    check_found("192.0.2.3 a b\n2001:db8::1 b a\r\n192.0.2.1 a", "a",
                "192.0.2.3 2001:db8::1 192.0.2.1");
}

TEST(lines_that_are_none_are_skipped)
{
    check_found("\n#\n  \nnonsense a\n192.0.2.1\n192.0.2.300 a\n 192.0.2.2 a\n", "a", "192.0.2.2");
    check_found("", "a", "");
}

TEST(file_that_is_not_there_is_an_error_and_nothing_is_made)
{
    struct hosts_file hosts = { 0 };

    CHECK_INT(hosts_file_load("/nonexistent/hosts", &hosts), -ENOENT);
    CHECK(hosts.items == NULL);
}

TESTS(TEST_CASE(names_are_found_whatever_their_case),
      TEST_CASE(all_addresses_of_a_name_come_in_the_order_of_the_file),
      TEST_CASE(lines_that_are_none_are_skipped),
      TEST_CASE(file_that_is_not_there_is_an_error_and_nothing_is_made))
