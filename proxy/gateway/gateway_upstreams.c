/* Health of upstreams as the Admin API tells and sets it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/admin_health.h"
#include "core/addr.h"
#include "core/clock.h"
#include "lb/target_health.h"
#include "lb/upstream.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/snapshot/service_plan.h"

/* NULL: no service leads to it, so nothing is known of its targets. */
static const struct service_plan *find_plan(const struct gateway *gateway, const json_t *upstream)
{
    const struct snapshot *snapshot = gateway_newest(gateway);
    const char *name = json_string_value(json_object_get(upstream, "name"));

    for (size_t i = 0; name && i < snapshot->config->services_count; i++)
        if (snapshot->services[i].health.is_first && snapshot->services[i].health.upstream &&
            strcmp(snapshot->services[i].set->targets->name, name) == 0)
            return &snapshot->services[i];
    return NULL;
}

/* ---- told ---------------------------------------------------------------------------------- */

/* One target of the entities, and the texts that its view refers to. */
struct target_view {
    char host[256];
    char (*ips)[ADDR_IP_TEXT_MAX];
    struct admin_health_address *addresses;
};

static const char *type_text(enum dns_type type)
{
    return type == DNS_SRV ? "SRV" : type == DNS_AAAA ? "AAAA" : "A";
}

/* Kong has a balancer for upstreams that no service leads to, too: there its addresses stand, and nothing
 * checks them. False: no memory. */
static bool view_unused(struct gateway *gateway, struct target_view *view,
                        struct admin_health_target *ret)
{
    const struct name_record *record =
        asked_names_get(&gateway->asked_names, gateway->hop.resolver, view->host, clock_now_ms());

    ret->is_unanswered = !record || (record->count == 0 && record->last == NAME_UNKNOWN);
    if (!record || record->count == 0)
        return true;
    view->ips = calloc(record->count, sizeof(*view->ips));
    view->addresses = calloc(record->count, sizeof(*view->addresses));
    if (!view->ips || !view->addresses)
        return false;
    for (size_t i = 0; i < record->count; i++) {
        const struct name_address *address = &record->items[i];
        uint16_t port = addr_port(&address->address);

        view->addresses[i] = (struct admin_health_address){
            .ip = addr_format_ip(&address->address, view->ips[i], ADDR_IP_TEXT_MAX),
            .port = port ? port : ret->port,
            .weight = address->weight ? address->weight : ret->weight,
            .is_usable = true,
        };
    }
    ret->addresses = view->addresses;
    ret->addresses_count = record->count;
    ret->dns = type_text(record->type);
    return true;
}

static bool view_addresses(const struct upstream_targets *targets, const char *name,
                           struct target_view *view, struct admin_health_target *ret)
{
    size_t count = targets->count;

    view->ips = calloc(count + 1, sizeof(*view->ips));
    view->addresses = calloc(count + 1, sizeof(*view->addresses));
    if (!view->ips || !view->addresses)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct upstream_target *item = &targets->items[i];
        size_t at = ret->addresses_count;

        if (strcmp(item->target->name, name) != 0)
            continue;
        view->addresses[at] = (struct admin_health_address){
            .ip = addr_format_ip(&item->target->address, view->ips[at], ADDR_IP_TEXT_MAX),
            .port = addr_port(&item->target->address),
            .weight = item->weight,
            .is_usable = target_is_usable(item->target),
        };
        ret->addresses_count++;
    }
    ret->addresses = view->addresses;
    return true;
}

static bool view_target(struct gateway *gateway, const struct upstream_targets *targets,
                        const json_t *entity, struct target_view *view,
                        struct admin_health_target *ret)
{
    const char *name = json_string_value(json_object_get(entity, "target"));
    struct slice host = { NULL, 0 }, port = { NULL, 0 };
    struct sockaddr_storage literal;
    bool is_literal;
    uint16_t number = 0;

    if (name && addr_split_host_port(slice_of(name), &host, &port) == 0 && port.ptr)
        (void)addr_parse_port(port, &number); /* it was checked when it was stored */
    if (host.len < sizeof(view->host) && host.len > 0)
        memcpy(view->host, host.ptr, host.len);
    is_literal = addr_parse_ip(host, number, &literal) == 0;
    *ret = (struct admin_health_target){
        .entity = entity,
        .host = view->host,
        .port = number,
        .dns = is_literal ? "A" : "unknown",
        .weight = (uint32_t)json_integer_value(json_object_get(entity, "weight")),
    };
    return targets ? view_addresses(targets, name ? name : "", view, ret)
                   : view_unused(gateway, view, ret);
}

json_t *gateway_upstream_health(struct gateway *gateway, struct gateway_upstream *which)
{
    const struct service_plan *plan = find_plan(gateway, which->upstream);
    const struct upstream_targets *targets = plan ? plan->set->targets : NULL;
    size_t count = json_array_size(which->targets);
    struct admin_health_target *items = calloc(count + 1, sizeof(*items));
    struct target_view *views = calloc(count + 1, sizeof(*views));
    struct admin_health health = {
        .upstream_id = json_string_value(json_object_get(which->upstream, "id")),
        .node_id = gateway->node_id,
        .is_checked = plan && plan->health.is_checked,
        .is_healthy = !targets || upstream_targets_health(targets).is_healthy,
        .targets = items,
        .targets_count = count,
    };
    bool done = items && views;
    json_t *answer = NULL;

    which->is_unanswered = false;
    for (size_t i = 0; done && i < count; i++) {
        done =
            view_target(gateway, targets, json_array_get(which->targets, i), &views[i], &items[i]);
        which->is_unanswered |= items[i].is_unanswered;
    }
    if (done)
        answer =
            which->of_balancer ? admin_health_balancer(&health) : admin_health_targets(&health);
    for (size_t i = 0; views && i < count; i++) {
        free(views[i].ips);
        free(views[i].addresses);
    }
    free(views);
    free(items);
    return answer;
}

/* ---- set ----------------------------------------------------------------------------------- */

static bool is_meant(const struct target *target, const char *name, const char *address)
{
    char text[ADDR_TEXT_MAX];

    return strcmp(target->name, name) == 0 &&
           (!address || strcmp(addr_format(&target->address, text, sizeof(text)), address) == 0 ||
            strcmp(addr_format_ip(&target->address, text, sizeof(text)), address) == 0);
}

/* As if the checks had found it so: they go on, and may find otherwise (Kong: set_target_status). */
int gateway_set_target_health(const struct gateway *gateway, const struct gateway_upstream *which)
{
    const struct service_plan *plan = find_plan(gateway, which->upstream);
    const char *name = json_string_value(json_object_get(which->target, "target"));
    const struct health_verdict verdict = { .is_healthy = which->is_healthy,
                                            .source = HEALTH_BY_HAND,
                                            .because = "the Admin API was told so" };
    size_t count = 0;

    if (!plan || !plan->health.is_checked)
        return -ENOSYS;
    for (size_t i = 0; name && i < plan->set->targets->count; i++) {
        struct target *target = plan->set->targets->items[i].target;

        if (!is_meant(target, name, which->address))
            continue;
        target_health_set(target, &verdict);
        count++;
    }
    return count > 0 ? 0 : -ENOENT;
}
