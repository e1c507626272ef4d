#include "tls/handshake_queue_priv.h"

#include <assert.h>

static struct tls_handshake_queue *queue_of(struct task *task)
{
    return (struct tls_handshake_queue *)((char *)task -
                                          offsetof(struct tls_handshake_queue, task));
}

/* Behind all tasks of the turn; when a flush asks for it, behind the next look at the kernel. */
static void ask_for_turn(struct tls_handshake_queue *queue)
{
    loop_post_flush(queue->loop, &queue->task);
}

static void run_some(struct task *task)
{
    struct tls_handshake_queue *queue = queue_of(task);
    unsigned left = TLS_HANDSHAKES_PER_TURN;

    while (queue->first && left-- > 0) {
        struct tls_handshake_turn *turn = queue->first;

        handshake_turn_leave(turn);
        turn->run(turn);
    }
    if (queue->first)
        ask_for_turn(queue);
}

void tls_handshake_queue_init(struct tls_handshake_queue *queue, struct loop *loop,
                              _Atomic uint64_t *deferred_count)
{
    *queue = (struct tls_handshake_queue){ .loop = loop, .deferred_count = deferred_count };
    task_init(&queue->task, run_some);
}

void tls_handshake_queue_done(struct tls_handshake_queue *queue)
{
    if (!queue->loop)
        return;
    assert(!queue->first && "a stream outlives its handshake queue");
    loop_forget(queue->loop, &queue->task);
    *queue = (struct tls_handshake_queue){ .loop = NULL };
}

void handshake_turn_wait(struct tls_handshake_turn *turn)
{
    struct tls_handshake_queue *queue = turn->queue;

    if (turn->waits)
        return;
    turn->waits = true;
    turn->next = NULL;
    turn->prev = queue->last;
    *(turn->prev ? &turn->prev->next : &queue->first) = turn;
    queue->last = turn;
    if (queue->length++ >= TLS_HANDSHAKES_PER_TURN)
        atomic_store_explicit(queue->deferred_count,
                              atomic_load_explicit(queue->deferred_count, memory_order_relaxed) + 1,
                              memory_order_relaxed); /* one writer: see metrics_add */
    ask_for_turn(queue);
}

void handshake_turn_leave(struct tls_handshake_turn *turn)
{
    struct tls_handshake_queue *queue = turn->queue;

    if (!turn->waits)
        return;
    turn->waits = false;
    *(turn->prev ? &turn->prev->next : &queue->first) = turn->next;
    *(turn->next ? &turn->next->prev : &queue->last) = turn->prev;
    queue->length--;
}
