#include "proxy/gateway/gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/log_rate.h"
#include "core/memory_budget.h"
#include "lb/resolver.h"
#include "lb/target_registry.h"
#include "lb/waiting_line.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/service_notify.h"
#include "proxy/gateway/watchdog.h"
#include "proxy/report/metrics.h"
#include "proxy/worker/connection_limits.h"
#include "proxy/worker/hop_question.h"
#include "proxy/worker/memory_relief.h"
#include "proxy/worker/worker.h"
#include "tls/server_sessions.h"
#include "tls/ticket_keys.h"

enum { TIMER_TICK_MS = 8, WORKERS_MAX = 1024, POLL_PAUSE_US = 100000 };

/* For what outlives our workers, beside the time that a drain may take; and how often it is looked at. */
enum { LINGER_MARGIN_MS = 1000, LINGER_LOOK_MS = 100 };

/* Between two walks over the heap while memory is short; threads that allocate wait for each. */
enum { HEAP_TRIM_INTERVAL_MS = 200 };

/* How long a start waits for the first answers to all names together. */
enum { FIRST_NAMES_WAIT_MS = 5000 };

/* ---- logs ---------------------------------------------------------------------------------- */

static struct log_file *open_log(struct gateway *gateway, const char *name)
{
    char *path = prefix_path(&gateway->prefix, name);
    char reason[256] = "out of memory";
    struct log_file *file = path ? log_open(path, reason, sizeof(reason)) : NULL;

    if (!file)
        snprintf(gateway->error, sizeof(gateway->error), "%s", reason);
    free(path);
    return file;
}

static bool open_logs(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    struct hop *hop = &gateway->hop;

    hop->error_log = open_log(gateway, settings->proxy_error_log);
    hop->access_log = hop->error_log ? open_log(gateway, settings->proxy_access_log) : NULL;
    hop->status_access_log =
        hop->access_log ? open_log(gateway, settings->status_access_log) : NULL;
    if (!hop->status_access_log)
        return false;
    gateway_set_error_level(gateway, snapshot);
    return true;
}

/* Until then lines are written at once: threads come after confinement_restrict only. */
static bool start_log_thread(struct gateway *gateway)
{
    if (log_start(0) == 0)
        return true;
    snprintf(gateway->error, sizeof(gateway->error), "cannot start the log thread");
    return false;
}

static void reopen_logs(void)
{
    char reason[512];

    if (log_reopen(reason, sizeof(reason)) == 0)
        log_error(LOG_LEVEL_NOTICE, "logs are open again");
    else
        log_error(LOG_LEVEL_ERROR, "%s", reason);
}

/* ---- stored content ------------------------------------------------------------------------ */

static bool open_spool(struct gateway *gateway, const struct snapshot *snapshot)
{
    char *path = prefix_path(&gateway->prefix, "spool");
    bool done = path && gateway_open_spool_area(gateway, path);

    gateway_set_spool_limit(gateway, snapshot);
    free(path);
    return done;
}

/* ---- workers ------------------------------------------------------------------------------- */

static unsigned count_workers(const struct settings *settings)
{
    cpu_set_t allowed;
    unsigned count = settings->worker_processes;

    if (count == 0 && sched_getaffinity(0, sizeof(allowed), &allowed) == 0)
        count = (unsigned)CPU_COUNT(&allowed);
    if (count == 0)
        count = 1;
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* The limit is sampled when an accept is armed, so it has to be raised before. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_error(LOG_LEVEL_WARN, "cannot raise the limit of open files to %llu: %s",
                  (unsigned long long)limit.rlim_max, strerror(errno));
}

static bool start_workers(struct gateway *gateway, struct snapshot *snapshot)
{
    struct pinned_snapshot **pinned;
    unsigned count = gateway->hop.workers_count;
    bool done = true;

    gateway->workers = calloc(count, sizeof(*gateway->workers));
    if (!gateway->workers)
        return false;
    for (unsigned i = 0; i < count; i++)
        worker_init(&gateway->workers[i], &gateway->hop, i);
    pinned = gateway_pin_for_all(gateway, snapshot);
    if (!pinned)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (done && worker_start(&gateway->workers[i], &pinned[i]) < 0) {
            snprintf(gateway->error, sizeof(gateway->error), "%s", gateway->workers[i].error);
            done = false;
        }
        if (done)
            gateway->workers_started++;
        else if (pinned[i])
            pinned_snapshot_unpin(pinned[i]);
    }
    free(pinned);
    return done;
}

static void say_ready(const struct snapshot *snapshot)
{
    char line[2048], text[ADDR_TEXT_MAX];
    size_t length = 0;

    line[0] = '\0';
    for (size_t i = 0; i < snapshot->virtual_servers_count && length + 80 < sizeof(line); i++) {
        const struct virtual_server *virtual_server = &snapshot->virtual_servers[i];

        length += (size_t)snprintf(line + length, sizeof(line) - length, " %s%s://%s",
                                   virtual_server->kind == VIRTUAL_SERVER_STATUS ? "status=" : "",
                                   virtual_server->kind == VIRTUAL_SERVER_PASSTHROUGH ? "tls"
                                   : virtual_server->tls                              ? "https"
                                                                                      : "http",
                                   addr_format(&virtual_server->address, text, sizeof(text)));
    }
    (void)fprintf(stderr, "hopgate: ready%s\n", line);
    service_notify("READY=1");
}

/* ---- signals and the end ------------------------------------------------------------------- */

static const int known_signals[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 };

/* Tells whether one waits to be taken, for who works on the main thread for long. */
static int open_ending_fd(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGQUIT);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void block_signals(sigset_t *ret_set)
{
    sigemptyset(ret_set);
    for (size_t i = 0; i < sizeof(known_signals) / sizeof(known_signals[0]); i++)
        sigaddset(ret_set, known_signals[i]);
    pthread_sigmask(SIG_BLOCK, ret_set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error of its write */
}

void gateway_drain(struct gateway *gateway)
{
    upgrade_cancel(gateway);
    gateway->draining = gateway->told_to_drain = true;
    atomic_store(&gateway->hop.draining, true);
    service_notify("STOPPING=1");
    gateway_pause_monitors(gateway);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_drain(&gateway->workers[i]);
}

void gateway_stop(struct gateway *gateway)
{
    upgrade_cancel(gateway);
    former_stop(gateway->former);
    gateway->draining = gateway->told_to_drain = true;
    atomic_store(&gateway->hop.draining, true);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_stop(&gateway->workers[i]);
}

static void drain_or_stop(struct gateway *gateway, int number)
{
    bool again = gateway->told_to_drain;

    gateway->told_to_drain = true;
    atomic_store(&gateway->hop.draining, true); /* before anybody can read that it does */
    log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received%s", number, strsignal(number),
              again ? " again, stopping" : ", draining");
    if (again)
        gateway_stop(gateway);
    else if (!gateway->draining) /* else an upgrade has begun it */
        gateway_drain(gateway);
}

static void reload_on_signal(struct gateway *gateway, int number)
{
    const char *why_not = gateway->draining               ? "ignored while draining"
                          : upgrade_is_under_way(gateway) ? "ignored during an upgrade"
                                                          : NULL;

    log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, %s", number, strsignal(number),
              why_not ? why_not : "reloading");
    if (!why_not)
        (void)gateway_reload(gateway); /* the log says how it went */
}

static void on_signal(struct gateway *gateway, int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
        drain_or_stop(gateway, number);
        return;
    case SIGHUP:
        reload_on_signal(gateway, number);
        return;
    case SIGUSR1:
        log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, reopening logs", number,
                  strsignal(number));
        reopen_logs();
        return;
    case SIGUSR2:
        log_error(LOG_LEVEL_NOTICE, "signal %d (%s) received, upgrading", number,
                  strsignal(number));
        upgrade_on_signal(gateway);
        return;
    }
}

static void take_signals(struct gateway *gateway, int fd)
{
    struct signalfd_siginfo info;

    while (read(fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        on_signal(gateway, (int)info.ssi_signo);
}

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
    follow_memory_level(gateway);
    free_what_is_old(gateway);
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

/* Returns when every worker has ended. */
static void serve(struct gateway *gateway, int signals_fd)
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
            take_signals(gateway, signals_fd);
        if (fds[POLL_DOORBELL].revents && read(hop->doorbell, &rings, sizeof(rings)) > 0)
            on_doorbell(gateway);
        if (fds[POLL_QUESTIONS].revents && read(hop->questions.doorbell, &rings, sizeof(rings)) > 0)
            gateway_answer_questions(gateway);
        if (fds[POLL_FORMER].revents)
            former_on_poll(gateway->former);
        gateway_follow_names(gateway);
        gateway_follow_health(gateway);
        control_on_poll(gateway->control, control_fds, count);
        upgrade_on_poll(gateway, fds + POLL_UPGRADE, upgrade_count);
        watchdog_on_time(gateway->watchdog);
        if (clock_now_ms() >= gateway->certificates_due_at_ms)
            gateway_watch_certificates(gateway);
    }
}

/* Nobody waits for an answer any more. */
static void drop_questions(struct hop *hop)
{
    struct hop_question *question = hop_questions_take(hop);

    while (question) {
        struct hop_question *next = (struct hop_question *)question->mail.next;

        hop_question_free(question);
        question = next;
    }
}

static void tear_down(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;

    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_stop(&gateway->workers[i]);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_join(&gateway->workers[i]);
    watchdog_free(gateway->watchdog);
    for (unsigned i = 0; gateway->workers && i < hop->workers_count; i++)
        worker_done(&gateway->workers[i]);
    free(gateway->workers);
    gateway_stop_monitors(gateway);
    drop_questions(hop);
    mailbox_done(&hop->questions);
    while (gateway->snapshots) {
        struct snapshot *snapshot = gateway->snapshots;

        gateway->snapshots = snapshot->older;
        snapshot_free(snapshot);
    }
    tls_upkeep_stop(gateway->upkeep);
    certificate_watch_done(&gateway->certificates);
    metrics_free(hop->metrics);
    connection_limits_free(hop->connection_limits);
    memory_budget_free(hop->memory);
    resolver_free(hop->resolver);
    service_load_registry_free(hop->service_loads);
    target_registry_free(hop->targets);
    waiting_lines_free(hop->waiting_lines);
    spool_area_done(&hop->spool);
    tls_ticket_keys_free(hop->ticket_keys);
    tls_server_sessions_free(hop->tls_sessions);
    self_signed_done(&hop->self_signed);
    upgrade_free(gateway->upgrade);
    former_free(gateway->former);
    log_stop();
    control_close(gateway->control);
    prefix_done(&gateway->prefix);
    confinement_done(&gateway->confinement);
    if (hop->doorbell >= 0)
        (void)close(hop->doorbell);
    config_errors_done(&gateway->errors);
}

/* ---- the run ------------------------------------------------------------------------------- */

/* A random UUID (RFC 9562 5.4). */
static void make_node_id(char ret[37])
{
    unsigned char b[16] = { 0 };

    (void)getrandom(b, sizeof(b), 0); /* else it is a constant: only a label depends on it */
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                   b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
                   b[13], b[14], b[15]);
}

static bool make_hop(struct gateway *gateway)
{
    struct hop *hop = &gateway->hop;

    make_node_id(gateway->node_id);
    hop->tick_ms = TIMER_TICK_MS;
    hop->ticket_keys = tls_ticket_keys_create();
    hop->targets = target_registry_create();
    hop->service_loads = service_load_registry_create();
    hop->resolver = resolver_create();
    hop->connection_limits = connection_limits_create();
    if (hop->targets)
        gateway_watch_health(gateway);
    hop->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (hop->ticket_keys)
        gateway_take_ticket_keys(gateway);
    if (hop->doorbell < 0 || mailbox_init(&hop->questions) < 0)
        snprintf(gateway->error, sizeof(gateway->error), "eventfd: %s", strerror(errno));
    else
        (void)fcntl(hop->questions.doorbell, F_SETFL, O_NONBLOCK); /* see live_without_poll */
    return hop->ticket_keys && hop->targets && hop->service_loads && hop->resolver &&
           hop->connection_limits && hop->doorbell >= 0 && hop->questions.doorbell >= 0;
}

/* From here on the process has the rights that it will have while it runs. */
static enum gateway_result confine(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;

    gateway_load_ticket_keys(gateway, snapshot);
    if (!confinement_drop(&gateway->confinement, settings, &gateway->errors, gateway->error,
                          sizeof(gateway->error)))
        return gateway->errors.errors_count > 0 ? GATEWAY_BAD_CONFIG : GATEWAY_FAILED;
    if (!gateway_open_prefix(gateway, settings->prefix) || !open_logs(gateway, snapshot) ||
        !confinement_restrict(&gateway->confinement, settings, &gateway->prefix, gateway->error,
                              sizeof(gateway->error)) ||
        !start_log_thread(gateway))
        return GATEWAY_FAILED;
    confinement_tell(&gateway->confinement);
    return GATEWAY_STOPPED;
}

static bool start_watchdog(struct gateway *gateway)
{
    uint64_t usec = watchdog_wanted_usec();

    if (usec > 0)
        gateway->watchdog = watchdog_create(gateway->workers, gateway->workers_started, usec);
    return usec == 0 || gateway->watchdog;
}

/* The first configuration is read and checked; nothing outside was touched yet. */
static enum gateway_result start_hop(struct gateway *gateway, struct snapshot *snapshot)
{
    enum gateway_result result = confine(gateway, snapshot);

    if (result != GATEWAY_STOPPED)
        return result;
    if (!open_spool(gateway, snapshot))
        return GATEWAY_FAILED;
    raise_descriptor_limit();
    gateway->hop.workers_count = count_workers(snapshot->settings);
    gateway->hop.accepts_later = gateway->former != NULL;
    gateway->hop.metrics = metrics_create(gateway->hop.workers_count);
    gateway->hop.memory = memory_budget_create(gateway->hop.workers_count);
    gateway->hop.waiting_lines = waiting_lines_create(gateway->hop.workers_count);
    if (!gateway->hop.metrics || !gateway->hop.memory || !gateway->hop.waiting_lines)
        return GATEWAY_FAILED;
    target_registry_set_lines(gateway->hop.targets, gateway->hop.waiting_lines);
    memory_budget_on_level(gateway->hop.memory, memory_relief_on_level, &gateway->hop);
    if (!gateway_configure_names(gateway, snapshot) ||
        !gateway_compile(gateway, snapshot, FIRST_NAMES_WAIT_MS))
        return GATEWAY_BAD_CONFIG;
    gateway_tend_tls(gateway, snapshot);
    memory_budget_set_limit(gateway->hop.memory, snapshot->memory_limit_bytes);
    gateway->control = control_open(gateway->prefix.path, gateway_answer, gateway, gateway->error,
                                    sizeof(gateway->error));
    return gateway->control && gateway_listen(gateway, snapshot) &&
                   gateway_prepare_monitors(gateway, snapshot) &&
                   start_workers(gateway, snapshot) && start_watchdog(gateway)
               ? GATEWAY_STOPPED
               : GATEWAY_FAILED;
}

static enum gateway_result start(struct gateway *gateway)
{
    enum gateway_result result;
    struct snapshot *snapshot;

    if (!make_hop(gateway))
        return GATEWAY_FAILED;
    snapshot = gateway_load(gateway);
    if (!snapshot)
        return gateway->errors.errors_count > 0 ? GATEWAY_BAD_CONFIG : GATEWAY_FAILED;
    config_errors_print(&gateway->errors, stderr); /* warnings, before anything is served */
    config_errors_done(&gateway->errors);
    config_errors_init(&gateway->errors);
    result = start_hop(gateway, snapshot);
    if (result == GATEWAY_STOPPED)
        config_errors_print(&gateway->errors, stderr); /* warnings again: of what was found now */
    gateway_put_in_front(gateway, &snapshot);          /* also for tear_down */
    return result;
}

enum gateway_result gateway_run(const struct config_source *source)
{
    struct gateway gateway = {
        .source = source,
        .prefix = { .lock_fd = -1 },
        .started_at_unix_s = (uint64_t)time(NULL),
        .hop = { .doorbell = -1, .questions.doorbell = -1, .ending_fd = open_ending_fd() },
        .error = "out of memory"
    };
    enum gateway_result result;
    sigset_t signals;
    int signals_fd;

    config_errors_init(&gateway.errors);
    confinement_watch(&gateway.confinement);
    block_signals(&signals);
    signals_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    result = signals_fd < 0 || !former_meet(&gateway.former, gateway.error, sizeof(gateway.error))
                 ? GATEWAY_FAILED
                 : start(&gateway);
    if (result == GATEWAY_STOPPED && !gateway_begin_to_serve(&gateway, signals_fd))
        result = GATEWAY_FAILED;
    if (result == GATEWAY_STOPPED) {
        gateway_watch_certificates(&gateway);
        gateway_switch_monitors(&gateway);
        say_ready(gateway_newest(&gateway));
        gateway_tell_former(&gateway);
        serve(&gateway, signals_fd);
    }
    if (result != GATEWAY_STOPPED)
        config_errors_print(&gateway.errors, stderr);
    if (result == GATEWAY_FAILED && gateway.errors.errors_count == 0)
        (void)fprintf(stderr, "hopgate: %s\n", gateway.error);
    tear_down(&gateway);
    if (signals_fd >= 0)
        (void)close(signals_fd);
    if (gateway.hop.ending_fd >= 0)
        (void)close(gateway.hop.ending_fd);
    return result;
}
