#include "tools/origin/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/addr.h"
#include "core/base64.h"
#include "core/clock.h"
#include "core/utf8.h"
#include "tls/client_certificate.h"
#include "tls/tls.h"

struct kept {
    json_t *request; /* NULL: free */
    size_t bytes;
};

struct ledger {
    FILE *log; /* NULL: none */
    uint64_t connections_count, requests_count, uncounted_count;
    json_t *faults, *methods, *listeners, *cases, *ids; /* name -> count */
    struct kept kept[LEDGER_REQUESTS_MAX]; /* a ring: the request number n at n % max */
    uint64_t oldest; /* number of the oldest that is kept; requests are numbered from 1 */
    size_t kept_bytes;
};

/* ---- life ---------------------------------------------------------------------------------- */

static void drop_oldest(struct ledger *ledger)
{
    struct kept *kept = &ledger->kept[ledger->oldest++ % LEDGER_REQUESTS_MAX];

    json_decref(kept->request);
    ledger->kept_bytes -= kept->bytes;
    *kept = (struct kept){ 0 };
}

static void drop_all(struct ledger *ledger)
{
    while (ledger->oldest <= ledger->requests_count)
        drop_oldest(ledger);
    json_decref(ledger->faults);
    json_decref(ledger->methods);
    json_decref(ledger->listeners);
    json_decref(ledger->cases);
    json_decref(ledger->ids);
}

/* Without memory the counts stay empty, and everything is uncounted. */
static void begin(struct ledger *ledger)
{
    ledger->connections_count = ledger->requests_count = ledger->uncounted_count = 0;
    ledger->oldest = 1;
    ledger->faults = json_object();
    ledger->methods = json_object();
    ledger->listeners = json_object();
    ledger->cases = json_object();
    ledger->ids = json_object();
}

struct ledger *ledger_create(const char *log, char *error, size_t error_size)
{
    struct ledger *ledger = calloc(1, sizeof(*ledger));

    if (!ledger) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    begin(ledger);
    if (!log)
        return ledger;
    ledger->log = strcmp(log, "-") == 0 ? stdout : fopen(log, "ae");
    if (ledger->log)
        return ledger;
    snprintf(error, error_size, "cannot write %s: %s", log, strerror(errno));
    ledger_free(ledger);
    return NULL;
}

void ledger_free(struct ledger *ledger)
{
    if (!ledger)
        return;
    drop_all(ledger);
    if (ledger->log && ledger->log != stdout)
        (void)fclose(ledger->log); /* every line was flushed */
    free(ledger);
}

void ledger_reset(struct ledger *ledger)
{
    drop_all(ledger);
    begin(ledger);
}

/* ---- counting ------------------------------------------------------------------------------ */

/* Returns what it was before. */
static uint64_t count(struct ledger *ledger, json_t *counts, const char *key)
{
    json_t *value = json_object_get(counts, key);

    if (value) {
        uint64_t before = (uint64_t)json_integer_value(value);

        (void)json_integer_set(value, (json_int_t)before + 1); /* it is one */
        return before;
    }
    if (json_object_size(counts) >= LEDGER_KEYS_MAX ||
        json_object_set_new(counts, key, json_integer(1)) < 0)
        ledger->uncounted_count++;
    return 0;
}

/* Names of a client's choice: as UTF-8, or with what is none escaped. */
static void count_slice(struct ledger *ledger, json_t *counts, struct slice key)
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
    (void)count(ledger, counts, text);
}

void ledger_count_connection(struct ledger *ledger, const char *listener)
{
    ledger->connections_count++;
    (void)count(ledger, ledger->listeners, listener);
}

uint64_t ledger_count_fault(struct ledger *ledger, const char *fault)
{
    return count(ledger, ledger->faults, fault);
}

static json_t *repeated(const json_t *counts)
{
    json_t *result = json_object(), *value;
    const char *key;

    json_object_foreach((json_t *)(uintptr_t)counts, key, value) if (json_integer_value(value) > 1)(
        void) json_object_set(result, key, value); /* a lack of memory shows in the answer */
    return result;
}

json_t *ledger_hits(const struct ledger *ledger)
{
    return json_pack("{s:I, s:I, s:O, s:O, s:O, s:O, s:O, s:{s:o, s:o}, s:I}", "connections",
                     (json_int_t)ledger->connections_count, "requests",
                     (json_int_t)ledger->requests_count, "listeners", ledger->listeners, "methods",
                     ledger->methods, "faults", ledger->faults, "cases", ledger->cases,
                     "request_ids", ledger->ids, "duplicates", "cases", repeated(ledger->cases),
                     "request_ids", repeated(ledger->ids), "uncounted",
                     (json_int_t)ledger->uncounted_count);
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

    if (!tls)
        return json_null();
    client = tls->client.certificate;
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s?, s:s?, s:s?, s:s}", "version", tls->version,
                     "cipher", tls->cipher, "server_name", tls->server_name, "alpn", tls->alpn,
                     "resumed", tls->resumed, "client_subject", client ? client->subject : NULL,
                     "client_issuer", client ? client->issuer : NULL, "client_serial",
                     client ? client->serial : NULL, "client_verify",
                     tls->client.verify ? tls->client.verify : "NONE");
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

static json_t *request_json(uint64_t number, const struct ledger_place *place,
                            const struct request_head *head)
{
    char now[64], peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];
    struct slice case_id = request_field(head, "X-Hopgate-Case");
    struct slice id = request_field(head, "X-Request-Id");
    json_t *request;

    format_time(now, sizeof(now));
    request = json_pack(
        "{s:I, s:s, s:s, s:I, s:I, s:s, s:s, s:o, s:s?, s:I, s:s, s:o}", "id", (json_int_t)number,
        "time", now, "listener", place->listener, "connection",
        (json_int_t)place->endpoint->connection_id, "number", (json_int_t)place->number, "peer",
        addr_format(&place->endpoint->peer, peer, sizeof(peer)), "local",
        addr_format(&place->endpoint->local, local, sizeof(local)), "tls", tls_json(place->tls),
        "fault", place->fault, "head_bytes", (json_int_t)head->length, "framing",
        framing_text(head->framing), "fields", fields_json(head));
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

json_t *ledger_add_request(struct ledger *ledger, const struct ledger_place *place,
                           const struct request_head *head)
{
    struct slice case_id = request_field(head, "X-Hopgate-Case");
    struct slice id = request_field(head, "X-Request-Id");
    uint64_t number = ++ledger->requests_count;
    struct kept *kept = &ledger->kept[number % LEDGER_REQUESTS_MAX];

    while (ledger->oldest < number && (number - ledger->oldest >= LEDGER_REQUESTS_MAX ||
                                       ledger->kept_bytes + head->length > LEDGER_HEADS_BYTES_MAX))
        drop_oldest(ledger);
    count_slice(ledger, ledger->methods, head->method);
    if (case_id.ptr)
        count_slice(ledger, ledger->cases, case_id);
    if (id.ptr)
        count_slice(ledger, ledger->ids, id);
    kept->request = request_json(number, place, head);
    kept->bytes = head->length;
    ledger->kept_bytes += kept->bytes;
    return json_incref(kept->request);
}

static void write_line(struct ledger *ledger, const json_t *request)
{
    json_t *line = json_copy((json_t *)(uintptr_t)request); /* it does not change it */
    char *text;

    (void)json_object_del(line, "fields"); /* they may hold secrets, and are to be asked for */
    text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text) {
        (void)fprintf(ledger->log, "%s\n", text); /* a full disk must not stop the lab */
        (void)fflush(ledger->log);
    }
    free(text);
}

void ledger_finish_request(struct ledger *ledger, json_t *request,
                           const struct ledger_outcome *outcome)
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
    if (ledger->log && request)
        write_line(ledger, request);
}

static bool is_of_case(const json_t *request, struct slice case_id)
{
    return case_id.len == 0 ||
           slice_equal(slice_of(json_string_value(json_object_get(request, "case"))), case_id);
}

json_t *ledger_requests(const struct ledger *ledger, const struct ledger_query *query)
{
    uint64_t number = query->since + 1 > ledger->oldest ? query->since + 1 : ledger->oldest;
    json_t *list = json_array();

    for (; number <= ledger->requests_count && json_array_size(list) < query->limit; number++) {
        json_t *request = ledger->kept[number % LEDGER_REQUESTS_MAX].request;

        if (request && is_of_case(request, query->case_id))
            (void)json_array_append(list, request); /* a lack of memory shows in the list */
    }
    return json_pack("{s:o, s:I, s:I}", "requests", list, "oldest", (json_int_t)ledger->oldest,
                     "count", (json_int_t)ledger->requests_count);
}
