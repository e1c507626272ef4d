/* Fields that routes ask for: names and values are numbered, so that a request's are looked up once. */
#include <errno.h>
#include <stdlib.h>

#include "core/utf8.h"
#include "proxy/route/router_priv.h"

static char lower_byte(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* "_" and "-" are the same to Kong: it asks nginx's table of fields with either. */
static char name_byte(char c)
{
    return c == '_' ? '-' : lower_byte(c);
}

/* ---- building ------------------------------------------------------------------------------ */

bool router_header_value_is_regex(enum router_flavor flavor, const struct config_strings *values,
                                  size_t index)
{
    return strncmp(values->items[index], "~*", 2) == 0 &&
           (flavor == ROUTER_TRADITIONAL_COMPATIBLE || values->count == 1);
}

struct totals {
    size_t headers, values, bytes, regex_paths;
};

static struct totals totals_of(const struct config *config)
{
    struct totals totals = { 0 };

    for (size_t i = 0; i < config->routes_count; i++) {
        const struct config_route *route = &config->routes[i];

        for (size_t k = 0; k < route->paths.count; k++)
            totals.regex_paths += router_path_is_regex(route->paths.items[k]);
        totals.headers += route->headers_count;
        for (size_t k = 0; k < route->headers_count; k++) {
            const struct config_route_header *header = &route->headers[k];

            totals.bytes += strlen(header->name);
            totals.values += header->values.count;
            for (size_t v = 0; v < header->values.count; v++)
                totals.bytes += strlen(header->values.items[v]);
        }
    }
    return totals;
}

/* A copy in the router's memory; there is room. */
static struct slice keep(char **at, const char *text, char (*change)(char))
{
    struct slice kept = { *at, strlen(text) };

    for (size_t i = 0; i < kept.len; i++)
        *(*at)++ = change(text[i]);
    return kept;
}

static uint32_t name_number(struct router *router, char **memory, const char *name)
{
    char *start = *memory;
    struct slice text = keep(memory, name, name_byte);
    uint32_t number = router_map_put(&router->header_names, 0, text, (uint32_t)router->names_count);

    if (number == router->names_count)
        router->names_count++;
    else
        *memory = start;
    return number;
}

static uint32_t value_number(struct router *router, char **memory, uint32_t name, const char *value)
{
    char *start = *memory;
    struct slice text = keep(memory, value, lower_byte);
    uint32_t number =
        router_map_put(&router->header_texts, name, text, (uint32_t)router->texts_count);

    if (number != router->texts_count) {
        *memory = start;
        return number;
    }
    router->texts_count++;
    if (text.len > router->header_bytes_max)
        router->header_bytes_max = text.len;
    return number;
}

static int add_value(struct router *router, char **memory, struct router_header *header,
                     const struct config_strings *values, size_t index)
{
    bool is_regex = router_header_value_is_regex(router->flavor, values, index);
    const char *text = values->items[index];
    uint32_t number;
    int r;

    /* in "traditional" a regex also stands for itself */
    if (!is_regex || router->flavor == ROUTER_TRADITIONAL) {
        router->header_values[router->header_values_count++] =
            value_number(router, memory, header->name, text);
        header->values_count++;
    }
    if (!is_regex)
        return 0;
    r = router_regex_add(router, ROUTER_REGEX_HEADER, text + 2, &number);
    if (r < 0)
        return r;
    if (number != ROUTER_NO_REGEX)
        router->header_regexes[router->header_regexes_count++] = number;
    header->regexes_count += number != ROUTER_NO_REGEX;
    return 0;
}

static int add_header(struct router *router, char **memory, const struct config_route_header *from)
{
    struct router_header *header = &router->headers[router->headers_count++];
    int r = 0;

    *header = (struct router_header){
        .name = name_number(router, memory, from->name),
        .first_value = (uint32_t)router->header_values_count,
        .first_regex = (uint32_t)router->header_regexes_count,
    };
    for (size_t i = 0; r == 0 && i < from->values.count; i++)
        r = add_value(router, memory, header, &from->values, i);
    return r;
}

/* All candidates of a route share what is made for the first of them. */
static int add_headers(struct router *router, char **memory, uint32_t *first_of_route)
{
    for (size_t i = 0; i < router->candidates_count; i++) {
        struct router_candidate *candidate = &router->candidates[i];
        const struct config_route *route = candidate->route;
        uint32_t *first = &first_of_route[candidate->place];

        if (route->headers_count > 0 && *first == 0) {
            *first = (uint32_t)router->headers_count + 1;
            for (size_t k = 0; k < route->headers_count; k++) {
                int r = add_header(router, memory, &route->headers[k]);
                if (r < 0)
                    return r;
            }
        }
        candidate->headers_count = (uint32_t)route->headers_count;
        candidate->first_header = *first > 0 ? *first - 1 : 0;
    }
    return 0;
}

int router_build_headers(struct router *router, const struct config *config)
{
    struct totals totals = totals_of(config);
    uint32_t *first_of_route = calloc(config->routes_count + 1, sizeof(*first_of_route));
    char *memory;
    int r = -ENOMEM;

    router->headers = calloc(totals.headers + 1, sizeof(*router->headers));
    router->header_values = calloc(totals.values + 1, sizeof(*router->header_values));
    router->header_regexes = calloc(totals.values + 1, sizeof(*router->header_regexes));
    router->header_memory = memory = malloc(totals.bytes + 1);
    if (first_of_route && router->headers && router->header_values && router->header_regexes &&
        memory && router_map_init(&router->header_names, totals.headers) == 0 &&
        router_map_init(&router->header_texts, totals.values) == 0 &&
        router_regexes_init(router, totals.regex_paths + totals.values) == 0)
        r = add_headers(router, &memory, first_of_route);
    free(first_of_route);
    return r;
}

void router_headers_done(struct router *router)
{
    free(router->headers);
    free(router->header_values);
    free(router->header_regexes);
    free(router->header_memory);
    router_map_done(&router->header_names);
    router_map_done(&router->header_texts);
}

/* ---- a request ----------------------------------------------------------------------------- */

static bool make_room(struct router_scratch *scratch, size_t bytes)
{
    char *lower;

    if (bytes <= scratch->lower_capacity)
        return true;
    lower = realloc(scratch->lower, bytes);
    if (!lower)
        return false;
    scratch->lower = lower;
    scratch->lower_capacity = bytes;
    return true;
}

static struct slice lower_copy(struct slice text, char *into, char (*change)(char))
{
    for (size_t i = 0; i < text.len; i++)
        into[i] = change(text.ptr[i]);
    return (struct slice){ into, text.len };
}

static void note_line(const struct router *router, struct router_scratch *scratch, uint32_t name,
                      struct slice value)
{
    uint32_t number = ROUTER_MAP_NONE;

    scratch->name_stamps[name] = scratch->stamp;
    scratch->lines[scratch->lines_count++] = (struct router_header_line){ name, value };
    if (value.len <= router->header_bytes_max)
        number = router_map_get(&router->header_texts, name, value);
    if (number == ROUTER_MAP_NONE || scratch->text_stamps[number] == scratch->stamp)
        return;
    scratch->text_stamps[number] = scratch->stamp;
    scratch->keys[scratch->keys_count++] = number + 1;
}

bool router_headers_read(const struct router *router, const struct fields *fields,
                         struct router_scratch *scratch)
{
    size_t bytes = 0, count = fields ? fields->count : 0;
    char *into;

    scratch->lines_count = scratch->keys_count = 0;
    if (router->names_count == 0)
        return true;
    count = count < ROUTER_FIELDS_MAX ? count : ROUTER_FIELDS_MAX;
    for (size_t i = 0; i < count; i++)
        bytes += fields->items[i].name.len + fields->items[i].value.len;
    if (!make_room(scratch, bytes))
        return false;
    into = scratch->lower;
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields->items[i];
        struct slice name = lower_copy(field->name, into, name_byte);
        uint32_t number = router_map_get(&router->header_names, 0, name);

        if (number == ROUTER_MAP_NONE || field->id == FIELD_HOST)
            continue;
        if (router->flavor == ROUTER_TRADITIONAL_COMPATIBLE && !utf8_is_valid(field->value))
            return false;
        note_line(router, scratch, number, lower_copy(field->value, into, lower_byte));
        into += field->value.len; /* the name is needed no more */
    }
    return true;
}

static enum router_answer regex_header_matches(const struct router *router,
                                               const struct router_header *header,
                                               struct router_scratch *scratch)
{
    enum router_answer answer = ROUTER_NO;

    for (size_t line = 0; line < scratch->lines_count; line++) {
        if (scratch->lines[line].name != header->name)
            continue;
        for (uint32_t i = 0; i < header->regexes_count; i++) {
            uint32_t number = router->header_regexes[header->first_regex + i];

            if (regex_match(scratch->matcher, router->regexes[number].regex,
                            scratch->lines[line].value))
                return ROUTER_YES;
            if (regex_was_cut(scratch->matcher))
                answer = ROUTER_UNKNOWN;
        }
    }
    return answer;
}

static enum router_answer header_matches(const struct router *router,
                                         const struct router_header *header,
                                         struct router_scratch *scratch)
{
    if (scratch->name_stamps[header->name] != scratch->stamp)
        return ROUTER_NO;
    for (uint32_t i = 0; i < header->values_count; i++) {
        uint32_t value = router->header_values[header->first_value + i];

        if (scratch->text_stamps[value] == scratch->stamp)
            return ROUTER_YES;
    }
    return regex_header_matches(router, header, scratch);
}

enum router_answer router_headers_match(const struct router *router,
                                        const struct router_candidate *candidate,
                                        struct router_scratch *scratch)
{
    enum router_answer all = ROUTER_YES;

    for (uint32_t i = 0; i < candidate->headers_count; i++) {
        enum router_answer one =
            header_matches(router, &router->headers[candidate->first_header + i], scratch);

        if (one == ROUTER_NO)
            return ROUTER_NO;
        if (one == ROUTER_UNKNOWN)
            all = ROUTER_UNKNOWN;
    }
    return all;
}
