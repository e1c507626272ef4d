/*
 * Where Kong's traditional_compatible takes another route than its documentation says (see
 * router_priority.c): pairs of routes that one request can match, and that rank the other way round.
 *
 * Routes of the same two priorities are a shape. Only shapes that disagree are compared route by route,
 * and of those no more than PAIRS_MAX pairs.
 */
#include <stdlib.h>

#include "config/config_error.h"
#include "proxy/route/router_priv.h"

enum { SHAPES_MAX = 256, PAIRS_MAX = 200 * 1000, WARNINGS_MAX = 10 };

struct ranked {
    struct router_candidate candidate;
    uint64_t documented;
};

struct shape {
    size_t first, count; /* in the list of ranked */
};

struct comparison {
    const struct config *config;
    struct config_errors *errors;
    const struct ranked *ranked;
    size_t pairs_left;
    unsigned warnings;
};

/* ---- can one request match both? ----------------------------------------------------------- */

static bool ends_with(struct slice text, struct slice end)
{
    return text.len >= end.len && slice_equal(slice_from(text, text.len - end.len), end);
}

static bool patterns_meet(const struct router_host_pattern *a, const struct router_host_pattern *b)
{
    if (a->port != 0 && b->port != 0 && a->port != b->port)
        return false;
    if (a->kind == ROUTER_NODE_EXACT && b->kind == ROUTER_NODE_EXACT)
        return slice_equal(a->text, b->text);
    if (a->kind != ROUTER_NODE_SUFFIX && b->kind != ROUTER_NODE_SUFFIX)
        return a->kind == ROUTER_NODE_EXACT ? slice_starts_with(a->text, b->text)
               : b->kind == ROUTER_NODE_EXACT
                   ? slice_starts_with(b->text, a->text)
                   : slice_starts_with(a->text, b->text) || slice_starts_with(b->text, a->text);
    if (a->kind != ROUTER_NODE_PREFIX && b->kind != ROUTER_NODE_PREFIX)
        return a->kind == ROUTER_NODE_EXACT ? ends_with(a->text, b->text)
               : b->kind == ROUTER_NODE_EXACT
                   ? ends_with(b->text, a->text)
                   : ends_with(a->text, b->text) || ends_with(b->text, a->text);
    return true; /* "*.x" and "y.*" meet in "y.x" */
}

static bool hosts_meet(const struct config_strings *a, const struct config_strings *b)
{
    for (size_t i = 0; i < a->count; i++) {
        for (size_t k = 0; k < b->count; k++) {
            struct router_host_pattern one =
                router_host_pattern_of(ROUTER_TRADITIONAL_COMPATIBLE, a->items[i]);
            struct router_host_pattern other =
                router_host_pattern_of(ROUTER_TRADITIONAL_COMPATIBLE, b->items[k]);

            if (patterns_meet(&one, &other))
                return true;
        }
    }
    return a->count == 0 || b->count == 0;
}

/* A list that holds a wildcard or a regex is taken to meet any other. */
static bool values_meet(const struct config_strings *a, const struct config_strings *b)
{
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < b->count; k++)
            if (strcasecmp(a->items[i], b->items[k]) == 0 || strchr(a->items[i], '*') ||
                strchr(b->items[k], '*'))
                return true;
    return a->count == 0 || b->count == 0;
}

static bool headers_meet(const struct config_route *a, const struct config_route *b)
{
    for (size_t i = 0; i < a->headers_count; i++)
        for (size_t k = 0; k < b->headers_count; k++)
            if (strcasecmp(a->headers[i].name, b->headers[k].name) == 0 &&
                !values_meet(&a->headers[i].values, &b->headers[k].values))
                return false;
    return true;
}

static bool has_path(const struct router_candidate *candidate, const char *path)
{
    return candidate->is_regex
               ? router_path_is_regex(path)
               : !router_path_is_regex(path) && strlen(path) == candidate->path_bytes;
}

static bool paths_meet(const struct router_candidate *a, const struct router_candidate *b)
{
    const struct config_strings *a_paths = &a->route->paths, *b_paths = &b->route->paths;

    for (size_t i = 0; i < a_paths->count; i++) {
        for (size_t k = 0; k < b_paths->count && has_path(a, a_paths->items[i]); k++) {
            struct slice one = router_path_text_in_front(a_paths->items[i]),
                         other = router_path_text_in_front(b_paths->items[k]);

            if (has_path(b, b_paths->items[k]) &&
                (slice_starts_with(one, other) || slice_starts_with(other, one)))
                return true;
        }
    }
    return a_paths->count == 0 || b_paths->count == 0;
}

static bool can_both_match(const struct router_candidate *a, const struct router_candidate *b)
{
    return a->route != b->route && hosts_meet(&a->route->hosts, &b->route->hosts) &&
           values_meet(&a->route->methods, &b->route->methods) &&
           values_meet(&a->route->snis, &b->route->snis) && headers_meet(a->route, b->route) &&
           paths_meet(a, b);
}

/* ---- shapes -------------------------------------------------------------------------------- */

static int compare_ranked(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;

    if (a->candidate.priority != b->candidate.priority)
        return a->candidate.priority > b->candidate.priority ? -1 : 1;
    if (a->documented != b->documented)
        return a->documented > b->documented ? -1 : 1;
    return (a->candidate.place > b->candidate.place) - (a->candidate.place < b->candidate.place);
}

/* All routes' candidates, by priority. NULL: no memory. */
static struct ranked *rank_all(const struct config *config, size_t *ret_count)
{
    size_t most = 1, count = 0;
    struct router_candidate *parts;
    struct ranked *ranked;

    for (size_t i = 0; i < config->routes_count; i++)
        most += config->routes[i].paths.count + 1;
    parts = calloc(most, sizeof(*parts));
    ranked = calloc(most, sizeof(*ranked));
    for (size_t i = 0; parts && ranked && i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];
        size_t parts_count =
            route->protocols & CONFIG_PROTOCOLS_STREAM ? 0 : router_compatible_split(route, parts);

        for (size_t k = 0; k < parts_count; k++) {
            struct router_priority_inputs inputs;

            router_compatible_inputs(route, &parts[k], &inputs);
            ranked[count] = (struct ranked){ parts[k], router_priority_documented(&inputs) };
            ranked[count].candidate.route = route;
            ranked[count++].candidate.place = (uint32_t)i;
        }
    }
    free(parts);
    if (ranked)
        qsort(ranked, count, sizeof(*ranked), compare_ranked);
    *ret_count = count;
    return ranked;
}

static const char *label(const struct config_route *route)
{
    return route->name ? route->name : route->id;
}

static void warn(struct comparison *comparison, const struct config_route *first,
                 const struct config_route *second)
{
    const struct config_place place = { comparison->config->source, first->line, first->column,
                                        first->path };

    if (++comparison->warnings > WARNINGS_MAX)
        return;
    config_errors_add(
        comparison->errors, CONFIG_WARNING, place,
        "route '%s' goes before route '%s' (line %u) where a request matches both, as "
        "Kong does it; by Kong's documentation it would be the other way round: make "
        "their rules exclude each other if that matters",
        label(first), label(second), second->line);
}

static void compare_shapes(struct comparison *comparison, const struct shape *high,
                           const struct shape *low)
{
    for (size_t i = 0; i < high->count; i++) {
        for (size_t k = 0; k < low->count; k++) {
            const struct ranked *a = &comparison->ranked[high->first + i];
            const struct ranked *b = &comparison->ranked[low->first + k];

            if (comparison->pairs_left == 0 || comparison->warnings > WARNINGS_MAX)
                return;
            comparison->pairs_left--;
            if (can_both_match(&a->candidate, &b->candidate))
                warn(comparison, a->candidate.route, b->candidate.route);
        }
    }
}

static size_t find_shapes(const struct ranked *ranked, size_t count, struct shape *shapes)
{
    size_t shapes_count = 0;

    for (size_t i = 0; i < count; i++) {
        bool is_new = i == 0 || ranked[i].candidate.priority != ranked[i - 1].candidate.priority ||
                      ranked[i].documented != ranked[i - 1].documented;

        if (is_new && shapes_count == SHAPES_MAX)
            break;
        if (is_new)
            shapes[shapes_count++] = (struct shape){ .first = i };
        shapes[shapes_count - 1].count++;
    }
    return shapes_count;
}

void router_check_order(const struct config *config, struct config_errors *errors)
{
    struct shape shapes[SHAPES_MAX];
    size_t count = 0, shapes_count;
    struct ranked *ranked = rank_all(config, &count);
    struct comparison comparison = {
        .config = config, .errors = errors, .ranked = ranked, .pairs_left = PAIRS_MAX
    };

    if (!ranked)
        return; /* a warning less: whoever needs memory for more will say so */
    shapes_count = find_shapes(ranked, count, shapes);
    for (size_t i = 0; i < shapes_count; i++)
        for (size_t k = i + 1; k < shapes_count; k++)
            if (ranked[shapes[i].first].documented < ranked[shapes[k].first].documented)
                compare_shapes(&comparison, &shapes[i], &shapes[k]);
    if (comparison.warnings > WARNINGS_MAX)
        config_errors_add(errors, CONFIG_WARNING, (struct config_place){ .file = config->source },
                          "more pairs of routes like these exist; the first %d are listed",
                          WARNINGS_MAX);
    free(ranked);
}
