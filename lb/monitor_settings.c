#include "lb/monitor_settings.h"

#include <stdlib.h>
#include <string.h>

#include "core/fnv1a.h"
#include "tls/tls.h"

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return text ? fnv1a_add(hash, text, strlen(text) + 1) : fnv1a_add(hash, "\xff", 1);
}

static uint64_t identity_of(const struct monitor_options *options)
{
    const uint64_t numbers[] = {
        options->judge,
        options->healthy_interval_ms,
        options->unhealthy_interval_ms,
        options->timeout_ms,
        options->time_until_up_ms,
        options->concurrency,
        options->reverse,
        options->is_silent,
        options->tls ? tls_client_config_identity(options->tls) : 0,
    };
    uint64_t hash = fnv1a_add(FNV1A_START, numbers, sizeof(numbers));

    hash = fnv1a_add(hash, options->rules.limits, sizeof(options->rules.limits));
    hash = fnv1a_add(hash, &options->rules.healthy, sizeof(options->rules.healthy));
    hash = fnv1a_add(hash, &options->rules.unhealthy, sizeof(options->rules.unhealthy));
    return hash_text(hash_text(hash, options->receive), options->receive_disable);
}

static bool compile(const char *text, regex_t *pattern, bool *ret_has)
{
    *ret_has = text && regcomp(pattern, text, REG_EXTENDED) == 0;
    return !text || *ret_has;
}

struct monitor_settings *monitor_settings_create(const struct monitor_options *options)
{
    struct monitor_settings *settings = calloc(1, sizeof(*settings));

    if (!settings)
        return NULL;
    settings->options = *options;
    settings->options.receive = settings->options.receive_disable = NULL;
    settings->identity = identity_of(options);
    if (options->tls)
        settings->options.tls = tls_client_config_ref(options->tls);
    if (compile(options->receive, &settings->receive, &settings->has_receive) &&
        compile(options->receive_disable, &settings->receive_disable,
                &settings->has_receive_disable))
        return settings;
    monitor_settings_free(settings);
    return NULL;
}

void monitor_settings_free(struct monitor_settings *settings)
{
    if (!settings)
        return;
    if (settings->has_receive)
        regfree(&settings->receive);
    if (settings->has_receive_disable)
        regfree(&settings->receive_disable);
    tls_client_config_unref(settings->options.tls);
    free(settings);
}

bool monitor_settings_match(const regex_t *pattern, const char *text, size_t length)
{
    regmatch_t range = { .rm_so = 0, .rm_eo = (regoff_t)length };

    return regexec(pattern, text, 1, &range, REG_STARTEND) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* As Kong's healthchecker reads it: ^HTTP/\d+\.\d+\s+(\d+) */
int monitor_status_of(const char *text, size_t length)
{
    const char *end = memchr(text, '\n', length), *at = text + strlen("HTTP/");
    int status = 0;

    if (!end)
        return -1;
    if (end - text < (long)strlen("HTTP/") || memcmp(text, "HTTP/", strlen("HTTP/")) != 0 ||
        !is_digit(*at))
        return 0;
    while (at < end && is_digit(*at))
        at++;
    if (at == end || *at++ != '.' || at == end || !is_digit(*at))
        return 0;
    while (at < end && is_digit(*at))
        at++;
    if (at == end || (*at != ' ' && *at != '\t'))
        return 0;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    for (; at < end && is_digit(*at) && status <= HEALTH_STATUS_MAX; at++)
        status = status * 10 + (*at - '0');
    return status <= HEALTH_STATUS_MAX ? status : 0;
}
