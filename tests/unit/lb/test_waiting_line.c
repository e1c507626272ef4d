#include "lb/waiting_line.h"

#include <pthread.h>

#include "core/loop.h"
#include "lb/target.h"
#include "tests/check.h"

enum { WORKERS = 4, PLACES = 3, ROUNDS = 300, WAITERS = 6 };
enum { FORGOTTEN_AFTER_MS = 60000 };

static struct loop *loop_for_test(void)
{
    struct loop_options options;
    char error[256];
    struct loop *loop;

    loop_options_default(&options);
    loop = loop_create(&options, error, sizeof(error));
    CHECK(loop);
    return loop;
}

/* Says yes as long as there are places, and notes who came when. */
struct customer {
    struct waiter waiter;
    unsigned *places, *served_count, served_as;
};

static bool take_turn(struct waiter *waiter)
{
    struct customer *customer = (struct customer *)waiter;

    if (*customer->places == 0)
        return false;
    --*customer->places;
    customer->served_as = ++*customer->served_count;
    waiting_line_leave(waiter);
    return true;
}

TEST(first_come_first_served_and_no_more_than_the_maximum)
{
    SCOPED(waiting_lines) lines = waiting_lines_create(2);
    struct waiting_line *line = waiting_lines_find(lines, "u");
    struct loop *loop = loop_for_test();
    unsigned places = 0, served_count = 0;
    struct customer customers[5] = { 0 };

    CHECK(line && waiting_lines_find(lines, "u") == line && waiting_lines_find(lines, "v") != line);
    waiting_lines_open(lines, 0, loop);
    for (unsigned i = 0; i < 5; i++) {
        customers[i] = (struct customer){ .waiter.on_turn = take_turn,
                                          .places = &places,
                                          .served_count = &served_count };
        CHECK_INT(waiting_line_join(line, 0, &customers[i].waiter, 4), i < 4);
        CHECK_INT(waiting_line_is_first(&customers[i].waiter), i == 0);
    }
    CHECK_INT(waiting_line_count(line), 4);
    CHECK_INT(waiting_lines_count(lines), 4);
    waiting_line_leave(&customers[1].waiter); /* it gave up */
    waiting_line_leave(&customers[1].waiter);
    places = 2;
    waiting_line_call(line);
    CHECK_INT(served_count, 0); /* not inside of who gives back */
    CHECK_INT(loop_turn(loop, 0), 0);
    CHECK_INT(customers[0].served_as, 1);
    CHECK_INT(customers[2].served_as, 2);
    CHECK_INT(customers[3].served_as, 0);
    CHECK_INT(waiting_line_count(line), 1);
    waiting_line_leave(&customers[3].waiter);
    waiting_lines_close(lines, 0);
    loop_free(loop);
}

TEST(a_call_for_one_that_left_goes_to_another_worker)
{
    SCOPED(waiting_lines) lines = waiting_lines_create(2);
    struct waiting_line *line = waiting_lines_find(lines, "u");
    struct loop *loops[2] = { loop_for_test(), loop_for_test() };
    unsigned places = 1, served_count = 0;
    struct customer a = { .waiter.on_turn = take_turn,
                          .places = &places,
                          .served_count = &served_count };
    struct customer b = a;

    for (unsigned i = 0; i < 2; i++)
        waiting_lines_open(lines, i, loops[i]);
    CHECK(waiting_line_join(line, 0, &a.waiter, 2) && waiting_line_join(line, 1, &b.waiter, 2));
    waiting_line_call(line); /* its turn */
    waiting_line_leave(&a.waiter);
    CHECK_INT(loop_turn(loops[0], 0), 0);
    CHECK_INT(loop_turn(loops[1], 0), 0);
    CHECK_INT(b.served_as, 1);
    for (unsigned i = 0; i < 2; i++) {
        waiting_lines_close(lines, i);
        loop_free(loops[i]);
    }
    waiting_line_call(line); /* nobody is there: nothing happens */
}

/* ---- many workers, few places --------------------------------------------------------------- */

struct shop;

struct guest {
    struct waiter waiter; /* first */
    struct shop *shop;
    struct target_use use;
    unsigned visits_left;
};

/* A worker whose guests each want a place ROUNDS times. */
struct shop {
    struct waiting_lines *lines;
    struct waiting_line *line;
    struct target *target;
    struct loop *loop;
    unsigned worker, busy;
    struct guest guests[WAITERS];
};

static _Atomic unsigned most_at_a_time;

static bool sit_down(struct guest *guest)
{
    unsigned now, most = atomic_load(&most_at_a_time);

    if (!target_use_try(&guest->use, guest->shop->target, PLACES))
        return false;
    now = target_in_flight(guest->shop->target);
    while (now > most && !atomic_compare_exchange_weak(&most_at_a_time, &most, now))
        ;
    return true;
}

static bool on_turn(struct waiter *waiter)
{
    struct guest *guest = (struct guest *)waiter;

    if (!sit_down(guest))
        return false;
    waiting_line_leave(waiter);
    return true;
}

static void visit(struct guest *guest)
{
    if (guest->use.target) {
        target_use_end(&guest->use);
        if (--guest->visits_left == 0) {
            guest->shop->busy--;
            return;
        }
    }
    if (waiter_waits(&guest->waiter))
        return;
    if (waiting_line_count(guest->shop->line) == 0 && sit_down(guest))
        return;
    CHECK(waiting_line_join(guest->shop->line, guest->shop->worker, &guest->waiter, 1000));
    if (waiting_line_is_first(&guest->waiter) && sit_down(guest))
        waiting_line_leave(&guest->waiter);
}

static void *run_shop(void *argument)
{
    struct shop *shop = argument;
    uint64_t end_ms;

    shop->loop = loop_for_test();
    waiting_lines_open(shop->lines, shop->worker, shop->loop);
    end_ms = shop->loop->now_ms + FORGOTTEN_AFTER_MS;
    while (shop->busy > 0 && shop->loop->now_ms < end_ms) {
        for (unsigned i = 0; i < WAITERS; i++)
            if (shop->guests[i].visits_left > 0)
                visit(&shop->guests[i]);
        if (loop_turn(shop->loop, 1) < 0) /* no clock serves them: only a call does */
            break;
    }
    waiting_lines_close(shop->lines, shop->worker);
    loop_free(shop->loop);
    return NULL;
}

TEST(no_place_is_given_twice_and_nobody_is_forgotten)
{
    SCOPED(waiting_lines) lines = waiting_lines_create(WORKERS);
    static struct target target;
    static struct shop shops[WORKERS];
    pthread_t threads[WORKERS];

    atomic_store(&target.line, waiting_lines_find(lines, "u"));
    for (unsigned i = 0; i < WORKERS; i++) {
        shops[i] = (struct shop){ .lines = lines,
                                  .line = atomic_load(&target.line),
                                  .target = &target,
                                  .worker = i,
                                  .busy = WAITERS };
        for (unsigned k = 0; k < WAITERS; k++)
            shops[i].guests[k] = (struct guest){ .waiter.on_turn = on_turn,
                                                 .shop = &shops[i],
                                                 .visits_left = ROUNDS };
    }
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, run_shop, &shops[i]), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        pthread_join(threads[i], NULL);
        CHECK_INT(shops[i].busy, 0);
    }
    CHECK_INT(target_in_flight(&target), 0);
    CHECK_INT(waiting_lines_count(lines), 0);
    CHECK(atomic_load(&most_at_a_time) <= PLACES);
}

TESTS(TEST_CASE(first_come_first_served_and_no_more_than_the_maximum),
      TEST_CASE(a_call_for_one_that_left_goes_to_another_worker),
      TEST_CASE(no_place_is_given_twice_and_nobody_is_forgotten))
