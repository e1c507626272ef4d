#include "proxy/report/access_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "proxy/report/access_log_priv.h"
#include "proxy/report/log_directive.h"

/* Most lines fit; a longer one grows. */
enum { LINE_BYTES_USUAL = 512 };

/* Kong: kong/templates/nginx_kong.lua; nginx: ngx_http_log_module.c */
#define COMBINED                                                      \
    "$remote_addr - $remote_user [$time_local] \"$request\" $status " \
    "$body_bytes_sent \"$http_referer\" \"$http_user_agent\""

struct named_format {
    const char *name;
    const char *source; /* NULL: it has a function */
    struct slice (*line)(const struct access_log_format *, const struct exchange_record *,
                         struct arena *);
    bool is_json, keeps_real_times;
};

static const struct named_format named_formats[] = {
    { .name = "kong", .source = COMBINED " kong_request_id: \"$kong_request_id\"" },
    { .name = "kong_log_format", .source = COMBINED " kong_request_id: \"$kong_request_id\"" },
    { .name = "combined", .source = COMBINED },
    { .name = "json", .line = access_log_json_line, .is_json = true, .keeps_real_times = true },
    { .name = "kong-serialize", .line = access_log_serialize_line, .is_json = true },
    { .name = "haproxy", .line = access_log_haproxy_line },
    { .name = "alb", .line = access_log_alb_line },
};

enum { NAMED_COUNT = sizeof(named_formats) / sizeof(named_formats[0]) };

static const struct named_format *find_named(const char *name)
{
    for (size_t i = 0; i < NAMED_COUNT; i++)
        if (strcmp(named_formats[i].name, name) == 0)
            return &named_formats[i];
    return NULL;
}

bool access_log_is_format(const char *name)
{
    return find_named(name) != NULL;
}

const char *access_log_format_names(void)
{
    return "kong, combined, json, kong-serialize, haproxy, alb";
}

static struct slice compiled_line(const struct access_log_format *format,
                                  const struct exchange_record *record, struct arena *arena)
{
    struct text text;

    text_init_sized(&text, arena, LINE_BYTES_USUAL);
    log_format_expand(format->compiled, record, &text);
    text_add(&text, SLICE("\n"));
    return text_take(&text);
}

static void refuse_name(const char *spec, const struct log_definitions *definitions, char *reterr,
                        size_t reterr_size)
{
    struct suggest suggest = { .wanted = spec };

    for (size_t i = 0; i < NAMED_COUNT; i++)
        suggest_offer(&suggest, named_formats[i].name);
    for (size_t i = 0; definitions && i < definitions->count; i++)
        suggest_offer(&suggest, definitions->items[i].name);
    if (suggest.nearest)
        snprintf(reterr, reterr_size, "unknown log format \"%s\"; did you mean \"%s\"?", spec,
                 suggest.nearest);
    else
        snprintf(reterr, reterr_size,
                 "unknown log format \"%s\": it is none of %s, no log_format of "
                 "nginx_http_log_format, and no text with $variables",
                 spec, access_log_format_names());
}

static bool choose(struct access_log_format *format, const char *spec,
                   struct log_definitions *definitions, char *reterr, size_t reterr_size)
{
    const struct named_format *named = find_named(spec);

    format->line = compiled_line;
    if (definitions)
        format->compiled = log_definitions_take(definitions, spec);
    if (format->compiled)
        return true;
    if (named && named->line) {
        format->line = named->line;
        format->is_json = named->is_json;
        format->keeps_real_times = named->keeps_real_times;
        return true;
    }
    if (named)
        spec = named->source;
    if (strchr(spec, '$'))
        format->compiled = log_format_parse(slice_of(spec), reterr, reterr_size);
    else
        refuse_name(spec, definitions, reterr, reterr_size);
    return format->compiled != NULL;
}

struct access_log_format *access_log_format_create(const char *spec,
                                                   struct log_definitions *definitions,
                                                   char *reterr, size_t reterr_size)
{
    SCOPED(access_log_format) format = calloc(1, sizeof(*format));

    if (!format) {
        snprintf(reterr, reterr_size, "out of memory");
        return NULL;
    }
    return choose(format, spec, definitions, reterr, reterr_size) ? TAKE(format) : NULL;
}

void access_log_format_free(struct access_log_format *format)
{
    if (!format)
        return;
    log_format_free(format->compiled);
    free(format);
}
