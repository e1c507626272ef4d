#include "proxy/gateway/tls_upkeep.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "core/log.h"
#include "core/thread.h"
#include "tls/stapling.h"

/* A certificate whose response could not be fetched is tried again at the next look. */
#define NEVER_MS (UINT64_MAX / 2) /* still a time_t when cut to seconds */
enum { OCSP_LOOK_INTERVAL_MS = 60 * 1000, OCSP_TIMEOUT_S = 3 };

struct tls_upkeep {
    struct tls_upkeep_wanted wanted;
    uint64_t rotate_at_ms, look_at_ms; /* or NEVER_MS */
    pthread_t thread;
    pthread_mutex_t lock; /* of stopping; workers never take it */
    pthread_cond_t changed;
    bool stopping;
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t next_at_ms(const struct tls_upkeep *upkeep)
{
    return upkeep->rotate_at_ms < upkeep->look_at_ms ? upkeep->rotate_at_ms : upkeep->look_at_ms;
}

/* false: it is time to end. */
static bool wait_for_next(struct tls_upkeep *upkeep)
{
    uint64_t at_ms = next_at_ms(upkeep);
    struct timespec until = { .tv_sec = (time_t)(at_ms / 1000),
                              .tv_nsec = (long)(at_ms % 1000) * 1000000 };
    int r = 0;
    bool goes_on;

    pthread_mutex_lock(&upkeep->lock);
    while (!upkeep->stopping && r == 0)
        r = pthread_cond_timedwait(&upkeep->changed, &upkeep->lock, &until);
    goes_on = !upkeep->stopping;
    pthread_mutex_unlock(&upkeep->lock);
    return goes_on;
}

static void rotate(struct tls_upkeep *upkeep)
{
    int r = tls_ticket_keys_rotate(upkeep->wanted.keys);

    upkeep->rotate_at_ms = now_ms() + upkeep->wanted.ticket_key_lifetime_ms / 2;
    if (r < 0) /* the present keys stay in force, and the next turn tries again */
        log_error(LOG_LEVEL_WARN, "session ticket keys were not rotated: %s",
                  r == -EBUSY ? "they are in use" : "no randomness");
    else
        log_error(LOG_LEVEL_INFO, "session ticket keys were rotated");
}

static void told(const char *certificate, int result, const char *text)
{
    if (result == 0)
        log_error(LOG_LEVEL_INFO, "OCSP response for certificate \"%s\" was fetched", certificate);
    else
        log_error(LOG_LEVEL_WARN, "no OCSP response for certificate \"%s\": %s", certificate, text);
}

static void *run(void *argument)
{
    struct tls_upkeep *upkeep = argument;

    while (wait_for_next(upkeep)) {
        if (now_ms() >= upkeep->rotate_at_ms)
            rotate(upkeep);
        if (now_ms() >= upkeep->look_at_ms) {
            tls_stapling_refresh(upkeep->wanted.stapling, OCSP_TIMEOUT_S, told);
            upkeep->look_at_ms = now_ms() + OCSP_LOOK_INTERVAL_MS;
        }
    }
    return NULL;
}

static void destroy(struct tls_upkeep *upkeep)
{
    pthread_cond_destroy(&upkeep->changed);
    pthread_mutex_destroy(&upkeep->lock);
    tls_server_config_unref(upkeep->wanted.stapling);
    free(upkeep);
}

/* The key may be older than this configuration, and than this process. */
static uint64_t rotation_due_at_ms(const struct tls_upkeep_wanted *wanted)
{
    uint64_t age_ms = tls_ticket_keys_age_ms(wanted->keys);
    uint64_t after_ms = wanted->ticket_key_lifetime_ms / 2;

    return now_ms() + (after_ms > age_ms ? after_ms - age_ms : 0);
}

struct tls_upkeep *tls_upkeep_start(const struct tls_upkeep_wanted *wanted)
{
    struct tls_upkeep *upkeep = calloc(1, sizeof(*upkeep));
    pthread_condattr_t monotonic;

    if (!upkeep)
        return NULL;
    upkeep->wanted = *wanted;
    if (wanted->stapling)
        upkeep->wanted.stapling = tls_server_config_ref(wanted->stapling);
    upkeep->rotate_at_ms = wanted->keys ? rotation_due_at_ms(wanted) : NEVER_MS;
    upkeep->look_at_ms = wanted->stapling ? now_ms() : NEVER_MS;
    pthread_mutex_init(&upkeep->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&upkeep->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (thread_start(&upkeep->thread, run, upkeep) == 0)
        return upkeep;
    destroy(upkeep);
    return NULL;
}

void tls_upkeep_stop(struct tls_upkeep *upkeep)
{
    if (!upkeep)
        return;
    pthread_mutex_lock(&upkeep->lock);
    upkeep->stopping = true;
    pthread_cond_signal(&upkeep->changed);
    pthread_mutex_unlock(&upkeep->lock);
    pthread_join(upkeep->thread, NULL);
    destroy(upkeep);
}
