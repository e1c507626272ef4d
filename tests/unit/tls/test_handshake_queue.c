/*
 * test_handshake_queue: however many handshakes wait, others get their turn between a few of them, and
 * those that wait are served in the order in which they came.
 */
#include "tls/handshake_queue_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

enum { BURST = 3 * TLS_HANDSHAKES_PER_TURN + 1 };

struct scene;

struct waiting {
    struct tls_handshake_turn turn; /* first */
    struct scene *scene;
    char name;
    bool again; /* there is a second step */
};

struct scene {
    struct loop *loop;
    struct tls_handshake_queue queue;
    _Atomic uint64_t deferred_count;
    struct waiting burst[BURST];
    struct task other; /* an established connection: it has something to do in each turn */
    char story[256];   /* who ran, in order; "." is the other */
};

static void tell(struct scene *scene, char c)
{
    size_t length = strlen(scene->story);

    CHECK(length + 1 < sizeof(scene->story));
    scene->story[length] = c;
}

static void on_turn(struct tls_handshake_turn *turn)
{
    struct waiting *waiting = (struct waiting *)turn;

    tell(waiting->scene, waiting->name);
    if (waiting->again) {
        waiting->again = false;
        handshake_turn_wait(turn);
    }
}

static void on_other(struct task *task)
{
    tell((struct scene *)((char *)task - offsetof(struct scene, other)), '.');
}

static struct scene *scene_create(void)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    struct loop_options options;
    char error[256];

    assert_non_null(scene);
    loop_options_default(&options);
    scene->loop = loop_create(&options, error, sizeof(error));
    if (!scene->loop)
        fail_msg("%s", error);
    tls_handshake_queue_init(&scene->queue, scene->loop, &scene->deferred_count);
    task_init(&scene->other, on_other);
    for (int i = 0; i < BURST; i++)
        scene->burst[i] = (struct waiting){ .turn = { .queue = &scene->queue, .run = on_turn },
                                            .scene = scene,
                                            .name = (char)('a' + i) };
    return scene;
}

static void scene_free(struct scene *scene)
{
    tls_handshake_queue_done(&scene->queue);
    loop_free(scene->loop);
    free(scene);
}

static void all_wait(struct scene *scene)
{
    for (int i = 0; i < BURST; i++)
        handshake_turn_wait(&scene->burst[i].turn);
}

/* Turns of the loop, in each of which the other has something to do before and after the kernel. */
static void run_turns(struct scene *scene)
{
    for (int turns = 0; turns < BURST && (turns == 0 || scene->queue.first); turns++) {
        loop_post(scene->loop, &scene->other);
        CHECK(loop_turn(scene->loop, 0) >= 0);
    }
    CHECK(!scene->queue.first);
}

TEST(a_burst_lets_others_pass_and_keeps_its_order)
{
    struct scene *scene = scene_create();
    char order[BURST + 1] = "";
    size_t most = 0, run = 0, count = 0;

    all_wait(scene);
    run_turns(scene);
    CHECK_INT(scene->story[0], '.'); /* it came last and goes first */
    for (const char *c = scene->story; *c; c++) {
        run = *c == '.' ? 0 : run + 1;
        most = run > most ? run : most;
        if (*c != '.')
            order[count++] = *c;
    }
    CHECK_STR(order, "abcdefghijklm");
    CHECK(most <= 2 * TLS_HANDSHAKES_PER_TURN); /* a turn looks for tasks twice */
    CHECK_INT(scene->deferred_count, BURST - TLS_HANDSHAKES_PER_TURN);
    scene_free(scene);
}

TEST(a_second_step_waits_behind_those_who_came_before)
{
    struct scene *scene = scene_create();

    scene->burst[0].again = true;
    all_wait(scene);
    handshake_turn_wait(&scene->burst[1].turn); /* it waits already and keeps its place */
    while (scene->queue.first)
        CHECK(loop_turn(scene->loop, 0) >= 0);
    CHECK_STR(scene->story, "abcdefghijklma");
    scene_free(scene);
}

TEST(who_leaves_is_not_run)
{
    struct scene *scene = scene_create();

    all_wait(scene);
    handshake_turn_leave(&scene->burst[0].turn);
    handshake_turn_leave(&scene->burst[6].turn);
    handshake_turn_leave(&scene->burst[6].turn);
    handshake_turn_leave(&scene->burst[BURST - 1].turn);
    CHECK_INT(scene->queue.length, BURST - 3);
    while (scene->queue.first)
        CHECK(loop_turn(scene->loop, 0) >= 0);
    CHECK_STR(scene->story, "bcdefhijkl");
    scene_free(scene);
}

TESTS(TEST_CASE(a_burst_lets_others_pass_and_keeps_its_order),
      TEST_CASE(a_second_step_waits_behind_those_who_came_before), TEST_CASE(who_leaves_is_not_run))
