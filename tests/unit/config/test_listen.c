#include <errno.h>

#include "config/listen.h"
#include "core/addr.h"
#include "tests/check.h"

TEST(kongs_default_is_understood)
{
    struct listens listens;
    char message[LISTEN_MESSAGE_MAX], text[ADDR_TEXT_MAX];

    CHECK_INT(listens_parse("0.0.0.0:8000 reuseport backlog=16384, "
                            "0.0.0.0:8443 http2 ssl reuseport backlog=16384",
                            &listens, message),
              0);
    CHECK_INT(listens.count, 2);
    CHECK_STR(addr_format(&listens.items[0].address, text, sizeof(text)), "0.0.0.0:8000");
    CHECK(listens.items[0].reuseport && !listens.items[0].ssl && !listens.items[0].http2);
    CHECK_INT(listens.items[0].backlog, 16384);
    CHECK_STR(addr_format(&listens.items[1].address, text, sizeof(text)), "0.0.0.0:8443");
    CHECK(listens.items[1].ssl && listens.items[1].http2);
    CHECK_INT(listens.items[1].ipv6only, -1);
    CHECK_INT(listens.items[1].keepalive, -1);
    listens_done(&listens);
}

TEST(every_flag_has_its_field)
{
    struct listens listens;
    char message[LISTEN_MESSAGE_MAX];

    CHECK_INT(
        listens_parse("[::]:0 deferred bind ipv6only=off so_keepalive=30m::10,localhost:1,*:2 "
                      "so_keepalive=off",
                      &listens, message),
        0);
    CHECK_INT(listens.count, 3);
    CHECK(listens.items[0].deferred && listens.items[0].bind && !listens.items[0].reuseport);
    CHECK_INT(listens.items[0].ipv6only, 0);
    CHECK_INT(listens.items[0].backlog, -1);
    CHECK_INT(listens.items[0].keepalive, 1);
    CHECK_INT(listens.items[0].keepalive_idle_seconds, 1800);
    CHECK_INT(listens.items[0].keepalive_interval_seconds, 0);
    CHECK_INT(listens.items[0].keepalive_count, 10);
    CHECK_INT(listens.items[2].keepalive, 0);
    listens_done(&listens);
}

TEST(off_is_an_empty_list)
{
    struct listens listens = { .count = 9 };
    char message[LISTEN_MESSAGE_MAX];

    CHECK_INT(listens_parse("off", &listens, message), 0);
    CHECK_INT(listens.count, 0);
    CHECK(listens.items == NULL);
}

TEST(a_bad_entry_is_refused_with_its_reason)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        { "8000", "'8000': write an address and a port, as 0.0.0.0:8000 or [::]:8000" },
        { "0.0.0.0:99999",
          "'0.0.0.0:99999': write an address and a port, as 0.0.0.0:8000 or [::]:8000" },
        { "::1:80", "'::1:80': write an address and a port, as 0.0.0.0:8000 or [::]:8000" },
        { "edge.example:80",
          "'edge.example:80': a host name cannot be listened on, write its IP address" },
        { "unix:/run/x.sock",
          "'unix:/run/x.sock': unix sockets are not supported by this version of hopgate" },
        { "0.0.0.0:80,,0.0.0.0:81", "an entry between two commas is empty" },
        { "0.0.0.0:80 sssl",
          "unknown flag 'sssl'; known are ssl, http2, proxy_protocol, reuseport, deferred, bind, "
          "backlog=N, ipv6only=on|off, so_keepalive=…" },
        { "0.0.0.0:80 backlog=0", "backlog=0: write a number above 0" },
        { "[::]:80 ipv6only=x", "ipv6only=x: write on or off" },
        { "0.0.0.0:80 ipv6only=on", "'ipv6only' needs an IPv6 address" },
        { "0.0.0.0:80 so_keepalive=1", "so_keepalive: write on, off or idle:interval:count" },
        { "0.0.0.0:80 so_keepalive=1:2:3:4", "so_keepalive: write on, off or idle:interval:count" },
        { "0.0.0.0:80 so_keepalive=x:2:3", "so_keepalive: 'x' is no time" },
        { "0.0.0.0:80, 0.0.0.0:80 ssl", "the same address twice: 0.0.0.0:80" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct listens listens = { 0 };
        char message[LISTEN_MESSAGE_MAX] = "";
        CHECK_INT(listens_parse(rows[i].text, &listens, message), -EINVAL);
        CHECK_STR(message, rows[i].want);
        CHECK(listens.items == NULL);
    }
}

TESTS(TEST_CASE(kongs_default_is_understood), TEST_CASE(every_flag_has_its_field),
      TEST_CASE(off_is_an_empty_list), TEST_CASE(a_bad_entry_is_refused_with_its_reason))
