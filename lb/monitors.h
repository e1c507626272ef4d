/*
 * monitors: the thread that probes targets and looks for outliers.
 *
 * Role    runs the monitors of a plan on a loop of its own, so that no worker waits for a probe; goes
 *         on with what is the same when another plan comes
 * Owns    the thread, its loop, the probes under way
 * Thread  the functions here are the main thread's
 */
#ifndef LB_MONITORS_H
#define LB_MONITORS_H

#include <stddef.h>
#include <stdint.h>

#include "lb/monitor_plan.h"

struct monitors;

/* Starts the thread, with nothing to do. NULL with one sentence in error. */
struct monitors *monitors_start(uint32_t tick_ms, char *error, size_t error_size);

/*
 * From now on `plan` (taken) is followed; returns the former one, which the thread has let go of (NULL:
 * there was none). Targets that are probed in the same way as before keep schedule and running probes.
 * plan NULL: nothing is probed.
 */
struct monitor_plan *monitors_switch(struct monitors *monitors, struct monitor_plan *plan);

/* Some target's health has changed: it may have to be probed at another interval. */
void monitors_wake(struct monitors *monitors);

/* Ends the thread; returns the plan as above. */
struct monitor_plan *monitors_stop(struct monitors *monitors);

#endif
