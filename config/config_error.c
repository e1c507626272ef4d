#include "config/config_error.h"

#include <stdlib.h>
#include <string.h>

void config_errors_init(struct config_errors *errors)
{
    *errors = (struct config_errors){ 0 };
}

static void error_done(struct config_error *error)
{
    free((char *)error->place.file);
    free((char *)error->place.path);
    free(error->message);
}

void config_errors_done(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        error_done(&errors->items[i]);
    free(errors->items);
    config_errors_init(errors);
}

/* ASCII control bytes, and U+0080 to U+009F, which some terminals obey as well. */
static bool is_control(const unsigned char *text)
{
    if (text[0] == 0xc2)
        return text[1] >= 0x80 && text[1] <= 0x9f;
    return text[0] < 0x20 || text[0] == 0x7f;
}

/* A copy in which control bytes are \xHH, so that a hostile file cannot drive the terminal. */
static char *escaped_copy(const char *text)
{
    size_t size = strlen(text) * 4 + 1, length = 0;
    char *copy = malloc(size);

    if (!copy)
        return NULL;
    for (const unsigned char *byte = (const unsigned char *)text; *byte; byte++) {
        if (is_control(byte))
            length += (size_t)snprintf(copy + length, size - length, "\\x%02x", *byte);
        else
            copy[length++] = (char)*byte;
    }
    copy[length] = '\0';
    return copy;
}

/* NULL stays NULL. false: no memory. */
static bool copy_optional(const char *text, const char **ret)
{
    *ret = text ? escaped_copy(text) : NULL;
    return !text || *ret;
}

static bool has_room(struct config_errors *errors)
{
    if (errors->count >= CONFIG_ERRORS_MAX)
        return false;
    if (errors->count < errors->capacity)
        return true;
    size_t capacity = errors->capacity ? errors->capacity * 2 : 16;
    struct config_error *items = reallocarray(errors->items, capacity, sizeof(*items));
    if (!items)
        return false;
    errors->items = items;
    errors->capacity = capacity;
    return true;
}

void config_errors_addv(struct config_errors *errors, enum config_severity severity,
                        struct config_place place, const char *format, va_list args)
{
    char message[CONFIG_MESSAGE_MAX];
    struct config_error error = { .severity = severity, .place = place };
    bool copied;

    (void)vsnprintf(message, sizeof(message), format, args); /* a cut message is still a message */
    if (severity == CONFIG_ERROR)
        errors->errors_count++;
    copied = copy_optional(place.file, &error.place.file);
    copied = copy_optional(place.path, &error.place.path) && copied;
    error.message = escaped_copy(message);
    if (!copied || !error.message || !has_room(errors)) {
        error_done(&error);
        errors->unlisted_count++;
        return;
    }
    errors->items[errors->count++] = error;
}

void config_errors_add(struct config_errors *errors, enum config_severity severity,
                       struct config_place place, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    config_errors_addv(errors, severity, place, format, args);
    va_end(args);
}

void config_errors_take(struct config_errors *into, struct config_errors *from)
{
    into->errors_count += from->errors_count;
    into->unlisted_count += from->unlisted_count;
    for (size_t i = 0; i < from->count; i++) {
        if (has_room(into)) {
            into->items[into->count++] = from->items[i];
        } else {
            error_done(&from->items[i]);
            into->unlisted_count++;
        }
    }
    free(from->items);
    config_errors_init(from);
}

static bool same_file(const struct config_error *a, const struct config_error *b)
{
    if (!a->place.file || !b->place.file)
        return a->place.file == b->place.file;
    return strcmp(a->place.file, b->place.file) == 0;
}

static bool comes_before(const struct config_error *a, const struct config_error *b)
{
    if (a->file_order != b->file_order)
        return a->file_order < b->file_order;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line;
    return a->place.column < b->place.column;
}

/* Insertion sort: stable, the list is nearly sorted, and CONFIG_ERRORS_MAX bounds it. */
void config_errors_sort(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        size_t first = 0;
        while (!same_file(&errors->items[first], &errors->items[i]))
            first++;
        errors->items[i].file_order = first;
    }
    for (size_t i = 1; i < errors->count; i++) {
        struct config_error error = errors->items[i];
        size_t at = i;
        for (; at > 0 && comes_before(&error, &errors->items[at - 1]); at--)
            errors->items[at] = errors->items[at - 1];
        errors->items[at] = error;
    }
}

const char *config_severity_text(enum config_severity severity)
{
    switch (severity) {
    case CONFIG_ERROR:
        return "error";
    case CONFIG_WARNING:
        return "warning";
    case CONFIG_NOTICE:
        return "notice";
    }
    return "?";
}

char *config_error_format(const struct config_error *error, char *into, size_t size)
{
    const struct config_place *place = &error->place;
    char position[32] = "";

    if (place->line > 0)
        (void)snprintf(position, sizeof(position), "%u:%u:", place->line, place->column);
    (void)snprintf(into, size, "%s%s%s%s%s: %s%s%s", place->file ? place->file : "",
                   place->file ? ":" : "", position, place->file || *position ? " " : "",
                   config_severity_text(error->severity), place->path ? place->path : "",
                   place->path ? ": " : "", error->message);
    return into;
}

void config_errors_print(const struct config_errors *errors, FILE *stream)
{
    char line[CONFIG_MESSAGE_MAX * 5];

    for (size_t i = 0; i < errors->count; i++)
        (void)fprintf(stream, "%s\n", config_error_format(&errors->items[i], line, sizeof(line)));
    if (errors->unlisted_count > 0)
        (void)fprintf(stream, "%zu more problems are not listed\n", errors->unlisted_count);
}
