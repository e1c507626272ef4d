/*
 * persona_times: a persona's times, in a lab where time passes faster.
 *
 * Role    divides every time of the schema (its keys end in _ms), multiplies the rates, and keeps what
 *         they were for all that is told of them
 * Owns    nothing: the copy lives in the persona's memory
 * Thread  the configuration thread, once, when kong.conf is laid over the persona and before it is shared
 */
#ifndef PROXY_PERSONA_TIMES_H
#define PROXY_PERSONA_TIMES_H

#include "proxy/persona/persona.h"

/* 0 or -ENOMEM. A scale of 1 changes nothing. */
int persona_times_scale(struct persona *persona, uint32_t scale);

/* The persona with the times that it and kong.conf say. */
static inline const struct persona *persona_times_stated(const struct persona *persona)
{
    return persona->stated ? persona->stated : persona;
}

#endif
