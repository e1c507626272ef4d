#include "tools/repro/line.h"

#include <stdio.h>
#include <string.h>

#include "tools/repro/phrase.h"
#include "tools/trace/log_formats.h"

/* What container runtimes and syslogs put in front has at most so many words. */
enum { WORDS_IN_FRONT_MAX = 12 };

static const struct {
    const char *name, *title;
} kinds[LINE_KINDS] = { [LINE_ERROR] = { "error", "error log" },
                        [LINE_ACCESS] = { "access", "access log" },
                        [LINE_HAPROXY] = { "haproxy", "httplog" },
                        [LINE_ALB] = { "alb", "access log" } };

static const struct {
    const char *name, *title;
} products[LINE_PRODUCTS] = { [LINE_KONG] = { "kong", "Kong" },
                              [LINE_NGINX] = { "nginx", "nginx" },
                              [LINE_OF_HAPROXY] = { "haproxy", "HAProxy" },
                              [LINE_OF_ALB] = { "alb", "ALB" } };

const char *line_kind_name(enum line_kind kind)
{
    return kinds[kind].name;
}

const char *line_kind_title(enum line_kind kind)
{
    return kinds[kind].title;
}

const char *line_product_name(enum line_product product)
{
    return products[product].name;
}

const char *line_product_title(enum line_product product)
{
    return products[product].title;
}

enum line_product line_product_of(const char *name)
{
    enum line_product product = 0;

    while (product < LINE_PRODUCTS && strcmp(products[product].name, name) != 0)
        product++;
    return product;
}

const struct line_feature *line_feature(const struct line *line, const char *name)
{
    for (unsigned i = 0; i < line->count; i++)
        if (strcmp(line->features[i].name, name) == 0)
            return &line->features[i];
    return NULL;
}

/* ---- features ---- */

static void add(struct line *line, const char *name, bool is_detail, struct slice value)
{
    struct line_feature *feature = &line->features[line->count++];

    feature->name = name;
    feature->is_detail = is_detail;
    (void)snprintf(feature->value, sizeof(feature->value), "%.*s", SLICE_ARG(value));
}

static void essential(struct line *line, const char *name, struct slice value)
{
    add(line, name, false, value);
}

static void detail(struct line *line, const char *name, struct slice value)
{
    add(line, name, true, value);
}

static void keep(char *into, size_t size, struct slice text)
{
    (void)snprintf(into, size, "%.*s", SLICE_ARG(text));
}

/* The method, unless it is no method: "<BADREQ>", the bytes of a TLS hello. */
static void keep_method(struct line *line, struct slice request)
{
    struct slice method, target;

    trace_request_line(request, &method, &target);
    for (size_t i = 0; i < method.len; i++)
        if (method.ptr[i] < 'A' || method.ptr[i] > 'Z')
            return;
    if (target.len > 0)
        keep(line->method, sizeof(line->method), method);
}

/* "502, 502, 200" -> "502,200": how often depends on how many servers there are. */
static void add_statuses(struct line *line, struct slice statuses)
{
    char value[LINE_VALUE_MAX] = "";
    struct slice last = { NULL, 0 };

    while (statuses.len > 0) {
        struct slice one = trace_word(&statuses);
        size_t used = strlen(value);

        while (one.len > 0 && (one.ptr[one.len - 1] == ',' || one.ptr[one.len - 1] == ':'))
            one.len--;
        if (one.len == 0 || slice_equal(one, last))
            continue;
        (void)snprintf(value + used, sizeof(value) - used, "%s%.*s", used > 0 ? "," : "",
                       SLICE_ARG(one));
        last = one;
    }
    detail(line, "upstream_status", slice_of(value));
}

/* ---- formats ---- */

/* Of "http://10.0.0.7:8080/"; where there is no live server the name of the group stands there, which says
 * nothing. */
static struct slice scheme_of(struct slice url, const struct phrase *phrase)
{
    const char *colon = url.len > 0 ? memchr(url.ptr, ':', url.len) : NULL;

    if (!colon || strcmp(phrase->phrase, "no live upstreams") == 0)
        return SLICE("-");
    return (struct slice){ url.ptr, (size_t)(colon - url.ptr) };
}

static bool read_error(struct slice text, struct line *ret)
{
    struct log_error_line said;
    struct phrase phrase;

    if (!log_read_nginx_error(text, &said))
        return false;
    phrase_read(said.text, &phrase);
    ret->kind = LINE_ERROR;
    ret->product = slice_equal(said.server, SLICE("kong")) || said.request_id.len > 0 ||
                           memmem(said.text.ptr, said.text.len, "[kong] ", 7)
                       ? LINE_KONG
                       : LINE_NGINX;
    essential(ret, "phrase", slice_of(phrase.phrase));
    essential(ret, "action", slice_of(phrase.action));
    detail(ret, "detail", slice_of(phrase.detail));
    detail(ret, "level", said.level);
    detail(ret, "upstream", scheme_of(said.upstream, &phrase));
    keep_method(ret, said.request);
    keep(ret->request_id, sizeof(ret->request_id), said.request_id);
    return true;
}

static bool read_access(struct slice text, struct line *ret)
{
    struct log_nginx_words words;
    char status[24];

    if (!log_split_nginx_access(text, &words))
        return false;
    ret->kind = LINE_ACCESS;
    ret->product = words.request_id.len > 0 ? LINE_KONG : LINE_NGINX;
    (void)snprintf(status, sizeof(status), "%03d", (int)(words.status % 1000));
    essential(ret, "status", slice_of(status));
    detail(ret, "bytes", words.bytes > 0 ? SLICE("some") : SLICE("none"));
    ret->has_upstream_fields = words.upstream_addr.len > 0 || words.upstream_status.len > 0;
    if (words.upstream_status.len > 0)
        add_statuses(ret, words.upstream_status);
    keep_method(ret, words.request);
    detail(ret, "request",
           ret->method[0]          ? SLICE("yes")
           : words.request.len > 0 ? SLICE("garbage")
                                   : SLICE("none"));
    keep(ret->request_id, sizeof(ret->request_id), words.request_id);
    return true;
}

static bool read_haproxy(struct slice text, struct line *ret)
{
    struct log_haproxy_words words;
    char timers[LOG_HAPROXY_TIMERS + 1] = "", status[24];

    if (!log_split_haproxy(text, &words))
        return false;
    ret->kind = LINE_HAPROXY;
    ret->product = LINE_OF_HAPROXY;
    (void)snprintf(status, sizeof(status), "%d", (int)(words.status % 1000));
    for (int i = 0; i < LOG_HAPROXY_TIMERS; i++)
        timers[i] = words.timers_ms[i] < 0 ? '-' : '+';
    essential(ret, "state", (struct slice){ words.termination.ptr, 2 });
    essential(ret, "status", slice_of(status));
    essential(ret, "server",
              words.server.len == 0 || words.server.ptr[0] == '<' ? SLICE("none") : SLICE("yes"));
    detail(ret, "timers", slice_of(timers));
    detail(ret, "retries",
           slice_equal(words.retries, SLICE("0")) || words.retries.len == 0 ? SLICE("none")
           : words.retries.ptr[0] == '+'                                    ? SLICE("redispatched")
                                                                            : SLICE("some"));
    keep_method(ret, words.request);
    detail(ret, "request", ret->method[0] ? SLICE("yes") : SLICE("garbage"));
    return true;
}

static bool read_alb(struct slice text, struct line *ret)
{
    struct slice fields[LOG_ALB_FIELDS];
    char timers[4] = "";

    if (!log_split_alb(text, fields))
        return false;
    ret->kind = LINE_ALB;
    ret->product = LINE_OF_ALB;
    for (int i = 0; i < 3; i++)
        timers[i] = slice_starts_with(fields[LOG_ALB_REQUEST_TIME + i], SLICE("-")) ? '-' : '+';
    essential(ret, "status", fields[LOG_ALB_STATUS]);
    essential(ret, "target_status", fields[LOG_ALB_TARGET_STATUS]);
    detail(ret, "timers", slice_of(timers));
    detail(ret, "target", fields[LOG_ALB_TARGET].len > 1 ? SLICE("yes") : SLICE("none"));
    detail(ret, "error_reason",
           fields[LOG_ALB_ERROR_REASON].len > 0 ? fields[LOG_ALB_ERROR_REASON] : SLICE("-"));
    keep_method(ret, fields[LOG_ALB_REQUEST]);
    keep(ret->request_id, sizeof(ret->request_id), fields[LOG_ALB_TRACE_ID]);
    return true;
}

/* ---- the line ---- */

static void take_text(struct slice text, struct line *line)
{
    size_t length = text.len < LINE_TEXT_MAX ? text.len : LINE_TEXT_MAX - 1;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        line->text[i] = c == '\t' ? ' ' : c < 0x20 || c >= 0x7f ? '?' : (char)c;
    }
    line->text[length] = '\0';
}

bool line_read(struct slice text, struct line *ret)
{
    static bool (*const readers[])(struct slice, struct line *) = { read_alb, read_error,
                                                                    read_access, read_haproxy };
    struct slice rest;

    *ret = (struct line){ .count = 0 };
    take_text(text, ret);
    rest = slice_of(ret->text);
    for (int word = 0; word < WORDS_IN_FRONT_MAX && rest.len > 0; word++) {
        for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
            if (readers[i](rest, ret))
                return true;
        (void)trace_word(&rest);
        while (rest.len > 0 && rest.ptr[0] == ' ')
            rest = slice_from(rest, 1);
    }
    return false;
}
