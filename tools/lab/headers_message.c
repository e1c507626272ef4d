#include "tools/lab/headers_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base64.h"

void headers_message_init(struct headers_message *message, struct arena *arena)
{
    *message = (struct headers_message){ .exists = false };
    fields_init(&message->fields, arena);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static struct slice next_line(struct slice *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct slice line = { rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };

    *rest = slice_from(*rest, end ? line.len + 1 : line.len);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    return line;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && is_white(text.ptr[0]))
        text = slice_from(text, 1);
    while (text.len > 0 && is_white(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

int headers_message_parse(struct slice head, struct arena *arena, struct headers_message *ret)
{
    struct slice line;
    int r = 0;

    headers_message_init(ret, arena);
    ret->exists = true;
    ret->line = next_line(&head);
    while (r == 0 && (line = next_line(&head)).len > 0) {
        const char *colon = memchr(line.ptr, ':', line.len);
        size_t name_length = colon ? (size_t)(colon - line.ptr) : line.len;

        r = fields_add(&ret->fields, (struct slice){ line.ptr, name_length },
                       colon ? trimmed(slice_from(line, name_length + 1))
                             : (struct slice){ line.ptr, 0 });
    }
    return r;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* The bytes under `key` or `key`_base64; empty: neither. ptr NULL: no memory. */
static struct slice bytes_of(const json_t *object, const char *key, struct arena *arena)
{
    const json_t *text = json_object_get(object, key);
    char name[64];
    const json_t *encoded;
    struct slice code;
    char *decoded;
    long length;

    if (json_is_string(text))
        return arena_copy(arena,
                          (struct slice){ json_string_value(text), json_string_length(text) });
    snprintf(name, sizeof(name), "%s_base64", key);
    encoded = json_object_get(object, name);
    if (!json_is_string(encoded))
        return SLICE("");
    code = (struct slice){ json_string_value(encoded), json_string_length(encoded) };
    decoded = arena_alloc(arena, code.len + 1);
    length = decoded ? base64_decode(code, false, (unsigned char *)decoded) : 0;
    return (struct slice){ decoded, length > 0 ? (size_t)length : 0 };
}

/* An origin notes the parts of the line. */
static struct slice line_of(const json_t *json, struct arena *arena)
{
    struct slice method, target, version;

    if (!json_object_get(json, "method") && !json_object_get(json, "method_base64"))
        return bytes_of(json, "line", arena);
    method = bytes_of(json, "method", arena);
    target = bytes_of(json, "target", arena);
    version = bytes_of(json, "version", arena);
    return arena_printf(arena, "%.*s %.*s %.*s", SLICE_ARG(method), SLICE_ARG(target),
                        SLICE_ARG(version));
}

int headers_message_of_json(const json_t *json, struct arena *arena, struct headers_message *ret)
{
    const json_t *fields = json_object_get(json, "fields"), *field;
    size_t i;
    int r = 0;

    headers_message_init(ret, arena);
    if (!json)
        return 0;
    ret->exists = true;
    ret->line = line_of(json, arena);
    json_array_foreach(fields, i, field)
    {
        struct slice name = bytes_of(field, "name", arena);
        struct slice value = bytes_of(field, "value", arena);

        if (!name.ptr || !value.ptr)
            return -ENOMEM;
        r = fields_add(&ret->fields, name, value);
        if (r < 0)
            return r;
    }
    return ret->line.ptr ? 0 : -ENOMEM;
}
