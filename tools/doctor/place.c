#include "tools/doctor/place.h"

#include <stdlib.h>
#include <string.h>

#include "config/file.h"

enum { WALK_DEPTH_MAX = 12 };

/* A way down a document; each node points to the one before it. */
struct walk {
    struct document_node nodes[WALK_DEPTH_MAX];
    size_t count;
};

static struct document_node *last(struct walk *walk)
{
    return &walk->nodes[walk->count - 1];
}

static bool go_to_member(struct walk *walk, const char *key)
{
    if (walk->count == WALK_DEPTH_MAX || !json_is_object(last(walk)->value) ||
        !document_member(last(walk), key, &walk->nodes[walk->count]))
        return false;
    walk->count++;
    return true;
}

static bool go_to_item(struct walk *walk, size_t index)
{
    struct document_node *item = &walk->nodes[walk->count];

    if (walk->count == WALK_DEPTH_MAX || !json_is_array(last(walk)->value))
        return false;
    *item = (struct document_node){ 0 };
    for (size_t i = 0; i <= index; i++)
        if (!document_next(last(walk), item))
            return false;
    walk->count++;
    return true;
}

/* "services[0].routes[1].hosts"; "" stays. */
static bool go(struct walk *walk, const char *path)
{
    char words[256], *rest = words, *word;

    snprintf(words, sizeof(words), "%s", path);
    while (words[0] && (word = strsep(&rest, "."))) {
        char *bracket = strchr(word, '[');

        if (bracket)
            *bracket = '\0';
        if (!go_to_member(walk, word) ||
            (bracket && !go_to_item(walk, strtoul(bracket + 1, NULL, 10))))
            return false;
    }
    return true;
}

static struct walk begin(const struct document *document)
{
    struct walk walk = { .count = 1 };

    walk.nodes[0] = document_root(document);
    return walk;
}

/* Equal hops are elements each, and one item of the file. */
static bool begin_at_element(const struct doctor_model *model, size_t element, struct walk *ret)
{
    size_t item = 0;

    for (size_t i = 1; i <= element; i++)
        item += chain_first_equal(model->chain, i) == i;
    *ret = begin(model->chain->document);
    return go_to_member(ret, "path") && go_to_item(ret, item);
}

static void print_place(const struct walk *walk, char *into, size_t size)
{
    const struct document_node *node = &walk->nodes[walk->count - 1];
    const struct document_mark *mark = &node->document->marks[node->mark];
    unsigned line = node->key ? mark->key_line : mark->line;
    unsigned column = node->key ? mark->key_column : mark->column;

    snprintf(into, size, "%s:%u:%u", node->document->file ? node->document->file : "", line,
             column);
}

/* ---- entities ------------------------------------------------------------------------------ */

/* The file is read once more: positions are not kept by what reads it for the hop. */
static struct document *read_config(const struct doctor_hop *hop)
{
    const char *file = hop->element->config;
    struct document *document = NULL;
    struct config_errors errors;
    char *text = NULL;
    size_t length;

    config_errors_init(&errors);
    if (file && file_read(file, DOCUMENT_BYTES_MAX, &text, &length, &errors) == 0) {
        const struct slice all = { text, length };

        (void)document_parse(all, document_guess_format(file, all), file, &document, &errors);
    }
    free(text);
    config_errors_done(&errors);
    return document;
}

/* True: the field stands somewhere; then its place is in `into`. */
static bool find_entity(const struct doctor_model *model, const struct doctor_hop *hop,
                        const char *entity, const char *field, char *into, size_t size)
{
    SCOPED(document) document = read_config(hop);
    char path[256];
    struct walk walk;
    bool found;

    snprintf(path, sizeof(path), "%s%s%s", entity, field[0] ? "." : "", field);
    if (document)
        walk = begin(document);
    else if (!hop->element->entities || !begin_at_element(model, hop->index, &walk) ||
             !go_to_member(&walk, "entities"))
        return false;
    found = go(&walk, path);
    if (found)
        print_place(&walk, into, size);
    return found;
}

/* ---- public -------------------------------------------------------------------------------- */

const char *doctor_place_of_element(const struct doctor_model *model, size_t element,
                                    const char *field, char *into, size_t size)
{
    struct walk walk;

    into[0] = '\0';
    if (begin_at_element(model, element, &walk) && go(&walk, field))
        print_place(&walk, into, size);
    return into;
}

const char *doctor_place_of_setting(const struct doctor_model *model, const struct doctor_hop *hop,
                                    const char *key, char *into, size_t size)
{
    static const char http[] = "nginx_http_";
    char place[DOCTOR_PLACE_MAX], field[128];

    snprintf(field, sizeof(field), "settings.%s", key);
    doctor_place_of_element(model, hop->index, field, place, sizeof(place));
    if (!place[0] && strncmp(key, http, strlen(http)) == 0) { /* the other name of the same */
        snprintf(field, sizeof(field), "settings.nginx_proxy_%s", key + strlen(http));
        doctor_place_of_element(model, hop->index, field, place, sizeof(place));
    }
    if (place[0])
        snprintf(into, size, " (%s)", place);
    else
        snprintf(into, size, " (persona %s)", hop->persona->name);
    return into;
}

const char *doctor_place_of_entity(const struct doctor_model *model, const struct doctor_hop *hop,
                                   const char *entity, const char *field, const char *basis,
                                   char *into, size_t size)
{
    char place[DOCTOR_PLACE_MAX];

    if (find_entity(model, hop, entity, field, place, sizeof(place)))
        snprintf(into, size, " (%s)", place);
    else if (basis)
        snprintf(into, size, " (%s)", basis);
    else
        snprintf(into, size, " (persona %s)", hop->persona->name);
    return into;
}

bool doctor_entity_says(const struct doctor_model *model, const struct doctor_hop *hop,
                        const char *entity, const char *field)
{
    char place[DOCTOR_PLACE_MAX];

    return find_entity(model, hop, entity, field, place, sizeof(place));
}
