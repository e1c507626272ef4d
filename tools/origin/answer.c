#include "tools/origin/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/http/head.h"

enum { FIELDS_MAX = 1000, STATUS_MIN = 100, STATUS_MAX = 999 };

static const uint64_t size_max = 1000ULL * 1000 * 1000 * 1000 * 1000;
static const uint64_t delay_max_ms = 7ULL * 24 * 3600 * 1000;

void answer_init(struct answer *answer)
{
    *answer = (struct answer){ .status = 200 };
}

void answer_done(struct answer *answer)
{
    for (size_t i = 0; i < answer->fields_count; i++) {
        free(answer->fields[i].name);
        free(answer->fields[i].value);
    }
    free(answer->fields);
    free(answer->reason);
    free(answer->content);
    *answer = (struct answer){ 0 };
}

/* ---- members ------------------------------------------------------------------------------- */

static bool add_field(struct answer *answer, struct slice name, struct slice value)
{
    struct answer_field *grown =
        reallocarray(answer->fields, answer->fields_count + 1, sizeof(*grown));
    struct answer_field *field;

    if (!grown)
        return false;
    answer->fields = grown;
    field = &grown[answer->fields_count];
    field->name = strndup(name.ptr, name.len);
    field->value = strndup(value.ptr, value.len);
    if (field->name && field->value) {
        answer->fields_count++;
        return true;
    }
    free(field->name);
    free(field->value);
    return false;
}

bool answer_add_field(struct answer *answer, const char *text, bool *ret_is_field)
{
    const char *colon = strchr(text, ':');
    struct slice value;

    *ret_is_field = colon && colon > text;
    if (!*ret_is_field)
        return false;
    value = slice_of(colon + 1 + strspn(colon + 1, " \t"));
    return add_field(answer, (struct slice){ text, (size_t)(colon - text) }, value);
}

static bool read_form(struct reader *reader, const struct document_node *node, void *into)
{
    static const char *const words[] = { "content", "echo", "ledger", NULL };
    int word = reader_word(reader, node, words);

    if (word >= 0)
        ((struct answer *)into)->form = (enum answer_form)word;
    return true;
}

static bool read_status(struct reader *reader, const struct document_node *node, void *into)
{
    uint64_t status;

    if (reader_count(reader, node, STATUS_MIN, STATUS_MAX, &status))
        ((struct answer *)into)->status = (unsigned)status;
    return true;
}

static bool read_reason(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct answer *)into)->reason);
}

/* One field, or several of the same name. */
static bool read_field(struct reader *reader, const struct document_node *node,
                       struct answer *answer)
{
    struct document_node child = { 0 };
    const char *value = json_string_value(node->value);

    if (value)
        return add_field(answer, slice_of(node->key), slice_of(value));
    if (!reader_is_list(reader, node, "the value of a field"))
        return true;
    while (document_next(node, &child)) {
        value = json_string_value(child.value);
        if (!value)
            reader_fail(reader, &child, "the value of a field must be a text");
        else if (!add_field(answer, slice_of(node->key), slice_of(value)))
            return false;
    }
    return true;
}

static bool read_fields(struct reader *reader, const struct document_node *node, void *into)
{
    struct document_node child = { 0 };

    if (!json_is_object(node->value) || json_object_size(node->value) > FIELDS_MAX) {
        reader_fail(reader, node, "must be a mapping from names to values, %d at most", FIELDS_MAX);
        return true;
    }
    while (document_next(node, &child))
        if (!read_field(reader, &child, into))
            return false;
    return true;
}

static bool read_content(struct reader *reader, const struct document_node *node, void *into)
{
    struct answer *answer = into;

    free(answer->content);
    answer->content = NULL;
    answer->content_length = 0;
    return reader_bytes(reader, node, &answer->content, &answer->content_length);
}

static bool read_size(struct reader *reader, const struct document_node *node, void *into)
{
    struct answer *answer = into;

    answer->has_size = reader_count(reader, node, 0, size_max, &answer->size);
    return true;
}

static bool read_delay(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_count(reader, node, 0, delay_max_ms, &((struct answer *)into)->delay_ms);
    return true;
}

static bool read_chunked(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_boolean(reader, node, &((struct answer *)into)->chunked);
    return true;
}

static bool read_close(struct reader *reader, const struct document_node *node, void *into)
{
    (void)reader_boolean(reader, node, &((struct answer *)into)->close);
    return true;
}

static const struct reader_member members[] = {
    { .name = "form", .read = read_form },       { .name = "status", .read = read_status },
    { .name = "reason", .read = read_reason },   { .name = "fields", .read = read_fields },
    { .name = "content", .read = read_content }, { .name = "size", .read = read_size },
    { .name = "delay_ms", .read = read_delay },  { .name = "chunked", .read = read_chunked },
    { .name = "close", .read = read_close },     { .name = NULL },
};

bool answer_read(struct reader *reader, const struct document_node *node, struct answer *into)
{
    if (!reader_mapping(reader, node, "an answer", members, into))
        return false;
    if (into->chunked && into->has_size)
        reader_fail(reader, node, "a chunked answer has content, not a size");
    return true;
}

/* ---- writing ------------------------------------------------------------------------------- */

bool answer_has_content(const struct answer *answer)
{
    return answer->status >= 200 && answer->status != 204 && answer->status != 304;
}

uint64_t answer_pattern_bytes(const struct answer *answer, const struct answer_moment *moment)
{
    bool is_pattern = answer->form == ANSWER_CONTENT && answer->has_size;

    return is_pattern && !moment->is_head && answer_has_content(answer) ? answer->size : 0;
}

__attribute__((format(printf, 2, 3))) static bool add(struct buf *out, const char *format, ...)
{
    char text[256];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return length > 0 && (size_t)length < sizeof(text) &&
           buf_append_bytes(out, text, (size_t)length) == 0;
}

static bool has_field(const struct answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->fields_count; i++)
        if (strcasecmp(answer->fields[i].name, name) == 0)
            return true;
    return false;
}

static bool write_status_line(const struct answer *answer, struct buf *out)
{
    const char *reason = answer->reason ? answer->reason : http_status_reason(answer->status);

    return add(out, "HTTP/1.1 %u ", answer->status) &&
           buf_append_bytes(out, reason, strlen(reason)) == 0 && add(out, "\r\n");
}

/* As they were stated: a bad field is the point of some scripts. */
static bool write_fields(const struct answer *answer, struct buf *out)
{
    for (size_t i = 0; i < answer->fields_count; i++) {
        const struct answer_field *field = &answer->fields[i];

        if (buf_append_bytes(out, field->name, strlen(field->name)) < 0 || !add(out, ": ") ||
            buf_append_bytes(out, field->value, strlen(field->value)) < 0 || !add(out, "\r\n"))
            return false;
    }
    return true;
}

bool answer_write(const struct answer *answer, const struct answer_moment *moment, struct buf *out)
{
    bool has_content = answer_has_content(answer);
    bool chunked = answer->chunked && !moment->is_http10;
    bool is_pattern = answer->form == ANSWER_CONTENT && answer->has_size;
    uint64_t length = is_pattern ? answer->size : moment->content.len;

    if (!write_status_line(answer, out) || !write_fields(answer, out))
        return false;
    if (has_content && moment->content_type && !has_field(answer, "Content-Type") &&
        !add(out, "Content-Type: %s\r\n", moment->content_type))
        return false;
    if (has_content && chunked && !add(out, "Transfer-Encoding: chunked\r\n"))
        return false;
    if (has_content && !chunked && !has_field(answer, "Content-Length") &&
        !add(out, "Content-Length: %llu\r\n", (unsigned long long)length))
        return false;
    if ((answer->close || moment->must_close) && !add(out, "Connection: close\r\n"))
        return false;
    if (!add(out, "\r\n"))
        return false;
    if (moment->is_head || !has_content || is_pattern)
        return true;
    if (chunked && moment->content.len > 0 && !add(out, "%zx\r\n", moment->content.len))
        return false;
    if (buf_append_slice(out, moment->content) < 0)
        return false;
    return !chunked || add(out, moment->content.len > 0 ? "\r\n0\r\n\r\n" : "0\r\n\r\n");
}
