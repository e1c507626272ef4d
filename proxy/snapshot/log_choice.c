#include "proxy/snapshot/log_choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/log_target.h"
#include "proxy/report/log_directive.h"

enum { REASON_MAX = 384 };

struct choosing {
    const struct settings *settings;
    const struct persona *persona;
    struct config_errors *errors;
};

static bool refuse(const struct choosing *choosing, const char *key, const char *reason)
{
    config_errors_add(choosing->errors, CONFIG_ERROR, settings_place(choosing->settings, key), "%s",
                      reason);
    return false;
}

/* The key's words behind its path. */
static bool check_target(const struct choosing *choosing, const char *key,
                         const struct log_target *target)
{
    struct config_place place = settings_place(choosing->settings, key);

    if (target->is_buffered)
        config_errors_add(choosing->errors, CONFIG_NOTICE, place,
                          "buffer= and flush= have no effect: lines are always gathered and "
                          "never waited for");
    if (target->refused.len == 0)
        return true;
    config_errors_add(choosing->errors, CONFIG_ERROR, place,
                      "\"%.*s\" is not supported; write a path, or a path and the name of a format",
                      SLICE_ARG(target->refused));
    return false;
}

/* What is said in kong.conf, and by which key; else the persona's. */
static const char *wanted_format(const struct choosing *choosing, const char *log_key,
                                 struct slice named, char *copy, size_t copy_size,
                                 const char **ret_key)
{
    const struct settings *settings = choosing->settings;
    bool is_said = settings_is_set(settings, "hopgate_access_log_format");

    *ret_key = is_said ? "hopgate_access_log_format" : log_key;
    if (is_said && named.len > 0)
        config_errors_add(choosing->errors, CONFIG_WARNING, settings_place(settings, log_key),
                          "names the format %.*s, and hopgate_access_log_format another: the "
                          "latter is used; remove one of them",
                          SLICE_ARG(named));
    if (is_said)
        return settings->hopgate_access_log_format;
    if (named.len == 0)
        return choosing->persona->log.access_format;
    snprintf(copy, copy_size, "%.*s", SLICE_ARG(named));
    return copy;
}

static bool choose(const struct choosing *choosing, const char *key, const char *text,
                   struct access_log_format **ret)
{
    const struct log_target target = log_target_of(text);
    const char *definitions_text = choosing->settings->http_log_format;
    struct log_definitions definitions = { 0 };
    char reason[REASON_MAX], copy[64];
    const char *format_key;
    bool done = check_target(choosing, key, &target);

    if (done && definitions_text &&
        log_definitions_add(&definitions, slice_of(definitions_text), reason, sizeof(reason)) < 0)
        done = refuse(choosing, "nginx_http_log_format", reason);
    if (done) {
        const char *format =
            wanted_format(choosing, key, target.format, copy, sizeof(copy), &format_key);

        *ret = access_log_format_create(format, &definitions, reason, sizeof(reason));
        if (!*ret)
            done = refuse(choosing, format_key, reason);
    }
    log_definitions_done(&definitions);
    return done;
}

bool log_choice_make(const struct settings *settings, const struct persona *persona,
                     struct config_errors *errors, struct log_choice *ret)
{
    const struct choosing choosing = { settings, persona, errors };

    return choose(&choosing, "proxy_access_log", settings->proxy_access_log, &ret->proxy) &&
           choose(&choosing, "status_access_log", settings->status_access_log, &ret->status) &&
           choose(&choosing, "admin_access_log", settings->admin_access_log, &ret->admin);
}

void log_choice_done(struct log_choice *choice)
{
    access_log_format_free(choice->proxy);
    access_log_format_free(choice->status);
    access_log_format_free(choice->admin);
    *choice = (struct log_choice){ 0 };
}
