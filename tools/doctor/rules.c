#include "tools/doctor/rules.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/doctor/place.h"

const struct doctor_rule doctor_rules[] = {
#define RULE(id, function, severity, about) { (id), (function), (severity), (about) },
#include "tools/doctor/rules.def"
#undef RULE
};
const size_t doctor_rules_count = sizeof(doctor_rules) / sizeof(doctor_rules[0]);

/* A busy machine lets a process wait for seconds. */
enum { MARGIN_REAL_MS = 3000, HANDSHAKE_REAL_MS = 500, SCALE_MAX = 100 };

const struct doctor_rule *doctor_rule_find(const char *id)
{
    for (size_t i = 0; i < doctor_rules_count; i++)
        if (strcmp(doctor_rules[i].id, id) == 0)
            return &doctor_rules[i];
    return NULL;
}

struct doctor_finding *doctor_find(const struct examination *examination, const char *hop,
                                   const char *to)
{
    struct doctor_finding *finding = doctor_findings_add(examination->findings);

    finding->rule = examination->rule;
    finding->severity = examination->rule->severity;
    finding->hop = hop;
    finding->to = to;
    return finding;
}

/* For a shell; names are rarely odd, and what a terminal obeys is not shown. */
static void quote(const char *word, char *into, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+=:,@%";
    size_t used = 0;

    if (word[0] && word[0] != '-' && strspn(word, plain) == strlen(word)) {
        snprintf(into, size, "%s", word);
        return;
    }
    used += (size_t)snprintf(into, size, "%s'", word[0] == '-' ? "./" : "");
    for (; *word && used + 8 < size; word++)
        used += (size_t)snprintf(into + used, size - used, *word == '\'' ? "'\\''" : "%c",
                                 iscntrl((unsigned char)*word) ? '?' : *word);
    snprintf(into + used, size - used, "'");
}

void doctor_command(const struct examination *examination, struct doctor_finding *finding,
                    const char *options, const char *format, ...)
{
    char chain[DOCTOR_TEXT_MAX];
    va_list arguments;
    size_t length;

    quote(examination->chain, chain, sizeof(chain));
    snprintf(finding->command, sizeof(finding->command), "hopgate lab run%s%s %s",
             options[0] ? " " : "", options, chain);
    length = strlen(finding->command);
    va_start(arguments, format);
    (void)vsnprintf(finding->command + length, sizeof(finding->command) - length, format,
                    arguments);
    va_end(arguments);
}

const char *doctor_fault_options(const struct doctor_model *model, enum doctor_fault fault,
                                 char *into, size_t size)
{
    const struct chain *chain = model->chain;
    const struct doctor_hop *last = &model->hops[model->count - 1];
    char way[160];

    for (size_t i = chain->count - chain->origins_count; i < chain->count; i++) {
        if (!chain->elements[i].address)
            continue;
        snprintf(into, size, "--fault %s --place %s",
                 fault == DOCTOR_NO_ANSWER ? "wire-drop-answer"
                                           : "cut:direction=to-client+after_bytes=0",
                 doctor_way_name(model, last, way, sizeof(way)));
        return into;
    }
    snprintf(into, size, "--fault %s",
             fault == DOCTOR_NO_ANSWER ? "no_answer" : "close_after_request");
    return into;
}

int64_t doctor_time_scale(const struct doctor_model *model, uint64_t margin_ms)
{
    uint64_t scale = margin_ms / MARGIN_REAL_MS;

    for (size_t i = 0; i < model->count; i++) {
        const struct persona_client *client = &model->hops[i].persona->client;
        uint64_t handshake_ms = client->tls_handshake_timeout_ms > 0
                                    ? client->tls_handshake_timeout_ms
                                    : client->head_timeout_ms;

        if (model->hops[i].element->tls && handshake_ms / HANDSHAKE_REAL_MS < scale)
            scale = handshake_ms / HANDSHAKE_REAL_MS;
    }
    return scale < 1 ? 1 : scale > SCALE_MAX ? SCALE_MAX : (int64_t)scale;
}

const char *doctor_time(uint64_t ms, char *into, size_t size)
{
    if (ms == DOCTOR_NEVER)
        snprintf(into, size, "as long as they live");
    else if (ms >= 1000 && ms % 1000 == 0)
        snprintf(into, size, "%" PRIu64 " s", ms / 1000);
    else
        snprintf(into, size, "%" PRIu64 " ms", ms);
    return into;
}

const char *doctor_time_setting(uint64_t ms, char *into, size_t size)
{
    ms = ms > 0 ? ms : 1; /* 0 is "for ever" */
    if (ms >= 10000)      /* nobody wants thousandths there */
        snprintf(into, size, "%" PRIu64, ms / 1000);
    else
        snprintf(into, size, "%" PRIu64 "ms", ms);
    return into;
}

const char *doctor_place_of_service(const struct examination *examination,
                                    const struct doctor_hop *hop, const char *field, char *into,
                                    size_t size)
{
    /* of a service's retries personas know nothing: that default is Kong's */
    const char *basis = strcmp(field, "retries") == 0 ? "the default" : NULL;

    return doctor_place_of_entity(examination->model, hop, hop->service->path, field, basis, into,
                                  size);
}

const char *doctor_status_text(unsigned status, char *into, size_t size)
{
    if (status > 0)
        snprintf(into, size, "%u", status);
    else
        snprintf(into, size, "no answer (the connection is ended)");
    return into;
}
