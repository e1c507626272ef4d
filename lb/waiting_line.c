#include "lb/waiting_line.h"

#include <sched.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/loop.h"

enum { SLOT_ALIGN = 64 };

/* One worker's part of a line. */
struct waiting_slot {
    alignas(SLOT_ALIGN) struct mail mail; /* first */
    _Atomic bool is_called;               /* the mail is under way */
    _Atomic uint32_t waiting;
    unsigned worker;
    struct waiting_line *line;
    struct waiter *first, *last; /* the worker's own */
};

struct waiting_line {
    struct waiting_line *next;
    struct waiting_lines *lines;
    char *upstream;
    _Atomic uint32_t waiting; /* sum of the slots' */
    _Atomic uint32_t turn;    /* the worker that is called next, if one waits there */
    struct waiting_slot *slots;
};

/* Lets a sender into a worker's loop, and `close` wait until it is out. */
struct door {
    alignas(SLOT_ALIGN) _Atomic uint32_t senders;
    struct loop *_Atomic loop; /* NULL: closed */
};

struct waiting_lines {
    unsigned workers_count;
    struct door *doors;
    struct waiting_line *_Atomic first;
};

/* ---- calls --------------------------------------------------------------------------------- */

static void serve(struct mail *mail, struct loop *loop)
{
    struct waiting_slot *slot = (struct waiting_slot *)mail;
    struct waiting_line *line = slot->line;

    (void)loop;
    atomic_store(&slot->is_called, false); /* a place given back from now on calls again */
    while (slot->first)
        if (!slot->first->on_turn(slot->first))
            return;
    if (atomic_load(&line->waiting) > 0) /* who was called has left meanwhile */
        waiting_line_call(line);
}

static void call(struct waiting_slot *slot)
{
    struct door *door = &slot->line->lines->doors[slot->worker];
    struct loop *loop;

    if (atomic_exchange(&slot->is_called, true))
        return; /* it has not looked yet, so it will find this place too */
    atomic_fetch_add(&door->senders, 1);
    loop = atomic_load(&door->loop);
    if (loop)
        loop_send(loop, &slot->mail);
    else
        atomic_store(&slot->is_called, false);
    atomic_fetch_sub(&door->senders, 1);
}

void waiting_line_call(struct waiting_line *line)
{
    unsigned count = line->lines->workers_count;
    uint32_t turn;

    if (atomic_load(&line->waiting) == 0)
        return;
    turn = atomic_fetch_add_explicit(&line->turn, 1, memory_order_relaxed);
    for (unsigned i = 0; i < count; i++) {
        struct waiting_slot *slot = &line->slots[(turn + i) % count];

        if (atomic_load(&slot->waiting) > 0) {
            call(slot);
            return;
        }
    }
}

void waiting_lines_call_all(struct waiting_lines *lines)
{
    for (struct waiting_line *line = atomic_load(&lines->first); line; line = line->next)
        waiting_line_call(line);
}

/* ---- waiting ------------------------------------------------------------------------------- */

bool waiting_line_join(struct waiting_line *line, unsigned worker, struct waiter *waiter,
                       uint32_t max)
{
    struct waiting_slot *slot = &line->slots[worker];
    uint32_t waiting = atomic_load(&line->waiting);

    atomic_fetch_add(&slot->waiting, 1); /* before the sum: who sees that must find somebody */
    do {
        if (waiting >= max) {
            atomic_fetch_sub(&slot->waiting, 1);
            return false;
        }
    } while (!atomic_compare_exchange_weak(&line->waiting, &waiting, waiting + 1));
    waiter->slot = slot;
    waiter->next = NULL;
    waiter->previous = slot->last;
    *(slot->last ? &slot->last->next : &slot->first) = waiter;
    slot->last = waiter;
    return true;
}

void waiting_line_leave(struct waiter *waiter)
{
    struct waiting_slot *slot = waiter->slot;

    if (!slot)
        return;
    *(waiter->previous ? &waiter->previous->next : &slot->first) = waiter->next;
    *(waiter->next ? &waiter->next->previous : &slot->last) = waiter->previous;
    waiter->slot = NULL;
    atomic_fetch_sub(&slot->line->waiting, 1);
    atomic_fetch_sub(&slot->waiting, 1);
}

bool waiting_line_is_first(const struct waiter *waiter)
{
    return waiter->slot && waiter->slot->first == waiter;
}

uint32_t waiting_line_count(const struct waiting_line *line)
{
    return atomic_load(&line->waiting);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct waiting_lines *waiting_lines_create(unsigned workers_count)
{
    struct waiting_lines *lines = calloc(1, sizeof(*lines));

    if (!lines)
        return NULL;
    lines->workers_count = workers_count;
    lines->doors = aligned_alloc(SLOT_ALIGN, workers_count * sizeof(*lines->doors));
    if (!lines->doors) {
        free(lines);
        return NULL;
    }
    memset(lines->doors, 0, workers_count * sizeof(*lines->doors));
    return lines;
}

static void line_free(struct waiting_line *line)
{
    free(line->upstream);
    free(line->slots);
    free(line);
}

void waiting_lines_free(struct waiting_lines *lines)
{
    struct waiting_line *next;

    if (!lines)
        return;
    for (struct waiting_line *line = atomic_load(&lines->first); line; line = next) {
        next = line->next;
        line_free(line);
    }
    free(lines->doors);
    free(lines);
}

static struct waiting_line *line_create(struct waiting_lines *lines, const char *upstream)
{
    size_t size = lines->workers_count * sizeof(struct waiting_slot);
    struct waiting_line *line = calloc(1, sizeof(*line));

    if (!line)
        return NULL;
    line->lines = lines;
    line->upstream = strdup(upstream);
    line->slots = aligned_alloc(SLOT_ALIGN, size);
    if (!line->upstream || !line->slots) {
        line_free(line);
        return NULL;
    }
    memset(line->slots, 0, size);
    for (unsigned i = 0; i < lines->workers_count; i++) {
        line->slots[i].mail.deliver = serve;
        line->slots[i].worker = i;
        line->slots[i].line = line;
    }
    return line;
}

struct waiting_line *waiting_lines_find(struct waiting_lines *lines, const char *upstream)
{
    struct waiting_line *line = atomic_load(&lines->first);

    while (line && strcmp(line->upstream, upstream) != 0)
        line = line->next;
    if (line)
        return line;
    line = line_create(lines, upstream);
    if (!line)
        return NULL;
    line->next = atomic_load(&lines->first);
    atomic_store(&lines->first, line);
    return line;
}

uint32_t waiting_lines_count(const struct waiting_lines *lines)
{
    uint32_t count = 0;

    for (const struct waiting_line *line = atomic_load(&lines->first); line; line = line->next)
        count += waiting_line_count(line);
    return count;
}

void waiting_lines_open(struct waiting_lines *lines, unsigned worker, struct loop *loop)
{
    atomic_store(&lines->doors[worker].loop, loop);
}

void waiting_lines_close(struct waiting_lines *lines, unsigned worker)
{
    struct door *door = &lines->doors[worker];

    atomic_store(&door->loop, NULL);
    while (atomic_load(&door->senders) > 0) /* a few instructions, as in mailbox_done */
        sched_yield();
    waiting_lines_call_all(lines); /* a letter that lies here unread was meant for whoever waits */
}
