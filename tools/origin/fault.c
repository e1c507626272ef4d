#include "tools/origin/fault.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"
#include "tls/pki_lab.h"
#include "tools/origin/fault_builtin.h"

static const char *const listen_words[] = { "tcp",         "refused", "blackhole",
                                            "unreachable", "none",    NULL };
static const char *const transport_words[] = { "any", "tls", "raw", NULL };

const char *fault_listen_text(enum fault_listen listen)
{
    return listen_words[listen];
}

/* ---- members ------------------------------------------------------------------------------- */

static bool read_group(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct fault *)into)->group);
}

static bool read_description(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct fault *)into)->description);
}

static bool read_note(struct reader *reader, const struct document_node *node, void *into)
{
    return reader_string(reader, node, &((struct fault *)into)->note);
}

static bool read_listen(struct reader *reader, const struct document_node *node, void *into)
{
    int word = reader_word(reader, node, listen_words);

    if (word >= 0)
        ((struct fault *)into)->listen = (enum fault_listen)word;
    return true;
}

static bool read_transport(struct reader *reader, const struct document_node *node, void *into)
{
    int word = reader_word(reader, node, transport_words);

    if (word >= 0)
        ((struct fault *)into)->transport = (enum fault_transport)word;
    return true;
}

static bool is_server_situation(const char *name)
{
    size_t count;
    const struct pki_situation *situations = pki_lab_situations(&count);

    for (size_t i = 0; i < count; i++)
        if (situations[i].role == PKI_ROLE_SERVER && strcmp(situations[i].name, name) == 0)
            return true;
    return false;
}

static bool read_certificate(struct reader *reader, const struct document_node *node, void *into)
{
    struct fault *fault = into;

    if (!reader_string(reader, node, &fault->certificate))
        return false;
    if (fault->certificate && !is_server_situation(fault->certificate))
        reader_fail(reader, node,
                    "\"%s\" is no certificate situation; `hopgate lab pki DIR` lists them in "
                    "DIR/README",
                    fault->certificate);
    return true;
}

static bool read_client_certificate(struct reader *reader, const struct document_node *node,
                                    void *into)
{
    (void)reader_boolean(reader, node, &((struct fault *)into)->client_certificate);
    return true;
}

static bool read_tls_max(struct reader *reader, const struct document_node *node, void *into)
{
    static const char *const words[] = { "1.2", "1.3", NULL };

    ((struct fault *)into)->tls12 = reader_word(reader, node, words) == 0;
    return true;
}

static bool read_receive_buffer(struct reader *reader, const struct document_node *node, void *into)
{
    enum { BYTES_MIN = 1024, BYTES_MAX = 64 * 1024 * 1024 };

    (void)reader_count(reader, node, BYTES_MIN, BYTES_MAX,
                       &((struct fault *)into)->receive_buffer_bytes);
    return true;
}

static bool make_connections(struct fault *fault, size_t count)
{
    fault->connections = calloc(count, sizeof(*fault->connections));
    fault->connections_count = fault->connections ? count : 0;
    return fault->connections != NULL;
}

static bool read_connections(struct reader *reader, const struct document_node *node, void *into)
{
    struct fault *fault = into;
    struct document_node child = { 0 };

    if (!reader_is_list(reader, node, "connections"))
        return true;
    if (json_array_size(node->value) == 0 || fault->connections) {
        reader_fail(reader, node,
                    "there must be one list of connections, and one of them at least");
        return true;
    }
    if (!make_connections(fault, json_array_size(node->value)))
        return false;
    while (document_next(node, &child))
        if (!step_list_read(reader, &child, &fault->connections[child.index]))
            return false;
    return true;
}

bool fault_read_steps(struct reader *reader, const struct document_node *node, struct fault *into)
{
    if (into->connections) {
        reader_fail(reader, node, "either steps or connections");
        return true;
    }
    return make_connections(into, 1) && step_list_read(reader, node, &into->connections[0]);
}

static bool read_steps(struct reader *reader, const struct document_node *node, void *into)
{
    return fault_read_steps(reader, node, into);
}

static const struct reader_member members[] = {
    { .name = "group", .read = read_group },
    { .name = "description", .read = read_description },
    { .name = "note", .read = read_note },
    { .name = "listen", .read = read_listen },
    { .name = "transport", .read = read_transport },
    { .name = "certificate", .read = read_certificate },
    { .name = "client_certificate", .read = read_client_certificate },
    { .name = "tls_max", .read = read_tls_max },
    { .name = "receive_buffer_bytes", .read = read_receive_buffer },
    { .name = "connections", .read = read_connections },
    { .name = "steps", .read = read_steps },
    { .name = NULL },
};

/* ---- the library --------------------------------------------------------------------------- */

static bool name_is_good(const char *name)
{
    return *name && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "_-.") == strlen(name);
}

static bool read_fault(struct reader *reader, const struct document_node *node, struct fault *fault)
{
    fault->name = strdup(node->key);
    if (!fault->name)
        return false;
    if (!name_is_good(fault->name))
        reader_fail(reader, node, "the name of a fault has letters, digits, '_', '-' and '.' only");
    if (!reader_mapping(reader, node, "a fault", members, fault))
        return false;
    if (fault->connections)
        return true;
    if (fault->listen == FAULT_LISTEN_TCP && json_is_object(node->value))
        reader_fail(reader, node, "a fault needs 'steps' or 'connections'");
    return make_connections(fault, 1);
}

bool fault_library_read(struct reader *reader, const struct document_node *node,
                        struct fault_library *library)
{
    struct document_node child = { 0 };
    struct fault *grown;

    if (!json_is_object(node->value)) {
        reader_fail(reader, node, "must be a mapping from names to faults");
        return true;
    }
    grown = reallocarray(library->items, library->count + json_object_size(node->value) + 1,
                         sizeof(*grown));
    if (!grown)
        return false;
    library->items = grown;
    while (document_next(node, &child)) {
        library->items[library->count] = (struct fault){ 0 };
        if (!read_fault(reader, &child, &library->items[library->count++]))
            return false;
    }
    return true;
}

struct fault_library *fault_library_builtin(void)
{
    struct slice text = { (const char *)fault_builtins[0].text, fault_builtins[0].length };
    struct fault_library *library = calloc(1, sizeof(*library));
    SCOPED(document) document = NULL;
    struct document_node root, faults;
    struct config_errors errors;
    struct reader reader = { .errors = &errors };
    bool made = false;

    config_errors_init(&errors);
    if (library && document_parse(text, DOCUMENT_JSON, "faults.json", &document, &errors) == 0) {
        root = document_root(document);
        made = document_member(&root, "faults", &faults) &&
               fault_library_read(&reader, &faults, library);
    }
    if (errors.count > 0)
        config_errors_print(&errors, stderr);
    assert(errors.count == 0 && "the built-in library is wrong");
    config_errors_done(&errors);
    if (made)
        return library;
    fault_library_free(library);
    return NULL;
}

void fault_done(struct fault *fault)
{
    for (size_t i = 0; i < fault->connections_count; i++)
        step_list_done(&fault->connections[i]);
    free(fault->connections);
    free(fault->name);
    free(fault->group);
    free(fault->description);
    free(fault->note);
    free(fault->certificate);
}

void fault_library_free(struct fault_library *library)
{
    if (!library)
        return;
    for (size_t i = 0; i < library->count; i++)
        fault_done(&library->items[i]);
    free(library->items);
    free(library);
}

/* ---- by name ------------------------------------------------------------------------------- */

const struct fault *fault_find(const struct fault_library *library, struct slice name)
{
    for (size_t i = 0; library && i < library->count; i++)
        if (slice_equal(slice_of(library->items[i].name), name))
            return &library->items[i];
    return NULL;
}

static void offer_all(const struct fault_library *library, struct suggest *suggest)
{
    for (size_t i = 0; library && i < library->count; i++)
        suggest_offer(suggest, library->items[i].name);
}

const char *fault_suggest(const struct fault_library *library, const char *name)
{
    struct suggest suggest = { .wanted = name };

    offer_all(library, &suggest);
    return suggest.nearest;
}

const struct fault *fault_resolve(struct reader *reader, const struct document_node *node)
{
    const char *name = json_string_value(node->value);
    struct suggest suggest = { .wanted = name };
    const struct fault *fault;

    if (!name) {
        reader_fail(reader, node, "must be the name of a fault");
        return NULL;
    }
    fault = fault_find(reader->own, slice_of(name));
    if (!fault)
        fault = fault_find(reader->builtin, slice_of(name));
    if (fault)
        return fault;
    offer_all(reader->own, &suggest);
    offer_all(reader->builtin, &suggest);
    if (suggest.nearest)
        reader_fail(reader, node, "there is no fault \"%s\"; did you mean \"%s\"?", name,
                    suggest.nearest);
    else
        reader_fail(reader, node, "there is no fault \"%s\"; `hopgate origin --faults` lists them",
                    name);
    return NULL;
}

const char *fault_refuses_request(const struct fault *fault, bool is_tls)
{
    if (fault->listen != FAULT_LISTEN_TCP)
        return "it is about connecting";
    if (fault->transport == FAULT_TRANSPORT_RAW && is_tls)
        return "it is about what comes before TLS, or in its place";
    if (fault->transport == FAULT_TRANSPORT_TLS && !is_tls)
        return "it needs TLS";
    if (fault->client_certificate || fault->tls12 ||
        (fault->certificate && strcmp(fault->certificate, "good") != 0))
        return "it is about the handshake";
    return NULL;
}

void fault_library_print(const struct fault_library *library, FILE *stream)
{
    const char *group = "";

    for (size_t i = 0; i < library->count; i++) {
        const struct fault *fault = &library->items[i];

        if (fault->group && strcmp(group, fault->group) != 0)
            (void)fprintf(stream, "%s%s\n", i ? "\n" : "", group = fault->group);
        (void)fprintf(stream, "  %-28s %s\n", fault->name,
                      fault->description ? fault->description : "");
    }
}
