#include "proxy/persona/persona.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/document.h"
#include "config/file.h"
#include "config/suggest.h"
#include "core/http/head.h"
#include "proxy/persona/persona_builtin.h"
#include "proxy/persona/persona_priv.h"
#include "proxy/report/access_log.h"

enum { PERSONA_FILE_MAX = 1024 * 1024 }; /* bytes */

struct persona_block {
    struct persona_block *next;
    struct document *document; /* one that texts point into, or NULL */
    _Alignas(max_align_t) char bytes[];
};

static struct persona_block *add_block(struct persona *persona, size_t bytes)
{
    struct persona_block *block = calloc(1, sizeof(*block) + bytes);

    if (!block)
        return NULL;
    block->next = persona->memory->blocks;
    persona->memory->blocks = block;
    return block;
}

void *persona_allocate(struct persona *persona, size_t bytes)
{
    struct persona_block *block = add_block(persona, bytes);

    return block ? block->bytes : NULL;
}

static void memory_release(struct persona_memory *memory)
{
    while (memory && --memory->holders_count == 0) {
        struct persona_memory *lender = memory->lender;

        while (memory->blocks) {
            struct persona_block *block = memory->blocks;

            memory->blocks = block->next;
            document_free(block->document);
            free(block);
        }
        free(memory);
        memory = lender;
    }
}

void persona_free(struct persona *persona)
{
    if (!persona)
        return;
    memory_release(persona->memory);
    free(persona);
}

static struct persona *persona_create(void)
{
    struct persona *persona = calloc(1, sizeof(*persona));

    if (!persona)
        return NULL;
    persona->memory = calloc(1, sizeof(*persona->memory));
    if (!persona->memory) {
        free(persona);
        return NULL;
    }
    persona->memory->holders_count = 1;
    return persona;
}

struct persona *persona_share(const struct persona *persona)
{
    struct persona_memory *of = persona->memory;
    struct persona *shared = persona_create();
    struct persona_memory *own = shared ? shared->memory : NULL;

    if (!shared)
        return NULL;
    own->lab_words = of->lab_words;
    own->lender = of->lender ? of->lender : of; /* what it has for itself is not in its fields */
    own->lender->holders_count++;
    *shared = *persona;
    shared->memory = own;
    return shared;
}

static void add_error(struct config_errors *errors, const char *file, const char *message)
{
    config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = file }, "%s", message);
}

/* ---- what the schema alone cannot see ---- */

static bool has_page(const struct persona_error_page *error_page, const char *name)
{
    for (size_t i = 0; i < error_page->pages_count; i++)
        if (strcmp(error_page->pages[i].name, name) == 0)
            return true;
    return false;
}

static void check_page(const struct document_node *root, const struct persona_error_page *pages,
                       const char *key, const char *name, struct config_errors *errors)
{
    if (name && !has_page(pages, name))
        document_add_error(root, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "error_page.%s: there is no page named \"%s\" in error_page.pages", key,
                           name);
}

static bool removes(const struct persona *persona, struct slice name)
{
    for (size_t i = 0; i < persona->request.remove.count; i++)
        if (slice_equal_nocase(persona->request.remove.items[i], name))
            return true;
    return false;
}

static void check_meaning(const struct persona *persona, const struct document_node *root,
                          struct config_errors *errors)
{
    const struct persona_error_page *pages = &persona->error_page;

    check_page(root, pages, "default_page", pages->default_page, errors);
    check_page(root, pages, "handler_page", pages->handler_page, errors);
    for (size_t i = 0; i < pages->answers_count; i++)
        check_page(root, pages, "answers[].page", pages->answers[i].page, errors);
    if (persona->request.expect == PERSONA_EXPECT_FORWARD && removes(persona, SLICE("Expect")))
        document_add_error(root, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "request.expect: \"forward\" needs the field Expect: take it out of "
                           "request.remove");
    if (pages->pages_count > 0 && !pages->default_page)
        document_add_error(root, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "error_page.default_page: must name one of error_page.pages");
    if (persona->log.access_format && !access_log_is_format(persona->log.access_format))
        document_add_error(root, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                           "log.access_format: unknown format \"%s\"; known are: %s",
                           persona->log.access_format, access_log_format_names());
}

/* ---- reading ---- */

static const struct persona_builtin *find_builtin(const char *name)
{
    for (size_t i = 0; persona_builtins[i].name; i++)
        if (strcmp(persona_builtins[i].name, name) == 0)
            return &persona_builtins[i];
    return NULL;
}

const char *persona_builtin_name(size_t index)
{
    for (size_t i = 0; persona_builtins[i].name; i++)
        if (i == index)
            return persona_builtins[i].name;
    return NULL;
}

static bool read_document(struct persona *persona, struct slice text, const char *source,
                          struct config_errors *errors);

/* The built-in persona that this one changes: it is read first, into the same struct. */
static bool read_base(struct persona *persona, const struct document_node *extends,
                      struct config_errors *errors)
{
    const char *name = json_string_value(extends->value);
    const struct persona_builtin *base = name ? find_builtin(name) : NULL;
    struct suggest suggest = { .wanted = name ? name : "" };

    if (base)
        return read_document(persona, (struct slice){ (const char *)base->text, base->length },
                             base->name, errors);
    for (size_t i = 0; persona_builtins[i].name; i++)
        suggest_offer(&suggest, persona_builtins[i].name);
    document_add_error(extends, DOCUMENT_AT_VALUE, errors, CONFIG_ERROR,
                       "must name a built-in persona%s%s%s",
                       suggest.nearest ? "; did you mean \"" : "",
                       suggest.nearest ? suggest.nearest : "", suggest.nearest ? "\"?" : "");
    return false;
}

static bool read_root(struct persona *persona, const struct document_node *root,
                      struct config_errors *errors)
{
    struct document_node extends;
    bool complete = !document_member(root, "extends", &extends);

    if (!complete && !read_base(persona, &extends, errors))
        return false;
    persona_read(persona, root, &persona_schema, persona, complete, errors);
    return true;
}

static bool read_document(struct persona *persona, struct slice text, const char *source,
                          struct config_errors *errors)
{
    struct persona_block *block = add_block(persona, 0);
    size_t before = errors->errors_count;
    struct document_node root;

    if (!block) {
        add_error(errors, source, "out of memory");
        return false;
    }
    if (document_parse(text, DOCUMENT_JSON, source, &block->document, errors) < 0)
        return false; /* document_parse told why */
    root = document_root(block->document);
    if (!json_is_object(root.value)) {
        add_error(errors, source, "a persona is a JSON mapping: {\"extends\": \"kong\", ...}");
        return false;
    }
    if (!read_root(persona, &root, errors))
        return false;
    if (errors->errors_count == before)
        check_meaning(persona, &root, errors);
    return errors->errors_count == before;
}

struct persona *persona_parse(struct slice text, const char *source, struct config_errors *errors)
{
    size_t before = errors->errors_count;
    SCOPED(persona) persona = persona_create();

    if (!persona) {
        add_error(errors, source, "out of memory");
        return NULL;
    }
    if (!read_document(persona, text, source, errors)) {
        if (errors->errors_count == before)
            add_error(errors, source, "out of memory");
        return NULL;
    }
    return TAKE(persona);
}

/* ---- finding ---- */

static char *read_file(const char *path, size_t *ret_length)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    int error;

    if (!file)
        return NULL;
    text = malloc(PERSONA_FILE_MAX + 1);
    *ret_length = text ? fread(text, 1, PERSONA_FILE_MAX + 1, file) : 0;
    error = !text ? ENOMEM : ferror(file) ? errno : *ret_length > PERSONA_FILE_MAX ? EFBIG : 0;
    fclose(file);
    if (error == 0)
        return text;
    free(text);
    errno = error;
    return NULL;
}

static struct persona *load_file(const char *path, struct config_errors *errors)
{
    struct persona *persona;
    size_t length;
    char *text;

    file_note_read(path);
    text = read_file(path, &length);
    if (!text) {
        int r = -errno;

        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = path },
                          "cannot read the persona: %s%s", strerror(-r), file_why_refused(path, r));
        return NULL;
    }
    persona = persona_parse((struct slice){ text, length }, path, errors);
    free(text);
    return persona;
}

static bool is_path(const char *name)
{
    size_t length = strlen(name);

    return strchr(name, '/') || (length > 5 && strcmp(name + length - 5, ".json") == 0);
}

struct persona *persona_load(const char *name_or_path, struct config_errors *errors)
{
    const struct persona_builtin *builtin = find_builtin(name_or_path);
    struct suggest suggest = { .wanted = name_or_path };

    if (builtin)
        return persona_parse((struct slice){ (const char *)builtin->text, builtin->length },
                             builtin->name, errors);
    if (is_path(name_or_path))
        return load_file(name_or_path, errors);
    for (size_t i = 0; persona_builtins[i].name; i++)
        suggest_offer(&suggest, persona_builtins[i].name);
    config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .path = "hopgate_persona" },
                      "there is no built-in persona \"%s\"%s%s%s; a file is named by a path "
                      "with a \"/\" or by its \".json\"",
                      name_or_path, suggest.nearest ? "; did you mean \"" : "",
                      suggest.nearest ? suggest.nearest : "", suggest.nearest ? "\"?" : "");
    return NULL;
}

void persona_set_lab(struct persona *persona, bool on)
{
    struct persona_client *client = &persona->client;

    persona->lab_is_on = on; /* answers ask for it themselves */
    if (on) {
        persona->parse.request |= persona->lab.request;
        persona->parse.response |= persona->lab.response;
        if (persona->lab.interim == PERSONA_LAB_INTERIM_FINAL)
            persona->response.interim = PERSONA_INTERIM_FINAL;
        return;
    }
    persona->parse.request = persona->parse.response = 0;
    if (persona->response.cut == PERSONA_CUT_FIN_ALWAYS)
        persona->response.cut = PERSONA_CUT_FIN;
    if (persona->response.interim == PERSONA_INTERIM_FINAL)
        persona->response.interim = PERSONA_INTERIM_SWALLOW;
    if (persona->content.old_client == PERSONA_OLD_CHUNKED)
        persona->content.old_client = PERSONA_OLD_CLOSE;
    if (client->connect == PERSONA_METHOD_FORWARD)
        client->connect = PERSONA_METHOD_REFUSE;
    if (client->trace == PERSONA_METHOD_FORWARD)
        client->trace = PERSONA_METHOD_REFUSE;
}

struct persona_strings persona_lab_words(const struct persona *persona)
{
    return persona->memory->lab_words;
}

/* ---- switches ---- */

static void set_tokens(const struct persona_rules *rules, const char *const *tokens, size_t count)
{
    for (size_t i = 0; i < rules->count; i++) {
        /* the rules are this persona's own memory, const only for those who read */
        struct persona_rule *rule = (struct persona_rule *)&rules->items[i];

        if (!rule->token)
            continue;
        rule->off = true;
        for (size_t k = 0; k < count && rule->off; k++)
            rule->off = strcasecmp(rule->token, tokens[k]) != 0 &&
                        strcasecmp(rule->name.ptr, tokens[k]) != 0;
    }
}

void persona_set_request_tokens(struct persona *persona, const char *const *tokens, size_t count)
{
    set_tokens(&persona->request.fields, tokens, count);
}

void persona_set_response_tokens(struct persona *persona, const char *const *tokens, size_t count)
{
    set_tokens(&persona->response.fields, tokens, count);
}

static void switch_token(const struct persona_rules *rules, const char *token, bool on)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct persona_rule *rule = (struct persona_rule *)&rules->items[i]; /* as in set_tokens */

        if (rule->token && strcmp(rule->token, token) == 0)
            rule->off = !on;
    }
}

void persona_switch_token(struct persona *persona, const char *token, bool on)
{
    switch_token(&persona->request.fields, token, on);
    switch_token(&persona->response.fields, token, on);
}
