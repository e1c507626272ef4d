/*
 * The config thread: it alone reads and writes the entities while the hop runs.
 *
 * Requests that only read are answered at once, from what is in force. Those that may change something
 * wait until something may be put in force again (PUBLISH_INTERVAL_MS after the last time), and then
 * share one transaction. Once in a while it looks whether another process has written, and tries again to
 * put in force what could not be.
 *
 * Nobody waits within SQLite for a lock that another process has: who only reads would wait too.
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

enum { PUBLISH_INTERVAL_MS = 50, STORE_LOOK_INTERVAL_MS = 1000, STORE_LOCKED_PAUSE_MS = 20 };

/* What could not be put in force is tried again after a second, two, four ... */
enum { LAG_PAUSE_MS = 1000, LAG_PAUSE_MAX_MS = 32000 };

struct config_thread {
    struct gateway *gateway;
    struct config_batches batches;
    struct admin_question *waiting[ADMIN_QUESTIONS_MAX]; /* oldest first */
    size_t waiting_count;
    uint64_t publish_at_ms, look_at_ms; /* monotonic: not before */
    uint64_t lag_at_ms, lag_pause_ms;   /* the same, of what is stored and not in force */
    struct log_rate log_told;           /* that the store's log has grown */
    _Atomic bool ends;
    pthread_t thread;
};

/* ---- requests ------------------------------------------------------------------------------ */

static void wait_for_turn(struct config_thread *thread, struct admin_question *question)
{
    question->waits_since_ms = clock_now_ms();
    thread->waiting[thread->waiting_count++] = question; /* no more exist at a time */
}

static void take_questions(struct config_thread *thread)
{
    struct hop_question *question = hop_questions_take(&thread->gateway->hop.admin_questions);

    while (question) {
        struct hop_question *next = hop_question_next(question);
        struct admin_question *asked = (struct admin_question *)question;

        if (admin_only_reads(&thread->batches.admin, &asked->request))
            config_batch_read(&thread->batches, asked);
        else
            wait_for_turn(thread, asked);
        question = next;
    }
}

static void forget_first(struct config_thread *thread, size_t count)
{
    thread->waiting_count -= count;
    memmove(thread->waiting, thread->waiting + count,
            thread->waiting_count * sizeof(struct admin_question *));
}

/* Each waits for the lock as long as a SQLite of its own would. */
static void refuse_the_patient(struct config_thread *thread)
{
    uint64_t now_ms = clock_now_ms();
    size_t count = 0;

    while (count < thread->waiting_count &&
           now_ms - thread->waiting[count]->waits_since_ms >= STORE_BUSY_MS)
        config_batch_refuse_locked(&thread->batches, thread->waiting[count++]);
    forget_first(thread, count);
    if (count > 0)
        log_error(LOG_LEVEL_ERROR, "admin: %zu %s refused, nothing was changed: %s", count,
                  count == 1 ? "request was" : "requests were",
                  store_error(thread->gateway->config.store));
}

static void run_some(struct config_thread *thread)
{
    size_t count =
        thread->waiting_count < CONFIG_BATCH_MAX ? thread->waiting_count : CONFIG_BATCH_MAX;
    uint64_t began_at_ms = clock_now_ms();

    switch (config_batch_run(&thread->batches, thread->waiting, count)) {
    case CONFIG_BATCH_LOCKED:
        thread->publish_at_ms = clock_now_ms() + STORE_LOCKED_PAUSE_MS;
        refuse_the_patient(thread);
        return;
    case CONFIG_BATCH_IN_FORCE:
        thread->publish_at_ms = began_at_ms + PUBLISH_INTERVAL_MS;
        break;
    case CONFIG_BATCH_NOTHING:
        break;
    }
    forget_first(thread, count);
}

/* ---- what is stored and not in force ------------------------------------------------------- */

static void note_lag(struct config_thread *thread)
{
    bool lags = config_batches_lag(&thread->batches);
    uint64_t now_ms = clock_now_ms();

    config_store_note_lag(&thread->gateway->config, lags);
    if (!lags) {
        thread->lag_pause_ms = LAG_PAUSE_MS;
        thread->lag_at_ms = 0;
        return;
    }
    if (now_ms < thread->lag_at_ms)
        return;
    thread->lag_at_ms = now_ms + thread->lag_pause_ms;
    thread->lag_pause_ms *= thread->lag_pause_ms < LAG_PAUSE_MAX_MS ? 2 : 1;
}

/* ---- others who write ---------------------------------------------------------------------- */

/* A log that grows takes the disk in the end. */
static void tell_log(struct config_thread *thread)
{
    const struct config_store *config = &thread->gateway->config;
    uint64_t bytes = config->store->ops->log_bytes(config->store), untold;

    if (bytes > STORE_LOG_BYTES_MAX && log_rate_allows(&thread->log_told, clock_now_ms(), &untold))
        log_error(LOG_LEVEL_WARN,
                  "%s-wal has %llu MiB: another process reads the store without an end (a shell "
                  "with an open BEGIN, a backup?), so nothing of it can be moved into the store; "
                  "end that process",
                  config_store_name(config), (unsigned long long)(bytes >> 20));
}

static void look_at_store(struct config_thread *thread)
{
    struct store *store = thread->gateway->config.store;
    uint64_t now_ms = clock_now_ms();
    bool has_changed = false;
    int r;

    thread->look_at_ms = now_ms + STORE_LOOK_INTERVAL_MS;
    if (!store)
        return;
    r = store->ops->changed(store, &has_changed);
    if (r == -EBUSY)
        return; /* at the next look */
    config_store_note_problem(&thread->gateway->config, r < 0 ? store_error(store) : "");
    tell_log(thread);
    if (r < 0)
        return;
    if (has_changed || (config_batches_lag(&thread->batches) && now_ms >= thread->lag_at_ms))
        (void)config_batch_run(&thread->batches, NULL, 0); /* locked: at the next look */
    note_lag(thread);
}

/* ---- the declarative file ------------------------------------------------------------------ */

/* It was read, and is in force: the Admin API shows the same. */
static void take_declared(struct config_thread *thread)
{
    struct gateway *gateway = thread->gateway;
    json_t *entities = atomic_exchange(&gateway->declared, NULL);

    if (!entities)
        return;
    gateway->config.in_force = 0;
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
        if (thread->waiting_count > 0 && clock_now_ms() >= thread->publish_at_ms) {
            run_some(thread);
            note_lag(thread);
        }
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
    thread->lag_pause_ms = LAG_PAUSE_MS;
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
    if (gateway->config.store)
        gateway->config.store->busy_max_ms = 0; /* see refuse_the_patient */
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
    config_batches_done(&thread->batches);
    free(thread);
}
