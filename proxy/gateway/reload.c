#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/log_target.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/memory_budget.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/gateway/request_debug_token.h"
#include "proxy/gateway/service_notify.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/snapshot/ticket_key_files.h"
#include "proxy/worker/worker.h"

/* How long a reload waits for names that the former configuration did not have. */
enum { NEW_NAMES_WAIT_MS = 2000 };

/* ---- configurations ------------------------------------------------------------------------ */

/* Where the entities are is decided at the start. */
static bool check_database(struct gateway *gateway, const struct settings *settings)
{
    const struct settings *before = gateway_newest(gateway)->settings;

    if (strcmp(before->database, settings->database) == 0)
        return true;
    config_errors_add(&gateway->errors, CONFIG_ERROR, settings_place(settings, "database"),
                      "cannot change from %s to %s while the hop runs; restart it",
                      before->database, settings->database);
    return false;
}

/* kong.conf anew, and the entities that are in force: the store is the config thread's. */
static struct snapshot *load_with_entities(struct gateway *gateway)
{
    SCOPED(settings) settings = NULL;
    SCOPED(config) config = NULL;

    if (config_source_load(gateway->source, &settings, &config, &gateway->errors) < 0 ||
        !check_database(gateway, settings))
        return NULL;
    config_free(TAKE(config));
    if (config_publish_read(gateway->entities, config_store_name(&gateway->config),
                            settings->extras, &config, &gateway->errors) < 0)
        return NULL;
    return snapshot_load_entities(&settings, &config, &gateway->hop, gateway_newest(gateway),
                                  &gateway->errors);
}

struct snapshot *gateway_load(struct gateway *gateway)
{
    struct snapshot *former = gateway_newest(gateway), *snapshot;

    if (gateway->entities)
        snapshot = load_with_entities(gateway);
    else
        snapshot = snapshot_load(gateway->source, &gateway->hop, former, &gateway->errors);
    if (snapshot && former && !check_database(gateway, snapshot->settings))
        snapshot_free(TAKE(snapshot));
    if (snapshot)
        snapshot->generation = ++gateway->generation;
    return snapshot;
}

bool gateway_compile(struct gateway *gateway, struct snapshot *snapshot, uint64_t names_wait_ms)
{
    return snapshot_compile(snapshot, &gateway->hop, names_wait_ms, &gateway->errors) == 0;
}

bool gateway_listen(struct gateway *gateway, struct snapshot *snapshot)
{
    const struct snapshot_heritage heritage = {
        .former = gateway_newest(gateway),
        .handed_over = gateway->former ? &gateway->former->sockets : NULL,
        .workers_count = gateway->hop.workers_count,
    };

    return snapshot_listen(snapshot, &heritage, &gateway->errors) == 0;
}

struct pinned_snapshot **gateway_pin_for_all(struct gateway *gateway, struct snapshot *snapshot)
{
    unsigned count = gateway->hop.workers_count;
    struct pinned_snapshot **pinned = calloc(count, sizeof(struct pinned_snapshot *));

    for (unsigned i = 0; pinned && i < count; i++) {
        pinned[i] = pinned_snapshot_create(snapshot, &gateway->workers[i]);
        if (pinned[i])
            continue;
        while (i-- > 0)
            pinned_snapshot_unpin(pinned[i]);
        free(TAKE(pinned));
        break;
    }
    if (!pinned)
        snprintf(gateway->error, sizeof(gateway->error), "out of memory");
    return pinned;
}

void gateway_mark_targets(const struct snapshot *snapshot)
{
    for (size_t i = 0; snapshot->services && i < snapshot->config->services_count; i++)
        upstream_targets_mark(snapshot->services[i].set->targets, snapshot->generation);
}

/* A reload tells everything; where only entities have changed, what is not new is not told again. */
static void tell_unverified(const struct snapshot *snapshot, const struct snapshot *former)
{
    bool follows = former && former->services && former->settings == snapshot->settings;

    service_plans_tell_unverified(snapshot->services, snapshot->config->services_count,
                                  follows ? former->services : NULL,
                                  follows ? former->config->services_count : 0);
}

void gateway_put_in_front(struct gateway *gateway, struct snapshot **snapshot)
{
    /* only now: a configuration that never came into force must not make its targets current */
    gateway_mark_targets(*snapshot);
    if ((*snapshot)->services) {
        gateway_note_health(*snapshot);
        tell_unverified(*snapshot, gateway->snapshots);
    }
    if ((*snapshot)->config->entities)
        config_declare(gateway, TAKE((*snapshot)->config->entities));
    if (gateway->config.store)
        config_store_set_extras(&gateway->config, (*snapshot)->settings->extras);
    (*snapshot)->older = gateway->snapshots;
    gateway->snapshots = TAKE(*snapshot);
}

void gateway_free_old_snapshots(struct gateway *gateway)
{
    struct snapshot **link = gateway->snapshots ? &gateway->snapshots->older : NULL;

    while (link && *link) {
        struct snapshot *snapshot = *link;

        if (atomic_load_explicit(&snapshot->workers_count, memory_order_acquire) > 0) {
            link = &snapshot->older;
            continue;
        }
        *link = snapshot->older;
        log_error(LOG_LEVEL_INFO, "configuration %llu is not in use any more",
                  (unsigned long long)snapshot->generation);
        snapshot_free(snapshot);
    }
}

void gateway_set_error_level(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    enum log_level level = settings_is_set(settings, "log_level")
                               ? log_level_of(settings->log_level)
                               : snapshot->persona->log.error_level;

    gateway->error_level_until_ms = 0;
    /* alert and emerg are above what is ever written */
    log_set_error_file(gateway->hop.error_log, level == LOG_LEVEL_COUNT ? LOG_LEVEL_CRIT : level);
}

void gateway_change_error_level(struct gateway *gateway, enum log_level level, uint64_t for_ms)
{
    gateway->error_level_until_ms = for_ms > 0 ? clock_now_ms() + for_ms : 0;
    log_set_error_file(gateway->hop.error_log, level);
}

/* Keys of files are for the one who writes them to rotate. */
void gateway_tend_tls(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *settings = snapshot->settings;
    bool rotates = settings->ssl_session_tickets && settings->ssl_session_ticket_key.count == 0;
    const struct tls_upkeep_wanted wanted = {
        .keys = rotates ? gateway->hop.ticket_keys : NULL,
        .ticket_key_lifetime_ms = settings->hopgate_ticket_key_lifetime_ms,
        .keys_are_foreign = gateway->ticket_keys_are_of_files,
        .stapling = settings->ssl_stapling ? snapshot->tls : NULL,
    };

    tls_upkeep_stop(TAKE(gateway->upkeep));
    if (!snapshot->tls && !snapshot->local_tls)
        return;
    if (settings->ssl_session_ticket_key.count > 0)
        gateway->ticket_keys_are_of_files = true;
    if (!wanted.keys && !wanted.stapling)
        return;
    gateway->upkeep = tls_upkeep_start(&wanted);
    if (gateway->upkeep && wanted.keys)
        gateway->ticket_keys_are_of_files = false;
    if (!gateway->upkeep)
        log_error(
            LOG_LEVEL_CRIT,
            "no thread for TLS upkeep: ticket keys are not rotated, no OCSP response is fetched");
}

/* The files were checked with the rest of the configuration, so what fails here has changed
 * meanwhile, and the present keys stay. */
void gateway_load_ticket_keys(struct gateway *gateway, const struct snapshot *snapshot)
{
    tls_upkeep_stop(TAKE(gateway->upkeep)); /* it may be changing them at this moment */
    if (snapshot->tls || snapshot->local_tls)
        (void)ticket_key_files_load(snapshot->settings, gateway->hop.ticket_keys, &gateway->errors);
}

void gateway_set_spool_limit(struct gateway *gateway, const struct snapshot *snapshot)
{
    atomic_store(&gateway->hop.spool.bytes_max, snapshot->settings->hopgate_spool_max_size_bytes);
}

/* ---- reload -------------------------------------------------------------------------------- */

static void warn_if_changed(struct gateway *gateway, const struct snapshot *snapshot,
                            const char *key, bool is_changed)
{
    if (is_changed)
        config_errors_add(&gateway->errors, CONFIG_WARNING, settings_place(snapshot->settings, key),
                          "has changed, and takes effect at the next start only");
}

/* The same file: its format may change at any time. */
static bool is_same_log(const char *before, const char *after)
{
    return slice_equal(log_target_of(before).path, log_target_of(after).path);
}

static void warn_of_what_needs_a_restart(struct gateway *gateway, const struct snapshot *snapshot)
{
    const struct settings *before = gateway_newest(gateway)->settings, *after = snapshot->settings;

    warn_if_changed(gateway, snapshot, "prefix", strcmp(before->prefix, after->prefix) != 0);
    warn_if_changed(gateway, snapshot, "nginx_worker_processes",
                    before->worker_processes != after->worker_processes);
    warn_if_changed(gateway, snapshot, "hopgate_receive_buffers",
                    before->receive_buffers != after->receive_buffers);
    warn_if_changed(gateway, snapshot, "hopgate_receive_buffers_bulk",
                    before->receive_buffers_bulk != after->receive_buffers_bulk);
    warn_if_changed(gateway, snapshot, "ssl_session_cache_size",
                    before->ssl_session_cache_size_bytes > 0 &&
                        before->ssl_session_cache_size_bytes !=
                            after->ssl_session_cache_size_bytes);
    warn_if_changed(gateway, snapshot, "nginx_user",
                    strcmp(before->user ? before->user : "", after->user ? after->user : "") != 0);
    warn_if_changed(gateway, snapshot, "hopgate_sandbox",
                    strcmp(before->hopgate_sandbox, after->hopgate_sandbox) != 0);
    warn_if_changed(gateway, snapshot, "proxy_access_log",
                    !is_same_log(before->proxy_access_log, after->proxy_access_log));
    warn_if_changed(gateway, snapshot, "status_access_log",
                    !is_same_log(before->status_access_log, after->status_access_log));
    warn_if_changed(gateway, snapshot, "hopgate_sqlite_path",
                    strcmp(before->hopgate_sqlite_path, after->hopgate_sqlite_path) != 0);
    warn_if_changed(gateway, snapshot, "hopgate_duplicate_routes",
                    strcmp(before->hopgate_duplicate_routes, after->hopgate_duplicate_routes) != 0);
    warn_if_changed(gateway, snapshot, "hopgate_stored_plugins",
                    strcmp(before->hopgate_stored_plugins, after->hopgate_stored_plugins) != 0);
    warn_if_changed(gateway, snapshot, "admin_access_log",
                    !is_same_log(before->admin_access_log, after->admin_access_log));
    warn_if_changed(gateway, snapshot, "hopgate_admin_audit_log",
                    strcmp(before->hopgate_admin_audit_log, after->hopgate_admin_audit_log) != 0);
    warn_if_changed(gateway, snapshot, "hopgate_capture_log",
                    strcmp(before->hopgate_capture_log ? before->hopgate_capture_log : "",
                           after->hopgate_capture_log ? after->hopgate_capture_log : "") != 0);
    warn_if_changed(gateway, snapshot, "proxy_error_log",
                    strcmp(before->proxy_error_log, after->proxy_error_log) != 0);
}

static void log_remarks(const struct config_errors *errors)
{
    char line[CONFIG_MESSAGE_MAX + 512];

    for (size_t i = 0; i < errors->count; i++) {
        enum config_severity severity = errors->items[i].severity;

        log_error(severity == CONFIG_ERROR     ? LOG_LEVEL_ERROR
                  : severity == CONFIG_WARNING ? LOG_LEVEL_WARN
                                               : LOG_LEVEL_NOTICE,
                  "reload: %s", config_error_format(&errors->items[i], line, sizeof(line)));
    }
}

/* Names are looked up as they were; the former settings were good once, but the hosts file is read
 * again, and that takes memory. */
static void look_names_up_as_before(struct gateway *gateway)
{
    if (!gateway_configure_names(gateway, gateway_newest(gateway)))
        log_error(LOG_LEVEL_CRIT, "names are looked up as the configuration that failed says (its "
                                  "dns_ settings, its hosts file): no memory to go back; reload a "
                                  "good configuration");
}

static bool is_told_to_end(const struct gateway *gateway)
{
    struct pollfd ending = { .fd = gateway->hop.ending_fd, .events = POLLIN };

    return poll(&ending, 1, 0) > 0;
}

/* NULL: nothing has changed. How names are looked up is in force before the rest: only so can the
 * names of this configuration be looked up. */
static struct pinned_snapshot **prepare_reload(struct gateway *gateway, struct snapshot *snapshot)
{
    const struct config_place nowhere = { .file = snapshot->config->source };
    struct pinned_snapshot **pinned = NULL;
    bool done;

    if (!gateway_configure_names(gateway, snapshot))
        return NULL;
    done = gateway_compile(gateway, snapshot, NEW_NAMES_WAIT_MS);
    if (done && is_told_to_end(gateway)) { /* and perhaps without the names it needs */
        config_errors_add(&gateway->errors, CONFIG_ERROR, nowhere,
                          "given up: the hop was told to end meanwhile");
        done = false;
    }
    if (done && !gateway_prepare_monitors(gateway, snapshot)) {
        config_errors_add(&gateway->errors, CONFIG_ERROR, nowhere, "%s", gateway->error);
        done = false;
    }
    if (done && gateway_listen(gateway, snapshot))
        pinned = gateway_pin_for_all(gateway, snapshot);
    if (!pinned)
        look_names_up_as_before(gateway);
    return pinned;
}

static bool try_reload(struct gateway *gateway)
{
    SCOPED(snapshot) snapshot = gateway_load(gateway);
    struct pinned_snapshot **pinned = snapshot ? prepare_reload(gateway, snapshot) : NULL;

    if (!pinned)
        return false;
    if (!gateway_start_config_thread(gateway, snapshot))
        log_error(LOG_LEVEL_CRIT, "admin_listen is not answered: %s", gateway->error);
    warn_of_what_needs_a_restart(gateway, snapshot);
    gateway_set_error_level(gateway, snapshot);
    gateway_load_ticket_keys(gateway, snapshot);
    gateway_tend_tls(gateway, snapshot);
    gateway_set_spool_limit(gateway, snapshot);
    memory_budget_set_limit(gateway->hop.memory, snapshot->memory_limit_bytes);
    request_debug_token_tell(&gateway->prefix, snapshot->request_debug_token);
    gateway_put_in_front(gateway, &snapshot);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_switch(&gateway->workers[i], &pinned[i]);
    free(pinned);
    gateway_switch_monitors(gateway);
    gateway_forget_health(gateway_newest(gateway));
    return true;
}

static void note_result(struct reload_result *result, bool succeeded)
{
    result->was_tried = true;
    result->succeeded = succeeded;
    result->at_unix_s = (uint64_t)time(NULL);
    if (succeeded)
        result->succeeded_count++;
    else
        result->failed_count++;
}

bool gateway_reload(struct gateway *gateway)
{
    bool done;

    service_notify_reloading();
    config_errors_done(&gateway->errors);
    config_errors_init(&gateway->errors);
    done = try_reload(gateway);
    log_remarks(&gateway->errors);
    config_errors_print(&gateway->errors, stderr);
    if (done)
        log_error(LOG_LEVEL_NOTICE, "configuration %llu is in force",
                  (unsigned long long)gateway_newest(gateway)->generation);
    else
        log_error(
            LOG_LEVEL_ERROR, "reload failed: %zu %s (above); configuration %llu stays in force",
            gateway->errors.errors_count, gateway->errors.errors_count == 1 ? "error" : "errors",
            (unsigned long long)gateway_newest(gateway)->generation);
    note_result(&gateway->last_reload, done);
    gateway_watch_certificates(gateway);
    service_notify("READY=1");
    gateway_free_old_snapshots(gateway);
    return done;
}
