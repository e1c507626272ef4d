#include "proxy/report/capture_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base64.h"
#include "core/utf8.h"
#include "proxy/persona/persona.h"
#include "proxy/report/json_text.h"
#include "proxy/report/secrets.h"

enum { LINE_BYTES_USUAL = 8192 };

/* What a line is written with. */
struct capture {
    struct text text;
    const struct siphash_key *key;
    bool shows_secrets;
};

void capture_log_init(struct capture_log *log, struct log_file *file)
{
    *log = (struct capture_log){ .file = file };
    /* no key at all would still tell values apart, within this lab */
    (void)!getrandom(&log->key, sizeof(log->key), 0);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static void add_base64(struct text *text, struct slice bytes)
{
    char *encoded = arena_alloc(text->arena, base64_length(bytes.len) + 1);

    if (!encoded) {
        text->failed = true;
        return;
    }
    base64_encode((const unsigned char *)bytes.ptr, bytes.len, encoded);
    json_add_quoted(text, (struct slice){ encoded, base64_length(bytes.len) });
}

static void add_bytes(struct json_object *object, const char *key, const char *base64_key,
                      struct slice bytes)
{
    if (utf8_is_valid(bytes)) {
        json_add_text(object, key, bytes);
        return;
    }
    json_add_key(object, base64_key);
    add_base64(object->text, bytes);
}

/* A copy with what is secret in its query as asterisks. ptr NULL: no memory. */
static struct slice masked_query(struct capture *capture, struct slice text)
{
    char *copy = arena_alloc(capture->text.arena, text.len + 1);

    if (!copy) {
        capture->text.failed = true;
        return (struct slice){ NULL, 0 };
    }
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    secrets_mask_query(copy, text.len);
    return (struct slice){ copy, text.len };
}

/* ---- a message ----------------------------------------------------------------------------- */

static void add_digest(struct capture *capture, struct json_object *object, struct slice value)
{
    char digest[17];

    snprintf(digest, sizeof(digest), "%016" PRIx64, siphash(capture->key, value));
    json_add_text(object, "masked", slice_of(digest));
}

static void add_value(struct capture *capture, struct json_object *object,
                      const struct field *field)
{
    struct slice shown = field->value;

    if (!capture->shows_secrets) {
        if (secrets_name_is_secret(field->name)) {
            add_digest(capture, object, field->value);
            return;
        }
        shown = masked_query(capture, field->value);
        if (!slice_equal(shown, field->value))
            add_digest(capture, object, field->value);
    }
    add_bytes(object, "value", "value_base64", shown);
}

static void add_fields(struct capture *capture, struct json_object *parent,
                       const struct fields *fields)
{
    json_add_key(parent, "fields");
    text_add_string(&capture->text, "[");
    for (uint32_t i = 0; fields && i < fields->count; i++) {
        struct json_object object;

        text_add_string(&capture->text, i > 0 ? "," : "");
        object = json_object_open(&capture->text);
        add_bytes(&object, "name", "name_base64", fields->items[i].name);
        add_value(capture, &object, &fields->items[i]);
        json_object_close(&object);
    }
    text_add_string(&capture->text, "]");
}

static void add_message(struct capture *capture, struct json_object *parent, const char *key,
                        struct slice line, const struct fields *fields)
{
    struct json_object object;

    json_add_key(parent, key);
    object = json_object_open(&capture->text);
    add_bytes(&object, "line", "line_base64",
              capture->shows_secrets ? line : masked_query(capture, line));
    add_fields(capture, &object, fields);
    json_object_close(&object);
}

static void add_request_received(struct capture *capture, struct json_object *parent,
                                 const struct exchange_record *record)
{
    if (record->request)
        add_message(capture, parent, "request_received", record->request->request_line,
                    &record->request->fields);
    else if (record->bad_request_line.len > 0 || record->known_fields)
        add_message(capture, parent, "request_received", record->bad_request_line,
                    record->known_fields);
}

/* As http1_writer.c writes it. */
static struct slice request_line(struct capture *capture, const struct http_outgoing *head)
{
    struct text line;

    text_init(&line, capture->text.arena);
    text_add(&line, head->method);
    text_add_string(&line, " ");
    text_add(&line, head->target);
    text_addf(&line, " HTTP/1.%u", head->version_minor);
    return text_take(&line);
}

static struct slice status_line(struct capture *capture, unsigned version_minor, unsigned status,
                                struct slice reason)
{
    struct text line;

    text_init(&line, capture->text.arena);
    text_addf(&line, "HTTP/1.%u %03u ", version_minor, status);
    text_add(&line, reason);
    return text_take(&line);
}

static void add_messages(struct capture *capture, struct json_object *parent,
                         const struct exchange_record *record, const struct capture_heads *heads)
{
    const struct http_outgoing *request = heads->request_sent, *response = heads->response_sent;
    const struct http_head *received = heads->response_received;

    add_request_received(capture, parent, record);
    if (request)
        add_message(capture, parent, "request_sent", request_line(capture, request),
                    request->fields);
    if (received)
        add_message(
            capture, parent, "response_received",
            status_line(capture, received->version_minor, received->status, received->reason),
            &received->fields);
    if (response)
        add_message(
            capture, parent, "response_sent",
            status_line(capture, response->version_minor, response->status, response->reason),
            response->fields);
}

/* ---- connections --------------------------------------------------------------------------- */

static void add_client(struct json_object *parent, const struct exchange_record *record)
{
    struct json_object object;

    json_add_key(parent, "client");
    object = json_object_open(parent->text);
    json_add_address(&object, "peer_ip", "peer_port", &record->client_peer);
    json_add_address(&object, "local_ip", "local_port", &record->client_local);
    json_add_number(&object, "connection", record->client_connection_id);
    json_add_number(&object, "request_number", record->client_request_number);
    json_object_close(&object);
}

static void add_target(struct json_object *parent, const struct exchange_record *record)
{
    const struct try_record *last = exchange_record_peek_try(record);
    struct json_object object;

    if (!last)
        return;
    json_add_key(parent, "target");
    object = json_object_open(parent->text);
    json_add_address(&object, "ip", "port", &last->target);
    json_add_address(&object, "local_ip", "local_port", &last->local);
    json_add_number(&object, "connection", last->connection_id);
    json_add_number(&object, "request_number", last->request_number);
    json_object_close(&object);
}

struct slice capture_log_line(const struct siphash_key *key, bool shows_secrets,
                              const struct exchange_record *record,
                              const struct capture_heads *heads, struct arena *arena)
{
    struct capture capture = { .key = key, .shows_secrets = shows_secrets };
    struct json_object object;

    text_init_sized(&capture.text, arena, LINE_BYTES_USUAL);
    object = json_object_open(&capture.text);
    json_add_number(&object, "started_at", record->started_at_unix_ms);
    json_add_text(&object, "hop", record->hop_name);
    json_add_text(&object, "persona", slice_of(record->persona->name));
    json_add_number(&object, "exchange", record->number);
    json_add_text(&object, "request_id", slice_of(record->request_id));
    json_add_text(&object, "reason", slice_of(end_reason_info(record->reason)->name));
    json_add_text(&object, "source", record->from_upstream ? SLICE("upstream") : SLICE("self"));
    json_add_number(&object, "tries_count", record->tries_count);
    add_client(&object, record);
    add_target(&object, record);
    add_messages(&capture, &object, record, heads);
    json_object_close(&object);
    text_add_string(&capture.text, "\n");
    return text_take(&capture.text);
}
