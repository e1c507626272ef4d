/* Waiting for names whose server on 127.0.0.1 never answers; nothing is asked outside. */
#include "lb/resolver.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "tests/check.h"

/* What is waited in vain is short, what must not be waited is long: a stalled machine is between. */
enum { SHORT_MS = 50, LONG_MS = 300000, STALL_MS = 100000, NEVER_MS = 3600000 };

struct lab {
    int fd; /* of a server that is silent */
    struct resolver_options options;
    struct resolver *resolver;
};

static void lab_start(struct lab *lab)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&lab->options.dns.servers[0];
    socklen_t length = sizeof(*address);

    *lab = (struct lab){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
    *address = (struct sockaddr_in){ .sin_family = AF_INET };
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_INT(bind(lab->fd, (struct sockaddr *)address, length), 0);
    CHECK_INT(getsockname(lab->fd, (struct sockaddr *)address, &length), 0);
    lab->options.dns.servers_count = 1;
    lab->options.dns.timeout_ms = NEVER_MS;
    lab->options.dns.tries = 1;
    lab->options.dns.types = (struct dns_types){ .items = { DNS_A }, .count = 1 };
    lab->resolver = resolver_create();
    CHECK(lab->resolver);
    CHECK_INT(resolver_configure(lab->resolver, &lab->options), 0);
}

static void lab_stop(struct lab *lab)
{
    resolver_free(lab->resolver);
    CHECK_INT(close(lab->fd), 0);
}

TEST(name_without_an_answer_is_waited_for_once)
{
    struct lab lab;
    struct watched_name *silent, *literal;
    uint64_t began_at_ms;

    lab_start(&lab);
    silent = resolver_watch(lab.resolver, "silent.test");
    CHECK(!resolver_wait(lab.resolver, SHORT_MS, -1));
    began_at_ms = clock_now_ms();
    CHECK(resolver_wait(lab.resolver, LONG_MS, -1));
    literal = resolver_watch(lab.resolver, "192.0.2.1");
    CHECK(resolver_wait(lab.resolver, LONG_MS, -1));
    CHECK_INT(watched_name_record(literal)->last, NAME_FOUND);
    CHECK_INT(watched_name_record(silent)->last, NAME_UNKNOWN);
    CHECK(clock_now_ms() - began_at_ms < STALL_MS);
    resolver_unwatch(lab.resolver, literal);
    resolver_unwatch(lab.resolver, silent);
    lab_stop(&lab);
}

TEST(new_name_is_waited_for_though_another_has_no_answer)
{
    struct lab lab;
    struct watched_name *silent, *other;

    lab_start(&lab);
    silent = resolver_watch(lab.resolver, "silent.test");
    CHECK(!resolver_wait(lab.resolver, SHORT_MS, -1));
    other = resolver_watch(lab.resolver, "other.test");
    CHECK(!resolver_wait(lab.resolver, SHORT_MS, -1));
    CHECK(resolver_wait(lab.resolver, SHORT_MS, -1));
    resolver_unwatch(lab.resolver, other);
    resolver_unwatch(lab.resolver, silent);
    lab_stop(&lab);
}

TEST(other_servers_are_waited_for_anew)
{
    struct lab lab;
    struct watched_name *silent;

    lab_start(&lab);
    silent = resolver_watch(lab.resolver, "silent.test");
    CHECK(!resolver_wait(lab.resolver, SHORT_MS, -1));
    CHECK(resolver_wait(lab.resolver, SHORT_MS, -1));
    CHECK_INT(resolver_configure(lab.resolver, &lab.options), 0);
    CHECK(!resolver_wait(lab.resolver, SHORT_MS, -1));
    resolver_unwatch(lab.resolver, silent);
    lab_stop(&lab);
}

TEST(name_that_is_given_up_while_it_is_awaited_keeps_nobody_waiting)
{
    struct lab lab;
    struct watched_name *silent;

    lab_start(&lab);
    silent = resolver_watch(lab.resolver, "silent.test");
    resolver_unwatch(lab.resolver, silent);
    CHECK(resolver_wait(lab.resolver, SHORT_MS, -1));
    lab_stop(&lab);
}

TESTS(TEST_CASE(name_without_an_answer_is_waited_for_once),
      TEST_CASE(new_name_is_waited_for_though_another_has_no_answer),
      TEST_CASE(other_servers_are_waited_for_anew),
      TEST_CASE(name_that_is_given_up_while_it_is_awaited_keeps_nobody_waiting))
