/* Heads and contents that pass one hop and are too large for the next. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "tools/doctor/log_words.h"
#include "tools/doctor/place.h"
#include "tools/doctor/rules.h"

#define BUFFERS "nginx_http_large_client_header_buffers"

/* How much of what the client itself sends fits through a hop: its limit, less what hops in front add. */
struct room {
    uint64_t fields, bytes, line;
};

/* Fewer or narrower than that is no finding: nobody's requests end just there. */
enum { FIELDS_APART = 3, BYTES_APART = 512, LINE_OVERHEAD = 16, FILL_LINE_MAX = 4000, PART = 16 };

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A hop in front may also take something away. */
static uint64_t without(uint64_t limit, uint64_t all, uint64_t clients)
{
    uint64_t added = all > clients ? all - clients : 0;

    return limit > added ? limit - added : 0;
}

static bool are_apart(uint64_t here, uint64_t front, uint64_t least_apart)
{
    return front > here && front - here >= least_apart && front - here >= front / PART;
}

static struct room room_of(const struct examination *examination, const struct doctor_stop *stop)
{
    const struct persona_limits *limits = &stop->hop->persona->client.limits;
    const struct doctor_stop *first =
        doctor_journey_at(examination->journey, doctor_hop_behind(examination->model, NULL));

    return (struct room){
        .fields = without(limits->fields_max_count, stop->in.fields.count, first->in.fields.count),
        .bytes = without(limits->head_max_bytes, doctor_fields_bytes(&stop->in.fields),
                         doctor_fields_bytes(&first->in.fields)),
        .line = limits->field_line_max_bytes,
    };
}

/* A hop, and the narrowest room in front of it. */
struct narrowing {
    const struct examination *examination;
    const struct doctor_hop *hop;
    struct room front, here;
    const char *front_name; /* of the hop just in front */
};

static void tell(const struct narrowing *at, const char *what, const char *key, const char *value,
                 uint64_t front, uint64_t here, uint64_t fill_lines, uint64_t fill_bytes)
{
    const struct examination *examination = at->examination;
    const char *name = at->hop->element->name;
    struct doctor_finding *finding = doctor_find(examination, at->front_name, name);
    unsigned got =
        doctor_status_for_client(examination->model, at->hop, END_CLIENT_HEAD_TOO_BIG, false);
    char status[DOCTOR_STATUS_MAX], place[DOCTOR_PLACE_MAX], options[120], words[DOCTOR_LOG_MAX];

    doctor_title(finding, "a request with more than %" PRIu64 " %s passes %s and is refused by %s",
                 here, what, at->front_name, name);
    doctor_seen(finding,
                "Requests grow (cookies, tokens, fields that hops add): beyond %" PRIu64
                " %s the client gets %s; %s %s, the origin sees nothing.",
                here, what, doctor_status_text(got, status, sizeof(status)), name,
                doctor_log_words(at->hop, END_CLIENT_HEAD_TOO_BIG, false, words, sizeof(words)));
    doctor_where(finding, "in front: %" PRIu64 " %s of the client's would pass", front, what);
    doctor_where(finding, "%s: %" PRIu64 " %s, by %s%s", name, here, what, key,
                 doctor_place_of_setting(examination->model, at->hop, key, place, sizeof(place)));
    doctor_fix(finding, "%s: set %s to %s", name, key, value);
    snprintf(options, sizeof(options), "--fill %" PRIu64 "x%" PRIu64, fill_lines, fill_bytes);
    doctor_command(examination, finding, options, "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = got;
    doctor_shows_hop(finding, name, END_CLIENT_HEAD_TOO_BIG, END_CLIENT_HEAD_INVALID);
}

static void look_at_fields(const struct narrowing *at)
{
    uint64_t total = (at->here.fields + at->front.fields + 1) / 2;
    uint64_t max = at->hop->persona->client.limits.fields_max_count;
    char value[24];

    if (!are_apart(at->here.fields, at->front.fields, FIELDS_APART) || total * 32 > at->here.bytes)
        return;
    snprintf(value, sizeof(value), "%" PRIu64, max + at->front.fields - at->here.fields);
    tell(at, "fields", "hopgate_client_max_fields", value, at->front.fields, at->here.fields,
         total - JOURNEY_BASE_FIELDS, 4);
}

/* So many large buffers that a line and a head of those sizes fit. */
static const char *buffers_for(uint64_t line, uint64_t bytes, char *into, size_t size)
{
    uint64_t each = (line + 1023) / 1024;

    snprintf(into, size, "\"%" PRIu64 " %" PRIu64 "k\"", (bytes + each * 1024 - 1) / (each * 1024),
             each);
    return into;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void look_at_line(const struct narrowing *at)
{
    uint64_t bytes = larger(at->here.bytes, at->front.line);
    char value[48];

    if (!are_apart(at->here.line, at->front.line, BYTES_APART) ||
        at->here.line + BYTES_APART > at->front.bytes)
        return;
    tell(at, "bytes in one field", BUFFERS,
         buffers_for(at->front.line, bytes, value, sizeof(value)), at->front.line, at->here.line, 1,
         at->here.line);
}

static void look_at_bytes(const struct narrowing *at)
{
    uint64_t apart = at->front.bytes > at->here.bytes ? at->front.bytes - at->here.bytes : 0;
    uint64_t total = at->here.bytes + least(apart / 2, 4096);
    uint64_t line = least(least(at->here.line, at->front.line) / 2, FILL_LINE_MAX);
    uint64_t lines = line > 0 ? total / line + 1 : 0;
    char value[48];

    if (!are_apart(at->here.bytes, at->front.bytes, BYTES_APART) || lines == 0 ||
        lines + 2 * JOURNEY_BASE_FIELDS > at->here.fields)
        return;
    tell(at, "bytes", BUFFERS,
         buffers_for(larger(at->here.line, at->front.line), at->front.bytes, value, sizeof(value)),
         at->front.bytes, at->here.bytes, lines, total / lines - LINE_OVERHEAD);
}

void doctor_rule_request_head(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL);
    struct narrowing at = { .examination = examination };

    for (; hop; hop = doctor_hop_behind(examination->model, hop)) {
        const struct doctor_stop *stop = doctor_journey_at(examination->journey, hop);

        if (!stop)
            return;
        at.hop = hop;
        at.here = room_of(examination, stop);
        if (at.front_name) {
            look_at_fields(&at);
            look_at_line(&at);
            look_at_bytes(&at);
        }
        at.front.fields = at.front_name ? least(at.front.fields, at.here.fields) : at.here.fields;
        at.front.bytes = at.front_name ? least(at.front.bytes, at.here.bytes) : at.here.bytes;
        at.front.line = at.front_name ? least(at.front.line, at.here.line) : at.here.line;
        at.front_name = hop->element->name;
    }
}

/* ---- content ------------------------------------------------------------------------------- */

enum { CONTENT_SHOWN_MAX = 1 << 26 };

static void tell_body(const struct examination *examination, const struct doctor_hop *front,
                      const struct doctor_hop *hop, uint64_t front_max)
{
    const char *name = hop->element->name;
    uint64_t max = hop->persona->client.content_max_bytes;
    struct doctor_finding *finding = doctor_find(examination, front->element->name, name);
    unsigned got =
        doctor_status_for_client(examination->model, hop, END_CLIENT_BODY_TOO_BIG, false);
    char status[DOCTOR_STATUS_MAX], place[DOCTOR_PLACE_MAX], options[80], words[DOCTOR_LOG_MAX];

    doctor_title(finding, "content of more than %" PRIu64 " bytes passes %s and is refused by %s",
                 max, front->element->name, name);
    doctor_seen(finding,
                "Uploads beyond that get %s; %s %s, who is in front knows of no such limit.",
                doctor_status_text(got, status, sizeof(status)), name,
                doctor_log_words(hop, END_CLIENT_BODY_TOO_BIG, false, words, sizeof(words)));
    if (front_max > 0)
        doctor_where(finding, "in front: %" PRIu64 " bytes pass", front_max);
    doctor_where(finding, "%s: nginx_http_client_max_body_size %" PRIu64 "%s", name, max,
                 doctor_place_of_setting(examination->model, hop, "nginx_http_client_max_body_size",
                                         place, sizeof(place)));
    doctor_fix(finding,
               front_max > 0 ? "%s: set nginx_http_client_max_body_size to %" PRIu64
                             : "%s: set nginx_http_client_max_body_size to %" PRIu64
                               " (no limit), as in front",
               name, front_max);
    snprintf(options, sizeof(options), "--content-bytes %" PRIu64, max + 1);
    doctor_command(examination, finding, options, "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = got;
    doctor_shows_hop(finding, name, END_CLIENT_BODY_TOO_BIG, END_CLIENT_BODY_TOO_BIG);
}

void doctor_rule_request_body(const struct examination *examination)
{
    const struct doctor_hop *hop = doctor_hop_behind(examination->model, NULL), *front = NULL;
    uint64_t front_max = 0; /* none */

    for (; hop; front = hop, hop = doctor_hop_behind(examination->model, hop)) {
        uint64_t max = hop->persona->client.content_max_bytes;

        if (front && max > 0 && max < CONTENT_SHOWN_MAX && (front_max == 0 || max < front_max))
            tell_body(examination, front, hop, front_max);
        if (max > 0 && (front_max == 0 || max < front_max))
            front_max = max;
    }
}

/* ---- answers ------------------------------------------------------------------------------- */

/* Faults of `hopgate origin` whose answers have a large head, the smallest first. */
static const struct large_head {
    const char *fault;
    uint64_t bytes, line, fields;
} large_heads[] = {
    { "hdr_90_lines", 90 * 24, 64, 92 }, { "hdr_150_lines", 150 * 24, 64, 152 },
    { "hdr_5k", 5120, 5010, 4 },         { "hdr_20k", 20120, 20010, 4 },
    { "hdr_70k", 70 * 1016, 1024, 74 },
};

static bool takes(const struct doctor_hop *hop, const struct large_head *head)
{
    const struct persona_limits *limits = &hop->persona->upstream.limits;

    return head->bytes <= limits->head_max_bytes && head->line <= limits->field_line_max_bytes &&
           head->fields <= limits->fields_max_count;
}

static void tell_response(const struct examination *examination, const struct doctor_hop *hop,
                          const struct doctor_hop *behind, const struct large_head *head)
{
    const struct persona_limits *limits = &hop->persona->upstream.limits;
    const char *name = hop->element->name, *next = behind->element->name;
    bool by_count = head->fields > limits->fields_max_count;
    const char *key = by_count ? "hopgate_upstream_max_fields" : "nginx_http_proxy_buffer_size";
    struct doctor_finding *finding = doctor_find(examination, name, next);
    unsigned got =
        doctor_status_for_client(examination->model, hop, END_UPSTREAM_HEAD_TOO_BIG, false);
    uint64_t max = by_count ? limits->fields_max_count : limits->head_max_bytes;
    uint64_t behind_max = by_count ? behind->persona->upstream.limits.fields_max_count
                                   : behind->persona->upstream.limits.head_max_bytes;
    const char *unit = by_count ? "fields" : "bytes";
    char status[DOCTOR_STATUS_MAX], place[DOCTOR_PLACE_MAX], options[80], words[DOCTOR_LOG_MAX];

    doctor_title(finding, "an answer with a head of more than %" PRIu64 " %s passes %s, not %s",
                 max, unit, next, name);
    doctor_seen(
        finding,
        "Answers that set many or large cookies become %s: %s %s; the logs of the origin and "
        "of %s have a 200.",
        doctor_status_text(got, status, sizeof(status)), name,
        doctor_log_words(hop, END_UPSTREAM_HEAD_TOO_BIG, false, words, sizeof(words)), next);
    doctor_where(finding, "%s: %s %" PRIu64 "%s", name, key, max,
                 doctor_place_of_setting(examination->model, hop, key, place, sizeof(place)));
    doctor_where(finding, "%s: takes %" PRIu64 " %s", next, behind_max, unit);
    if (by_count)
        doctor_fix(finding, "%s: set %s to %" PRIu64, name, key, behind_max);
    else
        doctor_fix(
            finding,
            "%s: set hopgate_upstream_max_head to %" PRIu64
            " (in Kong nginx_proxy_proxy_buffer_size, with nginx_proxy_proxy_buffers as large)",
            name, behind_max);
    snprintf(options, sizeof(options), "--fault %s", head->fault);
    doctor_command(examination, finding, options, "%s", "");
    finding->shows.has_status = true;
    finding->shows.status = got;
    doctor_shows_hop(finding, name, END_UPSTREAM_HEAD_TOO_BIG, END_UPSTREAM_HEAD_INVALID);
}

static bool passes_behind(const struct doctor_model *model, const struct doctor_hop *hop,
                          const struct large_head *head)
{
    for (; hop; hop = doctor_hop_behind(model, hop))
        if (!takes(hop, head))
            return false;
    return true;
}

void doctor_rule_response_head(const struct examination *examination)
{
    const struct doctor_model *model = examination->model;
    const struct doctor_hop *hop = doctor_hop_behind(model, NULL), *behind;

    for (; hop && (behind = doctor_hop_behind(model, hop)); hop = behind)
        for (size_t i = 0; i < sizeof(large_heads) / sizeof(large_heads[0]); i++) {
            if (takes(hop, &large_heads[i]) || !passes_behind(model, behind, &large_heads[i]))
                continue;
            tell_response(examination, hop, behind, &large_heads[i]);
            break;
        }
}
