#include "lb/upstream.h"

#include <errno.h>
#include <pthread.h>

#include "core/addr.h"
#include "core/log.h"
#include "lb/target_health.h"
#include "tests/check.h"

static const struct balancer_request first_try;

static struct sockaddr_storage ip(const char *text)
{
    struct sockaddr_storage address;

    CHECK_INT(addr_parse_ip(slice_of(text), 0, &address), 0);
    return address;
}

static void check_address(const struct target *target, const char *want)
{
    char text[ADDR_TEXT_MAX];

    CHECK_STR(addr_format(&target->address, text, sizeof(text)), want);
}

static struct upstream_targets *two_hosts(struct target_registry *registry)
{
    const struct sockaddr_storage one[] = { ip("192.0.2.1") };
    const struct sockaddr_storage two[] = { ip("192.0.2.2"), ip("192.0.2.3") };
    const struct upstream_target_options targets[] = {
        { .host = "one.test", .port = 8001, .weight = 50, .addresses = one, .addresses_count = 1 },
        { .host = "gone.test", .port = 8001, .weight = 50 },
        { .host = "two.test", .port = 8002, .weight = 100, .addresses = two, .addresses_count = 2 },
    };

    return upstream_targets_create(
        &(struct upstream_options){ .name = "u", .targets = targets, .targets_count = 3 },
        registry);
}

TEST(each_address_of_a_host_is_a_target_with_the_full_weight)
{
    SCOPED(target_registry) registry = target_registry_create();
    SCOPED(upstream_targets) targets = two_hosts(registry);

    CHECK_STR(targets->name, "u");
    CHECK_INT(targets->count, 3);
    CHECK_STR(targets->items[0].target->name, "one.test:8001");
    CHECK_INT(targets->items[0].weight, 50);
    CHECK_STR(targets->items[2].target->name, "two.test:8002");
    CHECK_INT(targets->items[1].weight, 100);
    CHECK_INT(targets->items[2].weight, 100);
    check_address(targets->items[0].target, "192.0.2.1:8001");
    check_address(targets->items[2].target, "192.0.2.3:8002");
    CHECK_INT((uintptr_t)targets->items[1].target % TARGET_ALIGN, 0);
}

TEST(ipv6_literals_are_named_in_brackets)
{
    struct sockaddr_storage any = ip("::1");
    struct upstream_target_options target = {
        .host = "::1", .port = 443, .weight = 1, .addresses = &any, .addresses_count = 1
    };
    SCOPED(target_registry) registry = target_registry_create();
    SCOPED(upstream_targets)
    targets = upstream_targets_create(
        &(struct upstream_options){ .name = "u", .targets = &target, .targets_count = 1 },
        registry);

    CHECK_STR(targets->items[0].target->name, "[::1]:443");
    check_address(targets->items[0].target, "[::1]:443");
}

TEST(workers_share_targets_and_count_together)
{
    SCOPED(target_registry) registry = target_registry_create();
    SCOPED(upstream_targets) targets = two_hosts(registry);
    SCOPED(upstream) worker1 = upstream_create(targets, 0);
    SCOPED(upstream) worker2 = upstream_create(targets, 0);
    struct target_use use1 = { 0 }, use2 = { 0 };

    CHECK(upstream_targets_of(worker1) == targets);
    CHECK_INT(upstream_pick(worker1, &first_try, &use1), 0);
    CHECK_INT(upstream_pick(worker2, &first_try, &use2), 0);
    CHECK(use1.target == use2.target); /* the same seed */
    CHECK_INT(target_in_flight(use1.target), 2);
    target_use_end(&use2);
    CHECK_INT(target_in_flight(use1.target), 1);
    target_use_end(&use1);
}

TEST(next_try_gives_back_the_target_before_it)
{
    SCOPED(target_registry) registry = target_registry_create();
    SCOPED(upstream_targets) targets = two_hosts(registry);
    SCOPED(upstream) upstream = upstream_create(targets, 0);
    struct target_use use = { 0 };
    const struct target *tried[3];

    CHECK_INT(upstream_pick(upstream, &first_try, &use), 0);
    for (size_t i = 0; i < 2; i++) {
        tried[i] = use.target;
        CHECK_INT(upstream_pick(upstream,
                                &(struct balancer_request){ .tried = tried, .tried_count = i + 1 },
                                &use),
                  0);
        CHECK(use.target != tried[0] && (i == 0 || use.target != tried[1]));
        CHECK_INT(target_in_flight(tried[i]), 0);
    }
    target_use_end(&use);
}

TEST(upstream_without_usable_targets_is_enoent)
{
    SCOPED(target_registry) registry = target_registry_create();
    SCOPED(upstream_targets)
    empty = upstream_targets_create(&(struct upstream_options){ .name = "empty" }, registry);
    SCOPED(upstream) upstream = upstream_create(empty, 3);
    struct target_use use = { 0 };

    CHECK_INT(empty->count, 0);
    CHECK_INT(upstream_pick(upstream, &first_try, &use), -ENOENT);
    CHECK(use.target == NULL);
}

static const char *algorithm_in_force(struct target_registry *registry, const char *algorithm,
                                      uint32_t *ret_first)
{
    struct sockaddr_storage any = ip("192.0.2.1");
    struct upstream_target_options target = {
        .host = "a.test", .port = 80, .weight = 1, .addresses = &any, .addresses_count = 1
    };
    const struct upstream_options options = {
        .name = "u", .targets = &target, .targets_count = 1, .algorithm = algorithm, .slots = 10000
    };
    SCOPED(upstream_targets) targets = upstream_targets_create(&options, registry);
    SCOPED(upstream) upstream = targets ? upstream_create(targets, 1) : NULL;
    struct target_use use = { 0 };

    if (!upstream)
        return NULL;
    CHECK_INT(upstream_pick(upstream, &first_try, &use), 0);
    *ret_first = target_in_flight(use.target);
    target_use_end(&use);
    return upstream_algorithm(upstream);
}

TEST(algorithms_are_chosen_by_name)
{
    static const char *const names[] = { "round-robin", "least-connections", "consistent-hashing",
                                         "latency" };
    SCOPED(target_registry) registry = target_registry_create();
    uint32_t in_flight = 0;

    for (unsigned i = 0; i < 4; i++) {
        CHECK_STR(algorithm_in_force(registry, names[i], &in_flight), names[i]);
        CHECK_INT(in_flight, 1);
    }
    CHECK_STR(algorithm_in_force(registry, NULL, &in_flight), "round-robin");
    CHECK(!algorithm_in_force(registry, "sticky", &in_flight));
}

TEST(threshold_of_the_weight_and_panic_are_looked_at_after_each_change)
{
    SCOPED(target_registry) registry = target_registry_create();
    SCOPED(upstream_targets) targets = two_hosts(registry); /* weights 50, 100, 100 */
    const struct health_verdict down = { .source = HEALTH_BY_HAND }, up = { .is_healthy = true };
    struct target_use use = { 0 };
    SCOPED(upstream) upstream = NULL;

    log_set_error_file(NULL, LOG_LEVEL_CRIT);
    targets->threshold_thousandths = 40 * 1000;
    upstream = upstream_create(targets, 1);
    CHECK_INT(upstream_pick(upstream, &first_try, &use), 0);
    target_health_set(targets->items[1].target, &down);
    CHECK_INT(upstream_pick(upstream, &first_try, &use), 0); /* 150 of 250 */
    target_health_set(targets->items[0].target, &down);      /* 100 of 250 are not more than 40 % */
    CHECK(!upstream_targets_health(targets).is_healthy);
    CHECK_INT(upstream_pick(upstream, &first_try, &use), -ENOENT);
    targets->panic_percent = 50; /* one of three is less than that */
    target_health_set(targets->items[0].target, &up);
    CHECK(!upstream_targets_health(targets).panics);
    target_health_set(targets->items[0].target, &down);
    CHECK(upstream_targets_health(targets).panics);
    for (unsigned i = 0; i < 9; i++)
        CHECK_INT(upstream_pick(upstream, &first_try, &use), 0);
    target_health_force(targets->items[0].target, HEALTH_FORCED_DISABLE);
    target_health_force(targets->items[1].target, HEALTH_FORCED_DISABLE);
    for (unsigned i = 0; i < 9; i++) { /* who was taken out on purpose is not asked in a panic */
        CHECK_INT(upstream_pick(upstream, &first_try, &use), 0);
        CHECK(use.target == targets->items[2].target);
    }
    target_use_end(&use);
}

TEST(priority_groups_follow_each_change_of_health)
{
    SCOPED(target_registry) registry = target_registry_create();
    const struct sockaddr_storage any = ip("192.0.2.1");
    const struct upstream_target_options options[] = {
        { .host = "a.test",
          .port = 80,
          .weight = 100,
          .priority_group = 1,
          .addresses = &any,
          .addresses_count = 1 },
        { .host = "b.test", .port = 80, .weight = 100, .addresses = &any, .addresses_count = 1 },
    };
    SCOPED(upstream_targets)
    targets = upstream_targets_create(
        &(struct upstream_options){
            .name = "u", .targets = options, .targets_count = 2, .min_active_members = 1 },
        registry);
    SCOPED(upstream) upstream = upstream_create(targets, 1);
    const struct health_verdict down = { .source = HEALTH_BY_HAND }, up = { .is_healthy = true };
    struct target_use use = { 0 };

    log_set_error_file(NULL, LOG_LEVEL_CRIT);
    for (unsigned i = 0; i < 30; i++) {
        const struct target *want = targets->items[i / 10 % 2].target;

        if (i % 10 == 0)
            target_health_set(targets->items[0].target, i == 10 ? &down : &up);
        CHECK_INT(upstream_pick(upstream, &first_try, &use), 0);
        CHECK(use.target == want);
    }
    target_use_end(&use);
}

TEST(targets_that_are_full_are_passed_over_and_told_from_those_that_are_down)
{
    SCOPED(target_registry) registry = target_registry_create();
    const struct sockaddr_storage any = ip("192.0.2.1");
    const struct upstream_target_options options[] = {
        { .host = "a.test",
          .port = 80,
          .weight = 100,
          .max_requests = 2,
          .addresses = &any,
          .addresses_count = 1 },
        { .host = "b.test",
          .port = 80,
          .weight = 100,
          .max_requests = 1,
          .addresses = &any,
          .addresses_count = 1 },
    };
    const struct upstream_options of = { .name = "u", .targets = options, .targets_count = 2 };
    SCOPED(upstream_targets) targets = upstream_targets_create(&of, registry);
    SCOPED(upstream) upstream = upstream_create(targets, 1);
    struct target *a = targets->items[0].target, *b = targets->items[1].target;
    struct target_use uses[3] = { 0 }, other = { 0 };
    struct target unknown = { 0 };

    for (unsigned i = 0; i < 3; i++)
        CHECK_INT(upstream_pick(upstream, &first_try, &uses[i]), 0);
    CHECK(target_in_flight(a) == 2 && target_in_flight(b) == 1);
    CHECK_INT(upstream_pick(upstream, &first_try, &other), -EBUSY);
    CHECK_INT(upstream_take(upstream, a, &other), -EBUSY);
    CHECK_INT(upstream_take(upstream, &unknown, &other), -ENOENT);
    CHECK(!other.target);
    target_set_state(a, TARGET_UNHEALTHY);
    target_set_state(b, TARGET_UNHEALTHY);
    CHECK_INT(upstream_pick(upstream, &first_try, &other), -ENOENT);
    target_set_state(b, TARGET_HEALTHY);
    CHECK_INT(upstream_pick(upstream, &first_try, &other), -EBUSY);
    for (unsigned i = 0; i < 3; i++)
        target_use_end(&uses[i]);
    CHECK_INT(upstream_take(upstream, b, &other), 0);
    CHECK(other.target == b);
    target_use_end(&other);
}

/* ---- workers at once ------------------------------------------------------------------------ */

enum { WORKERS = 4, PICKS_EACH = 20000, HELD_EACH = 5, PLACES_EACH = 3 };

struct picker {
    struct upstream_targets *targets;
    unsigned number, too_many, busy;
};

static void *pick_and_hold(void *argument)
{
    struct picker *picker = argument;
    struct upstream *upstream = upstream_create(picker->targets, picker->number);
    struct target_use uses[HELD_EACH] = { 0 };

    for (unsigned i = 0; upstream && i < PICKS_EACH; i++) {
        struct target_use *use = &uses[i % HELD_EACH];

        target_use_end(use);
        if (upstream_pick(upstream, &first_try, use) < 0)
            picker->busy++;
        else
            picker->too_many += target_in_flight(use->target) > PLACES_EACH;
    }
    for (unsigned i = 0; i < HELD_EACH; i++)
        target_use_end(&uses[i]);
    upstream_free(upstream);
    return NULL;
}

TEST(a_limit_holds_however_many_workers_pick_at_once)
{
    for (const struct balancer_ops *const *policy = balancer_policies; *policy; policy++) {
        SCOPED(target_registry) registry = target_registry_create();
        const struct sockaddr_storage any = ip("192.0.2.1");
        const struct upstream_target_options option = { .host = "a.test",
                                                        .port = 80,
                                                        .weight = 100,
                                                        .max_requests = PLACES_EACH,
                                                        .addresses = &any,
                                                        .addresses_count = 1 };
        struct upstream_target_options options[3] = { option, option, option };
        const struct upstream_options of = { .name = "u",
                                             .targets = options,
                                             .targets_count = 3,
                                             .algorithm = (*policy)->name,
                                             .slots = 1000 };
        struct picker pickers[WORKERS] = { 0 };
        pthread_t threads[WORKERS];
        unsigned busy = 0;

        options[1].port = 81;
        options[2].port = 82;
        {
            SCOPED(upstream_targets) targets = upstream_targets_create(&of, registry);

            for (unsigned i = 0; i < WORKERS; i++) {
                pickers[i].targets = targets;
                pickers[i].number = i;
                CHECK_INT(pthread_create(&threads[i], NULL, pick_and_hold, &pickers[i]), 0);
            }
            for (unsigned i = 0; i < WORKERS; i++) {
                pthread_join(threads[i], NULL);
                CHECK_INT(pickers[i].too_many, 0);
                busy += pickers[i].busy;
            }
            /* one alone may find all places held by threads that do not run just then */
            CHECK(busy < WORKERS * PICKS_EACH);
            for (unsigned i = 0; i < 3; i++)
                CHECK_INT(target_in_flight(targets->items[i].target), 0);
        }
    }
}

TESTS(TEST_CASE(a_limit_holds_however_many_workers_pick_at_once),
      TEST_CASE(targets_that_are_full_are_passed_over_and_told_from_those_that_are_down),
      TEST_CASE(priority_groups_follow_each_change_of_health),
      TEST_CASE(threshold_of_the_weight_and_panic_are_looked_at_after_each_change),
      TEST_CASE(algorithms_are_chosen_by_name),
      TEST_CASE(each_address_of_a_host_is_a_target_with_the_full_weight),
      TEST_CASE(ipv6_literals_are_named_in_brackets),
      TEST_CASE(workers_share_targets_and_count_together),
      TEST_CASE(next_try_gives_back_the_target_before_it),
      TEST_CASE(upstream_without_usable_targets_is_enoent))
