/*
 * former_plans: what a snapshot takes over from the one before, service by service.
 *
 * Role    tells whether a service is as it was, with all that its plan was made from
 * Owns    nothing
 * Thread  the main thread
 *
 * Only between configurations of one book (config/book), under the same settings: there what was not
 * read again has the very same texts. Where nothing is known, everything is made anew.
 */
#ifndef PROXY_FORMER_PLANS_H
#define PROXY_FORMER_PLANS_H

#include <stddef.h>

#include "config/config.h"

struct service_plan;

struct former_plans {
    const struct config *config; /* NULL: there is nothing to take over */
    const struct service_plan *plans;
    size_t next; /* both configurations have their services in the order of their ids */
};

/* The plan of the same service, unchanged. Ask in the order of the configuration. NULL: it is new, or has
 * changed. */
const struct service_plan *former_plans_find(struct former_plans *former,
                                             const struct config_service *service);

#endif
