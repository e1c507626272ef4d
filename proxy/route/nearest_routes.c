#include "proxy/route/nearest_routes.h"

#include "core/addr.h"
#include "core/utf8.h"
#include "proxy/report/story_priv.h"
#include "proxy/route/router_priv.h"

enum { NEAREST_MAX = 3, VALUES_SHOWN_MAX = 4 };

struct nearness {
    const struct config_route *route;
    bool host, path, method; /* it asks for none, or one of its values matches */
    size_t path_bytes;       /* in common with one of its paths */
};

struct questioning {
    const struct route_question *question;
    struct regex_matcher *matcher; /* NULL: no memory, regexes count as not matching */
};

static bool host_matches(const char *pattern, struct slice host)
{
    struct slice wanted = slice_of(pattern), name, port;

    if (addr_split_host_port(host, &name, &port) < 0)
        name = host;
    if (slice_equal(wanted, host) || slice_equal(wanted, name))
        return true;
    if (wanted.len > 1 && wanted.ptr[0] == '*')
        return name.len >= wanted.len &&
               slice_equal(slice_from(name, name.len - wanted.len + 1), slice_from(wanted, 1));
    if (wanted.len > 1 && wanted.ptr[wanted.len - 1] == '*')
        return name.len >= wanted.len &&
               slice_starts_with(name, (struct slice){ wanted.ptr, wanted.len - 1 });
    return false;
}

static size_t common_bytes(struct slice a, struct slice b)
{
    size_t i = 0;

    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

static bool regex_matches(const struct questioning *asked, const char *regex)
{
    const struct route_question *question = asked->question;
    bool compatible = question->flavor == ROUTER_TRADITIONAL_COMPATIBLE, matches = false;
    char message[REGEX_MESSAGE_MAX];
    struct regex *made;

    if (!asked->matcher || (compatible && !utf8_is_valid(question->path)))
        return false;
    made = router_regex_take(question->flavor, ROUTER_REGEX_PATH, regex, message);
    regex_matcher_begin(asked->matcher); /* nobody waits for this one */
    if (made)
        matches = regex_match(asked->matcher, made, question->path);
    regex_release(made);
    return matches;
}

static void note_path(struct nearness *made, const struct questioning *asked, const char *path)
{
    struct slice front = router_path_text_in_front(path);
    size_t common = common_bytes(front, asked->question->path);

    made->path_bytes = common > made->path_bytes ? common : made->path_bytes;
    if (router_path_is_regex(path))
        made->path |= regex_matches(asked, path + 1);
    else
        made->path |= common == front.len;
}

static struct nearness nearness_of(const struct config_route *route,
                                   const struct questioning *asked)
{
    const struct route_question *question = asked->question;
    struct nearness made = { .route = route,
                             .host = route->hosts.count == 0,
                             .path = route->paths.count == 0,
                             .method = route->methods.count == 0 };

    for (size_t i = 0; i < route->hosts.count; i++)
        made.host |= host_matches(route->hosts.items[i], question->host);
    for (size_t i = 0; i < route->methods.count; i++)
        made.method |= slice_equal(slice_of(route->methods.items[i]), question->method);
    for (size_t i = 0; i < route->paths.count; i++)
        note_path(&made, asked, route->paths.items[i]);
    return made;
}

static bool is_nearer(const struct nearness *a, const struct nearness *b)
{
    unsigned a_count = a->host + a->path + a->method, b_count = b->host + b->path + b->method;

    if (a_count != b_count)
        return a_count > b_count;
    if (a->host != b->host)
        return a->host;
    return a->path_bytes > b->path_bytes;
}

static void insert(struct nearness *nearest, size_t *count, const struct nearness *candidate)
{
    size_t at = *count;

    while (at > 0 && is_nearer(candidate, &nearest[at - 1]))
        at--;
    if (at == NEAREST_MAX)
        return;
    if (*count < NEAREST_MAX)
        (*count)++;
    for (size_t i = *count - 1; i > at; i--)
        nearest[i] = nearest[i - 1];
    nearest[at] = *candidate;
}

static void print_values(FILE *out, const struct config_strings *values)
{
    for (size_t i = 0; i < values->count && i < VALUES_SHOWN_MAX; i++) {
        (void)fputs(i == 0 ? "" : ", ", out);
        story_print_safe(out, slice_of(values->items[i]));
    }
    if (values->count > VALUES_SHOWN_MAX)
        (void)fprintf(out, " and %zu more", values->count - VALUES_SHOWN_MAX);
}

static void print_missing(FILE *out, const char *what, const struct config_strings *values,
                          struct slice got)
{
    (void)fprintf(out, "; %s \"", what);
    story_print_safe(out, got);
    (void)fputs("\" is none of: ", out);
    print_values(out, values);
}

/* What it asks for and nobody remembers of the request: then that may be what was missing. */
static bool print_unknown(FILE *out, const struct config_route *route,
                          const struct route_question *question)
{
    for (size_t i = 0; i < route->headers_count; i++) {
        (void)fputs("; it needs the field ", out);
        story_print_safe(out, slice_of(route->headers[i].name));
        (void)fputs(" with one of: ", out);
        print_values(out, &route->headers[i].values);
    }
    if (route->snis.count == 0 || !question->over_tls)
        return route->headers_count > 0;
    (void)fputs("; it needs the server name (SNI) to be one of: ", out);
    print_values(out, &route->snis);
    return true;
}

static void print_line(FILE *out, const struct nearness *near,
                       const struct route_question *question)
{
    const struct config_route *route = near->route;
    bool is_open;

    (void)fputs("  route \"", out);
    story_print_safe(out, slice_of(route->name ? route->name : route->id));
    (void)fputc('"', out);
    if (route->service && !route->service->enabled)
        (void)fputs("; its service is disabled", out);
    if (!near->host)
        print_missing(out, "host", &route->hosts, question->host);
    if (!near->path)
        print_missing(out, "path", &route->paths, question->path);
    if (!near->method)
        print_missing(out, "method", &route->methods, question->method);
    is_open = print_unknown(out, route, question);
    if (near->host && near->path && near->method)
        (void)fputs(is_open ? "; host, path and method match" : "; host, path and method match now",
                    out);
    (void)fputc('\n', out);
}

void nearest_routes_print(FILE *out, const struct config *config,
                          const struct route_question *question)
{
    const struct questioning asked = { question, regex_matcher_create() };
    struct nearness nearest[NEAREST_MAX];
    size_t count = 0;

    for (size_t i = 0; i < config->routes_count; i++) {
        struct nearness candidate = nearness_of(&config->routes[i], &asked);

        insert(nearest, &count, &candidate);
    }
    if (count == 0)
        (void)fputs("  there is no route at all\n", out);
    for (size_t i = 0; i < count; i++)
        print_line(out, &nearest[i], question);
    regex_matcher_free(asked.matcher);
}
