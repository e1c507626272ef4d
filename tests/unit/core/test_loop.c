/* loop: sleeps when there is nothing to do, and never when there is. */
#include "tests/unit/core/net.h"

struct counted_task {
    struct task task;
    struct loop *loop;
    unsigned runs;
    bool again;
};

static void on_task(struct task *task)
{
    struct counted_task *counted = (struct counted_task *)task;

    counted->runs++;
    if (counted->again)
        loop_post(counted->loop, task);
}

static void on_flush(struct task *task)
{
    struct counted_task *counted = (struct counted_task *)task;

    counted->runs++;
    if (counted->again)
        loop_post_flush(counted->loop, task);
}

struct counted_timer {
    struct timer timer;
    struct loop *loop;
    uint64_t fired_at_ms;
    unsigned fires;
};

static void on_timer(struct timer *timer)
{
    struct counted_timer *counted = (struct counted_timer *)timer;

    counted->fired_at_ms = net_now_ms();
    counted->fires++;
}

static struct counted_timer timer_in(struct loop *loop)
{
    struct counted_timer counted = { .loop = loop };

    timer_init(&counted.timer, on_timer);
    return counted;
}

TEST(an_idle_loop_sleeps)
{
    struct bench bench = bench_start();
    struct witness witness = { 0 };
    uint64_t begin, enters;
    int fds[2];

    net_pair(fds, 0);
    witness_attach(&witness, bench.loop, conn_accepted(bench.loop, fds[0], NULL));
    witness_read(&witness);
    loop_turn(bench.loop, 0);
    enters = ring_stats(bench.loop->ring)->enters;
    begin = net_now_ms();
    while (net_now_ms() - begin < 300)
        loop_turn(bench.loop, 300);
    CHECK(ring_stats(bench.loop->ring)->enters - enters <= 4);
    CHECK_INT(witness.seen, 0);
    witness_close(&witness, STREAM_CLOSE_ABORT);
    close(fds[1]);
    bench_stop(&bench);
}

TEST(a_far_timer_costs_few_wake_ups_and_a_near_one_is_on_time)
{
    struct bench bench = bench_start();
    struct counted_timer near = timer_in(bench.loop), far = timer_in(bench.loop);
    uint64_t begin, enters, turns = 0;

    loop_turn(bench.loop, 0);
    begin = bench.loop->now_ms;
    enters = ring_stats(bench.loop->ring)->enters;
    loop_timer_set(bench.loop, &near.timer, 700);
    loop_timer_set(bench.loop, &far.timer, 3600 * 1000);
    while (near.fires == 0 && turns++ < 100)
        loop_turn(bench.loop, UINT64_MAX);
    CHECK_INT(near.fires, 1);
    CHECK_INT(far.fires, 0);
    CHECK(near.fired_at_ms >= begin + 700);
    CHECK(near.fired_at_ms <= begin + 700 + 300); /* a tick, and a busy machine */
    CHECK(ring_stats(bench.loop->ring)->enters - enters <= 8);
    timer_cancel(&far.timer);
    bench_stop(&bench);
}

TEST(a_deadline_in_the_past_fires_at_once)
{
    struct bench bench = bench_start();
    struct counted_timer late = timer_in(bench.loop);
    uint64_t begin = net_now_ms();

    timer_set(&bench.loop->timers, &late.timer, bench.loop->now_ms - 1);
    while (late.fires == 0 && net_now_ms() < begin + 5000)
        loop_turn(bench.loop, UINT64_MAX);
    CHECK_INT(late.fires, 1);
    CHECK(net_now_ms() - begin < 500);
    bench_stop(&bench);
}

TEST(a_task_that_posts_itself_does_not_lock_out_the_kernel)
{
    struct bench bench = bench_start();
    struct counted_task endless = { .loop = bench.loop, .again = true };
    struct counted_task flush = { .loop = bench.loop, .again = true };
    struct counted_timer timer = timer_in(bench.loop);
    struct witness witness = { 0 };
    uint64_t sent = 0;
    int fds[2];

    net_pair(fds, 0);
    witness_attach(&witness, bench.loop, conn_accepted(bench.loop, fds[0], NULL));
    witness_read(&witness);
    task_init(&endless.task, on_task);
    task_init(&flush.task, on_flush);
    loop_post(bench.loop, &endless.task);
    loop_post_flush(bench.loop, &flush.task);
    loop_timer_set(bench.loop, &timer.timer, 20);
    CHECK(raw_write(fds[1], &sent, 1000));
    NET_UNTIL(bench.loop, witness.received == 1000 && timer.fires == 1);
    CHECK(flush.runs > 1);
    CHECK(endless.runs > flush.runs);
    loop_forget(bench.loop, &endless.task);
    loop_forget(bench.loop, &flush.task);
    witness_close(&witness, STREAM_CLOSE_ABORT);
    close(fds[1]);
    bench_stop(&bench);
}

TEST(a_task_posted_twice_runs_once_and_a_forgotten_one_never)
{
    struct bench bench = bench_start();
    struct counted_task tasks[3];

    for (unsigned i = 0; i < 3; i++) {
        tasks[i] = (struct counted_task){ .loop = bench.loop };
        task_init(&tasks[i].task, on_task);
        loop_post(bench.loop, &tasks[i].task);
        loop_post(bench.loop, &tasks[i].task);
    }
    loop_forget(bench.loop, &tasks[2].task); /* the last of the list */
    loop_forget(bench.loop, &tasks[0].task);
    loop_post(bench.loop, &tasks[0].task);
    loop_forget(bench.loop, &tasks[0].task);
    loop_turn(bench.loop, 0);
    CHECK_INT(tasks[0].runs, 0);
    CHECK_INT(tasks[1].runs, 1);
    CHECK_INT(tasks[2].runs, 0);
    bench_stop(&bench);
}

static void on_timer_posts(struct timer *timer)
{
    struct counted_timer *counted = (struct counted_timer *)timer;

    counted->fires++;
    loop_stop(counted->loop);
}

TEST(a_stopped_loop_can_be_drained_without_spinning)
{
    struct bench bench = bench_start();
    struct counted_timer timer = timer_in(bench.loop);
    uint64_t begin, turns = 0;

    timer.timer.on_expire = on_timer_posts;
    loop_timer_set(bench.loop, &timer.timer, 10);
    CHECK_INT(loop_run(bench.loop), 0);
    CHECK_INT(timer.fires, 1);
    begin = net_now_ms();
    while (net_now_ms() - begin < 200) {
        loop_turn(bench.loop, 200);
        turns++;
    }
    CHECK(turns <= 4);
    loop_timer_set(bench.loop, &timer.timer, 10);
    CHECK_INT(loop_run(bench.loop), 0); /* and run again */
    CHECK_INT(timer.fires, 2);
    bench_stop(&bench);
}

/* ---- deferred frees ------------------------------------------------------------------------ */

struct mortal {
    struct deferred deferred;
    struct task task;
    struct loop *loop;
    unsigned *deaths;
};

static void bury(struct deferred *deferred)
{
    struct mortal *mortal = (struct mortal *)deferred;

    (*mortal->deaths)++;
    free(mortal);
}

static void die_in_task(struct task *task)
{
    struct mortal *mortal = (struct mortal *)((char *)task - offsetof(struct mortal, task));

    loop_free_later(mortal->loop, &mortal->deferred);
    CHECK_INT(*mortal->deaths, 0); /* still alive in its own task */
    mortal->loop = NULL;
}

TEST(an_object_freed_in_its_own_task_survives_that_task)
{
    struct bench bench = bench_start();
    unsigned deaths = 0;
    struct mortal *mortal = calloc(1, sizeof(*mortal));

    CHECK(mortal != NULL);
    *mortal = (struct mortal){ .loop = bench.loop, .deaths = &deaths };
    mortal->deferred.free = bury;
    task_init(&mortal->task, die_in_task);
    loop_post(bench.loop, &mortal->task);
    loop_turn(bench.loop, 0);
    CHECK_INT(deaths, 1);
    bench_stop(&bench);
}

TESTS(TEST_CASE(an_idle_loop_sleeps),
      TEST_CASE(a_far_timer_costs_few_wake_ups_and_a_near_one_is_on_time),
      TEST_CASE(a_deadline_in_the_past_fires_at_once),
      TEST_CASE(a_task_that_posts_itself_does_not_lock_out_the_kernel),
      TEST_CASE(a_task_posted_twice_runs_once_and_a_forgotten_one_never),
      TEST_CASE(a_stopped_loop_can_be_drained_without_spinning),
      TEST_CASE(an_object_freed_in_its_own_task_survives_that_task))
