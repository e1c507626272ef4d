#include "lb/monitor_settings.h"

#include <string.h>

#include "tests/check.h"

static int status_of(const char *text)
{
    return monitor_status_of(text, strlen(text));
}

TEST(status_is_read_from_the_first_line_as_kong_does)
{
    CHECK_INT(status_of("HTTP/1.1 200 OK\r\nServer: x"), 200);
    CHECK_INT(status_of("HTTP/1.0 503\r\n"), 503);
    CHECK_INT(status_of("HTTP/1.1  \t404\n"), 404);
    CHECK_INT(status_of("HTTP/11.12 999 \n"), 999);
}

TEST(anything_else_has_no_status)
{
    static const char *const texts[] = { "\n",          "HTTP/1.1\r\n",   "HTTP/1.1 OK\r\n",
                                         "HTTP/ 200\n", "HTTP/1 200\r\n", "http/1.1 200\r\n",
                                         "SSH-2.0\r\n", "HTTP/1.1200\n",  "HTTP/1.1 10000000000\n",
                                         "HTTP/1.\n" };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (status_of(texts[i]) != 0)
            fail_msg("%s", texts[i]);
}

TEST(line_that_has_not_ended_is_waited_for)
{
    static const char whole[] = "HTTP/1.1 204 No Content\r\n";

    for (size_t length = 0; length < sizeof(whole) - 2; length++)
        CHECK_INT(monitor_status_of(whole, length), -1);
    CHECK_INT(monitor_status_of(whole, sizeof(whole) - 1), 204);
}

TEST(pattern_is_looked_for_in_all_bytes)
{
    struct monitor_settings *settings =
        monitor_settings_create(&(struct monitor_options){ .receive = "up+ now" });
    static const char bytes[] = "a\0b\r\nupp now";

    CHECK(settings != NULL);
    CHECK(monitor_settings_match(&settings->receive, bytes, sizeof(bytes) - 1));
    CHECK(!monitor_settings_match(&settings->receive, bytes, sizeof(bytes) - 2));
    monitor_settings_free(settings);
    CHECK(monitor_settings_create(&(struct monitor_options){ .receive = "(" }) == NULL);
}

static uint64_t identity_of(const struct monitor_options *options)
{
    struct monitor_settings *settings = monitor_settings_create(options);
    uint64_t identity = settings->identity;

    monitor_settings_free(settings);
    return identity;
}

TEST(identity_changes_with_every_option_and_with_nothing_else)
{
    struct monitor_options options = { .timeout_ms = 1000, .receive = "a" }, other = options;
    uint64_t identity = identity_of(&options);

    CHECK(identity_of(&other) == identity);
    other.receive_disable = "a";
    CHECK(identity_of(&other) != identity);
    other = options;
    other.rules.limits[HEALTH_TCP] = 1;
    CHECK(identity_of(&other) != identity);
    other = options;
    health_statuses_add(&other.rules.healthy, 200);
    CHECK(identity_of(&other) != identity);
    other = options;
    other.concurrency = 3;
    CHECK(identity_of(&other) != identity);
}

TESTS(TEST_CASE(status_is_read_from_the_first_line_as_kong_does),
      TEST_CASE(anything_else_has_no_status), TEST_CASE(line_that_has_not_ended_is_waited_for),
      TEST_CASE(pattern_is_looked_for_in_all_bytes),
      TEST_CASE(identity_changes_with_every_option_and_with_nothing_else))
