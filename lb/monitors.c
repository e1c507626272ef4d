#include "lb/monitors.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/conn.h"
#include "core/log.h"
#include "core/thread.h"

/* What a probe's connection may take to close when the thread ends. */
enum { LINGER_AT_END_MS = 1000, RECV_BUFFERS_SMALL = 64, RECV_BUFFERS_BULK = 4 };

/* No probe of a failed start is tried again sooner. */
enum { START_FAILED_PAUSE_MS = 1000 };

struct monitors_order {
    struct mail mail; /* first */
    struct monitors *monitors;
};

struct monitors {
    struct loop *loop;
    pthread_t thread;
    struct monitor_plan *plan;
    uint32_t tick_ms;
    uint64_t random; /* of the spread */
    struct monitors_order switch_order, wake_order;
    _Atomic bool wake_is_posted;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    enum { MONITORS_STARTING, MONITORS_RUNNING, MONITORS_FAILED } state;
    bool switch_is_done;
    struct monitor_plan *next, *former;
    bool stops;
    char error[256];
};

static void start_waiting(struct monitor_group *group);

/* ---- one target ---------------------------------------------------------------------------- */

static uint64_t now_of(const struct monitored *item)
{
    return item->group->monitors->loop->now_ms;
}

/* The next probe, or the end of the time without a success. */
static void schedule(struct monitored *item)
{
    uint64_t at_ms = item->probe || item->waits ? MONITOR_NEVER : monitor_probe_at(&item->monitor);
    uint64_t look_at_ms = monitor_look_at(&item->monitor);

    if (look_at_ms < at_ms)
        at_ms = look_at_ms;
    if (at_ms == MONITOR_NEVER)
        timer_cancel(&item->timer);
    else
        timer_set(&item->group->monitors->loop->timers, &item->timer, at_ms);
}

static struct monitor_question question_of(const struct monitored *item)
{
    const struct monitor_plan *plan = item->group->monitors->plan;

    return (struct monitor_question){ .settings = item->group->settings,
                                      .address = &item->monitor.target->address,
                                      .bind = plan->has_bind ? &plan->bind : NULL,
                                      .request = item->request,
                                      .server_name = item->server_name };
}

static void on_done(void *owner, const struct monitor_outcome *outcome)
{
    struct monitored *item = owner;

    item->probe = NULL;
    item->group->running_count--;
    monitor_on_outcome(&item->monitor, outcome, now_of(item));
    schedule(item);
    start_waiting(item->group);
}

static void start_probe(struct monitored *item)
{
    struct monitors *monitors = item->group->monitors;
    const struct monitor_question question = question_of(item);
    bool is_deadline;
    uint64_t timeout_ms = monitor_probe_timeout(&item->monitor, now_of(item), &is_deadline);

    item->monitor.started_at_ms = now_of(item);
    item->probe = monitor_probe_start(monitors->loop, &question, timeout_ms, is_deadline);
    if (!item->probe) { /* our trouble: says nothing of the target */
        timer_set(&monitors->loop->timers, &item->timer, now_of(item) + START_FAILED_PAUSE_MS);
        return;
    }
    monitor_probe_set_owner(item->probe, &question, on_done, item);
    item->group->running_count++;
    schedule(item);
}

static bool has_room(const struct monitor_group *group)
{
    unsigned concurrency = group->settings->options.concurrency;

    return concurrency == 0 || group->running_count < concurrency;
}

static void start_waiting(struct monitor_group *group)
{
    while (group->first_waiting && has_room(group)) {
        struct monitored *item = group->first_waiting;

        group->first_waiting = item->next_waiting;
        if (!group->first_waiting)
            group->last_waiting = &group->first_waiting;
        item->waits = false;
        start_probe(item);
    }
}

static void on_timer(struct timer *timer)
{
    struct monitored *item =
        (struct monitored *)((char *)timer - offsetof(struct monitored, timer));
    struct monitor_group *group = item->group;

    monitor_look(&item->monitor, now_of(item));
    if (!item->probe && !item->waits && now_of(item) >= monitor_probe_at(&item->monitor)) {
        item->waits = true;
        item->next_waiting = NULL;
        *group->last_waiting = item;
        group->last_waiting = &item->next_waiting;
        start_waiting(group);
    }
    if (!timer_is_armed(&item->timer))
        schedule(item);
}

/* ---- outliers ------------------------------------------------------------------------------ */

static struct target *target_at(const void *owner, size_t index)
{
    return ((const struct monitor_group *)owner)->items[index].monitor.target;
}

static void on_outlier_timer(struct timer *timer)
{
    struct monitor_group *group =
        (struct monitor_group *)((char *)timer - offsetof(struct monitor_group, outlier_timer));
    const struct outlier_targets targets = { target_at, group, group->count };
    struct loop *loop = group->monitors->loop;

    outlier_look(&group->outliers.options, &targets, loop->now_ms);
    loop_timer_set(loop, &group->outlier_timer, group->outliers.options.interval_ms);
}

/* ---- plans --------------------------------------------------------------------------------- */

/* 0..1; splitmix64 */
static double next_spread(struct monitors *monitors)
{
    uint64_t value = monitors->random += 0x9e3779b97f4a7c15u;

    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return (double)((value ^ value >> 31) >> 11) / (double)(UINT64_C(1) << 53);
}

static bool asks_the_same(const struct monitored *a, const struct monitored *b)
{
    const char *one = a->request ? a->request : "", *other = b->request ? b->request : "";
    const char *name = a->server_name ? a->server_name : "";

    return strcmp(one, other) == 0 && strcmp(name, b->server_name ? b->server_name : "") == 0;
}

/* The probe under way goes on for its new owner. */
static void inherit(struct monitored *item, struct monitored *former)
{
    struct target *target = item->monitor.target;
    const struct monitor_settings *settings = item->monitor.settings;
    const struct monitor_question question = question_of(item);

    item->monitor = former->monitor;
    item->monitor.target = target;
    item->monitor.settings = settings;
    item->probe = former->probe;
    former->probe = NULL;
    if (!item->probe)
        return;
    monitor_probe_set_owner(item->probe, &question, on_done, item);
    item->group->running_count++;
    former->group->running_count--;
}

static int compare_to_item(const void *target, const void *item)
{
    const struct target *other = ((const struct monitored *)item)->monitor.target;

    return ((const struct target *)target > other) - ((const struct target *)target < other);
}

static struct monitored *find_former(const struct monitor_group *former,
                                     const struct monitored *item)
{
    struct monitored *found = bsearch(item->monitor.target, former->items, former->count,
                                      sizeof(*found), compare_to_item);

    return found && asks_the_same(found, item) ? found : NULL;
}

static int compare_to_group(const void *name, const void *group)
{
    return strcmp(name, ((const struct monitor_group *)group)->upstream);
}

/* NULL: there was none. */
static struct monitor_group *former_group(const struct monitor_plan *former,
                                          const struct monitor_group *group)
{
    return former ? bsearch(group->upstream, former->groups, former->count, sizeof(*group),
                            compare_to_group)
                  : NULL;
}

static bool probes_alike(const struct monitor_group *former, const struct monitor_group *group)
{
    return former && former->settings && former->settings->identity == group->settings->identity;
}

static void begin_probes(struct monitors *monitors, struct monitor_group *group,
                         const struct monitor_group *former)
{
    bool goes_on = probes_alike(former, group);
    uint64_t now_ms = monitors->loop->now_ms;

    for (size_t i = 0; i < group->count; i++) {
        struct monitored *item = &group->items[i];
        struct monitored *before = goes_on ? find_former(former, item) : NULL;

        timer_init(&item->timer, on_timer);
        if (before)
            inherit(item, before);
        else
            monitor_begin(&item->monitor, now_ms, next_spread(monitors));
        schedule(item);
    }
}

/* Plans may come more often than looks. */
static void begin_looks(struct monitors *monitors, struct monitor_group *group,
                        const struct monitor_group *former)
{
    uint64_t interval_ms = group->outliers.options.interval_ms;
    bool goes_on = former && former->outliers.options.interval_ms == interval_ms;

    if (interval_ms > 0)
        timer_set(&monitors->loop->timers, &group->outlier_timer,
                  goes_on ? former->outlier_timer.deadline_ms
                          : monitors->loop->now_ms + interval_ms);
}

static void begin(struct monitors *monitors, const struct monitor_plan *former)
{
    for (size_t i = 0; monitors->plan && i < monitors->plan->count; i++) {
        struct monitor_group *group = &monitors->plan->groups[i];
        const struct monitor_group *before = former_group(former, group);

        group->monitors = monitors;
        group->last_waiting = &group->first_waiting;
        timer_init(&group->outlier_timer, on_outlier_timer);
        if (group->settings)
            begin_probes(monitors, group, before);
        begin_looks(monitors, group, before);
    }
}

static void end(struct monitor_plan *plan)
{
    for (size_t i = 0; plan && i < plan->count; i++) {
        timer_cancel(&plan->groups[i].outlier_timer);
        for (size_t k = 0; plan->groups[i].settings && k < plan->groups[i].count; k++) {
            monitor_probe_abort(TAKE(plan->groups[i].items[k].probe));
            timer_cancel(&plan->groups[i].items[k].timer);
        }
    }
}

static void deliver_switch(struct mail *mail, struct loop *loop)
{
    struct monitors *monitors = ((struct monitors_order *)mail)->monitors;
    struct monitor_plan *former = monitors->plan;

    pthread_mutex_lock(&monitors->lock);
    monitors->plan = monitors->next;
    pthread_mutex_unlock(&monitors->lock);
    begin(monitors, former);
    end(former);
    pthread_mutex_lock(&monitors->lock);
    monitors->former = former;
    monitors->switch_is_done = true;
    if (monitors->stops)
        loop_stop(loop);
    pthread_cond_signal(&monitors->changed);
    pthread_mutex_unlock(&monitors->lock);
}

static void deliver_wake(struct mail *mail, struct loop *loop)
{
    struct monitors *monitors = ((struct monitors_order *)mail)->monitors;

    (void)loop;
    atomic_store(&monitors->wake_is_posted, false);
    for (size_t i = 0; monitors->plan && i < monitors->plan->count; i++) {
        struct monitor_group *group = &monitors->plan->groups[i];

        for (size_t k = 0; group->settings && k < group->count; k++)
            schedule(&group->items[k]);
    }
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void tell_state(struct monitors *monitors, int state)
{
    pthread_mutex_lock(&monitors->lock);
    monitors->state = state;
    pthread_cond_signal(&monitors->changed);
    pthread_mutex_unlock(&monitors->lock);
}

static void wait_for_connections(struct loop *loop)
{
    uint64_t until_ms = loop->now_ms + LINGER_AT_END_MS;

    conn_abort_closing(loop, true);
    while (loop->objects > 0 && loop->now_ms < until_ms)
        if (loop_turn(loop, until_ms - loop->now_ms) < 0)
            return;
}

static void *run(void *argument)
{
    struct monitors *monitors = argument;
    struct loop_options options;
    int r;

    loop_options_default(&options);
    options.tick_ms = monitors->tick_ms;
    options.ring.buffer_counts[RING_RECV_SMALL] = RECV_BUFFERS_SMALL;
    options.ring.buffer_counts[RING_RECV_BULK] = RECV_BUFFERS_BULK;
    monitors->loop = loop_create(&options, monitors->error, sizeof(monitors->error));
    if (!monitors->loop) {
        tell_state(monitors, MONITORS_FAILED);
        return NULL;
    }
    monitors->random = monitors->loop->now_us;
    tell_state(monitors, MONITORS_RUNNING);
    r = loop_run(monitors->loop);
    if (r < 0) {
        (void)fprintf(stderr, "hopgate: monitors: io_uring failed: %s\n", strerror(-r));
        _exit(1); /* as a worker: no half-alive hop */
    }
    wait_for_connections(monitors->loop);
    loop_free(monitors->loop);
    return NULL;
}

static void destroy(struct monitors *monitors)
{
    pthread_mutex_destroy(&monitors->lock);
    pthread_cond_destroy(&monitors->changed);
    free(monitors);
}

struct monitors *monitors_start(uint32_t tick_ms, char *error, size_t error_size)
{
    struct monitors *monitors = calloc(1, sizeof(*monitors));
    int r;

    if (!monitors) {
        (void)snprintf(error, error_size, "out of memory");
        return NULL;
    }
    monitors->tick_ms = tick_ms;
    monitors->switch_order =
        (struct monitors_order){ .mail.deliver = deliver_switch, .monitors = monitors };
    monitors->wake_order =
        (struct monitors_order){ .mail.deliver = deliver_wake, .monitors = monitors };
    pthread_mutex_init(&monitors->lock, NULL);
    pthread_cond_init(&monitors->changed, NULL);
    r = thread_start(&monitors->thread, run, monitors);
    if (r != 0) {
        (void)snprintf(error, error_size, "cannot start a thread: %s", strerror(r));
        destroy(monitors);
        return NULL;
    }
    pthread_mutex_lock(&monitors->lock);
    while (monitors->state == MONITORS_STARTING)
        pthread_cond_wait(&monitors->changed, &monitors->lock);
    pthread_mutex_unlock(&monitors->lock);
    if (monitors->state == MONITORS_RUNNING)
        return monitors;
    (void)pthread_join(monitors->thread, NULL);
    (void)snprintf(error, error_size, "%s", monitors->error);
    destroy(monitors);
    return NULL;
}

static struct monitor_plan *switch_to(struct monitors *monitors, struct monitor_plan *plan,
                                      bool stops)
{
    struct monitor_plan *former;

    pthread_mutex_lock(&monitors->lock);
    monitors->next = plan;
    monitors->stops = stops;
    monitors->switch_is_done = false;
    loop_send(monitors->loop, &monitors->switch_order.mail);
    while (!monitors->switch_is_done)
        pthread_cond_wait(&monitors->changed, &monitors->lock);
    former = TAKE(monitors->former);
    pthread_mutex_unlock(&monitors->lock);
    return former;
}

struct monitor_plan *monitors_switch(struct monitors *monitors, struct monitor_plan *plan)
{
    return switch_to(monitors, plan, false);
}

void monitors_wake(struct monitors *monitors)
{
    if (!atomic_exchange(&monitors->wake_is_posted, true))
        loop_send(monitors->loop, &monitors->wake_order.mail);
}

struct monitor_plan *monitors_stop(struct monitors *monitors)
{
    struct monitor_plan *former = switch_to(monitors, NULL, true);

    (void)pthread_join(monitors->thread, NULL);
    destroy(monitors);
    return former;
}
