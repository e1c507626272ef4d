#include "proxy/route/router_check.h"

#include <stdio.h>

#include "proxy/route/router_priv.h"

static void add(struct config_errors *errors, enum config_severity severity,
                const struct config *config, const struct config_route *route, const char *field,
                const char *text)
{
    char path[512];

    (void)snprintf(path, sizeof(path), "%s.%s", route->path ? route->path : "routes", field);
    config_errors_add(errors, severity,
                      (struct config_place){ config->source, route->line, route->column, path },
                      "%s", text);
}

static void check_regex(const struct config *config, const struct config_route *route,
                        enum router_regex_use use, const char *regex, struct config_errors *errors)
{
    const char *wrong = router_regex_not_in_rust(regex);
    const char *field = use == ROUTER_REGEX_PATH ? "paths" : "headers";
    char text[512];

    if (!wrong)
        return;
    (void)snprintf(text, sizeof(text),
                   "Router Expression failed validation: regex '%.200s': %s; write it without, or "
                   "set router_flavor = traditional",
                   regex, wrong);
    add(errors, CONFIG_ERROR, config, route, field, text);
}

/* What only the flavour's own way of compiling brings up: lower case, or a group of its own. */
static void check_compiles(const struct config *config, const struct config_route *route,
                           enum router_flavor flavor, const char *regex, bool is_path,
                           struct config_errors *errors)
{
    char message[REGEX_MESSAGE_MAX], text[REGEX_MESSAGE_MAX + 256];
    struct regex *made = router_regex_take(
        flavor, is_path ? ROUTER_REGEX_PATH : ROUTER_REGEX_HEADER, regex, message);

    regex_release(made);
    if (made || !message[0])
        return;
    (void)snprintf(text, sizeof(text), "invalid regex: '%.200s' (PCRE returned: %s)", regex,
                   message);
    add(errors, CONFIG_ERROR, config, route, is_path ? "paths" : "headers", text);
}

static void check_headers(const struct config *config, const struct config_route *route,
                          enum router_flavor flavor, struct config_errors *errors)
{
    for (size_t i = 0; i < route->headers_count; i++) {
        const struct config_strings *values = &route->headers[i].values;

        for (size_t k = 0; k < values->count; k++) {
            if (!router_header_value_is_regex(flavor, values, k))
                continue;
            if (flavor == ROUTER_TRADITIONAL_COMPATIBLE)
                check_regex(config, route, ROUTER_REGEX_HEADER, values->items[k] + 2, errors);
            check_compiles(config, route, flavor, values->items[k] + 2, false, errors);
        }
    }
}

static void check_paths(const struct config *config, const struct config_route *route,
                        enum router_flavor flavor, struct config_errors *errors)
{
    for (size_t i = 0; i < route->paths.count; i++) {
        const char *path = route->paths.items[i];

        if (!router_path_is_regex(path))
            continue;
        if (flavor == ROUTER_TRADITIONAL_COMPATIBLE)
            check_regex(config, route, ROUTER_REGEX_PATH, path + 1, errors);
        else if (strstr(path, "uri_postfix"))
            check_compiles(config, route, flavor, path + 1, true, errors);
    }
}

static void check_snis(const struct config *config, const struct config_route *route,
                       struct config_errors *errors)
{
    for (size_t i = 0; i < route->snis.count; i++)
        if (strchr(route->snis.items[i], '*'))
            add(errors, CONFIG_ERROR, config, route, "snis",
                "wildcard must not be used with router_flavor = traditional; write the names out, "
                "or set router_flavor = traditional_compatible");
}

void router_check(const struct config *config, enum router_flavor flavor,
                  struct config_errors *errors)
{
    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        if (route->protocols & CONFIG_PROTOCOLS_STREAM)
            continue;
        check_paths(config, route, flavor, errors);
        check_headers(config, route, flavor, errors);
        if (flavor == ROUTER_TRADITIONAL)
            check_snis(config, route, errors);
        else if (route->path_handling && strcmp(route->path_handling, "v1") == 0)
            add(errors, CONFIG_WARNING, config, route, "path_handling",
                "'v1' has no effect, as in Kong's default router (traditional_compatible); remove "
                "it, or set router_flavor = traditional");
    }
    if (flavor == ROUTER_TRADITIONAL_COMPATIBLE)
        router_check_order(config, errors);
}
