/*
 * service_url: Kong's shorthand `url` of a service as the four fields that it stands for.
 *
 * Role    kong/db/schema/entities/services.lua: the port is 80 unless the scheme is https; user, query
 *         and fragment are dropped
 * Owns    nothing
 * Thread  any
 */
#ifndef CONFIG_SERVICE_URL_H
#define CONFIG_SERVICE_URL_H

#include <jansson.h>

/*
 * {protocol, host, port, path}, to be checked like fields that were written: what is wrong with a
 * part is told there. host is missing when there is none. NULL: no memory.
 */
json_t *service_url_expand(const char *url);

#endif
