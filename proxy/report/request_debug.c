#include "proxy/report/request_debug.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/addr.h"
#include "core/log.h"
#include "proxy/persona/persona.h"

bool request_debug_make_token(char into[REQUEST_DEBUG_TOKEN_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[16];
    size_t at = 0;

    if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
        return false;
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* RFC 9562 5.4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            into[at++] = '-';
        into[at++] = digits[bytes[i] >> 4];
        into[at++] = digits[bytes[i] & 15];
    }
    into[at] = '\0';
    return true;
}

/* As long for a wrong token as for the right one. */
static bool is_token(struct slice given, const char *token)
{
    size_t length = strlen(token);
    unsigned char difference = given.len == length ? 0 : 1;

    for (size_t i = 0; i < length; i++)
        difference |= (unsigned char)(token[i] ^ (given.len > 0 ? given.ptr[i % given.len] : 0));
    return difference == 0;
}

/* 127.0.0.0/8 or ::1, as the client is after trusted_ips. */
static bool is_loopback(struct slice client_ip)
{
    return slice_starts_with(client_ip, SLICE("127.")) || slice_equal(client_ip, SLICE("::1"));
}

static struct slice value_of(const struct fields *fields, struct slice name)
{
    const struct field *field = fields_find_name(fields, name);

    return field ? field->value : (struct slice){ NULL, 0 };
}

bool request_debug_ask(struct exchange_record *record, const char *token)
{
    const struct fields *fields = &record->request->fields;
    struct request_debug *debug = &record->debug;

    if (!slice_equal(value_of(fields, SLICE("X-Kong-Request-Debug")), SLICE("*")))
        return false;
    debug->is_wanted = is_loopback(record->client_ip) ||
                       is_token(value_of(fields, SLICE("X-Kong-Request-Debug-Token")), token);
    debug->is_logged =
        slice_equal(value_of(fields, SLICE("X-Kong-Request-Debug-Log")), SLICE("true"));
    return debug->is_wanted;
}

uint64_t request_debug_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void request_debug_lap(uint64_t *from_us, uint64_t *into_us)
{
    uint64_t now_us = request_debug_now_us();

    *into_us += now_us - *from_us;
    *from_us = now_us;
}

static uint64_t span_us(uint64_t from_us, uint64_t to_us)
{
    return from_us != 0 && to_us > from_us ? to_us - from_us : 0;
}

/* Kong: floor, in milliseconds. */
static void put_total(struct text *into, uint64_t us)
{
    text_addf(into, "\"total_time\":%llu", (unsigned long long)(us / 1000));
}

/* KONG_WAITING_TIME is that of X-Kong-Upstream-Latency: the last pick to the answer's head. */
static void put_upstream(const struct exchange_record *record, bool streamed, struct text *into)
{
    const struct try_record *last = exchange_record_peek_try(record);
    uint64_t head_at_us =
        record->response_head_at_us ? record->response_head_at_us : record->ended_at_us;
    uint64_t first_us = span_us(last->picked_at_us, head_at_us);
    uint64_t rest_us = streamed ? span_us(head_at_us, last->ended_at_us) : 0;

    text_add_string(into, ",\"upstream\":{");
    put_total(into, first_us / 1000 * 1000 + rest_us / 1000 * 1000);
    text_add_string(into, ",\"child\":{\"time_to_first_byte\":{");
    put_total(into, first_us);
    text_add_string(into, "}");
    if (streamed) {
        text_add_string(into, ",\"streaming\":{");
        put_total(into, rest_us);
        text_add_string(into, "}");
    }
    text_add_string(into, "}}");
}

void request_debug_put(const struct exchange_record *record, bool streamed, struct text *into)
{
    const struct request_debug *debug = &record->debug;

    text_add_string(into, "{\"child\":{\"rewrite\":{");
    put_total(into, debug->rewrite_us);
    text_add_string(into, "},\"access\":{");
    put_total(into, debug->access_us);
    text_add_string(into, ",\"child\":{\"router\":{");
    put_total(into, debug->router_us);
    text_add_string(into, "}}}");
    if (record->was_proxied) {
        text_add_string(into, ",\"balancer\":{");
        put_total(into, debug->balancer_us);
        text_add_string(into, "}");
        put_upstream(record, streamed, into);
    }
    text_addf(into, "},\"request_id\":\"%s\"}", record->request_id);
}

/* ngx.log at notice in the log phase; Kong writes its Lua file and line before it. */
struct slice request_debug_line(const struct exchange_record *record, struct arena *arena)
{
    uint64_t at_ms = exchange_record_unix_ms(record, record->ended_at_us);
    const struct http_head *request = record->request;
    char prefix[80];
    struct text text;

    if (!record->debug.is_wanted || !record->debug.is_logged)
        return SLICE("");
    text_init(&text, arena);
    log_format_prefix(LOG_LEVEL_NOTICE, (time_t)(at_ms / 1000), prefix, sizeof(prefix));
    text_addf(&text, "%s*%llu [request-debug] output: ", prefix,
              (unsigned long long)record->client_connection_id);
    request_debug_put(record, true, &text);
    text_add_string(&text, " while logging request, client: ");
    text_add_escaped(&text, record->client_ip, TEXT_ESCAPE_LOG);
    text_addf(&text, ", server: %s, request: \"", record->persona->log.server_name);
    text_add_escaped(&text, request->request_line, TEXT_ESCAPE_LOG);
    text_add_string(&text, "\", host: \"");
    text_add_escaped(&text, request->authority, TEXT_ESCAPE_LOG);
    text_addf(&text, "\", request_id: \"%s\"\n", record->request_id);
    return text_take(&text);
}
