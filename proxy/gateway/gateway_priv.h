/*
 * gateway_priv: what the files of the gateway share.
 *
 * Role    the gateway's state, and the functions that one file offers the others
 * Owns    see struct gateway
 * Thread  the main thread
 *
 *   gateway.c          start and end
 *   gateway_serve.c    the main thread's loop in between
 *   gateway_signals.c  what signals ask for
 *   reload.c           configurations: load, put in force, let go
 *   follow_names.c     host names: DNS, and target sets that follow it
 *   follow_health.c    what follows when a target's health changes
 *   follow_monitors.c  what the monitors' thread is to do
 *   gateway_control.c  answers on the control socket
 *   gateway_why.c      those from the flight recorders
 *   take_over.c        the first moments of a process that an upgrade has started
 *   gateway_status.c   answers on the status listeners
 *   gateway_upstreams.c  health of upstreams as the Admin API tells and sets it
 *   config_publish.c   entities that the Admin API has changed come into force
 */
#ifndef PROXY_GATEWAY_PRIV_H
#define PROXY_GATEWAY_PRIV_H

#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#include "config/source.h"
#include "proxy/gateway/asked_names.h"
#include "proxy/gateway/certificate_watch.h"
#include "proxy/gateway/config_publish.h"
#include "proxy/gateway/config_store.h"
#include "proxy/gateway/confinement.h"
#include "proxy/gateway/control.h"
#include "proxy/gateway/former.h"
#include "proxy/gateway/main_calls.h"
#include "proxy/gateway/prefix.h"
#include "proxy/gateway/tls_upkeep.h"
#include "proxy/gateway/upgrade.h"
#include "proxy/snapshot/snapshot.h"
#include "proxy/worker/hop.h"

struct config_thread;
struct monitors;
struct status_answer;
struct watchdog;
struct worker;

/* The last attempt to reload. */
struct reload_result {
    bool was_tried, succeeded;
    uint64_t at_unix_s;
    uint64_t succeeded_count, failed_count; /* of all */
};

/* Everything that gateway_run builds, in the order in which it is built. */
struct gateway {
    const struct config_source *source;
    struct config_errors errors; /* of the latest configuration that was tried */
    struct hop hop;
    struct snapshot *snapshots; /* newest first; older ones until the workers have let go */
    uint64_t generation;        /* of the last snapshot that was tried */
    struct reload_result last_reload;
    struct confinement confinement;
    struct prefix prefix;
    struct control *control;
    struct tls_upkeep *upkeep; /* of the newest configuration; NULL: nothing to do, or no thread */
    bool ticket_keys_are_of_files;
    struct certificate_watch certificates;
    uint64_t certificates_due_at_ms; /* monotonic: when to look at them again */
    uint64_t error_level_until_ms; /* monotonic: then the log's is that of the settings; 0: it is */
    struct asked_names asked_names; /* by the Admin API */
    char node_id[37];               /* a UUID of this run */
    struct monitors *monitors;      /* NULL: no configuration needed them yet */
    struct worker *workers;
    unsigned workers_started;
    uint64_t started_at_unix_s;
    uint64_t names_version;    /* of the resolver, as the workers know it */
    uint64_t publish_at_ms;    /* not before */
    struct former *former;     /* whose place this process has taken; NULL: it was started afresh */
    struct upgrade *upgrade;   /* to the process that takes this one's place; NULL: none */
    struct watchdog *watchdog; /* NULL: nobody waits for it */
    uint64_t health_changes;   /* of targets, as far as they were followed */
    uint64_t health_changes_at_ms;       /* not followed before */
    struct config_store config;          /* the config thread's while that runs */
    struct config_thread *config_thread; /* NULL: nobody needs it */
    struct main_calls main_calls;        /* what it has us do */
    _Atomic(json_t *)
        declared;     /* the declarative file's, not taken by the config thread yet; or NULL */
    json_t *entities; /* of database = sqlite, as installed last; NULL: of a declarative file */
    struct prepared_snapshot prepared; /* what would be installed next */
    bool draining;
    bool told_to_drain;           /* not by an upgrade */
    uint64_t linger_until_ms;     /* monotonic: for what outlives our workers; 0: they run */
    bool memory_is_short;         /* as the main thread last saw it */
    uint64_t heap_trim_due_at_ms; /* monotonic: not before */
    char error[640];
};

/* ---- reload.c ---- */

static inline struct snapshot *gateway_newest(const struct gateway *gateway)
{
    return gateway->snapshots;
}

/* The three steps of snapshot.h, with the gateway's own things. */
struct snapshot *gateway_load(struct gateway *gateway);
bool gateway_compile(struct gateway *gateway, struct snapshot *snapshot, uint64_t names_wait_ms);
bool gateway_listen(struct gateway *gateway, struct snapshot *snapshot);

/* One for each worker, in malloc'ed memory that the caller frees; NULL: no memory, see error. */
struct pinned_snapshot **gateway_pin_for_all(struct gateway *gateway, struct snapshot *snapshot);

/* Its targets are those in force: see target_is_current. */
void gateway_mark_targets(const struct snapshot *snapshot);

/* It is the newest from now on. Takes it. */
void gateway_put_in_front(struct gateway *gateway, struct snapshot **snapshot);

void gateway_set_error_level(struct gateway *gateway, const struct snapshot *snapshot);

/* For so long; 0: until the next reload. */
void gateway_change_error_level(struct gateway *gateway, enum log_level level, uint64_t for_ms);
void gateway_set_spool_limit(struct gateway *gateway, const struct snapshot *snapshot);

/* Session ticket keys of files. */
void gateway_load_ticket_keys(struct gateway *gateway, const struct snapshot *snapshot);

/* The upkeep thread does what this configuration wants. */
void gateway_tend_tls(struct gateway *gateway, const struct snapshot *snapshot);

/* False: nothing has changed, gateway->errors say why. */
bool gateway_reload(struct gateway *gateway);

/* Frees the snapshots that no worker holds any more; never the newest. */
void gateway_free_old_snapshots(struct gateway *gateway);

/* ---- follow_names.c ---- */

/* The resolver does as this configuration says. False: no memory, or gateway->errors say why. */
bool gateway_configure_names(struct gateway *gateway, const struct snapshot *snapshot);

/* After poll: takes answers, asks what is due, gives workers the targets that have changed. */
void gateway_follow_names(struct gateway *gateway);

/* When that is due without an event, in ms; -1: never. */
int gateway_names_timeout_ms(const struct gateway *gateway);

/* Those of the newest configuration that no worker uses any more. */
void gateway_free_old_target_sets(struct gateway *gateway);

/* ---- follow_health.c ---- */

/* From now on changes of health ring the doorbell. */
void gateway_watch_health(struct gateway *gateway);

/* After poll: tells which upstreams changed, lets workers close idle connections to targets that are
 * down. */
void gateway_follow_health(struct gateway *gateway);

/* When that is due without an event, in ms; -1: never. */
int gateway_health_timeout_ms(const struct gateway *gateway);

/* As it is now is nothing new. */
void gateway_note_health(const struct snapshot *snapshot);

/* Verdicts of checks that this configuration, the newest, does not have any more. */
void gateway_forget_health(const struct snapshot *snapshot);

/* The verb `target`. */
json_t *gateway_set_target(struct gateway *gateway, const json_t *request);

/* ---- follow_monitors.c ---- */

/* The thread, if this configuration needs one. False: gateway->error says why not. */
bool gateway_prepare_monitors(struct gateway *gateway, const struct snapshot *snapshot);

/* The targets of the newest configuration are monitored from now on; what stays the same goes on. */
void gateway_switch_monitors(struct gateway *gateway);

/* No probes any more. */
void gateway_pause_monitors(struct gateway *gateway);
void gateway_stop_monitors(struct gateway *gateway);

/* ---- gateway_signals.c ---- */

/* Tells whether a signal to end waits to be taken, for who works on the main thread for long. */
int gateway_open_ending_fd(void);

/* The set of those that gateway_take_signals takes; from now on they wait for it. */
void gateway_block_signals(sigset_t *ret_set);

/* fd: a signalfd of that set. */
void gateway_take_signals(struct gateway *gateway, int fd);

/* No new connections; running exchanges may end. */
void gateway_drain(struct gateway *gateway);

/* What runs is aborted. */
void gateway_stop(struct gateway *gateway);

/* ---- gateway_serve.c ---- */

/* Returns when every worker has ended. */
void gateway_serve(struct gateway *gateway, int signals_fd);

/* Warns of certificates that end soon, and notes when to look again. */
void gateway_watch_certificates(struct gateway *gateway);

/* ---- take_over.c ---- */

/* What an upgrade hands over is taken from it, else made anew. False: see error. */
bool gateway_open_prefix(struct gateway *gateway, const char *path);
bool gateway_open_spool_area(struct gateway *gateway, const char *path);
void gateway_take_ticket_keys(struct gateway *gateway);

/* Workers run: the control socket and, of an upgrade, everything else becomes this process's. False:
 * nothing has changed for the former process, see error. */
bool gateway_begin_to_serve(struct gateway *gateway, int signals_fd);

/* Every listener accepts: tells the former process, if there is one. */
void gateway_tell_former(struct gateway *gateway);

/* ---- gateway_upstreams.c ---- */

/* Which upstream, and what about it: see struct admin_host. */
struct gateway_upstream {
    const json_t *upstream, *targets, *target;
    const char *address;
    bool of_balancer, is_healthy;
    bool is_unanswered; /* set: names of targets have no answer yet */
};
json_t *gateway_upstream_health(struct gateway *gateway, struct gateway_upstream *which);
int gateway_set_target_health(const struct gateway *gateway, const struct gateway_upstream *which);

/* ---- config_thread.c ---- */

/* The thread, if this configuration needs one and there is none. False: see error. */
bool gateway_start_config_thread(struct gateway *gateway, const struct snapshot *snapshot);

/* Waits for its end; nothing that it has asked for is run any more. */
void gateway_stop_config_thread(struct gateway *gateway);

/* ---- gateway_status.c ---- */

/* What GET of that path is answered; free the content. 0 or -ENOMEM. */
int gateway_status_answer(struct gateway *gateway, const char *path, struct status_answer *ret);

/* Answers what the status listeners were asked for. */
void gateway_answer_questions(struct gateway *gateway);

/* ---- gateway_control.c ---- */

/* control_answer; owner is the gateway. */
json_t *gateway_answer(void *owner, const json_t *request);

/* ---- gateway_why.c ---- */

json_t *gateway_show_recent(struct gateway *gateway, const json_t *request);
json_t *gateway_why(struct gateway *gateway, const json_t *request);

#endif
