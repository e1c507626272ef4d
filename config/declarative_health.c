/*
 * declarative_health: what of an upstream's health checks is more than the single field: Kong's
 * active.headers, and our hopgate.health.
 */
#include <errno.h>
#include <regex.h>
#include <string.h>

#include "config/declarative_priv.h"

#define FAIL_AT(node, ...) FAIL(loader, node, __VA_ARGS__)

/* ---- Kong's active.headers ----------------------------------------------------------------- */

static size_t count_values(const json_t *headers)
{
    size_t count = 0;
    const char *name;
    json_t *values;

    json_object_foreach((json_t *)headers, name, values) count += json_array_size(values);
    return count;
}

static bool add_header(struct loader *loader, const char *name, const json_t *value,
                       struct config_active_check *active)
{
    const struct config_header header = {
        .name = config_copy_text(loader->config, name, strlen(name)),
        .value =
            config_copy_text(loader->config, json_string_value(value), json_string_length(value)),
    };

    active->headers[active->headers_count++] = header;
    return header.name && header.value;
}

static int read_headers(struct loader *loader, const json_t *headers,
                        struct config_active_check *active)
{
    size_t count = count_values(headers), i;
    const char *name;
    json_t *values, *value;
    int r = 0;

    if (count == 0)
        return 0;
    active->headers = config_alloc(loader->config, count * sizeof(*active->headers));
    if (!active->headers)
        return -ENOMEM;
    json_object_foreach((json_t *)headers, name, values)
    {
        json_array_foreach(values, i, value)
        {
            if (r == 0 && json_is_string(value) && !add_header(loader, name, value, active))
                r = -ENOMEM;
        }
    }
    return r;
}

/* ---- Kong's healthchecks ------------------------------------------------------------------- */

static bool is_probed(const struct config_active_check *active)
{
    return active->healthy_interval_ms > 0 || active->unhealthy_interval_ms > 0;
}

static void note_type(struct loader *loader, const struct document_node *node,
                      const struct config_upstream *upstream)
{
    const char *type = upstream->healthchecks.active.type;

    if (!is_probed(&upstream->healthchecks.active) || !type)
        return;
    if (strncmp(type, "grpc", strlen("grpc")) == 0)
        document_add_error(node, DOCUMENT_AT_VALUE, loader->errors, CONFIG_NOTICE,
                           "active checks of type '%s' are not simulated: no probe is sent", type);
    if (strcmp(type, "tcp") == 0)
        document_add_error(node, DOCUMENT_AT_VALUE, loader->errors, CONFIG_NOTICE,
                           "Kong runs active checks of type 'tcp' for its stream listeners only; "
                           "here they hold for all requests");
}

/* 100 percent of the weight are never more than 100. */
static void warn_of_threshold(struct loader *loader, const struct document_node *node,
                              const struct config_upstream *upstream)
{
    if (upstream->healthchecks.threshold_thousandths == 100 * 1000)
        document_add_error(node, DOCUMENT_AT_VALUE, loader->errors, CONFIG_WARNING,
                           "more than 100 percent of the weight can never be available: all "
                           "requests are answered with 503, as in Kong; use 99 or less");
}

int declarative_finish_healthchecks(struct loader *loader, const struct document_node *node,
                                    const json_t *values, struct config_upstream *upstream)
{
    const json_t *checks = json_object_get(values, "healthchecks");
    struct document_node written, active, member;

    if (document_member(node, "healthchecks", &written)) {
        if (document_member(&written, "threshold", &member))
            warn_of_threshold(loader, &member, upstream);
        if (document_member(&written, "active", &active))
            note_type(loader, document_member(&active, "type", &member) ? &member : &active,
                      upstream);
    }
    return read_headers(loader, json_object_get(json_object_get(checks, "active"), "headers"),
                        &upstream->healthchecks.active);
}

/* ---- hopgate.health ------------------------------------------------------------------------ */

/*
 * F5 writes line ends as \r\n in its strings. `keeps` is for regular expressions, where any other
 * escape is theirs. NULL: no memory.
 */
static char *decode(struct loader *loader, const char *text, bool keeps)
{
    char *copy = config_copy_text(loader->config, text, strlen(text)), *to = copy;

    for (const char *at = copy; copy && *at; at++) {
        if (*at != '\\' || at[1] == '\0') {
            *to++ = *at;
            continue;
        }
        at++;
        if (*at == 'r' || *at == 'n' || *at == 't') {
            *to++ = (char)(*at == 'r' ? '\r' : *at == 'n' ? '\n' : '\t');
            continue;
        }
        if (keeps || *at != '\\')
            *to++ = '\\';
        *to++ = *at;
    }
    if (to)
        *to = '\0';
    return copy;
}

static bool decode_pattern(struct loader *loader, const struct document_node *monitor,
                           const char *field, char **text)
{
    struct document_node member;
    char message[256];
    regex_t pattern;
    int r;

    if (!*text)
        return true;
    *text = decode(loader, *text, true);
    if (!*text)
        return false;
    r = regcomp(&pattern, *text, REG_EXTENDED | REG_NOSUB);
    if (r == 0) {
        regfree(&pattern);
        return true;
    }
    (void)regerror(r, &pattern, message, sizeof(message));
    FAIL_AT(document_member(monitor, field, &member) ? &member : monitor,
            "is no regular expression (POSIX, extended): %s", message);
    return true;
}

static void check_monitor(struct loader *loader, const struct document_node *node,
                          const struct config_upstream *upstream)
{
    const struct config_monitor *monitor = &upstream->monitor;

    if (is_probed(&upstream->healthchecks.active))
        FAIL_AT(node,
                "the upstream '%s' has Kong's active checks as well; remove one of the two, or set "
                "their intervals to 0",
                upstream->name);
    if (monitor->interval_ms == 0)
        FAIL_AT(node, "interval must be more than 0; to have no monitor remove it");
    if (monitor->timeout_ms <= monitor->interval_ms && monitor->interval_ms > 0)
        document_add_error(node, DOCUMENT_AT_VALUE, loader->errors, CONFIG_WARNING,
                           "timeout is not longer than interval, so one late answer takes a target "
                           "down; F5's rule is 3 intervals and a second");
    if (monitor->reverse && !monitor->receive)
        FAIL_AT(node, "reverse needs receive, the string that must not come; add it");
    if (monitor->reverse && monitor->receive_disable)
        FAIL_AT(node, "receive_disable does not go with reverse; remove one of the two");
    if (monitor->receive_disable && !monitor->receive)
        FAIL_AT(node, "receive_disable needs receive, by which a target is up; add it");
    if (strcmp(monitor->type, "tls") == 0 && (monitor->send || monitor->receive))
        FAIL_AT(node, "type tls ends with the handshake: remove send and receive, or use https");
}

static bool read_monitor(struct loader *loader, const struct document_node *node,
                         struct config_upstream *upstream)
{
    struct config_monitor *monitor = &upstream->monitor;

    if (!monitor->type)
        return true; /* told already */
    if (monitor->timeout_ms == 0)
        monitor->timeout_ms = 3 * monitor->interval_ms + 1000; /* F5's rule */
    if (strncmp(monitor->type, "http", strlen("http")) == 0) { /* AS3's defaults */
        if (!monitor->send)
            monitor->send = (char *)"HEAD / HTTP/1.0\\r\\n\\r\\n";
        if (!monitor->receive)
            monitor->receive = (char *)"HTTP/1\\.";
    }
    check_monitor(loader, node, upstream);
    if (monitor->send) {
        monitor->send = decode(loader, monitor->send, false);
        if (!monitor->send)
            return false;
    }
    return decode_pattern(loader, node, "receive", &monitor->receive) &&
           decode_pattern(loader, node, "receive_disable", &monitor->receive_disable);
}

static void check_outliers(struct loader *loader, const struct document_node *node,
                           const struct config_outliers *outliers)
{
    if (outliers->failure_percent == 0 && outliers->latency_factor_thousandths == 0)
        FAIL_AT(node, "says no reason to eject anybody; add failure_percent or latency_factor");
    if (outliers->latency_factor_thousandths > 0 && outliers->latency_factor_thousandths <= 1000)
        FAIL_AT(node, "latency_factor must be more than 1: it is how much slower than the mean");
    if (outliers->interval_ms == 0 || outliers->ejection_ms == 0)
        FAIL_AT(node, "interval and ejection must be more than 0");
}

int declarative_read_health(struct loader *loader, const struct document_node *node,
                            struct config_upstream *upstream)
{
    struct document_node member;

    if (upstream->monitor.type || upstream->outliers.interval_ms > 0) {
        MISFIT(loader, node, "the upstream '%s' has an entry already; put both into one",
               upstream->name);
        return 0;
    }
    schema_read(&loader->reader, &schema_health, node, upstream);
    if (document_member(node, "outliers", &member) && json_is_object(member.value))
        check_outliers(loader, &member, &upstream->outliers);
    if (document_member(node, "monitor", &member) && json_is_object(member.value) &&
        !read_monitor(loader, &member, upstream))
        return -ENOMEM;
    return 0;
}
