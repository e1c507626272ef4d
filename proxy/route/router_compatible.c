/* The flavour "traditional_compatible": kong/router/transform.lua and compat.lua. */
#include <stdio.h>

#include "proxy/route/router_priv.h"

static bool hosts_are_plain(const struct config_strings *hosts)
{
    for (size_t i = 0; i < hosts->count; i++) {
        if (strchr(hosts->items[i], '*'))
            return false;
    }
    return hosts->count > 0;
}

/* Kong groups the paths of a route: all regexes, and prefixes by their length. */
static bool has_group(const struct router_candidate *candidates, size_t count,
                      const struct router_candidate *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].is_regex == wanted->is_regex &&
            candidates[i].path_bytes == wanted->path_bytes)
            return true;
    }
    return false;
}

/* The parts of a split route have ids of their own, named after their group: the length of its
 * prefixes, or "true" for regexes (split_route_by_path_into). */
static void set_candidate_id(struct router_candidate *candidate, const struct config_route *route,
                             bool is_split)
{
    static const char split_namespace[] = "7f145bf9-0dce-4f91-98eb-debbce4b9f6b";
    char name[UUID_TEXT_BYTES + 32];

    if (!is_split) {
        (void)snprintf(candidate->id, sizeof(candidate->id), "%s", route->id);
        return;
    }
    if (candidate->is_regex)
        (void)snprintf(name, sizeof(name), "%.*s#true", UUID_TEXT_BYTES, route->id);
    else
        (void)snprintf(name, sizeof(name), "%.*s#%zu", UUID_TEXT_BYTES, route->id,
                       candidate->path_bytes);
    (void)uuid_v5(split_namespace, slice_of(name),
                  candidate->id); /* fails on a bad namespace only */
}

void router_compatible_inputs(const struct config_route *route,
                              const struct router_candidate *candidate,
                              struct router_priority_inputs *ret)
{
    *ret = (struct router_priority_inputs){
        .has_methods = route->methods.count > 0,
        .has_hosts = route->hosts.count > 0,
        .has_paths = route->paths.count > 0,
        .has_snis = route->snis.count > 0,
        .hosts_are_plain = hosts_are_plain(&route->hosts),
        .headers_count = (unsigned)route->headers_count,
        .paths_are_regexes = candidate->is_regex,
        .regex_priority = route->regex_priority,
        .prefix_bytes = candidate->path_bytes,
    };
}

size_t router_compatible_split(const struct config_route *route, struct router_candidate *into)
{
    struct router_priority_inputs inputs;
    size_t count = 0;

    if (route->paths.count == 0)
        into[count++] = (struct router_candidate){ 0 };
    for (size_t i = 0; i < route->paths.count; i++) {
        const char *path = route->paths.items[i];
        struct router_candidate group = { .is_regex = router_path_is_regex(path) };

        group.path_bytes = group.is_regex ? 0 : strlen(path);
        if (!has_group(into, count, &group))
            into[count++] = group;
    }
    for (size_t i = 0; i < count; i++) {
        router_compatible_inputs(route, &into[i], &inputs);
        set_candidate_id(&into[i], route, route->paths.count > 1);
        into[i].priority = router_priority(&inputs);
    }
    return count;
}

int router_compatible_compare(const void *left, const void *right)
{
    const struct router_candidate *a = left, *b = right;

    if (a->priority != b->priority)
        return a->priority > b->priority ? -1 : 1;
    return -strcasecmp(a->id, b->id);
}
