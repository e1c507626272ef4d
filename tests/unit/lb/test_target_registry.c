#include "lb/target_registry.h"

#include <stdio.h>

#include "core/addr.h"
#include "lb/upstream.h"
#include "tests/check.h"

static struct target *take(struct target_registry *registry, const char *upstream, const char *name,
                           const char *ip)
{
    struct sockaddr_storage address;
    const struct target_key key = { upstream, name, &address };

    CHECK_INT(addr_parse_ip(slice_of(ip), 80, &address), 0);
    return target_registry_take(registry, &key);
}

TEST(same_target_is_the_same_record)
{
    SCOPED(target_registry) registry = target_registry_create();
    struct target *first = take(registry, "u", "a.test:80", "192.0.2.1");

    CHECK(take(registry, "u", "a.test:80", "192.0.2.1") == first);
    CHECK_INT(target_registry_count(registry), 1);
    target_registry_release(registry, first);
    CHECK_INT(target_registry_count(registry), 1);
    target_registry_release(registry, first);
    CHECK_INT(target_registry_count(registry), 0);
}

TEST(upstream_name_and_address_tell_targets_apart)
{
    SCOPED(target_registry) registry = target_registry_create();
    struct target *targets[] = {
        take(registry, "u", "a.test:80", "192.0.2.1"),
        take(registry, "other", "a.test:80", "192.0.2.1"),
        take(registry, "u", "b.test:80", "192.0.2.1"),
        take(registry, "u", "a.test:80", "192.0.2.2"),
    };

    CHECK_INT(target_registry_count(registry), 4);
    for (size_t i = 0; i < 4; i++)
        target_registry_release(registry, targets[i]);
}

TEST(thousands_are_found_again)
{
    enum { COUNT = 3000 };
    SCOPED(target_registry) registry = target_registry_create();
    static struct target *targets[COUNT];
    char name[32];

    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "host-%u.test:80", i);
        targets[i] = take(registry, "u", name, "192.0.2.1");
    }
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(name, sizeof(name), "host-%u.test:80", i);
        CHECK(take(registry, "u", name, "192.0.2.1") == targets[i]);
        target_registry_release(registry, targets[i]);
        target_registry_release(registry, targets[i]);
    }
    CHECK_INT(target_registry_count(registry), 0);
}

TEST(state_survives_from_one_configuration_to_the_next)
{
    SCOPED(target_registry) registry = target_registry_create();
    struct sockaddr_storage address;
    struct upstream_target_options option = {
        .host = "a.test", .port = 80, .weight = 1, .addresses = &address, .addresses_count = 1
    };
    struct upstream_options options = { .name = "u", .targets = &option, .targets_count = 1 };
    struct upstream_targets *before, *after;

    CHECK_INT(addr_parse_ip(SLICE("192.0.2.1"), 0, &address), 0);
    before = upstream_targets_create(&options, registry);
    upstream_targets_mark(before, 1);
    CHECK(target_set_state(before->items[0].target, TARGET_UNHEALTHY));
    option.weight = 7;
    after = upstream_targets_create(&options, registry);
    CHECK(!target_is_current(after->items[0].target, 2)); /* not in force yet */
    upstream_targets_mark(after, 2);
    CHECK(after->items[0].target == before->items[0].target);
    CHECK_INT(after->items[0].weight, 7);
    CHECK_INT(before->items[0].weight, 1);
    upstream_targets_free(before);
    CHECK(!target_is_usable(after->items[0].target));
    CHECK(target_is_current(after->items[0].target, 2));
    CHECK(!target_is_current(after->items[0].target, 3));
    upstream_targets_free(after);
}

TESTS(TEST_CASE(same_target_is_the_same_record),
      TEST_CASE(upstream_name_and_address_tell_targets_apart), TEST_CASE(thousands_are_found_again),
      TEST_CASE(state_survives_from_one_configuration_to_the_next))
