/*
 * declarative_extras: the `hopgate:` object of a file of its own, over entities that come from a store.
 *
 * They come and go there: what does not fit them is told, and waits (MISFIT).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/declarative.h"
#include "config/declarative_priv.h"

/* ---- what is there twice ------------------------------------------------------------------- */

/* By the name that was written: what two names of one entity say is found where there are entities. */
static int check_repeated(struct loader *loader, const struct document_node *hopgate,
                          const char *name, const char *key)
{
    struct document_node list, item = { 0 }, member;
    json_t *seen;
    int r = 0;

    if (!document_member(hopgate, name, &list) || !json_is_array(list.value))
        return 0;
    seen = json_object();
    if (!seen)
        return -ENOMEM;
    while (r == 0 && document_next(&list, &item)) {
        const char *value;

        if (!document_member(&item, key, &member) || !(value = json_string_value(member.value)))
            continue;
        if (json_object_get(seen, value))
            FAIL(loader, &member, "the %s '%s' has an entry already; put both into one", key,
                 value);
        else if (json_object_set_new(seen, value, json_true()) < 0)
            r = -ENOMEM;
    }
    json_decref(seen);
    return r;
}

/* Of an entity that is not there (yet): later, when it is, is too late to tell. */
static int check_all_repeated(struct loader *loader, const struct document_node *hopgate)
{
    static const struct {
        const char *name, *key;
    } lists[] = {
        { "proxy_protocol", "service" }, { "slow_start", "upstream" }, { "health", "upstream" },
        { "limits", "service" },         { "balancing", "upstream" },  { "fields", "service" },
        { "fields", "route" },
    };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sizeof(lists) / sizeof(lists[0]); i++)
        r = check_repeated(loader, hopgate, lists[i].name, lists[i].key);
    return r;
}

/* ---- the entities -------------------------------------------------------------------------- */

/* All texts in the object: only what it names need be found. Its depth is bounded by the parser. */
static int collect_texts(json_t *texts, const json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;
    int r = 0;

    if (json_is_string(value))
        return json_object_set_new(texts, json_string_value(value), json_true());
    json_array_foreach(value, i, child) r |= collect_texts(texts, child);
    json_object_foreach((json_t *)value, key, child) r |= collect_texts(texts, child);
    return r;
}

static int note(const json_t *texts, json_t *keys, const char *key, size_t index)
{
    if (!key || !json_object_get(texts, key))
        return 0;
    return json_object_set_new(keys, key, json_integer((json_int_t)index));
}

static int index_entities(struct loader *loader, const json_t *texts)
{
    const struct config *config = loader->config;
    struct entity_list *lists = loader->lists;
    int r = 0;

    for (size_t i = 0; i < config->services_count; i++) {
        r |= note(texts, lists[ENTITY_SERVICE].by_id, config->services[i].id, i);
        r |= note(texts, lists[ENTITY_SERVICE].by_name, config->services[i].name, i);
    }
    for (size_t i = 0; i < config->routes_count; i++) {
        r |= note(texts, lists[ENTITY_ROUTE].by_id, config->routes[i].id, i);
        r |= note(texts, lists[ENTITY_ROUTE].by_name, config->routes[i].name, i);
    }
    for (size_t i = 0; i < config->upstreams_count; i++) {
        r |= note(texts, lists[ENTITY_UPSTREAM].by_id, config->upstreams[i].id, i);
        r |= note(texts, lists[ENTITY_UPSTREAM].by_name, config->upstreams[i].name, i);
    }
    for (size_t i = 0; i < config->ca_certificates_count; i++)
        r |= note(texts, lists[ENTITY_CA_CERTIFICATE].by_id, config->ca_certificates[i].id, i);
    return r == 0 ? 0 : -ENOMEM;
}

static int init_lists(struct loader *loader, const json_t *hopgate)
{
    json_t *texts = json_object();
    int r = texts && collect_texts(texts, hopgate) == 0 ? 0 : -ENOMEM;

    loader->lists[ENTITY_MTLS].item_size = sizeof(struct config_mtls);
    for (size_t i = 0; i < ENTITY_KIND_COUNT; i++) {
        loader->lists[i].by_id = json_object();
        loader->lists[i].by_name = json_object();
        if (!loader->lists[i].by_id || !loader->lists[i].by_name)
            r = -ENOMEM;
    }
    if (r == 0)
        r = index_entities(loader, texts);
    json_decref(texts);
    return r;
}

static void done(struct loader *loader)
{
    for (size_t i = 0; i < ENTITY_KIND_COUNT; i++) {
        json_decref(loader->lists[i].by_id);
        json_decref(loader->lists[i].by_name);
        free(loader->lists[i].items);
    }
    free(loader->references);
}

/* ---- mtls ---------------------------------------------------------------------------------- */

/* One that is not there verifies nobody: see tls_policy.trusts_nobody. */
static void resolve(struct loader *loader, struct reference *reference)
{
    reference->to = loader_find_id(loader, ENTITY_CA_CERTIFICATE, reference->key);
    if (reference->to == NO_ENTITY && !loader->has_no_entities)
        config_errors_add(loader->errors, CONFIG_WARNING, reference->place,
                          "the store has no CA certificate '%s' (yet): no client is verified by "
                          "it; make it, or correct the id",
                          reference->key);
}

static int give_authorities(const struct loader *loader, struct config_mtls *mtls, size_t index)
{
    mtls->ca_certificates =
        config_alloc(loader->config, loader->references_count * sizeof(*mtls->ca_certificates));
    if (!mtls->ca_certificates)
        return -ENOMEM;
    for (size_t i = 0; i < loader->references_count; i++) {
        const struct reference *reference = &loader->references[i];

        if (reference->from == index && reference->to == NO_ENTITY)
            mtls->lacks_authority = true;
        else if (reference->from == index)
            mtls->ca_certificates[mtls->ca_certificates_count++] =
                &loader->config->ca_certificates[reference->to];
    }
    return 0;
}

static int read_mtls(struct loader *loader, const struct document_node *hopgate)
{
    struct config *config = loader->config;
    int r = declarative_read_mtls(loader, hopgate);

    if (r < 0)
        return r;
    config->mtls_count = loader->lists[ENTITY_MTLS].count;
    config->mtls = TAKE(loader->lists[ENTITY_MTLS].items);
    for (size_t i = 0; i < loader->references_count; i++)
        resolve(loader, &loader->references[i]);
    for (size_t i = 0; r == 0 && i < config->mtls_count; i++)
        r = give_authorities(loader, &config->mtls[i], i);
    return r;
}

/* ---- public -------------------------------------------------------------------------------- */

static int read_all(struct loader *loader)
{
    struct document_node root = document_root(loader->document), hopgate;
    const char *file = loader->document->file;
    int r;

    loader->config->hopgate_source = config_copy_text(loader->config, file, strlen(file));
    if (!loader->config->hopgate_source)
        return -ENOMEM;
    if (!document_member(&root, "hopgate", &hopgate) || !json_is_object(hopgate.value))
        return 0;
    r = init_lists(loader, hopgate.value);
    if (r == 0 && loader->has_no_entities)
        r = check_all_repeated(loader, &hopgate);
    if (r == 0)
        r = read_mtls(loader, &hopgate);
    if (r == 0)
        r = declarative_read_hopgate(loader);
    return r == 0 && loader->reader.out_of_memory ? -ENOMEM : r;
}

int config_apply_extras(struct config *config, const struct config_extras *extras,
                        bool has_entities, struct config_errors *errors)
{
    struct config_errors found;
    struct loader loader = { .document = (struct document *)config_extras_document(extras),
                             .reads_extras = true,
                             .has_no_entities = !has_entities,
                             .config = config,
                             .errors = &found,
                             .reader = { .config = config, .errors = &found } };
    int r;

    if (!extras)
        return 0;
    config_errors_init(&found);
    r = read_all(&loader);
    if (r == 0 && found.errors_count > 0)
        r = -EINVAL;
    config_errors_sort(&found);
    config_errors_take(errors, &found);
    done(&loader);
    return r;
}
