#include "tools/origin/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "core/base64.h"

enum { MEMBERS_MAX = 32, LATIN1_MAX = 0xff };

void reader_fail(struct reader *reader, const struct document_node *node, const char *format, ...)
{
    char text[CONFIG_MESSAGE_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    document_add_error(node, DOCUMENT_AT_VALUE, reader->errors, CONFIG_ERROR, "%s", text);
}

static const char *kind_of(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "a mapping", [JSON_ARRAY] = "a list",  [JSON_STRING] = "a text",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number", [JSON_TRUE] = "a boolean",
        [JSON_FALSE] = "a boolean",  [JSON_NULL] = "nothing",
    };

    return names[json_typeof(value)];
}

static void tell_unknown(struct reader *reader, const struct document_node *child, const char *what,
                         const struct reader_member *members)
{
    struct suggest suggest = { .wanted = child->key };
    char hint[SUGGEST_NAME_MAX + 32] = "";

    for (const struct reader_member *member = members; member->name; member++)
        suggest_offer(&suggest, member->name);
    if (suggest.nearest)
        snprintf(hint, sizeof(hint), "; did you mean '%s'?", suggest.nearest);
    document_add_error(child, DOCUMENT_AT_KEY, reader->errors, CONFIG_ERROR,
                       "%s has no member '%s'%s", what, child->key, hint);
}

bool reader_mapping(struct reader *reader, const struct document_node *node, const char *what,
                    const struct reader_member *members, void *into)
{
    struct document_node child = { 0 };

    if (!json_is_object(node->value)) {
        reader_fail(reader, node, "%s must be a mapping, not %s", what, kind_of(node->value));
        return true;
    }
    while (document_next(node, &child)) {
        const struct reader_member *member = members;

        while (member->name && strcmp(member->name, child.key) != 0)
            member++;
        if (!member->name)
            tell_unknown(reader, &child, what, members);
        else if (!member->read(reader, &child, into))
            return false;
    }
    for (const struct reader_member *member = members; member->name; member++)
        if (member->required && !document_member(node, member->name, &child))
            reader_fail(reader, node, "%s needs '%s'", what, member->name);
    return true;
}

bool reader_is_list(struct reader *reader, const struct document_node *node, const char *what)
{
    if (json_is_array(node->value))
        return true;
    reader_fail(reader, node, "%s must be a list, not %s", what, kind_of(node->value));
    return false;
}

bool reader_string(struct reader *reader, const struct document_node *node, char **into)
{
    if (!json_is_string(node->value)) {
        reader_fail(reader, node, "must be a text, not %s", kind_of(node->value));
        return true;
    }
    free(*into);
    *into = strdup(json_string_value(node->value));
    return *into != NULL;
}

bool reader_count(struct reader *reader, const struct document_node *node, uint64_t min,
                  uint64_t max, uint64_t *ret)
{
    json_int_t value = json_integer_value(node->value);

    if (!json_is_integer(node->value) || value < 0 || (uint64_t)value < min ||
        (uint64_t)value > max) {
        reader_fail(reader, node, "must be a whole number from %llu to %llu",
                    (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *ret = (uint64_t)value;
    return true;
}

bool reader_number(struct reader *reader, const struct document_node *node, double min, double max,
                   double *ret)
{
    double value = json_number_value(node->value);

    if (!json_is_number(node->value) || value < min || value > max) {
        reader_fail(reader, node, "must be a number from %g to %g", min, max);
        return false;
    }
    *ret = value;
    return true;
}

bool reader_boolean(struct reader *reader, const struct document_node *node, bool *ret)
{
    if (!json_is_boolean(node->value)) {
        reader_fail(reader, node, "must be true or false, not %s", kind_of(node->value));
        return false;
    }
    *ret = json_is_true(node->value);
    return true;
}

int reader_word(struct reader *reader, const struct document_node *node, const char *const *words)
{
    const char *text = json_string_value(node->value);
    char list[512] = "";

    for (int i = 0; words[i]; i++) {
        size_t length = strlen(list);

        if (text && strcmp(text, words[i]) == 0)
            return i;
        snprintf(list + length, sizeof(list) - length, "%s%s", i ? ", " : "", words[i]);
    }
    if (text)
        reader_fail(reader, node, "\"%s\" is none of: %s", text, list);
    else
        reader_fail(reader, node, "must be one of: %s", list);
    return -1;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static char *grow(char **bytes, size_t length, size_t more)
{
    char *grown = realloc(*bytes, length + more + 1);

    if (grown)
        *bytes = grown;
    return grown ? grown + length : NULL;
}

/* jansson's texts are valid UTF-8: two bytes hold what is below U+0800. */
static bool add_latin1(struct reader *reader, const struct document_node *node, char **bytes,
                       size_t *length)
{
    const unsigned char *text = (const unsigned char *)json_string_value(node->value);
    size_t count = json_string_length(node->value), used = 0;
    char *into = grow(bytes, *length, count);

    if (!into)
        return false;
    for (size_t i = 0; i < count; i++) {
        unsigned value = text[i];

        if (value >= 0x80) {
            value = value < 0xe0 ? (value & 0x1f) << 6 | (text[i + 1] & 0x3fU) : LATIN1_MAX + 1;
            i++;
        }
        if (value > LATIN1_MAX) {
            reader_fail(reader, node,
                        "each character is one byte: none above U+00FF; write UTF-8 as its bytes "
                        "(\"\\u00e2\\u0082\\u00ac\") or as {hex: \"e2 82 ac\"}");
            return true;
        }
        into[used++] = (char)value;
    }
    *length += used;
    return true;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static bool add_hex(struct reader *reader, const struct document_node *node, char **bytes,
                    size_t *length)
{
    const char *text = json_string_value(node->value);
    char *into = grow(bytes, *length, text ? strlen(text) : 0);
    size_t used = 0;

    if (!into)
        return false;
    while (text && *text) {
        if (*text == ' ') {
            text++;
            continue;
        }
        if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0) {
            text = NULL;
            break;
        }
        into[used++] = (char)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
        text += 2;
    }
    if (!text)
        reader_fail(reader, node, "must be pairs of hex digits: \"0d 0a\"");
    *length += used;
    return true;
}

static bool add_base64(struct reader *reader, const struct document_node *node, char **bytes,
                       size_t *length)
{
    struct slice text = slice_of(json_string_value(node->value));
    char *into = grow(bytes, *length, text.len / 4 * 3 + 3);
    long count;

    if (!into)
        return false;
    count =
        json_is_string(node->value) ? base64_decode(text, true, (unsigned char *)into) : -EINVAL;
    if (count < 0)
        reader_fail(reader, node, "must be base64 (RFC 4648 section 4)");
    else
        *length += (size_t)count;
    return true;
}

bool reader_bytes(struct reader *reader, const struct document_node *node, char **bytes,
                  size_t *length)
{
    struct document_node member;

    if (json_is_string(node->value))
        return add_latin1(reader, node, bytes, length);
    if (json_object_size(node->value) == 1) {
        if (document_member(node, "hex", &member))
            return add_hex(reader, &member, bytes, length);
        if (document_member(node, "base64", &member))
            return add_base64(reader, &member, bytes, length);
    }
    reader_fail(reader, node, "must be a text, {hex: ...} or {base64: ...}");
    return true;
}
