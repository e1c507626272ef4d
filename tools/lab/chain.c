#include "tools/lab/chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/file.h"
#include "config/settings_catalog.h"
#include "config/suggest.h"
#include "core/addr.h"
#include "proxy/persona/persona.h"
#include "tls/pki_lab.h"
#include "tools/lab/chain_priv.h"
#include "tools/wire/wire_fault.h"

struct reading {
    struct chain *chain;
    const char *source;
    struct schema_reader reader;
};

const char *chain_kind_name(enum chain_kind kind)
{
    static const char *const names[] = {
        [CHAIN_HOP] = "hop", [CHAIN_WIRE] = "wire", [CHAIN_ORIGIN] = "origin"
    };

    return names[kind];
}

size_t chain_first_equal(const struct chain *chain, size_t element)
{
    while (element > 0 && chain->elements[element].number > 1)
        element--;
    return element;
}

size_t chain_behind(const struct chain *chain, size_t element, size_t *ret_count)
{
    size_t next = element + 1, count = 1;

    while (next < chain->count && chain->elements[next].number > 1)
        next++;
    while (next + count < chain->count && chain->elements[next + count].number > 1)
        count++;
    *ret_count = chain->elements[next].kind == CHAIN_ORIGIN ? chain->origins_count : count;
    return next;
}

const char *chain_group_name(const struct chain_element *element)
{
    return element->group ? element->group : element->name;
}

#define FAIL(reading, node, ...)                                                          \
    document_add_error((node), DOCUMENT_AT_VALUE, (reading)->reader.errors, CONFIG_ERROR, \
                       __VA_ARGS__)

/* ---- single values ------------------------------------------------------------------------- */

/* The node of a member, for messages; else the mapping's own. */
static struct document_node member_or_self(const struct document_node *node, const char *key)
{
    struct document_node member;

    return document_member(node, key, &member) ? member : *node;
}

/* Names become file names and log fields. */
static void check_element_name(struct reading *reading, const struct document_node *node,
                               const char *key, const char *name)
{
    struct document_node at = member_or_self(node, key);
    size_t length = name ? strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

    if (name && (name[length] != '\0' || length > 32 || name[0] == '-'))
        FAIL(reading, &at, "a name has lower case letters, digits and dashes, at most 32");
}

static void check_situation(struct reading *reading, const struct document_node *node,
                            const char *key, const char *name, enum pki_role role)
{
    struct document_node at = member_or_self(node, key);
    struct suggest suggest = { .wanted = name };
    size_t count;
    const struct pki_situation *situations = pki_lab_situations(&count);

    if (!name)
        return;
    for (size_t i = 0; i < count; i++) {
        if (situations[i].role != role)
            continue;
        if (strcmp(situations[i].name, name) == 0)
            return;
        suggest_offer(&suggest, situations[i].name);
    }
    if (suggest.nearest)
        FAIL(reading, &at, "no such %s certificate; did you mean '%s'?",
             role == PKI_ROLE_SERVER ? "server" : "client", suggest.nearest);
    else
        FAIL(reading, &at, "no such %s certificate; `hopgate lab pki DIR` lists them",
             role == PKI_ROLE_SERVER ? "server" : "client");
}

/* Relative paths are from the chain file's directory. */
static const char *resolve(struct reading *reading, const char *path)
{
    const char *slash = strrchr(reading->source, '/');
    char text[4096];
    int length;

    if (!path || path[0] == '/' || !slash)
        return path;
    length = snprintf(text, sizeof(text), "%.*s/%s", (int)(slash - reading->source),
                      reading->source, path);
    if (length < 0 || (size_t)length >= sizeof(text))
        return path;
    return config_copy_text(reading->chain->texts, text, (size_t)length);
}

/* ---- settings ------------------------------------------------------------------------------ */

/* Those say where a hop stands, which is the lab's business. */
static const char lab_settings[] =
    "prefix, proxy_listen, hopgate_persona, hopgate_name, hopgate_upstream_bind, admin_listen, "
    "hopgate_time_scale";

static bool is_known_setting(const char *key, struct suggest *suggest)
{
    struct settings_entry entry;

    if (settings_catalog_has(key))
        return true;
    for (size_t i = 0; settings_catalog_entry(i, &entry); i++)
        suggest_offer(suggest, entry.name);
    return false;
}

static void check_setting(struct reading *reading, const struct document_node *node)
{
    struct suggest suggest = { .wanted = node->key };

    if (schema_list_has(lab_settings, node->key))
        document_add_error(node, DOCUMENT_AT_KEY, reading->reader.errors, CONFIG_ERROR,
                           "the lab sets this one itself; remove it");
    else if (!is_known_setting(node->key, &suggest) && suggest.nearest)
        document_add_error(node, DOCUMENT_AT_KEY, reading->reader.errors, CONFIG_ERROR,
                           "unknown key of kong.conf; did you mean '%s'?", suggest.nearest);
    else if (!is_known_setting(node->key, &suggest))
        document_add_error(node, DOCUMENT_AT_KEY, reading->reader.errors, CONFIG_ERROR,
                           "unknown key of kong.conf; remove it");
    if (json_is_array(node->value) || json_is_object(node->value))
        FAIL(reading, node, "expected a text, a number or a switch, as kong.conf has it");
}

static const json_t *read_mapping(struct reading *reading, const struct document_node *node,
                                  const char *key, struct document_node *ret)
{
    if (!document_member(node, key, ret) || json_is_null(ret->value))
        return NULL;
    if (json_is_object(ret->value))
        return ret->value;
    FAIL(reading, ret, "expected a record: a mapping of fields");
    return NULL;
}

/* ---- parts of the path --------------------------------------------------------------------- */

static void read_hop(struct reading *reading, const struct document_node *node,
                     struct chain_element *element)
{
    struct document_node settings, entities, child = { 0 };
    struct persona *persona;

    element->settings = read_mapping(reading, node, "settings", &settings);
    while (element->settings && document_next(&settings, &child))
        check_setting(reading, &child);
    element->entities = read_mapping(reading, node, "entities", &entities);
    if (element->entities && element->config)
        FAIL(reading, &entities, "either 'config' or 'entities', not both");
    element->config = resolve(reading, element->config);
    check_situation(reading, node, "client_certificate", element->client_certificate,
                    PKI_ROLE_CLIENT);
    if (!element->persona)
        return;
    persona = persona_load(element->persona, reading->reader.errors);
    if (!persona) {
        struct document_node at = member_or_self(node, "persona");

        FAIL(reading, &at, "hop %s cannot be what its persona says", element->name);
    }
    persona_free(persona);
}

static void read_wire(struct reading *reading, const struct document_node *node,
                      struct chain_element *element)
{
    SCOPED(wire_fault_set) set = NULL;
    struct document_node faults;

    element->script = resolve(reading, element->script);
    if (!document_member(node, "faults", &faults))
        return;
    element->faults = faults.value;
    if (wire_fault_set_read(&faults, &set, reading->reader.errors) == -ENOMEM)
        reading->reader.out_of_memory = true;
}

static void read_origin(struct reading *reading, const struct document_node *node,
                        struct chain_element *element)
{
    struct document_node at = member_or_self(node, "address");
    struct sockaddr_storage address;

    element->script = resolve(reading, element->script);
    if (element->address &&
        (addr_parse(slice_of(element->address), 0, &address) < 0 || addr_port(&address) == 0))
        FAIL(reading, &at, "expected ADDRESS:PORT");
    if (element->address && element->script)
        FAIL(reading, &at, "a server that runs already takes no script");
}

static void read_element(struct reading *reading, const struct document_node *node)
{
    static const struct {
        enum chain_kind kind;
        int table;
        void (*read)(struct reading *, const struct document_node *, struct chain_element *);
    } kinds[] = { { CHAIN_HOP, CHAIN_TABLE_HOP, read_hop },
                  { CHAIN_WIRE, CHAIN_TABLE_WIRE, read_wire },
                  { CHAIN_ORIGIN, CHAIN_TABLE_ORIGIN, read_origin } };
    struct chain_element *element = &reading->chain->elements[reading->chain->count];
    struct document_node member;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const char *key = chain_kind_name(kinds[i].kind);

        if (!json_is_object(node->value) || !document_member(node, key, &member))
            continue;
        schema_read(&reading->reader, chain_tables[kinds[i].table].schema, node, element);
        element->kind = kinds[i].kind;
        check_element_name(reading, node, key, element->name);
        check_situation(reading, node, "certificate", element->certificate, PKI_ROLE_SERVER);
        kinds[i].read(reading, node, element);
        reading->chain->count++;
        return;
    }
    FAIL(reading, node,
         "a part of the path has one of 'hop', 'wire' and 'origin', and its name "
         "there: {hop: edge, persona: f5}");
}

/* ---- the path ------------------------------------------------------------------------------ */

static void check_names(struct reading *reading, const struct document_node *path)
{
    struct document_node child = { 0 };
    const struct chain *chain = reading->chain;

    for (size_t i = 0; i < chain->count && document_next(path, &child); i++)
        for (size_t j = 0; j < i; j++)
            if (chain->elements[i].name && chain->elements[j].name &&
                strcmp(chain->elements[i].name, chain->elements[j].name) == 0)
                FAIL(reading, &child, "'%s' is the name of another part already",
                     chain->elements[i].name);
}

static void check_order(struct reading *reading, const struct document_node *path)
{
    struct chain *chain = reading->chain;
    struct document_node child = { 0 };

    for (size_t i = 0; i < chain->count && document_next(path, &child); i++) {
        if (chain->elements[i].kind == CHAIN_ORIGIN)
            chain->origins_count++;
        else if (chain->origins_count > 0) {
            FAIL(reading, &child,
                 "behind an origin only other origins follow, which share its load");
            return;
        }
    }
    if (chain->origins_count == 0)
        FAIL(reading, path, "the path ends with an origin; add {origin: server}");
    else if (chain->origins_count > 1 && chain->count > chain->origins_count &&
             chain->elements[chain->count - chain->origins_count - 1].kind == CHAIN_WIRE)
        FAIL(reading, path, "a wire leads to one origin only");
    else if (chain->count == chain->origins_count)
        FAIL(reading, path, "there is no hop in the path");
}

/* Where several stand side by side, something in front of them must choose. */
static void check_equals(struct reading *reading, const struct document_node *path)
{
    const struct chain *chain = reading->chain;
    struct document_node child = { 0 };

    for (size_t i = 0; i < chain->count && document_next(path, &child); i++) {
        struct document_node at = member_or_self(&child, "count");

        if (chain->elements[i].equals > 1 && i == 0)
            FAIL(reading, &at, "clients know one address: put a hop in front that shares the load");
        else if (chain->elements[i].equals > 1 && chain->elements[i - 1].kind == CHAIN_WIRE)
            FAIL(reading, &at, "a wire leads to one hop only");
    }
}

/* "gateway-2" */
static bool make_equal(struct chain *chain, const struct chain_element *pattern, size_t number)
{
    struct chain_element *made = &chain->elements[chain->count];
    char name[64];

    *made = *pattern;
    chain->count++;
    if (pattern->equals <= 1)
        return true;
    snprintf(name, sizeof(name), "%s-%zu", pattern->name, number);
    made->number = number;
    made->group = pattern->name;
    made->name = config_copy_text(chain->texts, name, strlen(name));
    return made->name != NULL;
}

/* Each of those that stand side by side becomes an element of its own. */
static void expand(struct reading *reading, const struct document_node *path)
{
    struct chain *chain = reading->chain;
    struct chain_element written[CHAIN_ELEMENTS_MAX];
    size_t count = chain->count, needed = 0;

    memcpy(written, chain->elements, sizeof(written));
    for (size_t i = 0; i < count; i++)
        needed += written[i].equals > 1 ? (size_t)written[i].equals : 1;
    if (needed > CHAIN_ELEMENTS_MAX) {
        FAIL(reading, path, "more than %d parts, those of every count together",
             CHAIN_ELEMENTS_MAX);
        return;
    }
    chain->count = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t n = 1; n == 1 || n <= (size_t)written[i].equals; n++)
            reading->reader.out_of_memory =
                !make_equal(chain, &written[i], n) || reading->reader.out_of_memory;
    for (size_t i = 0; i < chain->count && !reading->reader.out_of_memory; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(chain->elements[i].name, chain->elements[j].name) == 0)
                FAIL(reading, path, "'%s' is the name of two parts", chain->elements[i].name);
}

static void read_path(struct reading *reading, const struct document_node *root)
{
    struct document_node path, child = { 0 };
    size_t before = reading->reader.errors->errors_count;

    if (!document_member(root, "path", &path) || !json_is_array(path.value))
        return;
    if (json_array_size(path.value) > CHAIN_ELEMENTS_MAX) {
        FAIL(reading, &path, "more than %d parts", CHAIN_ELEMENTS_MAX);
        return;
    }
    while (document_next(&path, &child))
        read_element(reading, &child);
    if (reading->reader.errors->errors_count > before)
        return;
    check_names(reading, &path);
    check_order(reading, &path);
    check_equals(reading, &path);
    if (reading->reader.errors->errors_count == before)
        expand(reading, &path);
}

/* ---- public -------------------------------------------------------------------------------- */

int chain_parse(struct slice text, const char *source, struct chain **ret,
                struct config_errors *errors)
{
    SCOPED(chain) chain = calloc(1, sizeof(*chain));
    struct reading reading = { .chain = chain, .source = source, .reader = { .errors = errors } };
    size_t before = errors->errors_count;
    struct document_node root;
    int r;

    if (!chain || !(chain->texts = config_create()))
        return -ENOMEM;
    r = document_parse(text, document_guess_format(source, text), source, &chain->document, errors);
    if (r < 0)
        return r;
    reading.reader.config = chain->texts;
    root = document_root(chain->document);
    schema_read(&reading.reader, chain_tables[CHAIN_TABLE_CHAIN].schema, &root, chain);
    if (json_is_object(root.value)) {
        struct document_node client = member_or_self(&root, "client");

        check_element_name(&reading, &root, "name", chain->name);
        check_situation(&reading, &client, "certificate", chain->client.certificate,
                        PKI_ROLE_CLIENT);
        read_path(&reading, &root);
    }
    if (reading.reader.out_of_memory)
        return -ENOMEM;
    if (errors->errors_count > before)
        return -EINVAL;
    if (!chain->client.host)
        chain->client.host = chain->pki_name;
    *ret = TAKE(chain);
    return 0;
}

static bool is_builtin_like(const char *name)
{
    return !strchr(name, '/') && !strchr(name, '.') && access(name, F_OK) < 0;
}

/* A word that is no file was meant as a name. */
static void add_unknown_name(const char *name, struct config_errors *errors)
{
    char names[512] = "";
    size_t length = 0;

    for (const struct chain_builtin *one = chain_builtins; one->name && length < sizeof(names);
         one++)
        length += (size_t)snprintf(names + length, sizeof(names) - length, "%s%s",
                                   length > 0 ? ", " : "", one->name);
    config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .file = name },
                      "there is no such file, and no ready-made chain of that name: %s", names);
}

int chain_load(const char *path_or_name, struct chain **ret, struct config_errors *errors)
{
    char *text = NULL;
    size_t length = 0;
    int r;

    for (const struct chain_builtin *builtin = chain_builtins; builtin->name; builtin++)
        if (strcmp(builtin->name, path_or_name) == 0)
            return chain_parse((struct slice){ (const char *)builtin->text, builtin->length },
                               builtin->name, ret, errors);
    if (is_builtin_like(path_or_name)) {
        add_unknown_name(path_or_name, errors);
        return -ENOENT;
    }
    r = file_read(path_or_name, DOCUMENT_BYTES_MAX, &text, &length, errors);
    if (r < 0)
        return r;
    r = chain_parse((struct slice){ text, length }, path_or_name, ret, errors);
    free(text);
    return r;
}

void chain_free(struct chain *chain)
{
    if (!chain)
        return;
    document_free(chain->document);
    config_free(chain->texts);
    free(chain);
}

bool chain_needs_pki(const struct chain *chain)
{
    bool needed = chain->client.certificate != NULL;

    for (size_t i = 0; i < chain->count; i++) {
        const struct chain_element *element = &chain->elements[i];

        needed = needed || element->tls || element->client_certificate || element->verify_upstream;
    }
    return needed;
}
