#include <errno.h>
#include <stdlib.h>

#include "config/admin/form_priv.h"
#include "config/admin/percent.h"

static bool has_control_bytes(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20)
            return true;
    return false;
}

int form_add(json_t *tree, struct slice name, struct slice value, bool has_value,
             struct kong_error *error)
{
    json_t *json = NULL;
    int r;

    if (name.len == 0)
        return 0;
    if (has_value && !memchr(value.ptr ? value.ptr : "", '\0', value.len))
        json = json_stringn(value.ptr ? value.ptr : "", value.len);
    else if (!has_value)
        json = json_true();
    if (!json || has_control_bytes(name)) {
        json_decref(json);
        return kong_error_plain(error, 400, "Cannot parse form: a name or value is not UTF-8 text");
    }
    r = form_tree_add(tree, name, json, error);
    json_decref(json);
    return r;
}

static int finish(json_t *tree, int r, json_t **ret)
{
    if (r == 0) {
        *ret = json_object_size(tree) == 0 ? json_object() : form_tree_finish(tree);
        r = *ret ? 0 : -ENOMEM;
    }
    if (r == 0 && json_is_array(*ret)) { /* "[1]=a": no field has that name */
        json_decref(*ret);
        *ret = json_object();
        r = *ret ? 0 : -ENOMEM;
    }
    json_decref(tree);
    return r;
}

/* --- urlencoded ---------------------------------------------------------------------------- */

static int add_pair(json_t *tree, struct slice pair, struct kong_error *error)
{
    const char *equals = memchr(pair.ptr, '=', pair.len);
    size_t name_length = equals ? (size_t)(equals - pair.ptr) : pair.len;
    struct slice rest = slice_from(pair, equals ? name_length + 1 : pair.len);
    size_t decoded_name_length = 0, value_length = 0;
    char *name = percent_decode((struct slice){ pair.ptr, name_length }, PERCENT_PLUS_IS_SPACE,
                                &decoded_name_length);
    char *value = percent_decode(rest, PERCENT_PLUS_IS_SPACE, &value_length);
    int r = -ENOMEM;

    if (name && value)
        r = form_add(tree, (struct slice){ name, decoded_name_length },
                     (struct slice){ value, value_length }, equals, error);
    free(name);
    free(value);
    return r;
}

int form_read_urlencoded(struct slice text, json_t **ret, struct kong_error *error)
{
    json_t *tree = json_object();
    size_t count = 0;
    int r = tree ? 0 : -ENOMEM;

    while (r == 0 && text.len > 0) {
        const char *end = memchr(text.ptr, '&', text.len);
        struct slice pair = { text.ptr, end ? (size_t)(end - text.ptr) : text.len };

        text = slice_from(text, end ? pair.len + 1 : pair.len);
        if (pair.len == 0)
            continue;
        r = ++count > FORM_ARGUMENTS_MAX ? kong_error_plain(error, 400, "Too many arguments")
                                         : add_pair(tree, pair, error);
    }
    return finish(tree, r, ret);
}

/* --- multipart (RFC 7578) ------------------------------------------------------------------ */

/* The parameter of a field's value, without quotes; ptr NULL: it is not there. */
static struct slice parameter(struct slice value, struct slice name)
{
    while (value.len > 0) {
        const char *semicolon = memchr(value.ptr, ';', value.len);
        struct slice item;

        value = slice_from(value, semicolon ? (size_t)(semicolon - value.ptr) + 1 : value.len);
        while (value.len > 0 && (*value.ptr == ' ' || *value.ptr == '\t'))
            value = slice_from(value, 1);
        if (value.len <= name.len || strncasecmp(value.ptr, name.ptr, name.len) != 0 ||
            value.ptr[name.len] != '=')
            continue;
        item = slice_from(value, name.len + 1);
        if (item.len > 0 && *item.ptr == '"') {
            item = slice_from(item, 1);
            semicolon = memchr(item.ptr, '"', item.len);
        } else {
            semicolon = memchr(item.ptr, ';', item.len);
        }
        if (semicolon)
            item.len = (size_t)(semicolon - item.ptr);
        return item;
    }
    return (struct slice){ NULL, 0 };
}

static struct slice next_line(struct slice *rest)
{
    const char *end = memmem(rest->ptr, rest->len, "\r\n", 2);
    struct slice line = { rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len };

    *rest = slice_from(*rest, end ? line.len + 2 : line.len);
    return line;
}

/* Head and content of one part. */
static int add_part(json_t *tree, struct slice part, struct kong_error *error)
{
    static const struct slice disposition = { "Content-Disposition:", 20 };
    struct slice name = { NULL, 0 };

    for (struct slice line = next_line(&part); line.len > 0; line = next_line(&part))
        if (line.len > disposition.len &&
            strncasecmp(line.ptr, disposition.ptr, disposition.len) == 0)
            name = parameter(line, SLICE("name"));
    return form_add(tree, name, part, true, error);
}

static int cannot_parse(struct kong_error *error, const char *why)
{
    return kong_error_plain(error, 400, "Cannot parse multipart body: %s", why);
}

static int read_parts(json_t *tree, struct slice text, struct slice delimiter,
                      struct kong_error *error)
{
    size_t count = 0;
    int r = 0;

    while (r == 0) {
        const char *end;
        struct slice part;

        if (text.len >= 2 && memcmp(text.ptr, "--", 2) == 0)
            return 0;
        (void)next_line(&text); /* white space behind the delimiter */
        end = memmem(text.ptr ? text.ptr : "", text.len, delimiter.ptr, delimiter.len);
        if (!end)
            return cannot_parse(error, "the last boundary is missing");
        part = (struct slice){ text.ptr, (size_t)(end - text.ptr) };
        text = slice_from(text, part.len + delimiter.len);
        r = ++count > FORM_ARGUMENTS_MAX ? kong_error_plain(error, 400, "Too many arguments")
                                         : add_part(tree, part, error);
    }
    return r;
}

int form_read_multipart(struct slice text, struct slice content_type, json_t **ret,
                        struct kong_error *error)
{
    struct slice boundary = parameter(content_type, SLICE("boundary"));
    char delimiter[2 + 2 + 70 + 1]; /* RFC 2046 5.1.1: a boundary has 70 characters at most */
    json_t *tree;
    int length;

    if (boundary.len == 0 || boundary.len > 70)
        return cannot_parse(error, "Content-Type has no boundary of 1 to 70 characters");
    length = snprintf(delimiter, sizeof(delimiter), "\r\n--%.*s", SLICE_ARG(boundary));
    if (text.len < (size_t)length - 2 || memcmp(text.ptr, delimiter + 2, (size_t)length - 2) != 0)
        return cannot_parse(error, "it does not begin with the boundary");
    tree = json_object();
    if (!tree)
        return -ENOMEM;
    return finish(tree,
                  read_parts(tree, slice_from(text, (size_t)length - 2),
                             (struct slice){ delimiter, (size_t)length }, error),
                  ret);
}
