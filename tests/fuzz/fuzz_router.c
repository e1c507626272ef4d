/*
 * Any routes that the checks let through, and any request: the index finds the route that a router of
 * that route alone would find, and no route only if none of them alone would be found.
 *
 * Lines: "R" begins a route; "h", "p", "m", "s" and a value add a host, path, method, server name;
 * "xNAME=VALUE" a field that it needs. The request: "H" host, "P" path, "M" method, "S" server name,
 * "XNAME=VALUE" a field. The first byte of all chooses flavour and TLS.
 */
#include "config/checks.h"
#include "core/utf8.h"
#include "proxy/route/router_priv.h"
#include "tests/fuzz/fuzz_input.h"

enum { ROUTES_MAX = 12, VALUES_MAX = 4, FIELDS_MAX = 6 };

struct made_route {
    char *hosts[VALUES_MAX], *paths[VALUES_MAX], *methods[VALUES_MAX], *snis[VALUES_MAX];
    char *values[VALUES_MAX][1];
    struct config_route_header headers[VALUES_MAX];
    char id[UUID_TEXT_BYTES + 1];
};

struct scene {
    enum router_flavor flavor;
    struct made_route made[ROUTES_MAX];
    struct config_route routes[ROUTES_MAX];
    size_t routes_count;
    struct field items[FIELDS_MAX];
    struct fields fields;
    struct router_request request;
};

static void add(struct config_strings *strings, char **items, char *value, check_function *check)
{
    char message[CHECK_MESSAGE_MAX];

    strings->items = items;
    if (strings->count < VALUES_MAX && check(value, message) == 0)
        items[strings->count++] = value;
}

static bool regex_is_fine(const struct scene *scene, const char *regex)
{
    return scene->flavor == ROUTER_TRADITIONAL || !router_regex_not_in_rust(regex);
}

static void add_header(const struct scene *scene, struct config_route *route,
                       struct made_route *made, char *text)
{
    char *equals = strchr(text, '='), message[CHECK_MESSAGE_MAX];
    size_t i = route->headers_count;

    if (!equals || !equals[1] || i == VALUES_MAX)
        return;
    *equals = '\0';
    if (check_token(text, message) < 0 || strcasecmp(text, "host") == 0 ||
        (strncmp(equals + 1, "~*", 2) == 0 && !regex_is_fine(scene, equals + 3)))
        return;
    made->values[i][0] = equals + 1;
    made->headers[i] = (struct config_route_header){ text, { made->values[i], 1 } };
    route->headers = made->headers;
    route->headers_count++;
}

static void read_route_line(struct scene *scene, char kind, char *value)
{
    struct config_route *route = &scene->routes[scene->routes_count - 1];
    struct made_route *made = &scene->made[scene->routes_count - 1];

    if (kind == 'h')
        add(&route->hosts, made->hosts, value, check_route_host);
    else if (kind == 'p' && (value[0] != '~' || regex_is_fine(scene, value + 1)))
        add(&route->paths, made->paths, value, check_route_path);
    else if (kind == 'm')
        add(&route->methods, made->methods, value, check_token);
    else if (kind == 's' && (scene->flavor != ROUTER_TRADITIONAL || !strchr(value, '*')))
        add(&route->snis, made->snis, value, check_sni);
    else if (kind == 'x')
        add_header(scene, route, made, value);
}

static void read_line(struct scene *scene, char *line)
{
    char *value = line + 1, *equals = strchr(value, '=');

    switch (line[0]) {
    case 'R':
        if (scene->routes_count == ROUTES_MAX)
            return;
        snprintf(scene->made[scene->routes_count].id, UUID_TEXT_BYTES + 1,
                 "10000000-0000-4000-8000-%012zx", scene->routes_count);
        scene->routes[scene->routes_count].id = scene->made[scene->routes_count].id;
        scene->routes_count++;
        return;
    case 'H':
        scene->request.host = slice_of(value);
        return;
    case 'P':
        if (value[0] == '/')
            scene->request.path = slice_of(value);
        return;
    case 'M':
        scene->request.method = slice_of(value);
        return;
    case 'S':
        scene->request.server_name = slice_of(value);
        return;
    case 'X':
        if (!equals || scene->fields.count == FIELDS_MAX)
            return;
        scene->items[scene->fields.count++] =
            (struct field){ .name = { value, (size_t)(equals - value) },
                            .value = slice_of(equals + 1) };
        return;
    default:
        if (scene->routes_count > 0)
            read_route_line(scene, line[0], value);
    }
}

static bool is_utf8(const struct scene *scene)
{
    bool is = utf8_is_valid(scene->request.host) && utf8_is_valid(scene->request.path) &&
              utf8_is_valid(scene->request.server_name);

    for (uint32_t i = 0; i < scene->fields.count; i++)
        is &= utf8_is_valid(scene->items[i].value);
    return is;
}

/* Whether a limit was reached on the way: then nothing is promised. */
static bool was_cut(const struct router *router)
{
    for (size_t i = 0; i < router->regexes_count; i++)
        if (regex_cuts_count(router->regexes[i].regex) > 0)
            return true;
    return false;
}

static bool match_some(const struct scene *scene, size_t first, size_t count,
                       struct router_match *ret, bool *ret_cut)
{
    const struct config config = { .routes = (struct config_route *)&scene->routes[first],
                                   .routes_count = count };
    SCOPED(router) router = router_create(&config, scene->flavor);
    SCOPED(router_scratch) scratch = router_scratch_create();
    bool matched;

    require(router && scratch, "memory");
    matched = router_match(router, &scene->request, scratch, ret);
    *ret_cut |= was_cut(router);
    return matched;
}

static void check(const struct scene *scene)
{
    struct router_match found = { 0 }, alone = { 0 };
    bool cut = false;
    bool matched = match_some(scene, 0, scene->routes_count, &found, &cut);

    if (matched)
        require(found.matched_prefix.len <= scene->request.path.len, "more is taken than there is");
    /* in "traditional" the other routes decide which category is looked at first */
    if (cut || scene->flavor == ROUTER_TRADITIONAL || !is_utf8(scene))
        return;
    for (size_t i = 0; i < scene->routes_count; i++) {
        bool is_it = found.route == &scene->routes[i];

        if (matched && !is_it)
            continue;
        require(match_some(scene, i, 1, &alone, &cut) == is_it || cut,
                "a route alone and among others matches differently");
        require(!is_it || cut || slice_equal(alone.matched_prefix, found.matched_prefix),
                "what is taken off the path differs");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct scene scene;
    char *text, *rest, *line;

    if (size < 2 || size > 4096)
        return 0;
    text = malloc(size);
    require(text, "memory");
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    scene =
        (struct scene){ .flavor = data[0] & 1 ? ROUTER_TRADITIONAL : ROUTER_TRADITIONAL_COMPATIBLE,
                        .request = { .method = SLICE("GET"),
                                     .path = SLICE("/"),
                                     .port = 80,
                                     .over_tls = data[0] & 2 } };
    scene.fields.items = scene.items;
    scene.request.fields = &scene.fields;
    rest = text;
    while ((line = strsep(&rest, "\n")))
        if (line[0] != '\0')
            read_line(&scene, line);
    check(&scene);
    free(text);
    return 0;
}
