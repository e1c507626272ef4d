/*
 * The config thread: it alone reads and writes the entities while the hop runs.
 *
 * Requests that only read are answered at once, from what is in force. Those that may change something
 * wait until something may be put in force again (PUBLISH_INTERVAL_MS after the last time), and then
 * share one transaction. Once in a while it looks whether another process has written.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/thread.h"
#include "proxy/gateway/config_batch.h"
#include "proxy/gateway/config_host.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/worker/admin_question.h"

enum { PUBLISH_INTERVAL_MS = 50, STORE_LOOK_INTERVAL_MS = 1000 };

struct config_thread {
    struct gateway *gateway;
    struct config_batches batches;
    struct admin_question *waiting[ADMIN_QUESTIONS_MAX]; /* oldest first */
    size_t waiting_count;
    uint64_t publish_at_ms, look_at_ms; /* monotonic: not before */
    _Atomic bool ends;
    pthread_t thread;
};

/* ---- requests ------------------------------------------------------------------------------ */

static bool only_reads(const struct admin_question *question)
{
    static const struct slice methods[] = { { "GET", 3 }, { "HEAD", 4 }, { "OPTIONS", 7 } };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_equal(question->request.method, methods[i]))
            return true;
    return false;
}

static void take_questions(struct config_thread *thread)
{
    struct hop_question *question = hop_questions_take(&thread->gateway->hop.admin_questions);

    while (question) {
        struct hop_question *next = hop_question_next(question);
        struct admin_question *asked = (struct admin_question *)question;

        if (only_reads(asked))
            config_batch_read(&thread->batches, asked);
        else
            thread->waiting[thread->waiting_count++] = asked; /* no more exist at a time */
        question = next;
    }
}

static void run_some(struct config_thread *thread)
{
    size_t count =
        thread->waiting_count < CONFIG_BATCH_MAX ? thread->waiting_count : CONFIG_BATCH_MAX;
    uint64_t began_at_ms = clock_now_ms();

    if (config_batch_run(&thread->batches, thread->waiting, count))
        thread->publish_at_ms = began_at_ms + PUBLISH_INTERVAL_MS;
    thread->waiting_count -= count;
    memmove(thread->waiting, thread->waiting + count,
            thread->waiting_count * sizeof(struct admin_question *));
}

/* ---- others who write ---------------------------------------------------------------------- */

static void look_at_store(struct config_thread *thread)
{
    struct store *store = thread->gateway->config.store;
    bool has_changed = false;

    thread->look_at_ms = clock_now_ms() + STORE_LOOK_INTERVAL_MS;
    if (store && store->ops->changed(store, &has_changed) == 0 && has_changed)
        (void)config_batch_run(&thread->batches, NULL, 0);
}

/* ---- the declarative file ------------------------------------------------------------------ */

/* It was read, and is in force: the Admin API shows the same. */
static void take_declared(struct config_thread *thread)
{
    struct gateway *gateway = thread->gateway;
    json_t *entities = atomic_exchange(&gateway->declared, NULL);

    if (!entities)
        return;
    if (config_store_replace(&gateway->config, entities))
        thread->batches.generation = dao_generation(gateway->config.dao);
    else
        log_error(LOG_LEVEL_ERROR, "the Admin API cannot show the declarative file: out of memory");
    json_decref(entities);
}

/* ---- the thread ---------------------------------------------------------------------------- */

static void wait_for_work(struct config_thread *thread)
{
    struct pollfd doorbell = { .fd = thread->gateway->hop.admin_questions.doorbell,
                               .events = POLLIN };
    uint64_t now_ms = clock_now_ms(), until_ms = thread->look_at_ms, rings;

    if (thread->waiting_count > 0 && thread->publish_at_ms < until_ms)
        until_ms = thread->publish_at_ms;
    if (poll(&doorbell, 1, until_ms > now_ms ? (int)(until_ms - now_ms) : 0) > 0)
        (void)!read(doorbell.fd, &rings, sizeof(rings)); /* what rang is taken below */
}

static void *run(void *argument)
{
    struct config_thread *thread = argument;

    (void)pthread_setname_np(pthread_self(), "config"); /* for top -H and the like only */
    take_declared(thread);
    while (!atomic_load(&thread->ends)) {
        wait_for_work(thread);
        take_declared(thread);
        take_questions(thread);
        if (thread->waiting_count > 0 && clock_now_ms() >= thread->publish_at_ms)
            run_some(thread);
        if (clock_now_ms() >= thread->look_at_ms)
            look_at_store(thread);
    }
    return NULL;
}

/* Nobody waits for them any more: the workers have ended. */
static void drop_waiting(struct config_thread *thread)
{
    for (size_t i = 0; i < thread->waiting_count; i++)
        hop_question_free(&thread->waiting[i]->base);
}

static bool is_wanted(const struct gateway *gateway, const struct snapshot *snapshot)
{
    return gateway->config.store || snapshot->settings->admin_listen.count > 0;
}

bool gateway_start_config_thread(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    struct config_thread *thread;
    int error;

    if (gateway->config_thread || !is_wanted(gateway, snapshot))
        return true;
    thread = calloc(1, sizeof(*thread));
    if (!thread) {
        snprintf(gateway->error, sizeof(gateway->error), "out of memory");
        return false;
    }
    thread->gateway = gateway;
    thread->batches = (struct config_batches){
        .gateway = gateway,
        .host = config_host(gateway, gateway->config.store != NULL),
        .admin = { .dao = gateway->config.dao,
                   .allows_duplicate_routes =
                       strcmp(settings->hopgate_duplicate_routes, "allow") == 0,
                   .config_max_bytes = settings->lmdb_map_size_bytes },
        .generation = dao_generation(gateway->config.dao),
    };
    thread->batches.admin.host = &thread->batches.host;
    error = thread_start(&thread->thread, run, thread);
    if (error != 0) {
        snprintf(gateway->error, sizeof(gateway->error), "cannot start the config thread: %s",
                 strerror(error));
        free(thread);
        return false;
    }
    gateway->config_thread = thread;
    return true;
}

void gateway_stop_config_thread(struct gateway *gateway)
{
    static const uint64_t one = 1;
    struct config_thread *thread = TAKE(gateway->config_thread);

    if (!thread)
        return;
    main_calls_close(&gateway->main_calls);
    atomic_store(&thread->ends, true);
    (void)!write(gateway->hop.admin_questions.doorbell, &one, sizeof(one)); /* wakes it */
    (void)pthread_join(thread->thread, NULL);
    drop_waiting(thread);
    free(thread);
}
