/*
 * monitor_plan: which targets are monitored and how, for one configuration and its names.
 *
 * Role    handed to the monitors' thread as a whole, and given back as a whole
 * Owns    settings, texts, a hold on each target (lb/target_registry)
 * Thread  made and freed on the main thread; between monitors_switch and the next one it belongs to
 *         the monitors' thread
 */
#ifndef LB_MONITOR_PLAN_H
#define LB_MONITOR_PLAN_H

#include "lb/monitor.h"
#include "lb/outlier.h"
#include "lb/target_registry.h"

struct monitored {
    struct monitor monitor;
    struct monitor_group *group;
    char *request;     /* NULL: nothing is sent */
    char *server_name; /* NULL without TLS */
    /* the thread's */
    struct timer timer;
    struct monitor_probe *probe; /* NULL: none runs */
    struct monitored *next_waiting;
    bool waits; /* for its turn */
};

/* The monitored targets of an upstream. */
struct monitor_group {
    char *upstream;
    struct monitor_settings *settings; /* NULL: nothing is probed, only outliers are looked for */
    struct monitored *items;           /* by target, ascending */
    size_t count;
    struct outlier_group outliers;
    /* the thread's */
    struct monitors *monitors;
    unsigned running_count;
    struct monitored *first_waiting, **last_waiting;
    struct timer outlier_timer;
};

struct monitor_plan {
    struct monitor_group *groups; /* by the name of the upstream, ascending */
    size_t count;
    bool has_bind;
    struct sockaddr_storage bind; /* source address of probes */
};

/* Room for so many groups. NULL: no memory. */
struct monitor_plan *monitor_plan_create(size_t groups_max);

/* What one target is asked. Copied; the target is held once more. */
struct monitored_options {
    struct target *target;
    const char *request, *server_name;
};

struct monitor_group_options {
    const char *upstream;
    const struct monitor_options *monitor;  /* NULL: nothing is probed */
    const struct outlier_options *outliers; /* NULL: outliers are not looked for */
    const struct monitored_options *targets;
    size_t targets_count;
};

/* 0 or -ENOMEM. */
int monitor_plan_add(struct monitor_plan *plan, const struct monitor_group_options *options);

/* When all groups are in. */
void monitor_plan_finish(struct monitor_plan *plan);

/* Nothing of it may run. Accepts NULL. */
void monitor_plan_free(struct monitor_plan *plan, struct target_registry *registry);

#endif
