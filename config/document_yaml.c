/*
 * document_yaml: libyaml's events become jansson values.
 *
 * Plain scalars mean what they mean to Kong, whose reader is lyaml (YAML 1.1: yes, on, 0x1f, 1_000;
 * an octal such as 0644); quoted and block scalars are always strings. An alias shares the value it
 * names, but every use counts against DOCUMENT_NODES_MAX, and its texts against DOCUMENT_BYTES_MAX, so a
 * small file cannot grow without end.
 */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/document_priv.h"

#define YAML_TAG_PREFIX "tag:yaml.org,2002:"

enum { ANCHORS_MAX = 1000 }; /* in one file; they are searched one by one */

struct anchor {
    char *name;
    json_t *value; /* borrowed from the tree; NULL while it is being read */
    uint32_t mark;
    struct anchor *next;
};

struct reader {
    struct document *document;
    struct config_errors *errors;
    yaml_parser_t parser;
    yaml_event_t event; /* the current one; deleted by the next reader_next */
    bool has_event;
    struct anchor *anchors; /* latest first, so that a reused name means the latest */
    size_t anchors_count;
    size_t depth;
    size_t shared_bytes; /* of the texts that aliases stand for */
};

/* A value just read, and where its mark is. */
struct item {
    json_t *value; /* the receiver's reference */
    uint32_t mark;
};

__attribute__((format(printf, 3, 4))) static int fail_at(struct reader *reader, yaml_mark_t at,
                                                         const char *format, ...)
{
    struct config_place place = {
        .file = reader->document->file,
        .line = (unsigned)at.line + 1,
        .column = (unsigned)at.column + 1,
    };
    va_list args;

    va_start(args, format);
    config_errors_addv(reader->errors, CONFIG_ERROR, place, format, args);
    va_end(args);
    return -EINVAL;
}

static int reader_next(struct reader *reader)
{
    if (reader->has_event)
        yaml_event_delete(&reader->event);
    reader->has_event = yaml_parser_parse(&reader->parser, &reader->event);
    if (reader->has_event)
        return 0;
    if (reader->parser.error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_READER_ERROR)
        return fail_at(reader, parser->mark, "not valid YAML: %s at byte %zu",
                       parser->problem ? parser->problem : "unreadable", parser->problem_offset);
    return fail_at(reader, parser->problem_mark, "not valid YAML: %s%s%s",
                   parser->context ? parser->context : "", parser->context ? ": " : "",
                   parser->problem ? parser->problem : "unreadable");
}

/* --- scalars ------------------------------------------------------------------------------- */

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

static const char *const null_words[] = { "", "~", "null", "Null", "NULL", NULL };
static const char *const true_words[] = { "true", "True", "TRUE", "yes", "Yes",
                                          "YES",  "on",   "On",   "ON",  NULL };
static const char *const false_words[] = { "false", "False", "FALSE", "no",  "No",
                                           "NO",    "off",   "Off",   "OFF", NULL };

enum { NUMBER_TEXT_MAX = 64 };

/* Underscores removed; false when it is too long to be a number. */
static bool number_digits(const char *text, char *into)
{
    size_t length = 0;

    for (; *text; text++) {
        if (*text == '_')
            continue;
        if (length + 1 >= NUMBER_TEXT_MAX)
            return false;
        into[length++] = *text;
    }
    into[length] = '\0';
    return length > 0;
}

/* Base by prefix as YAML 1.1: 0b, 0x, a leading 0 for octal. NULL: not an integer. */
static json_t *integer_value(const char *text)
{
    const char *digits = text + (*text == '+' || *text == '-');
    int base = 10;
    char *end;
    long long value;

    if (strncmp(digits, "0x", 2) == 0)
        base = 16;
    else if (strncmp(digits, "0b", 2) == 0)
        base = 2;
    else if (digits[0] == '0' && digits[strspn(digits, "01234567")] == '\0')
        base = 8;
    digits += base == 16 || base == 2 ? 2 : 0;
    if (!isxdigit((unsigned char)*digits))
        return NULL;
    errno = 0;
    value = strtoll(digits, &end, base);
    if (*end != '\0' || errno == ERANGE)
        return NULL;
    return json_integer(*text == '-' ? -value : value);
}

static json_t *real_value(const char *text)
{
    char *end;
    double value;

    if (text[strspn(text, "+-.0123456789eE")] != '\0' || !strpbrk(text, "0123456789"))
        return NULL;
    value = strtod(text, &end);
    return *end == '\0' && isfinite(value) ? json_real(value) : NULL;
}

/* A plain scalar by its look; NULL only when there is no memory. Infinity and NaN, which JSON
 * cannot hold, and sexagesimal numbers, which nobody means in "12:30", stay strings. */
static json_t *plain_value(const char *text, size_t length)
{
    char digits[NUMBER_TEXT_MAX];
    json_t *value = NULL;

    if (strlen(text) == length) {
        if (is_one_of(text, null_words))
            return json_null();
        if (is_one_of(text, true_words))
            return json_true();
        if (is_one_of(text, false_words))
            return json_false();
        if ((isdigit((unsigned char)*text) || strchr("+-._", *text)) && number_digits(text, digits))
            value = integer_value(digits);
        if (!value && (isdigit((unsigned char)*text) || strchr("+-.", *text)) &&
            number_digits(text, digits))
            value = real_value(digits);
    }
    return value ? value : json_stringn(text, length);
}

/* Only the core schema's tags; "" and "!" (non-specific) are as no tag. */
static int scalar_value(struct reader *reader, json_t **ret)
{
    const yaml_event_t *event = &reader->event;
    const char *text = (const char *)event->data.scalar.value;
    const char *tag = (const char *)event->data.scalar.tag;
    size_t length = event->data.scalar.length;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    const char *kind = NULL;
    json_t *value;

    if (strlen(text) != length)
        return fail_at(reader, event->start_mark, "a string must not contain a NUL byte");
    if (tag && strcmp(tag, "!") != 0) {
        static const char *const kinds[] = { "str", "int", "float", "bool", "null", NULL };
        if (strncmp(tag, YAML_TAG_PREFIX, strlen(YAML_TAG_PREFIX)) == 0)
            kind = tag + strlen(YAML_TAG_PREFIX);
        if (!kind || !is_one_of(kind, kinds))
            return fail_at(reader, event->start_mark,
                           "tag '%s' is not supported; only !!str, !!int, !!float, !!bool and "
                           "!!null are",
                           tag);
    }
    if (kind ? strcmp(kind, "str") == 0 : !plain || tag)
        value = json_stringn(text, length);
    else
        value = plain_value(text, length);
    if (!value)
        return -ENOMEM;
    if (kind && strcmp(kind, "str") != 0 && json_is_string(value)) {
        json_decref(value);
        return fail_at(reader, event->start_mark, "invalid '!!%s' value: '%s'", kind, text);
    }
    *ret = value;
    return 0;
}

/* --- anchors and aliases ------------------------------------------------------------------- */

static int anchor_add(struct reader *reader, const yaml_char_t *name, struct anchor **ret)
{
    struct anchor *anchor;

    *ret = NULL;
    if (!name)
        return 0;
    if (reader->anchors_count++ >= ANCHORS_MAX)
        return fail_at(reader, reader->event.start_mark, "more than %d anchors", ANCHORS_MAX);
    anchor = calloc(1, sizeof(*anchor));
    if (!anchor || !(anchor->name = strdup((const char *)name))) {
        free(anchor);
        return -ENOMEM;
    }
    anchor->next = reader->anchors;
    reader->anchors = anchor;
    *ret = anchor;
    return 0;
}

/* Marks of a value that now also stands under another key. The whole copy counts as new nodes. */
static int copy_marks(struct document *document, uint32_t from, struct document_mark top,
                      uint32_t *ret_index)
{
    uint32_t end = document->marks[from].next, index;
    uint32_t shift = (uint32_t)document->marks_count - from;
    int r;

    top.next = end + shift;
    r = document_add_mark(document, top, ret_index);
    for (uint32_t i = from + 1; r == 0 && i < end; i++) {
        struct document_mark mark = document->marks[i];
        mark.next += shift;
        r = document_add_mark(document, mark, &index);
    }
    return r;
}

static int find_alias(struct reader *reader, const struct anchor **ret)
{
    const char *name = (const char *)reader->event.data.alias.anchor;
    const struct anchor *anchor = reader->anchors;

    while (anchor && strcmp(anchor->name, name) != 0)
        anchor = anchor->next;
    if (!anchor)
        return fail_at(reader, reader->event.start_mark,
                       "alias '*%s' names no anchor '&%s' above it", name, name);
    if (!anchor->value)
        return fail_at(reader, reader->event.start_mark, "alias '*%s' stands inside its own anchor",
                       name);
    *ret = anchor;
    return 0;
}

static size_t text_bytes(const json_t *value)
{
    size_t bytes = json_string_length(value), i;
    const char *key;
    json_t *item;

    json_object_foreach((json_t *)value, key, item)
    {
        bytes += strlen(key) + text_bytes(item);
    }
    json_array_foreach(value, i, item) bytes += text_bytes(item);
    return bytes;
}

/* Shared here, but whoever writes it out has it as often as it stands there. */
static int share(struct reader *reader, const json_t *value)
{
    reader->shared_bytes += text_bytes(value);
    if (reader->shared_bytes <= DOCUMENT_BYTES_MAX)
        return 0;
    return fail_at(reader, reader->event.start_mark, "aliases repeat more than %d bytes of text",
                   DOCUMENT_BYTES_MAX);
}

/* --- the tree ------------------------------------------------------------------------------ */

static int read_value(struct reader *reader, const yaml_mark_t *key_at, struct item *ret);

static struct document_mark mark_of(const yaml_event_t *event, const yaml_mark_t *key_at)
{
    struct document_mark mark = {
        .line = (uint32_t)event->start_mark.line + 1,
        .column = (uint32_t)event->start_mark.column + 1,
    };

    mark.key_line = key_at ? (uint32_t)key_at->line + 1 : mark.line;
    mark.key_column = key_at ? (uint32_t)key_at->column + 1 : mark.column;
    return mark;
}

static int read_alias(struct reader *reader, const yaml_mark_t *key_at, struct item *ret)
{
    struct document_mark top = mark_of(&reader->event, key_at);
    const struct anchor *anchor;
    int r = find_alias(reader, &anchor);

    if (r < 0)
        return r;
    if (reader->depth + document_height(anchor->value) > DOCUMENT_DEPTH_MAX)
        return fail_at(reader, reader->event.start_mark,
                       "lists and mappings stand more than %d deep inside each other",
                       DOCUMENT_DEPTH_MAX);
    r = copy_marks(reader->document, anchor->mark, top, &ret->mark);
    if (r == 0)
        r = share(reader, anchor->value);
    if (r < 0)
        return r;
    ret->value = json_incref(anchor->value);
    return 0;
}

static int read_sequence(struct reader *reader, json_t *list)
{
    for (;;) {
        struct item item;
        int r = reader_next(reader);
        if (r < 0)
            return r;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        r = read_value(reader, NULL, &item);
        if (r < 0)
            return r;
        if (json_array_append_new(list, item.value) < 0)
            return -ENOMEM;
    }
}

/* What "<<" pulls in, kept until the mapping's own keys are known, because those win. */
struct merges {
    const struct anchor *anchors[16];
    size_t count;
};

static int add_merge(struct reader *reader, struct merges *merges)
{
    int r;

    if (reader->event.type != YAML_ALIAS_EVENT)
        return fail_at(reader, reader->event.start_mark,
                       "'<<' takes an alias or a list of aliases, as in '<<: *defaults'");
    if (merges->count == sizeof(merges->anchors) / sizeof(merges->anchors[0]))
        return fail_at(reader, reader->event.start_mark, "more than %zu merges in one mapping",
                       merges->count);
    r = find_alias(reader, &merges->anchors[merges->count]);
    if (r < 0)
        return r;
    if (!json_is_object(merges->anchors[merges->count]->value))
        return fail_at(reader, reader->event.start_mark, "'<<' takes an alias of a mapping");
    merges->count++;
    return 0;
}

static int read_merges(struct reader *reader, struct merges *merges)
{
    int r = reader_next(reader);

    if (r < 0 || reader->event.type != YAML_SEQUENCE_START_EVENT)
        return r < 0 ? r : add_merge(reader, merges);
    for (;;) {
        r = reader_next(reader);
        if (r < 0)
            return r;
        if (reader->event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        r = add_merge(reader, merges);
        if (r < 0)
            return r;
    }
}

static int apply_merge(struct reader *reader, const struct anchor *anchor, json_t *mapping)
{
    struct document_node parent = { .document = reader->document,
                                    .value = anchor->value,
                                    .mark = anchor->mark };
    struct document_node child = { 0 };
    uint32_t index;
    int r;

    while (document_next(&parent, &child)) {
        if (json_object_get(mapping, child.key))
            continue;
        r = copy_marks(reader->document, child.mark, reader->document->marks[child.mark], &index);
        if (r == 0)
            r = share(reader, child.value);
        if (r < 0)
            return r;
        if (json_object_set(mapping, child.key, (json_t *)child.value) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* One "key: value", or "<<". The current event is the key's. */
static int read_pair(struct reader *reader, json_t *mapping, struct merges *merges)
{
    yaml_mark_t key_at = reader->event.start_mark;
    struct item item;
    char *key;
    int r;

    if (reader->event.type != YAML_SCALAR_EVENT)
        return fail_at(reader, key_at, "a key must be a plain or quoted word");
    if (strlen((const char *)reader->event.data.scalar.value) != reader->event.data.scalar.length)
        return fail_at(reader, key_at, "a key must not contain a NUL byte");
    if (strcmp((const char *)reader->event.data.scalar.value, "<<") == 0 &&
        reader->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        return read_merges(reader, merges);
    key = strdup((const char *)reader->event.data.scalar.value);
    if (!key)
        return -ENOMEM;
    if (json_object_get(mapping, key)) {
        r = fail_at(reader, key_at, "duplicate key '%s'; keep one of the two", key);
    } else {
        r = reader_next(reader);
        if (r == 0)
            r = read_value(reader, &key_at, &item);
        if (r == 0 && json_object_set_new(mapping, key, item.value) < 0)
            r = -ENOMEM;
    }
    free(key);
    return r;
}

static int read_mapping(struct reader *reader, json_t *mapping)
{
    struct merges merges = { 0 };
    int r = reader_next(reader);

    while (r == 0 && reader->event.type != YAML_MAPPING_END_EVENT) {
        r = read_pair(reader, mapping, &merges);
        if (r == 0)
            r = reader_next(reader);
    }
    for (size_t i = 0; r == 0 && i < merges.count; i++)
        r = apply_merge(reader, merges.anchors[i], mapping);
    return r;
}

static int check_collection_tag(struct reader *reader, const yaml_char_t *tag, const char *allowed)
{
    if (!tag || strcmp((const char *)tag, "!") == 0 || strcmp((const char *)tag, allowed) == 0)
        return 0;
    return fail_at(reader, reader->event.start_mark, "tag '%s' is not supported here",
                   (const char *)tag);
}

static int read_collection(struct reader *reader, json_t **ret)
{
    bool is_list = reader->event.type == YAML_SEQUENCE_START_EVENT;
    int r = is_list ? check_collection_tag(reader, reader->event.data.sequence_start.tag,
                                           YAML_TAG_PREFIX "seq")
                    : check_collection_tag(reader, reader->event.data.mapping_start.tag,
                                           YAML_TAG_PREFIX "map");
    json_t *value;

    if (r < 0)
        return r;
    if (reader->depth >= DOCUMENT_DEPTH_MAX)
        return fail_at(reader, reader->event.start_mark,
                       "lists and mappings stand more than %d deep inside each other",
                       DOCUMENT_DEPTH_MAX);
    value = is_list ? json_array() : json_object();
    if (!value)
        return -ENOMEM;
    reader->depth++;
    r = is_list ? read_sequence(reader, value) : read_mapping(reader, value);
    reader->depth--;
    if (r < 0)
        json_decref(value);
    else
        *ret = value;
    return r;
}

static const yaml_char_t *event_anchor(const yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        return event->data.scalar.anchor;
    return event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                    : event->data.mapping_start.anchor;
}

static int read_value(struct reader *reader, const yaml_mark_t *key_at, struct item *ret)
{
    struct anchor *anchor;
    int r;

    if (reader->event.type == YAML_ALIAS_EVENT)
        return read_alias(reader, key_at, ret);
    assert(reader->event.type == YAML_SCALAR_EVENT ||
           reader->event.type == YAML_SEQUENCE_START_EVENT ||
           reader->event.type == YAML_MAPPING_START_EVENT);
    r = document_add_mark(reader->document, mark_of(&reader->event, key_at), &ret->mark);
    if (r == 0)
        r = anchor_add(reader, event_anchor(&reader->event), &anchor);
    if (r < 0)
        return r;
    r = reader->event.type == YAML_SCALAR_EVENT ? scalar_value(reader, &ret->value)
                                                : read_collection(reader, &ret->value);
    if (r < 0)
        return r;
    reader->document->marks[ret->mark].next = (uint32_t)reader->document->marks_count;
    if (anchor) {
        anchor->value = ret->value;
        anchor->mark = ret->mark;
    }
    return 0;
}

/* Stream start, one document, stream end. */
static int read_stream(struct reader *reader)
{
    struct item item = { 0 };
    int r = reader_next(reader);

    if (r == 0)
        r = reader_next(reader);
    if (r < 0)
        return r;
    if (reader->event.type == YAML_STREAM_END_EVENT)
        return fail_at(reader, reader->event.start_mark, "the file is empty");
    r = reader_next(reader);
    if (r == 0)
        r = read_value(reader, NULL, &item);
    if (r < 0)
        return r;
    reader->document->root = item.value;
    r = reader_next(reader); /* document end */
    if (r == 0)
        r = reader_next(reader);
    if (r == 0 && reader->event.type != YAML_STREAM_END_EVENT)
        r = fail_at(reader, reader->event.start_mark,
                    "a second document begins here; only one is read, join them or remove '---'");
    return r;
}

int document_read_yaml(struct document *document, struct slice text, struct config_errors *errors)
{
    struct reader reader = { .document = document, .errors = errors };
    int r;

    if (!yaml_parser_initialize(&reader.parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)(text.len ? text.ptr : ""),
                                 text.len);
    r = read_stream(&reader);
    if (reader.has_event)
        yaml_event_delete(&reader.event);
    while (reader.anchors) {
        struct anchor *anchor = reader.anchors;
        reader.anchors = anchor->next;
        free(anchor->name);
        free(anchor);
    }
    yaml_parser_delete(&reader.parser);
    return r;
}
