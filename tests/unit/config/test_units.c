#include <errno.h>

#include "config/units.h"
#include "tests/check.h"

struct row {
    const char *text;
    int r;
    uint64_t want;
};

static void check(int (*parse)(const char *, uint64_t *), const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 7;
        int r = parse(rows[i].text, &value);
        if (r != rows[i].r || value != (r == 0 ? rows[i].want : 7))
            fail_msg("'%s' gives %d and %llu", rows[i].text, r, (unsigned long long)value);
    }
}

#define COUNT(rows) (sizeof(rows) / sizeof((rows)[0]))

TEST(times_are_read_as_nginx_reads_them)
{
    static const struct row rows[] = {
        { "60", 0, 60000 },
        { "60s", 0, 60000 },
        { "0", 0, 0 },
        { "500ms", 0, 500 },
        { "1m", 0, 60000 },
        { "1m30s", 0, 90000 },
        { "1h 5m", 0, 3900000 },
        { "2d", 0, 172800000 },
        { "1w", 0, 604800000 },
        { "1M", 0, 2592000000 },
        { "1y", 0, 31536000000 },
        { "", -EINVAL, 0 },
        { "s", -EINVAL, 0 },
        { "-1s", -EINVAL, 0 },
        { "1.5s", -EINVAL, 0 },
        { "1x", -EINVAL, 0 },
        { "99999999999999999999", -ERANGE, 0 },
        { "9999999999999999999s", -ERANGE, 0 },
    };
    check(units_parse_time_ms, rows, COUNT(rows));
}

TEST(sizes_are_read_as_nginx_reads_them)
{
    static const struct row rows[] = {
        { "0", 0, 0 },          { "1024", 0, 1024 },
        { "8k", 0, 8192 },      { "8K", 0, 8192 },
        { "10m", 0, 10485760 }, { "1G", 0, 1073741824 },
        { "8kb", -EINVAL, 0 },  { "k", -EINVAL, 0 },
        { " 8k", -EINVAL, 0 },  { "18446744073709551615k", -ERANGE, 0 },
    };
    check(units_parse_size_bytes, rows, COUNT(rows));
}

TEST(numbers_are_digits_only)
{
    static const struct row rows[] = {
        { "0", 0, 0 },
        { "18446744073709551615", 0, UINT64_MAX },
        { "18446744073709551616", -ERANGE, 0 },
        { "1 ", -EINVAL, 0 },
        { "+1", -EINVAL, 0 },
        { "0x1", -EINVAL, 0 },
    };
    check(units_parse_number, rows, COUNT(rows));
}

TEST(switches_are_on_and_off)
{
    bool on = false;

    CHECK_INT(units_parse_switch("on", &on), 0);
    CHECK(on);
    CHECK_INT(units_parse_switch("OFF", &on), 0);
    CHECK(!on);
    CHECK_INT(units_parse_switch("true", &on), 0);
    CHECK(on);
    CHECK_INT(units_parse_switch("1", &on), -EINVAL);
    CHECK_INT(units_parse_switch("", &on), -EINVAL);
}

TESTS(TEST_CASE(times_are_read_as_nginx_reads_them), TEST_CASE(sizes_are_read_as_nginx_reads_them),
      TEST_CASE(numbers_are_digits_only), TEST_CASE(switches_are_on_and_off))
