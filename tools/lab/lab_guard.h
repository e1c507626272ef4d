/*
 * lab_guard: removes what a lab leaves behind when it is killed.
 *
 * Role    a process that waits until the lab's has gone, ends its process group, removes its folder
 * Owns    nothing
 * Thread  the main thread starts it
 */
#ifndef TOOLS_LAB_LAB_GUARD_H
#define TOOLS_LAB_LAB_GUARD_H

#include <sys/types.h>

#include "tools/lab/lab_place.h"

/*
 * The guard holds the place's lock as long as it lives, and leads the group that the lab's children are
 * to join. *ret_pipe: its end tells the guard to do its work. The guard's pid, or a negative errno.
 */
pid_t lab_guard_start(const struct lab_place *place, int *ret_pipe);

/* Lets it do its work and waits for its end. */
void lab_guard_finish(pid_t guard, int pipe);

#endif
