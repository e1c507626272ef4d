#include <jansson.h>
#include <string.h>

#include "config/suggest.h"
#include "core/http/http_chars.h"
#include "proxy/persona/persona_priv.h"

struct reader {
    struct persona *persona; /* allocates */
    struct config_errors *errors;
    bool is_lab_only; /* what it reads acts in the lab only */
};

#define READER_ERROR(reader, node, ...) \
    document_add_error(node, DOCUMENT_AT_VALUE, (reader)->errors, CONFIG_ERROR, __VA_ARGS__)

static const char *type_text(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "a mapping";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    case JSON_NULL:
        return "null";
    }
    return "nothing";
}

static void expected(const struct reader *reader, const struct document_node *node,
                     const char *what)
{
    READER_ERROR(reader, node, "must be %s, is %s", what, type_text(node->value));
}

static void no_memory(const struct reader *reader, const struct document_node *node)
{
    READER_ERROR(reader, node, "out of memory");
}

/* ---- one function per kind; each leaves its target alone when the value is wrong ---- */

static bool read_text(const struct reader *reader, const struct document_node *node,
                      struct slice *ret)
{
    if (!json_is_string(node->value)) {
        expected(reader, node, "a text");
        return false;
    }
    *ret = (struct slice){ json_string_value(node->value), json_string_length(node->value) };
    if (memchr(ret->ptr, '\0', ret->len)) {
        READER_ERROR(reader, node, "must not contain a NUL byte");
        return false;
    }
    return true;
}

static bool read_name(const struct reader *reader, const struct document_node *node,
                      bool may_be_prefix, struct slice *ret)
{
    struct slice stem;

    if (!read_text(reader, node, ret))
        return false;
    stem = *ret;
    if (may_be_prefix && stem.len > 0 && stem.ptr[stem.len - 1] == '*')
        stem.len--;
    if (http_chars_are(stem, HTTP_CHAR_TOKEN))
        return true;
    READER_ERROR(reader, node, "\"%s\" is no field name: letters, digits and hyphens%s", ret->ptr,
                 may_be_prefix ? ", with a \"*\" at the end for a prefix" : "");
    return false;
}

static void read_texts(const struct reader *reader, const struct document_node *node,
                       const struct persona_key *key, void *at)
{
    struct document_node child = { 0 };
    struct persona_strings texts = { NULL, 0 };
    struct slice *items;

    if (!json_is_array(node->value)) {
        expected(reader, node, "a list of texts");
        return;
    }
    items = persona_allocate(reader->persona, json_array_size(node->value) * sizeof(*items));
    if (!items) {
        no_memory(reader, node);
        return;
    }
    while (document_next(node, &child)) {
        bool ok = key->kind == PERSONA_KIND_NAMES
                      ? read_name(reader, &child, true, &items[texts.count])
                      : read_text(reader, &child, &items[texts.count]);

        texts.count += ok;
    }
    texts.items = items;
    memcpy(at, &texts, sizeof(texts));
}

static void read_number(const struct reader *reader, const struct document_node *node,
                        const struct persona_key *key, void *at)
{
    uint64_t number;

    if (!json_is_integer(node->value)) {
        expected(reader, node, "a whole number");
        return;
    }
    if (json_integer_value(node->value) < 0 ||
        (uint64_t)json_integer_value(node->value) > key->max) {
        READER_ERROR(reader, node, "must be between 0 and %llu", (unsigned long long)key->max);
        return;
    }
    number = (uint64_t)json_integer_value(node->value);
    memcpy(at, &number, sizeof(number));
}

static void read_bool(const struct reader *reader, const struct document_node *node,
                      const struct persona_key *key, void *at)
{
    if (!json_is_boolean(node->value)) {
        expected(reader, node, "true or false");
        return;
    }
    if (key->kind == PERSONA_KIND_TRISTATE)
        *(enum persona_tristate *)at = json_is_true(node->value) ? PERSONA_YES : PERSONA_NO;
    else
        *(bool *)at = json_is_true(node->value);
}

/* What a base said about this key holds no longer once the key is read again. */
static void forget_lab_words(const struct reader *reader, const struct document_node *node)
{
    struct persona_strings *words = &reader->persona->memory->lab_words;
    struct slice *items = (struct slice *)words->items;
    char path[DOCUMENT_PATH_MAX];
    size_t kept = 0, length;

    if (words->count == 0)
        return;
    length = strlen(document_path(node, path, sizeof(path)));
    for (size_t i = 0; i < words->count; i++)
        if (!slice_starts_with(items[i], (struct slice){ path, length }) ||
            (items[i].ptr[length] != '=' && items[i].ptr[length] != '['))
            items[kept++] = items[i];
    words->count = kept;
}

static void note_lab_word(const struct reader *reader, const struct document_node *node,
                          const char *word)
{
    struct persona_strings *words = &reader->persona->memory->lab_words;
    struct slice *items =
        persona_allocate(reader->persona, (words->count + 1) * sizeof(*words->items));
    char path[DOCUMENT_PATH_MAX];
    size_t length;
    char *text;

    if (reader->is_lab_only)
        return; /* it cannot act elsewhere */
    document_path(node, path, sizeof(path));
    length = strlen(path) + 1 + strlen(word);
    text = persona_allocate(reader->persona, length + 1);
    if (!items || !text) {
        no_memory(reader, node); /* a leniency must not go unnoticed: the persona is refused */
        return;
    }
    memcpy(text, path, strlen(path));
    text[strlen(path)] = '=';
    memcpy(text + strlen(path) + 1, word, strlen(word));
    if (words->count > 0)
        memcpy(items, words->items, words->count * sizeof(*items));
    items[words->count] = (struct slice){ text, length };
    *words = (struct persona_strings){ items, words->count + 1 };
}

static const struct persona_word *read_word(const struct reader *reader,
                                            const struct document_node *node,
                                            const struct persona_word *words)
{
    struct suggest suggest = { 0 };
    struct slice text;

    if (!read_text(reader, node, &text))
        return NULL;
    suggest.wanted = text.ptr;
    for (const struct persona_word *word = words; word->text; word++) {
        if (strcmp(word->text, text.ptr) == 0) {
            if (word->lab)
                note_lab_word(reader, node, word->text);
            return word;
        }
        suggest_offer(&suggest, word->text);
    }
    if (!suggest.nearest)
        suggest.nearest = words->text;
    READER_ERROR(reader, node, "unknown word \"%s\"; did you mean \"%s\"?", text.ptr,
                 suggest.nearest);
    return NULL;
}

static void read_words(const struct reader *reader, const struct document_node *node,
                       const struct persona_key *key, void *at)
{
    struct document_node child = { 0 };
    unsigned mask = 0;

    if (!json_is_array(node->value)) {
        expected(reader, node, "a list of words");
        return;
    }
    forget_lab_words(reader, node);
    while (document_next(node, &child)) {
        const struct persona_word *word = read_word(reader, &child, key->words);

        if (word)
            mask |= (unsigned)word->value;
    }
    memcpy(at, &mask, sizeof(mask));
}

static void read_reason(const struct reader *reader, const struct document_node *node, void *at)
{
    struct suggest suggest = { 0 };
    enum end_reason reason;
    struct slice text;

    if (!read_text(reader, node, &text))
        return;
    reason = end_reason_of(text.ptr);
    if (reason != END_REASON_COUNT) {
        memcpy(at, &reason, sizeof(reason));
        return;
    }
    suggest.wanted = text.ptr;
    for (unsigned i = 0; i < END_REASON_COUNT; i++)
        suggest_offer(&suggest, end_reason_info((enum end_reason)i)->name);
    READER_ERROR(reader, node, "unknown reason \"%s\"%s%s%s", text.ptr,
                 suggest.nearest ? "; did you mean \"" : "", suggest.nearest ? suggest.nearest : "",
                 suggest.nearest ? "\"?" : "");
}

static void unknown_variable(const struct reader *reader, const struct document_node *node,
                             struct slice name)
{
    char text[SUGGEST_NAME_MAX + 1];
    struct suggest suggest = { .wanted = text };
    size_t length = name.len < SUGGEST_NAME_MAX ? name.len : SUGGEST_NAME_MAX;

    if (!name.ptr) {
        READER_ERROR(reader, node, "has more than %d parts", TEMPLATE_PARTS_MAX);
        return;
    }
    memcpy(text, name.ptr, length);
    text[length] = '\0';
    for (unsigned i = 1; template_variable_name(i); i++)
        suggest_offer(&suggest, template_variable_name(i));
    READER_ERROR(reader, node, "unknown variable \"$%s\"; %s%s%s", text,
                 suggest.nearest ? "did you mean \"$" : "", suggest.nearest ? suggest.nearest : "",
                 suggest.nearest ? "\"?" : "a dollar sign is written \"$$\"");
}

static void read_template(const struct reader *reader, const struct document_node *node,
                          const struct persona_key *key, void *at)
{
    struct template_part parts[TEMPLATE_PARTS_MAX], *kept;
    struct template template;
    struct slice text, bad;
    int count;

    if (!read_text(reader, node, &text))
        return;
    if (key->kind == PERSONA_KIND_VALUE && http_text_bad_at(text) != text.len) {
        READER_ERROR(reader, node, "must not contain control bytes: it becomes a field's value");
        return;
    }
    count = template_compile(text, parts, &bad);
    if (count < 0) {
        unknown_variable(reader, node, bad);
        return;
    }
    kept = persona_allocate(reader->persona, (size_t)count * sizeof(*kept));
    if (!kept) {
        no_memory(reader, node);
        return;
    }
    memcpy(kept, parts, (size_t)count * sizeof(*kept));
    template = (struct template){ kept, (size_t)count };
    memcpy(at, &template, sizeof(template));
}

static void read_mapping(const struct reader *reader, const struct document_node *node,
                         const struct persona_schema *schema, void *into, bool complete);

static void read_list(const struct reader *reader, const struct document_node *node,
                      const struct persona_key *key, void *at)
{
    struct document_node child = { 0 };
    struct {
        const void *items;
        size_t count;
    } list = { NULL, 0 };
    char *items;

    if (!json_is_array(node->value)) {
        expected(reader, node, "a list");
        return;
    }
    items = persona_allocate(reader->persona, json_array_size(node->value) * key->schema->size);
    if (!items) {
        no_memory(reader, node);
        return;
    }
    list.items = items;
    while (document_next(node, &child)) {
        void *item = items + list.count++ * key->schema->size;

        if (key->schema->initial)
            memcpy(item, key->schema->initial, key->schema->size);
        read_mapping(reader, &child, key->schema, item, true);
    }
    memcpy(at, &list, sizeof(list));
}

/* ---- mappings ---- */

static void read_plain(const struct reader *reader, const struct document_node *node,
                       const struct persona_key *key, void *at)
{
    const struct persona_word *word;
    struct slice text;

    switch (key->kind) {
    case PERSONA_KIND_TEXT:
        if (read_text(reader, node, &text))
            *(const char **)at = text.ptr;
        return;
    case PERSONA_KIND_NAME:
        if (read_name(reader, node, false, &text))
            *(struct slice *)at = text;
        return;
    case PERSONA_KIND_WORD:
        forget_lab_words(reader, node);
        word = read_word(reader, node, key->words);
        if (word)
            memcpy(at, &word->value, sizeof(word->value));
        return;
    case PERSONA_KIND_TEXTS:
    case PERSONA_KIND_NAMES:
        read_texts(reader, node, key, at);
        return;
    case PERSONA_KIND_NUMBER:
        read_number(reader, node, key, at);
        return;
    case PERSONA_KIND_BOOL:
    case PERSONA_KIND_TRISTATE:
        read_bool(reader, node, key, at);
        return;
    case PERSONA_KIND_WORDS:
        read_words(reader, node, key, at);
        return;
    case PERSONA_KIND_REASON:
        read_reason(reader, node, at);
        return;
    case PERSONA_KIND_VALUE:
    case PERSONA_KIND_BODY:
        read_template(reader, node, key, at);
        return;
    case PERSONA_KIND_OBJECT:
    case PERSONA_KIND_LIST:
        return; /* not plain */
    }
}

static const struct persona_key *find_key(const struct reader *reader,
                                          const struct document_node *node,
                                          const struct persona_schema *schema)
{
    struct suggest suggest = { .wanted = node->key };

    for (const struct persona_key *key = schema->keys; key->name; key++)
        if (strcmp(key->name, node->key) == 0)
            return key;
    for (const struct persona_key *key = schema->keys; key->name; key++)
        suggest_offer(&suggest, key->name);
    document_add_error(node, DOCUMENT_AT_KEY, reader->errors, CONFIG_ERROR, "unknown key%s%s%s",
                       suggest.nearest ? "; did you mean \"" : "",
                       suggest.nearest ? suggest.nearest : "", suggest.nearest ? "\"?" : "");
    return NULL;
}

static void read_mapping(const struct reader *reader, const struct document_node *node,
                         const struct persona_schema *schema, void *into, bool complete)
{
    struct document_node child = { 0 };
    struct reader inner = *reader;
    bool is_lab_only;

    if (!json_is_object(node->value)) {
        expected(reader, node, "a mapping");
        return;
    }
    is_lab_only =
        reader->is_lab_only || (document_member(node, "lab", &child) && json_is_true(child.value));
    child = (struct document_node){ 0 };
    reader = &inner;
    while (document_next(node, &child)) {
        const struct persona_key *key = find_key(reader, &child, schema);

        if (!key)
            continue;
        inner.is_lab_only = is_lab_only || key->lab_only;
        if (key->kind == PERSONA_KIND_OBJECT)
            read_mapping(reader, &child, key->schema, (char *)into + key->offset, complete);
        else if (key->kind == PERSONA_KIND_LIST)
            read_list(reader, &child, key, (char *)into + key->offset);
        else
            read_plain(reader, &child, key, (char *)into + key->offset);
    }
    for (const struct persona_key *key = schema->keys; complete && key->name; key++)
        if (!key->optional && !json_object_get(node->value, key->name))
            READER_ERROR(reader, node, "key \"%s\" is missing", key->name);
}

void persona_read(struct persona *persona, const struct document_node *node,
                  const struct persona_schema *schema, void *into, bool complete,
                  struct config_errors *errors)
{
    const struct reader reader = { .persona = persona, .errors = errors };

    read_mapping(&reader, node, schema, into, complete);
}
