/* The main thread while the hop runs: it waits for whatever wants it. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/log_rate.h"
#include "core/memory_budget.h"
#include "lb/resolver.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/watchdog.h"
#include "proxy/worker/worker.h"

enum { POLL_PAUSE_US = 100000 };

/* For what outlives our workers, beside the time that a drain may take; and how often it is looked at. */
enum { LINGER_MARGIN_MS = 1000, LINGER_LOOK_MS = 100 };

/* Between two walks over the heap while memory is short; threads that allocate wait for each. */
enum { HEAP_TRIM_INTERVAL_MS = 200 };

static const char *certificate_label_of(void *snapshot, size_t index)
{
    return snapshot_certificate_label(snapshot, index);
}

void gateway_watch_certificates(struct gateway *gateway)
{
    struct snapshot *snapshot = gateway_newest(gateway);

    gateway->certificates_due_at_ms =
        clock_now_ms() + certificate_watch_check(&gateway->certificates, &snapshot->certificates,
                                                 (int64_t)time(NULL), certificate_label_of,
                                                 snapshot);
}

/* -1: never */
static int sooner(int one_ms, int other_ms)
{
    if (one_ms < 0 || other_ms < 0)
        return one_ms < 0 ? other_ms : one_ms;
    return one_ms < other_ms ? one_ms : other_ms;
}

/*
 * Workers that have nothing to do do not see that memory has become short. What they give back to the
 * heap goes on to the system, or one thread's free memory would stand beside what another needs.
 */
static void follow_memory_level(struct gateway *gateway)
{
    bool was_short = gateway->memory_is_short;
    uint64_t now_ms = clock_now_ms();

    gateway->memory_is_short = memory_budget_level(gateway->hop.memory) != MEMORY_NORMAL;
    for (unsigned i = 0; gateway->memory_is_short && i < gateway->workers_started; i++)
        worker_relieve(&gateway->workers[i]);
    if ((was_short || gateway->memory_is_short) && now_ms >= gateway->heap_trim_due_at_ms) {
        gateway->heap_trim_due_at_ms = now_ms + HEAP_TRIM_INTERVAL_MS;
        (void)malloc_trim(0); /* whether there was anything to give does not matter */
    }
}

static void free_what_is_old(struct gateway *gateway)
{
    gateway_free_old_snapshots(gateway);
    gateway_free_old_target_sets(gateway);
    if (atomic_load(&gateway->hop.workers_with_traffic) == 0)
        for (unsigned i = 0; i < gateway->workers_started; i++)
            worker_finish(&gateway->workers[i]);
}

static void on_doorbell(struct gateway *gateway)
{
    main_calls_serve(&gateway->main_calls);
    follow_memory_level(gateway);
    free_what_is_old(gateway);
}

static int ms_until(uint64_t at_ms, uint64_t now_ms)
{
    uint64_t left_ms = at_ms > now_ms ? at_ms - now_ms : 0;

    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

/* What the Admin API has asked for ends by itself. */
static void end_what_was_asked(struct gateway *gateway)
{
    uint64_t now_ms = clock_now_ms();

    asked_names_drop(&gateway->asked_names, gateway->hop.resolver, now_ms);
    if (gateway->error_level_until_ms == 0 || now_ms < gateway->error_level_until_ms)
        return;
    gateway_set_error_level(gateway, gateway_newest(gateway));
    log_error(LOG_LEVEL_NOTICE, "log_level is that of the settings again");
}

/* Until somebody on the control socket is late, a name is to be asked for, or the certificates are
 * to be looked at. */
static int serve_timeout_ms(const struct gateway *gateway)
{
    int wait_ms = sooner(control_timeout_ms(gateway->control), gateway_names_timeout_ms(gateway));
    uint64_t now_ms = clock_now_ms();
    uint64_t left_ms =
        gateway->certificates_due_at_ms > now_ms ? gateway->certificates_due_at_ms - now_ms : 0;

    wait_ms = sooner(wait_ms, gateway_health_timeout_ms(gateway));
    wait_ms = sooner(wait_ms, upgrade_timeout_ms(gateway->upgrade));
    wait_ms = sooner(wait_ms, watchdog_timeout_ms(gateway->watchdog));
    if (gateway->linger_until_ms > 0)
        wait_ms = sooner(wait_ms, LINGER_LOOK_MS);
    if (gateway->error_level_until_ms > 0)
        wait_ms = sooner(wait_ms, ms_until(gateway->error_level_until_ms, now_ms));
    return wait_ms >= 0 && (uint64_t)wait_ms < left_ms ? wait_ms : (int)left_ms;
}

static void look_at(struct pollfd *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        fds[i].revents = fds[i].fd >= 0 ? fds[i].events : 0;
}

/* Else a failure that lasts (no memory in the kernel) would be asked for again without end. Signals,
 * verbs and what workers say are looked at all the same: nothing blocks on those descriptors. An
 * upgrade has to wait. */
static void live_without_poll(struct log_rate *told, int error)
{
    uint64_t untold;

    if (log_rate_allows(told, clock_now_ms(), &untold))
        log_error(LOG_LEVEL_CRIT, "poll: %s, %llu more since the last such line", strerror(error),
                  (unsigned long long)untold);
    (void)usleep(POLL_PAUSE_US);
}

enum { POLL_SIGNALS, POLL_DOORBELL, POLL_QUESTIONS, POLL_NAMES, POLL_FORMER, POLL_UPGRADE };

enum { POLL_MAX = POLL_UPGRADE + UPGRADE_POLL_MAX + CONTROL_POLL_MAX };

/*
 * The last worker has ended. A former process that still drains is ours to wait for: a service manager
 * that sees us end takes it down. And an upgrade that is being called off must come to its end, or two
 * processes would tidy up the same prefix.
 */
static bool has_to_linger(struct gateway *gateway)
{
    const struct settings *settings = gateway_newest(gateway)->settings;

    if (gateway->linger_until_ms == 0)
        gateway->linger_until_ms =
            clock_now_ms() + settings->hopgate_shutdown_timeout_ms + LINGER_MARGIN_MS;
    return clock_now_ms() < gateway->linger_until_ms &&
           (upgrade_is_under_way(gateway) || former_fd(gateway->former) >= 0);
}

void gateway_serve(struct gateway *gateway, int signals_fd)
{
    struct hop *hop = &gateway->hop;
    struct pollfd fds[POLL_MAX] = {
        [POLL_SIGNALS] = { .fd = signals_fd, .events = POLLIN },
        [POLL_DOORBELL] = { .fd = hop->doorbell, .events = POLLIN },
        [POLL_QUESTIONS] = { .fd = hop->questions.doorbell, .events = POLLIN },
        [POLL_NAMES] = { .fd = resolver_fd(hop->resolver), .events = POLLIN },
    };
    struct log_rate poll_told = { 0 };
    uint64_t rings;

    while (atomic_load(&hop->workers_running) > 0 || has_to_linger(gateway)) {
        size_t upgrade_count = upgrade_poll_fds(gateway->upgrade, fds + POLL_UPGRADE);
        struct pollfd *control_fds = fds + POLL_UPGRADE + upgrade_count;
        size_t count = control_poll_fds(gateway->control, control_fds);

        fds[POLL_FORMER] = (struct pollfd){ .fd = former_fd(gateway->former), .events = POLLIN };
        if (poll(fds, POLL_UPGRADE + upgrade_count + count, serve_timeout_ms(gateway)) < 0) {
            if (errno == EINTR) /* a debugger */
                continue;
            live_without_poll(&poll_told, errno);
            look_at(fds, POLL_FORMER);
            look_at(control_fds, count);
            fds[POLL_FORMER].revents = 0;
            upgrade_count = 0;
        }
        if (fds[POLL_SIGNALS].revents)
            gateway_take_signals(gateway, signals_fd);
        if (fds[POLL_DOORBELL].revents && read(hop->doorbell, &rings, sizeof(rings)) > 0)
            on_doorbell(gateway);
        if (fds[POLL_QUESTIONS].revents && read(hop->questions.doorbell, &rings, sizeof(rings)) > 0)
            gateway_answer_questions(gateway);
        if (fds[POLL_FORMER].revents)
            former_on_poll(gateway->former);
        atomic_store(&hop->has_former, former_fd(gateway->former) >= 0);
        gateway_follow_names(gateway);
        gateway_follow_health(gateway);
        control_on_poll(gateway->control, control_fds, count);
        upgrade_on_poll(gateway, fds + POLL_UPGRADE, upgrade_count);
        watchdog_on_time(gateway->watchdog);
        end_what_was_asked(gateway);
        if (clock_now_ms() >= gateway->certificates_due_at_ms)
            gateway_watch_certificates(gateway);
    }
}
