/*
 * document_json: jansson decodes, and a second pass over the same text finds the positions.
 *
 * jansson keeps no positions. The second pass only ever sees text that jansson has accepted, so it
 * skips over values without judging them; it still never reads beyond the text.
 */
#include <errno.h>
#include <string.h>

#include "config/document_priv.h"

struct scan {
    struct document *document;
    const char *at, *end;
    uint32_t line, column; /* of `at`, from 1; columns count characters, not bytes */
};

static void step(struct scan *scan)
{
    if (*scan->at == '\n') {
        scan->line++;
        scan->column = 1;
    } else if (((unsigned char)*scan->at & 0xc0) != 0x80) {
        scan->column++;
    }
    scan->at++;
}

static char skip_space(struct scan *scan)
{
    while (scan->at < scan->end && memchr(" \t\r\n", *scan->at, 4))
        step(scan);
    return scan->at < scan->end ? *scan->at : '\0';
}

static void skip_string(struct scan *scan)
{
    step(scan); /* the opening quote */
    while (scan->at < scan->end && *scan->at != '"') {
        if (*scan->at == '\\' && scan->at + 1 < scan->end)
            step(scan);
        step(scan);
    }
    if (scan->at < scan->end)
        step(scan);
}

static void skip_word(struct scan *scan)
{
    while (scan->at < scan->end && !memchr(" \t\r\n,]}", *scan->at, 7))
        step(scan);
}

/* Recursion is bounded by DOCUMENT_DEPTH_MAX, checked before this pass. */
static int scan_value(struct scan *scan, const struct document_mark *key)
{
    struct document_mark mark = { 0 };
    uint32_t index;
    char first = skip_space(scan), closing = first == '{' ? '}' : ']';
    int r;

    mark.line = scan->line;
    mark.column = scan->column;
    mark.key_line = key ? key->line : mark.line;
    mark.key_column = key ? key->column : mark.column;
    r = document_add_mark(scan->document, mark, &index);
    if (r < 0)
        return r;
    if (first == '"') {
        skip_string(scan);
    } else if (first == '{' || first == '[') {
        step(scan);
        while (skip_space(scan) != closing && scan->at < scan->end) {
            struct document_mark child_key = { .line = scan->line, .column = scan->column };
            if (first == '{') {
                skip_string(scan);
                (void)skip_space(scan); /* now at the colon */
                step(scan);
            }
            r = scan_value(scan, first == '{' ? &child_key : NULL);
            if (r < 0)
                return r;
            if (skip_space(scan) == ',')
                step(scan);
        }
        if (scan->at < scan->end)
            step(scan);
    } else {
        skip_word(scan);
    }
    scan->document->marks[index].next = (uint32_t)scan->document->marks_count;
    return 0;
}

int document_read_json(struct document *document, struct slice text, struct config_errors *errors)
{
    struct scan scan = {
        .document = document, .at = text.ptr, .end = text.ptr + text.len, .line = 1, .column = 1
    };
    struct config_place place = { .file = document->file };
    json_error_t error;

    document->root = json_loadb(text.len ? text.ptr : "", text.len,
                                JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!document->root) {
        /* jansson says nothing at all when the memory for a value is missing */
        if (json_error_code(&error) == json_error_out_of_memory || error.text[0] == '\0')
            return -ENOMEM;
        place.line = error.line > 0 ? (unsigned)error.line : 1;
        place.column = error.column > 0 ? (unsigned)error.column : 1;
        config_errors_add(errors, CONFIG_ERROR, place, "not valid JSON: %s", error.text);
        return -EINVAL;
    }
    if (document_height(document->root) > DOCUMENT_DEPTH_MAX) {
        config_errors_add(errors, CONFIG_ERROR, place,
                          "lists and objects stand more than %d deep inside each other",
                          DOCUMENT_DEPTH_MAX);
        return -EINVAL;
    }
    return scan_value(&scan, NULL);
}
