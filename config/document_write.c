#include "config/document_write.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

struct writing {
    yaml_emitter_t emitter;
    FILE *into;
    bool failed;
};

static int take_bytes(void *context, unsigned char *bytes, size_t size)
{
    struct writing *writing = context;

    return fwrite(bytes, 1, size, writing->into) == size;
}

/* libyaml frees the event in every case. ready: whether it could be made. */
static void emit(struct writing *writing, yaml_event_t *event, int ready)
{
    if (writing->failed && ready)
        yaml_event_delete(event);
    else if (writing->failed || !ready || !yaml_emitter_emit(&writing->emitter, event))
        writing->failed = true;
}

/* Words that YAML 1.1 or 1.2 reads as something else than a text. */
static bool is_special_word(const char *text)
{
    static const char *const words[] = { "true", "false", "yes", "no",  "on", "off",
                                         "null", "y",     "n",   "nan", "inf" };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

/* Whatever begins with a letter or a slash and goes on as names and paths do. */
static bool may_stand_plain(const char *text, size_t length)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/",
                      rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/"
                               "0123456789.-";

    return length > 0 && strspn(text, first) > 0 && strspn(text, rest) == length &&
           !is_special_word(text);
}

static yaml_scalar_style_t style_of(const char *text, size_t length)
{
    if (may_stand_plain(text, length))
        return YAML_PLAIN_SCALAR_STYLE;
    return memchr(text, '\n', length) ? YAML_LITERAL_SCALAR_STYLE : YAML_SINGLE_QUOTED_SCALAR_STYLE;
}

static void write_scalar(struct writing *writing, const char *text, size_t length,
                         yaml_scalar_style_t style)
{
    yaml_event_t event;
    bool is_plain = style == YAML_PLAIN_SCALAR_STYLE;

    emit(writing, &event,
         yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)length,
                                      is_plain, !is_plain, style));
}

static void write_text(struct writing *writing, const char *text, size_t length)
{
    write_scalar(writing, text, length, style_of(text, length));
}

static void write_value(struct writing *writing, const json_t *value);

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void write_mapping(struct writing *writing, const json_t *object)
{
    const char **keys = malloc((json_object_size(object) + 1) * sizeof(*keys)), *key;
    size_t count = 0;
    yaml_event_t event;
    json_t *value;

    if (!keys) {
        writing->failed = true;
        return;
    }
    json_object_foreach((json_t *)object, key, value) keys[count++] = key;
    qsort(keys, count, sizeof(*keys), by_text);
    emit(writing, &event,
         yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_MAPPING_STYLE));
    for (size_t i = 0; i < count; i++) {
        write_text(writing, keys[i], strlen(keys[i]));
        write_value(writing, json_object_get(object, keys[i]));
    }
    emit(writing, &event, yaml_mapping_end_event_initialize(&event));
    free(keys);
}

static void write_list(struct writing *writing, const json_t *list)
{
    yaml_event_t event;

    emit(writing, &event,
         yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_ANY_SEQUENCE_STYLE));
    for (size_t i = 0; i < json_array_size(list); i++)
        write_value(writing, json_array_get(list, i));
    emit(writing, &event, yaml_sequence_end_event_initialize(&event));
}

/* Numbers, booleans and null are written as in JSON. */
static void write_literal(struct writing *writing, const json_t *value)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

    if (text && json_is_real(value) && strtod(text, NULL) != json_real_value(value)) {
        free(text);
        text = json_dumps(value, JSON_ENCODE_ANY); /* all digits that it needs */
    }
    if (text)
        write_scalar(writing, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
    else
        writing->failed = true;
    free(text);
}

static void write_value(struct writing *writing, const json_t *value)
{
    if (json_is_object(value))
        write_mapping(writing, value);
    else if (json_is_array(value))
        write_list(writing, value);
    else if (json_is_string(value))
        write_text(writing, json_string_value(value), json_string_length(value));
    else
        write_literal(writing, value);
}

static void write_document(struct writing *writing, const json_t *value)
{
    yaml_event_t event;

    emit(writing, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    emit(writing, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    write_value(writing, value);
    emit(writing, &event, yaml_document_end_event_initialize(&event, 1));
    emit(writing, &event, yaml_stream_end_event_initialize(&event));
}

char *document_write_yaml(const json_t *value)
{
    struct writing writing = { 0 };
    char *text = NULL;
    size_t size;

    writing.into = open_memstream(&text, &size);
    if (!writing.into)
        return NULL;
    if (yaml_emitter_initialize(&writing.emitter)) {
        yaml_emitter_set_output(&writing.emitter, take_bytes, &writing);
        yaml_emitter_set_unicode(&writing.emitter, 1);
        yaml_emitter_set_width(&writing.emitter, -1); /* no line is folded */
        write_document(&writing, value);
        yaml_emitter_delete(&writing.emitter);
    } else {
        writing.failed = true;
    }
    if (fclose(writing.into) == 0 && !writing.failed)
        return text;
    free(text);
    return NULL;
}
