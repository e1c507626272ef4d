/* Ten thousand targets: how long it takes to know them, and what a pick among them looks at. */
#include <netinet/in.h>
#include <stdio.h>
#include <time.h>

#include "core/addr.h"
#include "lb/balancer.h"
#include "lb/upstream.h"
#include "tests/check.h"

enum { TARGETS = 10000, PICKS = 20000 };

/* A release build needs some 10 ms; with sanitizers, on a busy machine, it is still no minute. */
static const double load_seconds_max = 20;

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static char names[TARGETS][16];
static struct sockaddr_storage addresses[TARGETS];
static struct upstream_target_options targets[TARGETS];

static void name_all(void)
{
    for (uint32_t i = 0; i < TARGETS; i++) {
        struct sockaddr_in *address = (struct sockaddr_in *)&addresses[i];

        address->sin_family = AF_INET;
        address->sin_addr.s_addr = htonl(0x0a000000 + i);
        (void)snprintf(names[i], sizeof(names[i]), "10.0.%u.%u", i >> 8, i & 255);
        targets[i] = (struct upstream_target_options){ .host = names[i],
                                                       .port = 80,
                                                       .weight = 1 + i % 5,
                                                       .priority_group = i % 4,
                                                       .addresses = &addresses[i],
                                                       .addresses_count = 1 };
    }
}

static void pick_many(struct upstream *upstream, const char *algorithm, double loaded_s)
{
    struct target_use use = { 0 };
    const struct balancer_request request = { 0 };
    double begun_s = seconds();

    for (unsigned i = 0; i < PICKS; i++) {
        CHECK_INT(upstream_pick(upstream, &request, &use), 0);
        CHECK_INT(addr_port(&use.target->address), 80);
    }
    target_use_end(&use);
    print_message("%-20s %9.1f %9.2f %9.1f\n", algorithm, loaded_s * 1000,
                  (seconds() - begun_s) / PICKS * 1e6,
                  (double)upstream_looked_at_count(upstream) / PICKS);
    CHECK(upstream_looked_at_count(upstream) <= 4 * PICKS);
}

TEST(ten_thousand_targets_are_known_soon_and_picked_among_cheaply)
{
    name_all();
    print_message("%-20s %9s %9s %9s\n", "algorithm", "load ms", "pick us", "looked at");
    for (const struct balancer_ops *const *policy = balancer_policies; *policy; policy++) {
        const struct upstream_options options = { .name = "u",
                                                  .targets = targets,
                                                  .targets_count = TARGETS,
                                                  .algorithm = (*policy)->name,
                                                  .slots = 10000,
                                                  .min_active_members = 1 };
        SCOPED(target_registry) registry = target_registry_create();
        double begun_s = seconds(), loaded_s;
        SCOPED(upstream_targets) known = upstream_targets_create(&options, registry);
        SCOPED(upstream) upstream = upstream_create(known, 1);

        loaded_s = seconds() - begun_s;
        CHECK(loaded_s < load_seconds_max);
        pick_many(upstream, (*policy)->name, loaded_s);
    }
}

TESTS(TEST_CASE(ten_thousand_targets_are_known_soon_and_picked_among_cheaply))
