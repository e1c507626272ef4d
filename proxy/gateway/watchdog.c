#include "proxy/gateway/watchdog.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/log.h"
#include "proxy/gateway/service_notify.h"
#include "proxy/worker/worker.h"

/* A late tick, and the next one, still come in time. */
enum { TICKS_PER_LIMIT = 4 };

struct heartbeat {
    struct mail mail;         /* first */
    _Atomic bool is_answered; /* the letter is nowhere */
    bool was_told;            /* that it is late */
};

struct watchdog {
    struct worker *workers;
    size_t count;
    uint64_t tick_ms, due_at_ms;
    struct heartbeat beats[];
};

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 0: absent or no number */
static uint64_t number_of(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    uint64_t value = text ? strtoull(text, &end, 10) : 0;

    return text && end != text && *end == '\0' ? value : 0;
}

uint64_t watchdog_wanted_usec(void)
{
    uint64_t pid = number_of("WATCHDOG_PID");

    return pid == 0 || pid == (uint64_t)getpid() ? number_of("WATCHDOG_USEC") : 0;
}

static void answer(struct mail *mail, struct loop *loop)
{
    (void)loop;
    atomic_store(&((struct heartbeat *)mail)->is_answered, true);
}

struct watchdog *watchdog_create(struct worker *workers, size_t count, uint64_t usec)
{
    struct watchdog *watchdog = calloc(1, sizeof(*watchdog) + count * sizeof(watchdog->beats[0]));
    uint64_t tick_ms = usec / 1000 / TICKS_PER_LIMIT;

    if (!watchdog)
        return NULL;
    watchdog->workers = workers;
    watchdog->count = count;
    watchdog->tick_ms = tick_ms > 0 ? tick_ms : 1;
    watchdog->due_at_ms = now_ms();
    for (size_t i = 0; i < count; i++) {
        watchdog->beats[i].mail.deliver = answer;
        atomic_init(&watchdog->beats[i].is_answered, true);
    }
    return watchdog;
}

void watchdog_free(struct watchdog *watchdog)
{
    free(watchdog);
}

int watchdog_timeout_ms(const struct watchdog *watchdog)
{
    uint64_t now = now_ms(), left_ms;

    if (!watchdog)
        return -1;
    left_ms = watchdog->due_at_ms > now ? watchdog->due_at_ms - now : 0;
    return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

/* The letter of the last tick; the next one is sent. */
static bool has_answered(struct watchdog *watchdog, size_t index)
{
    struct heartbeat *beat = &watchdog->beats[index];

    if (!atomic_load(&beat->is_answered)) {
        if (!beat->was_told)
            log_error(LOG_LEVEL_CRIT,
                      "worker %zu does not answer: the watchdog is told nothing until it does",
                      index);
        beat->was_told = true;
        return watchdog->workers[index].has_ended; /* its mail is delivered to nobody */
    }
    if (beat->was_told)
        log_error(LOG_LEVEL_NOTICE, "worker %zu answers again", index);
    beat->was_told = false;
    atomic_store(&beat->is_answered, false);
    if (!worker_post(&watchdog->workers[index], &beat->mail))
        atomic_store(&beat->is_answered, true); /* it has ended, or is about to */
    return true;
}

void watchdog_on_time(struct watchdog *watchdog)
{
    bool all = true;

    if (!watchdog || now_ms() < watchdog->due_at_ms)
        return;
    for (size_t i = 0; i < watchdog->count; i++)
        all &= has_answered(watchdog, i);
    if (all)
        service_notify("WATCHDOG=1");
    watchdog->due_at_ms = now_ms() + watchdog->tick_ms;
}
