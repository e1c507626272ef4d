#include "config/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/document_priv.h"

int document_add_mark(struct document *document, struct document_mark mark, uint32_t *ret_index)
{
    if (document->marks_count >= DOCUMENT_NODES_MAX)
        return -E2BIG;
    if (document->marks_count == document->marks_capacity) {
        size_t capacity = document->marks_capacity ? document->marks_capacity * 2 : 64;
        struct document_mark *marks = reallocarray(document->marks, capacity, sizeof(*marks));
        if (!marks)
            return -ENOMEM;
        document->marks = marks;
        document->marks_capacity = capacity;
    }
    *ret_index = (uint32_t)document->marks_count;
    document->marks[document->marks_count++] = mark;
    return 0;
}

/* Recursive: jansson's parser and the YAML reader bound the depth of what they make. */
size_t document_height(const json_t *value)
{
    size_t tallest = 0, index;
    const char *key;
    json_t *child;

    if (!json_is_array(value) && !json_is_object(value))
        return 0;
    json_array_foreach(value, index, child)
    {
        size_t height = document_height(child);
        tallest = height > tallest ? height : tallest;
    }
    json_object_foreach((json_t *)value, key, child)
    {
        size_t height = document_height(child);
        tallest = height > tallest ? height : tallest;
    }
    return tallest + 1;
}

static bool has_extension(const char *file, const char *extension)
{
    size_t length = strlen(file), extension_length = strlen(extension);

    return length > extension_length &&
           strcasecmp(file + length - extension_length, extension) == 0;
}

enum document_format document_guess_format(const char *file, struct slice text)
{
    size_t start = 0;

    if (file && has_extension(file, ".json"))
        return DOCUMENT_JSON;
    if (file && (has_extension(file, ".yaml") || has_extension(file, ".yml")))
        return DOCUMENT_YAML;
    while (start < text.len && memchr(" \t\r\n", text.ptr[start], 4))
        start++;
    return start < text.len && text.ptr[start] == '{' ? DOCUMENT_JSON : DOCUMENT_YAML;
}

int document_parse(struct slice text, enum document_format format, const char *file,
                   struct document **ret, struct config_errors *errors)
{
    SCOPED(document) document = calloc(1, sizeof(*document));
    int r;

    if (!document)
        return -ENOMEM;
    if (file && !(document->file = strdup(file)))
        return -ENOMEM;
    if (text.len > DOCUMENT_BYTES_MAX) {
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = file },
                          "the file has %zu bytes and at most %d are read; split it", text.len,
                          DOCUMENT_BYTES_MAX);
        return -EINVAL;
    }
    r = format == DOCUMENT_JSON ? document_read_json(document, text, errors)
                                : document_read_yaml(document, text, errors);
    if (r == -E2BIG) {
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = file },
                          "more than %d values, aliases counted where they are used; split the "
                          "file or use fewer aliases",
                          DOCUMENT_NODES_MAX);
        return -EINVAL;
    }
    if (r < 0)
        return r;
    *ret = TAKE(document);
    return 0;
}

struct document *document_wrap(json_t *root, const char *file)
{
    SCOPED(document) document = calloc(1, sizeof(*document));

    if (!document || (file && !(document->file = strdup(file))))
        return NULL;
    document->root = json_incref(root);
    return TAKE(document);
}

void document_free(struct document *document)
{
    if (!document)
        return;
    json_decref(document->root);
    free(document->marks);
    free(document->file);
    free(document);
}

struct document_node document_root(const struct document *document)
{
    return (struct document_node){ .document = document, .value = document->root };
}

const struct document_mark *document_mark_of(const struct document_node *node)
{
    static const struct document_mark nowhere;

    return node->document->marks ? &node->document->marks[node->mark] : &nowhere;
}

/* The object iterator at the child's key, or the one after it. */
static bool next_member(const struct document_node *parent, struct document_node *child,
                        const char *previous_key)
{
    json_t *object = (json_t *)parent->value; /* jansson's iterators take no const */
    void *at = previous_key ? json_object_iter_next(object, json_object_key_to_iter(previous_key))
                            : json_object_iter(object);

    if (!at)
        return false;
    child->key = json_object_iter_key(at);
    child->value = json_object_iter_value(at);
    return true;
}

bool document_next(const struct document_node *parent, struct document_node *child)
{
    struct document_node next = { .document = parent->document, .parent = parent };

    if (child->value) {
        next.index = child->index + 1;
        next.mark = document_mark_of(child)->next;
    } else {
        next.mark = parent->mark + 1;
    }
    if (json_is_object(parent->value)) {
        if (!next_member(parent, &next, child->value ? child->key : NULL))
            return false;
    } else {
        next.value = json_array_get(parent->value, next.index);
        if (!next.value)
            return false;
    }
    *child = next;
    return true;
}

bool document_member(const struct document_node *parent, const char *key, struct document_node *ret)
{
    struct document_node child = { 0 };
    const json_t *value = json_object_get(parent->value, key);

    if (!value)
        return false;
    if (!parent->document->marks) { /* nothing to count */
        *ret = (struct document_node){
            .document = parent->document, .parent = parent, .value = value, .key = key
        };
        return true;
    }
    while (document_next(parent, &child)) {
        if (strcmp(child.key, key) == 0) {
            *ret = child;
            return true;
        }
    }
    return false;
}

/* Appends and returns the new length, never above size - 1. */
__attribute__((format(printf, 4, 5))) static size_t append(char *into, size_t size, size_t length,
                                                           const char *format, ...)
{
    va_list args;
    int added;

    va_start(args, format);
    added = vsnprintf(into + length, size - length, format, args);
    va_end(args);
    if (added < 0)
        return length;
    return length + (size_t)added < size ? length + (size_t)added : size - 1;
}

/* What an entity is called in the Admin API; NULL: it is none, or has neither. */
static const char *name_of(const json_t *value)
{
    static const char *const fields[] = { "name", "username", "target", "id" };
    const char *name = NULL;

    for (size_t i = 0; !name && i < sizeof(fields) / sizeof(fields[0]); i++)
        name = json_string_value(json_object_get(value, fields[i]));
    return name;
}

static size_t append_path(const struct document_node *node, char *into, size_t size)
{
    const char *name;
    size_t length;

    if (!node->parent) {
        into[0] = '\0';
        return 0;
    }
    length = append_path(node->parent, into, size);
    name = node->document->marks ? NULL : name_of(node->value);
    if (!node->key && name)
        return append(into, size, length, "[%s]", name);
    if (!node->key)
        return append(into, size, length, "[%zu]", node->index);
    return append(into, size, length, "%s%s", length > 0 ? "." : "", node->key);
}

char *document_path(const struct document_node *node, char *into, size_t size)
{
    append_path(node, into, size);
    return into;
}

void document_add_error(const struct document_node *node, enum document_side side,
                        struct config_errors *errors, enum config_severity severity,
                        const char *format, ...)
{
    const struct document_mark *mark = document_mark_of(node);
    char path[DOCUMENT_PATH_MAX];
    struct config_place place = {
        .file = node->document->file,
        .line = side == DOCUMENT_AT_KEY ? mark->key_line : mark->line,
        .column = side == DOCUMENT_AT_KEY ? mark->key_column : mark->column,
    };
    va_list args;

    document_path(node, path, sizeof(path));
    place.path = *path ? path : NULL;
    va_start(args, format);
    config_errors_addv(errors, severity, place, format, args);
    va_end(args);
}
