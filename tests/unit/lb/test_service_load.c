#include "lb/service_load.h"

#include <pthread.h>

#include "tests/check.h"

TEST(same_service_is_the_same_record_while_somebody_holds_it)
{
    SCOPED(service_load_registry) registry = service_load_registry_create();
    struct service_load *a = service_load_take(registry, "a");
    struct service_load *b = service_load_take(registry, "b");

    CHECK(a != b);
    CHECK(service_load_take(registry, "a") == a);
    service_load_release(registry, a);
    CHECK(service_load_take(registry, "a") == a);
    service_load_release(registry, a);
    service_load_release(registry, a);
    service_load_release(registry, b);
}

TEST(limit_turns_away_and_leaving_makes_room)
{
    SCOPED(service_load_registry) registry = service_load_registry_create();
    struct service_load *load = service_load_take(registry, "s");
    struct service_load_use uses[3] = { { load, 0 }, { load, 0 }, { load, 0 } };

    CHECK(service_load_enter(&uses[0], SERVICE_LOAD_PENDING, 2));
    CHECK(service_load_enter(&uses[0], SERVICE_LOAD_PENDING, 2)); /* once each */
    CHECK(service_load_enter(&uses[1], SERVICE_LOAD_PENDING, 2));
    CHECK(!service_load_enter(&uses[2], SERVICE_LOAD_PENDING, 2));
    CHECK_INT(service_load_count(load, SERVICE_LOAD_PENDING), 2);
    service_load_leave(&uses[1], SERVICE_LOAD_PENDING);
    service_load_leave(&uses[1], SERVICE_LOAD_PENDING);
    CHECK(service_load_enter(&uses[2], SERVICE_LOAD_PENDING, 2));
    for (int i = 0; i < 3; i++)
        service_load_leave_all(&uses[i]);
    CHECK_INT(service_load_count(load, SERVICE_LOAD_PENDING), 0);
    service_load_release(registry, load);
}

TEST(without_a_limit_any_number_is_counted)
{
    SCOPED(service_load_registry) registry = service_load_registry_create();
    struct service_load *load = service_load_take(registry, "s");
    struct service_load_use uses[100];

    for (int i = 0; i < 100; i++) {
        uses[i] = (struct service_load_use){ load, 0 };
        CHECK(service_load_enter(&uses[i], SERVICE_LOAD_REQUESTS, 0));
    }
    CHECK_INT(service_load_count(load, SERVICE_LOAD_REQUESTS), 100);
    for (int i = 0; i < 100; i++)
        service_load_leave_all(&uses[i]);
    service_load_release(registry, load);
}

TEST(budget_is_a_share_of_running_requests_with_a_floor_and_a_lid)
{
    SCOPED(service_load_registry) registry = service_load_registry_create();
    struct service_load *load = service_load_take(registry, "s");
    static const struct {
        uint32_t requests;
        struct service_retry_budget budget;
        uint32_t want;
    } rows[] = {
        { 0, { 20, 10, 0 }, 10 },     { 50, { 20, 10, 0 }, 10 },
        { 51, { 20, 10, 0 }, 10 },    { 55, { 20, 10, 0 }, 11 },
        { 1000, { 20, 10, 0 }, 200 }, { 1000, { 20, 10, 50 }, 50 },
        { 1000, { 0, 10, 50 }, 50 },  { 1000, { 0, 10, 0 }, UINT32_MAX },
        { 4, { 20, 0, 0 }, 0 },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        atomic_store(&load->counts[SERVICE_LOAD_REQUESTS], rows[i].requests);
        CHECK_INT(service_load_retries_max(load, &rows[i].budget), rows[i].want);
    }
    atomic_store(&load->counts[SERVICE_LOAD_REQUESTS], 0);
    service_load_release(registry, load);
}

enum { THREADS = 4, ROUNDS = 20000, LIMIT = 3 };

static _Atomic uint32_t entered_at_once, most_at_once, refused;

static void *enter_and_leave(void *argument)
{
    struct service_load_use use = { argument, 0 };

    for (int i = 0; i < ROUNDS; i++) {
        if (!service_load_enter(&use, SERVICE_LOAD_RETRIES, LIMIT)) {
            refused++;
            continue;
        }
        uint32_t now = atomic_fetch_add(&entered_at_once, 1) + 1, most = most_at_once;
        while (now > most && !atomic_compare_exchange_weak(&most_at_once, &most, now))
            ;
        atomic_fetch_sub(&entered_at_once, 1);
        service_load_leave(&use, SERVICE_LOAD_RETRIES);
    }
    return NULL;
}

TEST(limit_holds_between_threads)
{
    SCOPED(service_load_registry) registry = service_load_registry_create();
    struct service_load *load = service_load_take(registry, "s");
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, enter_and_leave, load), 0);
    for (int i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK(most_at_once <= LIMIT);
    CHECK_INT(service_load_count(load, SERVICE_LOAD_RETRIES), 0);
    service_load_release(registry, load);
}

TESTS(TEST_CASE(same_service_is_the_same_record_while_somebody_holds_it),
      TEST_CASE(limit_turns_away_and_leaving_makes_room),
      TEST_CASE(without_a_limit_any_number_is_counted),
      TEST_CASE(budget_is_a_share_of_running_requests_with_a_floor_and_a_lid),
      TEST_CASE(limit_holds_between_threads))
