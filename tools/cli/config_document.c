/* Kong's kong/db/declarative/init.lua: parse_file and its printer, pretty_print_error. */
#include "tools/cli/config_document.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/document.h"
#include "config/file.h"

/* ---- printing ------------------------------------------------------------------------------ */

static void print_error(const char *text)
{
    (void)fprintf(stderr, "Error: Failed parsing:\n%s\n\n", text);
}

/* The entries of a list are told of by its name, `of`. */
static void print_tree(const json_t *errors, const char *of, int indent);

/* After its "in 'x':". */
static void print_value(const char *name, const json_t *error, int indent)
{
    if (json_is_string(error)) {
        (void)fprintf(stderr, " %s\n", json_string_value(error));
        return;
    }
    (void)fputc('\n', stderr);
    print_tree(error, name, indent + 2);
}

static void print_tree(const json_t *errors, const char *of, int indent)
{
    const char *key;
    json_t *error;
    size_t i;

    json_object_foreach((json_t *)errors, key, error)
    {
        (void)fprintf(stderr, "%*sin '%s':", indent, "", key);
        print_value(key, error, indent);
    }
    json_array_foreach(errors, i, error)
    {
        if (json_is_null(error))
            continue;
        (void)fprintf(stderr, "%*s- in entry %zu of '%s':", indent, "", i + 1, of);
        print_value(of, error, indent);
    }
}

static void print_mistakes(const struct flattened *flattened, const char *file)
{
    json_t *errors = flattened_errors(flattened, NULL);

    (void)fprintf(stderr, "Error: Failed parsing:\n");
    print_tree(errors, "", 0);
    (void)fprintf(stderr, "\n  `hopgate check %s` says where each of them is\n", file);
    json_decref(errors);
}

/* ---- reading ------------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* By the name alone, as Kong. False: it is neither, which was printed. */
static bool format_of(const char *file, enum document_format *ret)
{
    char message[512];

    if (ends_with(file, "json") || ends_with(file, "yml") || ends_with(file, "yaml")) {
        *ret = ends_with(file, "json") ? DOCUMENT_JSON : DOCUMENT_YAML;
        return true;
    }
    (void)snprintf(message, sizeof(message),
                   "unknown file type: %.400s. (Accepted types: json, yaml)", file);
    print_error(message);
    return false;
}

/* The first of them. */
static void print_first(const char *before, const struct config_errors *errors)
{
    char message[CONFIG_MESSAGE_MAX + 128];
    const struct config_error *error = errors->count > 0 ? &errors->items[0] : NULL;

    if (error && error->place.line > 0)
        (void)snprintf(message, sizeof(message), "%s%u:%u: %s", before, error->place.line,
                       error->place.column, error->message);
    else
        (void)snprintf(message, sizeof(message), "%s%s%s%s", before,
                       error && error->place.file ? error->place.file : "",
                       error && error->place.file ? ": " : "",
                       error ? error->message : "out of memory");
    print_error(message);
}

static struct document *read_document(const char *file)
{
    struct document *document = NULL;
    struct config_errors errors;
    enum document_format format;
    char *text = NULL;
    size_t length;
    int r;

    config_errors_init(&errors);
    r = file_read(file, DOCUMENT_BYTES_MAX, &text, &length, &errors);
    if (r < 0) {
        print_first("", &errors);
    } else if (format_of(file, &format)) {
        r = document_parse((struct slice){ text, length }, format, file, &document, &errors);
        if (r < 0)
            print_first("failed parsing declarative configuration: ", &errors);
    }
    free(text);
    config_errors_done(&errors);
    return document;
}

struct flattened *config_document_read(const char *file)
{
    struct flattened *flattened = NULL;
    SCOPED(document) document = read_document(file);
    struct timespec now;
    int r;

    if (!document)
        return NULL;
    if (!json_is_object(document->root)) {
        print_error("failed parsing declarative configuration: expected an object");
        return NULL;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    r = model_get() ? flatten_migrate(document->root) : -ENOMEM;
    if (r == 0)
        r = flatten_document(model_get(), document->root,
                             (double)now.tv_sec + (double)now.tv_nsec / 1e9, &flattened);
    if (r == 0)
        return flattened;
    if (r == -EINVAL)
        print_mistakes(flattened, file);
    else
        print_error("out of memory");
    flattened_free(flattened);
    return NULL;
}
