#include "core/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A turn that keeps producing work still looks at the kernel after this many tasks. */
enum { TASKS_PER_TURN_MAX = 4096 };

static void read_clock(struct loop *loop)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    loop->now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    loop->now_ms = loop->now_us / 1000;
}

/* ---- tasks --------------------------------------------------------------------------------- */

void task_init(struct task *task, void (*run)(struct task *task))
{
    *task = (struct task){ .run = run };
}

static void queue_init(struct task_queue *queue)
{
    *queue = (struct task_queue){ .last = &queue->first };
}

static void queue_push(struct task_queue *queue, struct task *task)
{
    if (task->queued)
        return;
    task->queued = true;
    task->next = NULL;
    *queue->last = task;
    queue->last = &task->next;
    queue->count++;
}

static struct task *queue_pop(struct task_queue *queue)
{
    struct task *task = queue->first;

    if (!task)
        return NULL;
    queue->first = task->next;
    if (!queue->first)
        queue->last = &queue->first;
    queue->count--;
    task->queued = false;
    return task;
}

static bool queue_remove(struct task_queue *queue, struct task *task)
{
    for (struct task **link = &queue->first; *link; link = &(*link)->next) {
        if (*link != task)
            continue;
        *link = task->next;
        if (!*link)
            queue->last = link;
        queue->count--;
        task->queued = false;
        return true;
    }
    return false;
}

void loop_post(struct loop *loop, struct task *task)
{
    queue_push(&loop->ready, task);
}

void loop_post_flush(struct loop *loop, struct task *task)
{
    queue_push(&loop->flush, task);
}

void loop_forget(struct loop *loop, struct task *task)
{
    if (task->queued && !queue_remove(&loop->ready, task))
        (void)queue_remove(&loop->flush, task);
}

void loop_free_later(struct loop *loop, struct deferred *deferred)
{
    deferred->next = loop->garbage;
    loop->garbage = deferred;
}

static void collect_garbage(struct loop *loop)
{
    while (loop->garbage) {
        struct deferred *deferred = loop->garbage;

        loop->garbage = deferred->next;
        deferred->free(deferred);
    }
}

/* A flush that found the submission queue full posts itself again and must wait until the kernel
 * was looked at, so only those that are queued now run. */
static void run_flushes(struct loop *loop)
{
    struct task *task;
    unsigned left = loop->flush.count;

    while (left-- > 0 && (task = queue_pop(&loop->flush)) != NULL)
        task->run(task);
}

static void run_tasks(struct loop *loop)
{
    struct task *task;
    unsigned left = TASKS_PER_TURN_MAX;

    while (left-- > 0 && (task = queue_pop(&loop->ready)) != NULL)
        task->run(task);
    run_flushes(loop);
    collect_garbage(loop);
}

/* ---- mail ---------------------------------------------------------------------------------- */

static int listen_for_doorbell(struct loop *loop)
{
    return ring_read(loop->ring, &loop->doorbell_user, loop->mailbox.doorbell,
                     &loop->doorbell_count, sizeof(loop->doorbell_count));
}

static void on_doorbell(struct ring_user *user, const struct completion *completion)
{
    (void)user;
    (void)completion; /* ops_in_flight == 0 tells the next turn to listen again */
}

static void deliver_mail(struct loop *loop)
{
    struct mail *mail = mailbox_take(&loop->mailbox);

    while (mail) {
        struct mail *next = mail->next;

        mail->deliver(mail, loop);
        mail = next;
    }
}

void loop_send(struct loop *loop, struct mail *mail)
{
    mailbox_send(&loop->mailbox, mail);
}

/* ---- life ---------------------------------------------------------------------------------- */

void loop_options_default(struct loop_options *options)
{
    *options = (struct loop_options){
        .ring = { .submission_entries = 256,
                  .completion_entries = 2048,
                  .buffer_counts = { [RING_RECV_SMALL] = 512, [RING_RECV_BULK] = 64 } },
        .tick_ms = 8,
    };
}

static void on_buffer(struct ring_user *user)
{
    const struct completion nothing = { .kind = OP_NONE };

    user->on_completion(user, &nothing);
}

static void free_ring(struct loop *loop)
{
    if (loop->ring)
        memory_account_add(chunk_pool_account(loop->pool), MEMORY_RECEIVE,
                           -(int64_t)ring_buffer_bytes(loop->ring));
    ring_free(loop->ring);
}

struct loop *loop_create(const struct loop_options *options, char *error, size_t error_size)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    struct ring_options ring_options = options->ring;
    int r;

    if (!loop || !(loop->pool = chunk_pool_create(options->chunk_bytes_max))) {
        snprintf(error, error_size, "out of memory");
        free(loop);
        return NULL;
    }
    chunk_pool_set_account(loop->pool, options->account, false);
    queue_init(&loop->ready);
    queue_init(&loop->flush);
    read_clock(loop);
    timer_wheel_init(&loop->timers, options->tick_ms, loop->now_ms);
    ring_options.pool = loop->pool;
    loop->mailbox.doorbell = -1;
    loop->ring = ring_create(&ring_options, error, error_size);
    if (!loop->ring)
        goto fail;
    memory_account_add(options->account, MEMORY_RECEIVE, (int64_t)ring_buffer_bytes(loop->ring));
    ring_set_on_buffer(loop->ring, on_buffer);
    r = mailbox_init(&loop->mailbox);
    if (r == 0)
        r = ring_join(loop->ring, &loop->doorbell_user);
    if (r < 0) {
        snprintf(error, error_size, "cannot create an event loop: %s", strerror(-r));
        goto fail;
    }
    loop->doorbell_user.on_completion = on_doorbell;
    return loop;

fail:
    free_ring(loop);
    mailbox_done(&loop->mailbox);
    chunk_pool_free(loop->pool);
    free(loop);
    return NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    collect_garbage(loop);
    assert(loop->objects == 0 && "a connection or listener outlives its loop");
    if (loop->doorbell_user.ops_in_flight > 0)
        (void)ring_cancel_fd(loop->ring, &loop->doorbell_user, loop->mailbox.doorbell);
    while (loop->doorbell_user.ops_in_flight > 0)
        if (ring_wait(loop->ring, 1000) < 0)
            break;
    ring_leave(loop->ring, &loop->doorbell_user);
    free_ring(loop);
    mailbox_done(&loop->mailbox);
    chunk_pool_free(loop->pool);
    free(loop);
}

static uint64_t wait_limit(const struct loop *loop, uint64_t timeout_ms)
{
    uint64_t next = timer_wheel_next(&loop->timers);

    if (loop->ready.first || loop->flush.first || loop->stopping)
        return 0;
    if (next == UINT64_MAX)
        return timeout_ms;
    next = next > loop->now_ms ? next - loop->now_ms : 0;
    return next < timeout_ms ? next : timeout_ms;
}

int loop_turn(struct loop *loop, uint64_t timeout_ms)
{
    int r;

    if (loop->doorbell_user.ops_in_flight == 0)
        (void)listen_for_doorbell(loop); /* a full queue: the next turn tries again */
    deliver_mail(loop);
    run_tasks(loop);
    r = ring_wait(loop->ring, wait_limit(loop, timeout_ms));
    read_clock(loop);
    run_tasks(loop);
    timer_wheel_advance(&loop->timers, loop->now_ms);
    return r;
}

int loop_run(struct loop *loop)
{
    int r = 0;

    while (!loop->stopping && r >= 0)
        r = loop_turn(loop, UINT64_MAX);
    run_tasks(loop);
    loop->stopping = false; /* who drains with loop_turn from here on waits in the kernel again */
    return r < 0 ? r : 0;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
