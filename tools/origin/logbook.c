#include "tools/origin/logbook.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/base64.h"
#include "core/clock.h"
#include "core/utf8.h"
#include "proxy/report/secrets.h"
#include "tls/client_certificate.h"
#include "tls/tls.h"

enum { FIELD_BYTES = 512 }; /* what a field takes as JSON, about */

struct kept {
    json_t *request; /* NULL: free */
    size_t bytes;
};

struct logbook {
    FILE *log; /* NULL: none */
    uint64_t connections_count, requests_count, uncounted_count;
    json_t *faults, *methods, *listeners, *cases, *ids; /* name -> count */
    json_t *played;                                     /* "listener fault" -> count */
    struct kept kept[LOGBOOK_REQUESTS_MAX]; /* a ring: the request number n at n % max */
    uint64_t oldest; /* number of the oldest that is kept; requests are numbered from 1 */
    size_t kept_bytes;
};

/* ---- life ---------------------------------------------------------------------------------- */

static void drop_oldest(struct logbook *logbook)
{
    struct kept *kept = &logbook->kept[logbook->oldest++ % LOGBOOK_REQUESTS_MAX];

    json_decref(kept->request);
    logbook->kept_bytes -= kept->bytes;
    *kept = (struct kept){ 0 };
}

static void drop_all(struct logbook *logbook)
{
    while (logbook->oldest <= logbook->requests_count)
        drop_oldest(logbook);
    json_decref(logbook->faults);
    json_decref(logbook->methods);
    json_decref(logbook->listeners);
    json_decref(logbook->cases);
    json_decref(logbook->ids);
    json_decref(logbook->played);
}

/* Without memory the counts stay empty, and everything is uncounted. */
static void begin(struct logbook *logbook)
{
    logbook->connections_count = logbook->requests_count = logbook->uncounted_count = 0;
    logbook->oldest = 1;
    logbook->faults = json_object();
    logbook->methods = json_object();
    logbook->listeners = json_object();
    logbook->cases = json_object();
    logbook->ids = json_object();
    logbook->played = json_object();
}

struct logbook *logbook_create(const char *log, char *error, size_t error_size)
{
    struct logbook *logbook = calloc(1, sizeof(*logbook));

    if (!logbook) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    begin(logbook);
    if (!log)
        return logbook;
    logbook->log = strcmp(log, "-") == 0 ? stdout : fopen(log, "ae");
    if (logbook->log)
        return logbook;
    snprintf(error, error_size, "cannot write %s: %s", log, strerror(errno));
    logbook_free(logbook);
    return NULL;
}

void logbook_free(struct logbook *logbook)
{
    if (!logbook)
        return;
    drop_all(logbook);
    if (logbook->log && logbook->log != stdout)
        (void)fclose(logbook->log); /* every line was flushed */
    free(logbook);
}

void logbook_reset(struct logbook *logbook)
{
    drop_all(logbook);
    begin(logbook);
}

/* ---- counting ------------------------------------------------------------------------------ */

/* Returns what it was before. */
static uint64_t count(struct logbook *logbook, json_t *counts, const char *key)
{
    json_t *value = json_object_get(counts, key);

    if (value) {
        uint64_t before = (uint64_t)json_integer_value(value);

        (void)json_integer_set(value, (json_int_t)before + 1); /* it is one */
        return before;
    }
    if (json_object_size(counts) >= LOGBOOK_KEYS_MAX ||
        json_object_set_new(counts, key, json_integer(1)) < 0)
        logbook->uncounted_count++;
    return 0;
}

/* Names of a client's choice: as UTF-8, or with what is none escaped. */
static void count_slice(struct logbook *logbook, json_t *counts, struct slice key)
{
    char text[256];
    size_t length = 0;
    bool valid = utf8_is_valid(key);

    for (size_t i = 0; i < key.len && length + 5 < sizeof(text); i++) {
        unsigned char byte = (unsigned char)key.ptr[i];

        if (byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !valid))
            length += (size_t)snprintf(text + length, 5, "\\x%02x", byte);
        else
            text[length++] = (char)byte;
    }
    while (valid && length > 0 && key.len > length && ((unsigned char)text[length - 1] & 0x80))
        length--; /* cut within a character perhaps */
    text[length] = '\0';
    (void)count(logbook, counts, text);
}

void logbook_count_connection(struct logbook *logbook, const char *listener)
{
    logbook->connections_count++;
    (void)count(logbook, logbook->listeners, listener);
}

uint64_t logbook_count_fault(struct logbook *logbook, const char *fault)
{
    return count(logbook, logbook->faults, fault);
}

uint64_t logbook_count_played(struct logbook *logbook, const char *listener, const char *fault)
{
    char key[256];

    snprintf(key, sizeof(key), "%s %s", listener, fault);
    (void)logbook_count_fault(logbook, fault);
    return count(logbook, logbook->played, key);
}

static json_t *repeated(const json_t *counts)
{
    json_t *result = json_object(), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)counts, key, value) if (json_integer_value(value) > 1)(
        void) json_object_set(result, key, value); /* a lack of memory shows in the answer */
    return result;
}

json_t *logbook_hits(const struct logbook *logbook)
{
    return json_pack("{s:I, s:I, s:O, s:O, s:O, s:O, s:O, s:{s:o, s:o}, s:I}", "connections",
                     (json_int_t)logbook->connections_count, "requests",
                     (json_int_t)logbook->requests_count, "listeners", logbook->listeners,
                     "methods", logbook->methods, "faults", logbook->faults, "cases",
                     logbook->cases, "request_ids", logbook->ids, "duplicates", "cases",
                     repeated(logbook->cases), "request_ids", repeated(logbook->ids), "uncounted",
                     (json_int_t)logbook->uncounted_count);
}

/* ---- a request as JSON --------------------------------------------------------------------- */

/* Under `key`, or as base64 under `key`_base64 when it is not UTF-8: no byte gets lost. */
static void set_bytes(json_t *object, const char *key, struct slice bytes)
{
    char name[64];
    char *text;

    if (utf8_is_valid(bytes)) {
        (void)json_object_set_new(object, key, json_stringn(bytes.ptr ? bytes.ptr : "", bytes.len));
        return;
    }
    text = malloc(base64_length(bytes.len) + 1);
    if (!text)
        return;
    base64_encode((const unsigned char *)bytes.ptr, bytes.len, text);
    snprintf(name, sizeof(name), "%s_base64", key);
    (void)json_object_set_new(object, name, json_stringn(text, base64_length(bytes.len)));
    free(text);
}

static json_t *fields_json(const struct request_head *head)
{
    json_t *list = json_array();

    for (size_t i = 0; i < head->fields_count; i++) {
        json_t *field = json_object();

        set_bytes(field, "name", head->fields[i].name);
        set_bytes(field, "value", head->fields[i].value);
        (void)json_array_append_new(list, field); /* a lack of memory shows in the list */
    }
    return list;
}

static json_t *tls_json(const struct tls_session_info *tls)
{
    const struct tls_client_certificate *client;
    json_t *facts;

    if (!tls)
        return json_null();
    client = tls->client.certificate;
    facts =
        json_pack("{s:s, s:s, s:s, s:b, s:s?, s:s?, s:s?, s:s}", "version", tls->version, "cipher",
                  tls->cipher, "alpn", tls->alpn, "resumed", tls->resumed, "client_subject",
                  client ? client->subject : NULL, "client_issuer", client ? client->issuer : NULL,
                  "client_serial", client ? client->serial : NULL, "client_verify",
                  tls->client.verify ? tls->client.verify : "NONE");
    set_bytes(facts, "server_name", slice_of(tls->server_name));
    return facts;
}

static const char *framing_text(enum http_framing framing)
{
    return framing == HTTP_FRAMING_CHUNKED  ? "chunked"
           : framing == HTTP_FRAMING_LENGTH ? "length"
                                            : "none";
}

static void format_time(char *into, size_t size)
{
    uint64_t now_ms = clock_unix_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    char text[32];

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(into, size, "%s.%03uZ", text, (unsigned)(now_ms % 1000));
}

/* Which connection, and what was to happen on it. */
static json_t *place_json(uint64_t number, const struct logbook_place *place)
{
    char now[64], peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];

    format_time(now, sizeof(now));
    return json_pack("{s:I, s:s, s:s, s:I, s:I, s:s, s:s, s:o, s:s?}", "id", (json_int_t)number,
                     "time", now, "listener", place->listener, "connection",
                     (json_int_t)place->endpoint->connection_id, "number",
                     (json_int_t)place->number, "peer",
                     addr_format(&place->endpoint->peer, peer, sizeof(peer)), "local",
                     addr_format(&place->endpoint->local, local, sizeof(local)), "tls",
                     tls_json(place->tls), "fault", place->fault);
}

static json_t *request_json(uint64_t number, const struct logbook_place *place,
                            const struct request_head *head)
{
    struct slice case_id = request_field(head, "X-Hopgate-Case");
    struct slice id = request_field(head, "X-Request-Id");
    json_t *request = place_json(number, place), *more;

    more = json_pack("{s:I, s:s, s:o, s:I}", "head_bytes", (json_int_t)head->length, "framing",
                     framing_text(head->framing), "fields", fields_json(head), "fields_omitted",
                     (json_int_t)head->fields_omitted);
    (void)json_object_update(request, more); /* without memory it says less */
    json_decref(more);
    if (!request)
        return NULL;
    set_bytes(request, "method", head->method);
    set_bytes(request, "target", head->target);
    set_bytes(request, "version", head->version);
    if (case_id.ptr)
        set_bytes(request, "case", case_id);
    if (id.ptr)
        set_bytes(request, "request_id", id);
    return request;
}

/* ---- keeping ------------------------------------------------------------------------------- */

json_t *logbook_add_request(struct logbook *logbook, const struct logbook_place *place,
                            const struct request_head *head)
{
    struct slice case_id = request_field(head, "X-Hopgate-Case");
    struct slice id = request_field(head, "X-Request-Id");
    uint64_t number = ++logbook->requests_count;
    struct kept *kept = &logbook->kept[number % LOGBOOK_REQUESTS_MAX];
    size_t bytes;

    bytes = head->length + head->fields_count * FIELD_BYTES;
    while (logbook->oldest < number && (number - logbook->oldest >= LOGBOOK_REQUESTS_MAX ||
                                        logbook->kept_bytes + bytes > LOGBOOK_BYTES_MAX))
        drop_oldest(logbook);
    count_slice(logbook, logbook->methods, head->method);
    if (case_id.ptr)
        count_slice(logbook, logbook->cases, case_id);
    if (id.ptr)
        count_slice(logbook, logbook->ids, id);
    kept->request = request_json(number, place, head);
    kept->bytes = bytes;
    logbook->kept_bytes += kept->bytes;
    return json_incref(kept->request);
}

static void add_header(json_t *headers, const char *name, const char *value)
{
    bool is_secret = secrets_name_is_secret(slice_of(name));
    json_t *text = json_string(is_secret ? "REDACTED" : value), *before;
    char *key = strdup(name);

    for (char *at = key; at && *at; at++)
        *at = (char)tolower((unsigned char)*at);
    before = key ? json_object_get(headers, key) : NULL;
    if (json_is_array(before))
        (void)json_array_append_new(before, text);
    else if (before)
        (void)json_object_set_new(headers, key, json_pack("[O, o]", before, text));
    else if (key)
        (void)json_object_set_new(headers, key, text);
    free(key);
}

/* As a hop's access log has them: by name in lower case, and what is secret is not shown. What is no text
 * has to be asked for. */
static json_t *headers_json(const json_t *fields)
{
    json_t *headers = json_object(), *field;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)fields, i, field)
    {
        const char *name = json_string_value(json_object_get(field, "name"));
        const char *value = json_string_value(json_object_get(field, "value"));

        if (name && value)
            add_header(headers, name, value);
    }
    return headers;
}

static void write_line(struct logbook *logbook, const json_t *request)
{
    json_t *line = json_copy((json_t *)(uintptr_t)request); /* it does not change it */
    const json_t *fields = json_object_get(line, "fields");
    char *text;

    if (fields)
        (void)json_object_set_new(line, "headers", headers_json(fields));
    (void)json_object_del(line, "fields"); /* they may hold secrets, and are to be asked for */
    text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text) {
        (void)fprintf(logbook->log, "%s\n", text); /* a full disk must not stop the lab */
        (void)fflush(logbook->log);
    }
    free(text);
}

void logbook_add_silent(struct logbook *logbook, const struct logbook_place *place, const char *end)
{
    json_t *line = logbook->log ? place_json(0, place) : NULL;

    if (!line)
        return;
    (void)json_object_set_new(line, "end", json_string(end)); /* without memory it says less */
    write_line(logbook, line);
    json_decref(line);
}

void logbook_finish_request(struct logbook *logbook, json_t *request,
                            const struct logbook_outcome *outcome)
{
    char hash[20];
    json_t *more;

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)outcome->content_hash);
    more = json_pack("{s:I, s:s, s:b, s:b, s:o, s:I, s:I, s:s}", "content_bytes",
                     (json_int_t)outcome->content_bytes, "content_fnv1a", hash, "content_complete",
                     outcome->content_complete, "content_broken", outcome->content_broken, "status",
                     outcome->status ? json_integer(outcome->status) : json_null(), "bytes_sent",
                     (json_int_t)outcome->bytes_sent, "duration_ms",
                     (json_int_t)outcome->duration_ms, "end", outcome->end);
    (void)json_object_update(request, more); /* without memory the line says less */
    json_decref(more);
    if (logbook->log && request)
        write_line(logbook, request);
}

static bool is_of_case(const json_t *request, struct slice case_id)
{
    return case_id.len == 0 ||
           slice_equal(slice_of(json_string_value(json_object_get(request, "case"))), case_id);
}

json_t *logbook_requests(const struct logbook *logbook, const struct logbook_query *query)
{
    uint64_t since =
        query->since < logbook->requests_count ? query->since : logbook->requests_count;
    uint64_t number = since + 1 > logbook->oldest ? since + 1 : logbook->oldest;
    json_t *list = json_array();

    for (; number <= logbook->requests_count && json_array_size(list) < query->limit; number++) {
        json_t *request = logbook->kept[number % LOGBOOK_REQUESTS_MAX].request;

        if (request && is_of_case(request, query->case_id))
            (void)json_array_append(list, request); /* a lack of memory shows in the list */
    }
    return json_pack("{s:o, s:I, s:I}", "requests", list, "oldest", (json_int_t)logbook->oldest,
                     "count", (json_int_t)logbook->requests_count);
}
