#include "config/declarative.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/declarative_priv.h"
#include "config/file.h"
#include "core/md5.h"

static const size_t entity_sizes[ENTITY_KIND_COUNT] = {
    [ENTITY_SERVICE] = sizeof(struct config_service),
    [ENTITY_ROUTE] = sizeof(struct config_route),
    [ENTITY_UPSTREAM] = sizeof(struct config_upstream),
    [ENTITY_TARGET] = sizeof(struct config_target),
    [ENTITY_CERTIFICATE] = sizeof(struct config_certificate),
    [ENTITY_SNI] = sizeof(struct loaded_sni),
    [ENTITY_CA_CERTIFICATE] = sizeof(struct config_ca_certificate),
    [ENTITY_MTLS] = sizeof(struct config_mtls),
};

/* --- entities ------------------------------------------------------------------------------ */

/* Those before which others refer to; within each as in the document, and what is nested with its parent. */
static const char *const lists[] = { "services",     "routes", "upstreams",      "targets",
                                     "certificates", "snis",   "ca_certificates" };
enum { LISTS = sizeof(lists) / sizeof(lists[0]) };

static int read_found(void *context, const struct model_entity *entity, const json_t *values,
                      const struct document_node *node)
{
    return declarative_read_entity(context, entity, values, node);
}

/* Of a text: everything that is right goes where it belongs, or all that is wrong is told. */
static int read_text(struct loader *loader)
{
    struct document_node root = document_root(loader->document);
    struct timespec now;
    int r = model_get() ? 0 : -ENOMEM;

    if (!json_is_object(root.value)) {
        FAIL(loader, &root, "expected an object; the file begins with _format_version: \"3.0\"");
        return 0;
    }
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (r == 0)
        r = flatten_file(model_get(), loader->document->root,
                         (double)now.tv_sec + (double)now.tv_nsec / 1e9, &loader->flattened);
    if (r == -EINVAL) {
        flattened_tell(loader->flattened, loader->document, loader->errors);
        return 0;
    }
    if (r == 0) {
        loader->config->entities = flattened_entities(loader->flattened);
        r = loader->config->entities ? 0 : -ENOMEM;
    }
    for (size_t i = 0; r == 0 && i < LISTS; i++)
        r = flattened_walk(loader->flattened, loader->document, lists[i], read_found, loader);
    return r;
}

/* Of what is flat already. */
static int read_entities(struct loader *loader)
{
    struct document_node root = document_root(loader->document);
    const struct model *model = model_get();
    int r = model ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < LISTS; i++) {
        const struct model_entity *entity = model_entity(model, lists[i]);
        struct document_node list, item = { 0 };
        if (!document_member(&root, lists[i], &list))
            continue;
        while (r == 0 && document_next(&list, &item))
            r = declarative_read_entity(loader, entity, item.value, &item);
    }
    return r;
}

static int read_document(struct loader *loader)
{
    int r = loader->document->marks ? read_text(loader) : read_entities(loader);

    if (r == 0)
        r = declarative_begin_hopgate(loader);
    return r == 0 && loader->reader.out_of_memory ? -ENOMEM : r;
}

/* --- the whole ----------------------------------------------------------------------------- */

static int loader_init(struct loader *loader, struct config_errors *errors, const char *file)
{
    *loader = (struct loader){ .errors = errors };
    loader->config = config_create();
    if (!loader->config)
        return -ENOMEM;
    loader->reader = (struct schema_reader){ .config = loader->config, .errors = errors };
    if (file) {
        loader->config->source = config_copy_text(loader->config, file, strlen(file));
        if (!loader->config->source)
            return -ENOMEM;
        loader->config->hopgate_source = loader->config->source;
    }
    for (size_t i = 0; i < ENTITY_KIND_COUNT; i++) {
        loader->lists[i].item_size = entity_sizes[i];
        loader->lists[i].by_id = json_object();
        loader->lists[i].by_name = json_object();
        if (!loader->lists[i].by_id || !loader->lists[i].by_name)
            return -ENOMEM;
    }
    return 0;
}

static void loader_done(struct loader *loader)
{
    for (size_t i = 0; i < ENTITY_KIND_COUNT; i++) {
        json_decref(loader->lists[i].by_id);
        json_decref(loader->lists[i].by_name);
        free(loader->lists[i].items);
    }
    free(loader->references);
    flattened_free(loader->flattened);
    document_free(loader->document);
    config_free(loader->config);
}

/* All 0 without an entity, as when there was no configuration yet (kong/db/declarative/import.lua). */
static void set_hash(struct config *config, struct slice text)
{
    if (flattened_any(config->entities))
        md5_hex(text, config->hash);
}

/* Everything after the document is there; takes what is in `loader` and `found`. r: how that went. */
static int finish_loading(struct loader *loader, int r, struct config_errors *errors)
{
    struct config_errors *found = loader->errors;

    if (r == 0)
        r = read_document(loader);
    if (r == 0)
        r = declarative_link(loader);
    if (r == 0 && found->errors_count == 0)
        r = declarative_read_hopgate(loader);
    if (r == 0 && found->errors_count > 0)
        r = -EINVAL;
    config_errors_sort(found);
    config_errors_take(errors, found);
    return r;
}

int config_load_text(struct slice text, const char *file, struct config **ret,
                     struct config_errors *errors)
{
    struct config_errors found;
    struct loader loader;
    int r;

    config_errors_init(&found);
    r = loader_init(&loader, &found, file);
    if (r == 0)
        r = document_parse(text, document_guess_format(file, text), file, &loader.document, &found);
    r = finish_loading(&loader, r, errors);
    if (r == 0) {
        if (file)
            set_hash(loader.config, text);
        if (loader.config->entities && json_object_set_new(loader.config->entities, "_hash",
                                                           json_string(loader.config->hash)) < 0)
            r = -ENOMEM;
    }
    if (r == 0) {
        *ret = TAKE(loader.config);
    }
    loader_done(&loader);
    return r;
}

int config_load_entities(json_t *document, const char *source, struct config **ret,
                         struct config_errors *errors)
{
    struct config_errors found;
    struct loader loader;
    int r;

    config_errors_init(&found);
    r = loader_init(&loader, &found, source);
    if (r == 0) {
        loader.document = document_wrap(document, source);
        r = loader.document ? 0 : -ENOMEM;
    }
    r = finish_loading(&loader, r, errors);
    if (r == 0)
        *ret = TAKE(loader.config);
    loader_done(&loader);
    return r;
}

int config_load_file(const char *file, struct config **ret, struct config_errors *errors)
{
    char *text;
    size_t length;
    int r = file_read(file, DOCUMENT_BYTES_MAX, &text, &length, errors);

    if (r < 0)
        return r;
    r = config_load_text((struct slice){ text, length }, file, ret, errors);
    free(text);
    return r;
}
