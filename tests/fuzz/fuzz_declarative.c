/* Any text as YAML and as JSON: every value has a place, and what is refused says why. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "config/config.h"
#include "config/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The marks of the children follow their parent's and end where it ends. */
static void check_marks(const struct document_node *node)
{
    const struct document *document = node->document;
    struct document_node child = { 0 };
    uint32_t next = node->mark + 1;

    must(node->mark < document->marks_count);
    must(document->marks[node->mark].line > 0 && document->marks[node->mark].column > 0);
    must(document->marks[node->mark].key_line > 0 && document->marks[node->mark].key_column > 0);
    if (json_is_array(node->value) || json_is_object(node->value)) {
        while (document_next(node, &child)) {
            must(child.mark == next);
            check_marks(&child);
            next = document->marks[child.mark].next;
        }
    }
    must(document->marks[node->mark].next == next);
}

static void check_document(struct slice text, enum document_format format)
{
    struct document *document = NULL;
    struct config_errors errors;
    int r;

    config_errors_init(&errors);
    r = document_parse(text, format, NULL, &document, &errors);
    must(r == 0 ? errors.count == 0 : r == -EINVAL && errors.count == 1);
    if (r == 0) {
        struct document_node root = document_root(document);
        check_marks(&root);
        must(document->marks[0].next == document->marks_count);
    }
    document_free(document);
    config_errors_done(&errors);
}

static void check_config(struct slice text, const char *file)
{
    struct config *config = NULL;
    struct config_errors errors;
    char line[CONFIG_MESSAGE_MAX];
    int r;

    config_errors_init(&errors);
    r = config_load_text(text, file, &config, &errors);
    must(r == 0 || r == -EINVAL);
    must((r == 0) == (errors.errors_count == 0) && (r == 0) == (config != NULL));
    for (size_t i = 0; i < errors.count; i++)
        for (const char *c = config_error_format(&errors.items[i], line, sizeof(line)); *c; c++)
            must((unsigned char)*c >= 0x20 && *c != 0x7f);
    for (size_t i = 0; config && i < config->services_count; i++)
        must(config->services[i].id && config->services[i].host);
    for (size_t i = 0; config && i < config->upstreams_count; i++)
        for (size_t j = 0; j < config->upstreams[i].targets_count; j++)
            must(config->upstreams[i].targets[j].host && config->upstreams[i].targets[j].port > 0);
    config_free(config);
    config_errors_done(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = { (const char *)data, size };

    check_document(text, DOCUMENT_YAML);
    check_document(text, DOCUMENT_JSON);
    check_config(text, "fuzz.yaml");
    check_config(text, "fuzz.json");
    return 0;
}
