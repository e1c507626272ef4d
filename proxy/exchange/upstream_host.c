#include "proxy/exchange/upstream_host.h"

#include <string.h>

#include "core/addr.h"
#include "lb/target.h"
#include "proxy/persona/persona.h"
#include "proxy/rewrite/field_plan.h"

static struct slice target_host(const struct config_service *service, const struct target *target)
{
    struct slice name, port;

    if (service->upstream && service->upstream->host_header)
        return slice_of(service->upstream->host_header);
    if (addr_split_host_port(slice_of(target->name), &name, &port) < 0)
        return slice_of(service->host);
    return name;
}

/* A policy of hopgate.fields goes before preserve_host, and both before the persona. */
static bool clients_is_kept(const struct exchange_record *record)
{
    enum config_field_policy said = record->field_plan
                                        ? field_choice_for(&record->field_plan->host, record)
                                        : CONFIG_POLICY_UNSET;

    if (said != CONFIG_POLICY_UNSET)
        return said == CONFIG_POLICY_PRESERVE;
    return record->route->preserve_host || record->persona->request.host == PERSONA_HOST_CLIENT;
}

/* AWS (application-load-balancers.md, host header preservation): the listener's port is appended where the
 * client names none; of a listener on 80 or 443 any port is removed. */
static struct slice with_port_of_listener(const struct exchange_record *record, struct arena *arena)
{
    struct slice authority = record->request->authority, host, port;
    bool is_default = record->listener_port == 80 || record->listener_port == 443;

    if (addr_split_host_port(authority, &host, &port) < 0)
        return authority;
    if (is_default && port.ptr && authority.len > port.len)
        return (struct slice){ authority.ptr, authority.len - port.len - 1 };
    if (!is_default && !port.ptr)
        return arena_printf(arena, "%.*s:%u", SLICE_ARG(authority), record->listener_port);
    return authority;
}

struct slice upstream_host(const struct exchange_record *record, const struct target *target,
                           struct arena *arena)
{
    const struct config_service *service = record->service;
    const unsigned default_port = service->protocol == CONFIG_PROTOCOL_HTTPS ? 443 : 80;
    const bool of_service = record->persona->request.host == PERSONA_HOST_SERVICE;
    unsigned port = addr_port(&target->address);
    struct slice name;
    bool is_v6;

    if (clients_is_kept(record) && record->request->authority.len > 0)
        return record->request->authority;
    if (record->persona->request.host == PERSONA_HOST_LISTENER &&
        record->request->authority.len > 0)
        return with_port_of_listener(record, arena);
    name = target_host(service, target);
    if (of_service && service->upstream && service->upstream->host_header)
        return name; /* as proxy_set_header has it */
    if (of_service) {
        name = slice_of(service->host);
        port = service->port;
    }
    is_v6 = name.len > 0 && name.ptr[0] != '[' && memchr(name.ptr, ':', name.len);
    if (port == default_port)
        return is_v6 ? arena_printf(arena, "[%.*s]", SLICE_ARG(name)) : name;
    return arena_printf(arena, is_v6 ? "[%.*s]:%u" : "%.*s:%u", SLICE_ARG(name), port);
}
