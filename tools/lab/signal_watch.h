/*
 * signal_watch: TERM and INT end a loop.
 *
 * Role    for verbs that serve in the foreground on one loop
 * Owns    a signalfd
 * Thread  the loop's, which is the main thread
 */
#ifndef TOOLS_LAB_SIGNAL_WATCH_H
#define TOOLS_LAB_SIGNAL_WATCH_H

#include "core/loop.h"

struct signal_watch;

/* Blocks TERM, INT and QUIT for the process and ignores PIPE; the first of them stops the loop. 0 or a
 * negative errno. */
int signal_watch_start(struct loop *loop, struct signal_watch **ret);

/* Before the loop is freed. Accepts NULL. */
void signal_watch_stop(struct signal_watch *watch);

/* The signal that came, or 0. */
int signal_watch_signal(const struct signal_watch *watch);

#endif
