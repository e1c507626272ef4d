/*
 * trial_group: causes that one lab plays side by side, and the lab of one group.
 *
 * Role    same stage, same time scale, same method, same side of the hop; a cause with a request of its
 *         own or without a fault is alone
 * Owns    nothing
 * Thread  the main thread of a process that does nothing else
 */
#ifndef TOOLS_REPRO_TRIAL_GROUP_H
#define TOOLS_REPRO_TRIAL_GROUP_H

#include "tools/repro/trial.h"

struct trial_group {
    size_t members[RANK_MAX]; /* of trials.list */
    size_t count;
};

/* So many groups; causes that the lab cannot play are in none. */
size_t trial_groups(const struct trials *trials, const struct pasted *pasted,
                    struct trial_group groups[RANK_MAX]);

/*
 * Plays a group. For each member that ends a line "+" is written to fd; at the end "=" and a line of JSON:
 * for each member {"access": [line], "error": [line]}. Returns an exit code.
 */
int trial_group_play(const struct cause_table *table, const struct trials *trials,
                     const struct trial_group *group, const struct pasted *pasted, int fd);

#endif
