/* The chain that a cause is played on: one hop of the product's persona in front of one server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/repro/trial.h"

#define CHAIN_FILE "repro.json"
/* Linux: a word of a command line has at most 128 KiB. */
enum { WORD_BYTES_MAX = 120000 };

#define LONG_TEXT "head -c %zu /dev/zero | tr '\\0' x"

const char *trial_method(const struct repro_cause *cause, const struct pasted *pasted)
{
    if (cause->method)
        return cause->method;
    for (size_t i = 0; i < pasted->count; i++)
        if (pasted->lines[i].method[0])
            return pasted->lines[i].method;
    return "GET";
}

static json_t *part(const char *kind, const char *name, const json_t *stage, const char *key)
{
    json_t *made = json_pack("{s:s}", kind, name);

    if (json_object_get(stage, key))
        (void)json_object_update(made, json_object_get(stage, key));
    return made;
}

/* One service for everything, as the lab makes it where nothing is said. */
static json_t *usual_entities(void)
{
    return json_pack("{s:[{s:s, s:s, s:[{s:s, s:[s], s:b, s:b}]}]}", "services", "name", "app",
                     "host", "app", "routes", "name", "all", "paths", "/", "strip_path", 0,
                     "preserve_host", 1);
}

/* All services of the hop say so, unless the stage says otherwise. */
static void add_to_services(json_t *hop, const json_t *fields)
{
    const json_t *of_stage = json_object_get(hop, "entities");
    json_t *entities = of_stage ? json_deep_copy(of_stage) : usual_entities();
    json_t *services = json_object_get(entities, "services");

    for (size_t i = 0; i < json_array_size(services); i++)
        (void)json_object_update_missing(json_array_get(services, i), (json_t *)fields);
    json_object_set_new(hop, "entities", entities);
}

static json_t *hop_part(const struct cause_table *table, const json_t *stage,
                        enum line_product product, const char *format)
{
    json_t *hop = part("hop", line_product_name(product), stage, "hop");
    json_t *settings = json_object();

    if (cause_table_service(table, product))
        add_to_services(hop, cause_table_service(table, product));
    (void)json_object_update(settings, json_object_get(json_object_get(stage, "hop"), "settings"));
    if (format) {
        json_object_set_new(settings, "hopgate_access_log_format", json_string(format));
        json_object_set_new(settings, "log_level", json_string("info"));
    }
    json_object_set_new(hop, "persona", json_string(line_product_name(product)));
    if (json_object_size(settings) > 0)
        json_object_set(hop, "settings", settings);
    json_decref(settings);
    return hop;
}

/* What happens on a plain connection happens on one with TLS too, where the line names such a server. */
static const char *stage_name(const struct repro_cause *cause, const struct pasted *pasted)
{
    for (size_t i = 0; i < pasted->count && strcmp(cause->stage, "plain") == 0; i++) {
        const struct line_feature *scheme = line_feature(&pasted->lines[i], "upstream");

        if (scheme && strcmp(scheme->value, "https") == 0)
            return "tls-unverified";
    }
    return cause->stage;
}

char *trial_chain_text(const struct cause_table *table, const struct repro_cause *cause,
                       const struct pasted *pasted, const char *format)
{
    const json_t *stage = cause_table_stage(table, stage_name(cause, pasted));
    json_t *chain = json_pack(
        "{s:s, s:i, s:[o, o]}", "name", "repro", "time_scale", cause->time_scale, "path",
        hop_part(table, stage, pasted->product, format), part("origin", "server", stage, "origin"));
    json_t *client = json_object_get(stage, "client");
    char *text;

    if (client)
        json_object_set(chain, "client", client);
    text = chain ? json_dumps(chain, JSON_COMPACT) : NULL;
    json_decref(chain);
    return text;
}

/* The table has no single quotes in what goes to a shell; a test checks it. */
static void print_request(FILE *out, const struct repro_cause *cause, const char *method)
{
    if (strcmp(method, "GET") == 0 && !cause->fields && cause->field_bytes == 0 &&
        cause->path_bytes == 0)
        return;
    (void)fprintf(out, " --");
    if (strcmp(method, "GET") != 0)
        (void)fprintf(out, " -X %s", method);
    for (size_t i = 0; i < json_array_size(cause->fields); i++)
        (void)fprintf(out, " -H '%s'", json_string_value(json_array_get(cause->fields, i)));
    if (cause->field_bytes > 0)
        (void)fprintf(out, " -H \"X-Big: $(" LONG_TEXT ")\"", cause->field_bytes);
    if (cause->content_bytes > 0 && cause->content_bytes <= WORD_BYTES_MAX)
        (void)fprintf(out, " -d \"$(" LONG_TEXT ")\"", cause->content_bytes);
    else if (cause->content_bytes == 0 && strcmp(method, "POST") == 0)
        (void)fprintf(out, " -d text");
    if (cause->path_bytes > 0)
        (void)fprintf(out, " \"/$(" LONG_TEXT ")\"", cause->path_bytes);
}

static void print_place(FILE *out, const char *option, const struct repro_cause *cause,
                        const char *hop)
{
    if (cause->place == CAUSE_TO_CLIENT)
        (void)fprintf(out, " %s client-%s", option, hop);
    else if (cause->place == CAUSE_TO_SERVER)
        (void)fprintf(out, " %s %s-server", option, hop);
}

/* `lab run` sends one request; a connection that was used before is a matter of the matrix. */
static void print_run(FILE *out, const struct repro_cause *cause, const char *hop,
                      const char *method)
{
    if (cause->is_warm) {
        (void)fprintf(out, "hopgate lab matrix --faults %s --methods %s", cause->fault, method);
        print_place(out, "--places", cause, hop);
        (void)fprintf(out, " " CHAIN_FILE);
        return;
    }
    (void)fprintf(out, "hopgate lab run");
    if (cause->fault)
        (void)fprintf(out, " --fault '%s'", cause->fault);
    print_place(out, "--place", cause, hop);
    if (cause->content_bytes > WORD_BYTES_MAX)
        (void)fprintf(out, " --content-bytes %zu", cause->content_bytes);
    (void)fprintf(out, " " CHAIN_FILE);
    print_request(out, cause, method);
}

char *trial_command(const struct cause_table *table, const struct repro_cause *cause,
                    const struct pasted *pasted)
{
    char *chain = trial_chain_text(table, cause, pasted, NULL), *text = NULL;
    const char *method = trial_method(cause, pasted);
    size_t length;
    FILE *out = chain ? open_memstream(&text, &length) : NULL;

    if (!out) {
        free(chain);
        return NULL;
    }
    (void)fprintf(out, "echo '%s' > " CHAIN_FILE "\n", chain);
    print_run(out, cause, line_product_name(pasted->product), method);
    free(chain);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}
