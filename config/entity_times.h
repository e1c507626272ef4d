/*
 * entity_times: the times of entities, in a lab where time passes faster.
 *
 * Role    divides every field that a table calls a time (config/bind, config/schema), and what is written in seconds of its own
 *         (slow_start); keeps what messages and logs tell as it was written
 * Owns    nothing: copies live as long as the configuration
 * Thread  the one that loads a snapshot, once, before anybody else sees it
 */
#ifndef CONFIG_ENTITY_TIMES_H
#define CONFIG_ENTITY_TIMES_H

#include <stdint.h>

#include "config/entities.h"

/* 0 or -ENOMEM. A scale of 1 changes nothing. */
int entity_times_scale(struct config *config, uint32_t scale);

/* The service with the times that its file or persona says. */
static inline const struct config_service *entity_times_stated(const struct config_service *service)
{
    return service && service->stated ? service->stated : service;
}

#endif
