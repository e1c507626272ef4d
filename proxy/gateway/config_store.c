#include "proxy/gateway/config_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/declarative.h"
#include "proxy/gateway/config_publish.h"
#include "proxy/gateway/prefix.h"

/* ---- open and close ------------------------------------------------------------------------ */

static int open_sqlite(struct config_store *store, const struct prefix *prefix,
                       const struct settings *settings, struct config_errors *errors)
{
    int r;

    store->path = prefix_path(prefix, settings->hopgate_sqlite_path);
    r = store->path ? store_sqlite_open(store->path, &store->store, errors) : -ENOMEM;
    if (r == 0)
        r = dao_create(model_get(), store->store, &store->dao);
    return r == 0 ? dao_load(store->dao, errors) : r;
}

static int open_memory(struct config_store *store)
{
    int r = dao_create(model_get(), NULL, &store->dao);

    if (r == 0)
        dao_set_read_only(store->dao, true);
    return r;
}

bool config_store_open(struct config_store *store, const struct prefix *prefix,
                       const struct settings *settings, struct config_errors *errors)
{
    bool is_off = strcmp(settings->database, "off") == 0;
    int r;

    *store = (struct config_store){
        .keeps_plugins = strcmp(settings->hopgate_stored_plugins, "allow") == 0,
    };
    r = model_get() ? 0 : -ENOMEM;
    if (r == 0)
        r = is_off ? open_memory(store) : open_sqlite(store, prefix, settings, errors);
    if (r < 0 && errors->errors_count == 0)
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_sqlite_path"),
                          "%s: %s", config_store_name(store), strerror(-r));
    return r == 0;
}

void config_store_close(struct config_store *store)
{
    dao_free(TAKE(store->dao));
    store_free(TAKE(store->store));
    free(TAKE(store->path));
}

const char *config_store_name(const struct config_store *store)
{
    return store->path ? store->path : "the Admin API";
}

/* ---- what is published --------------------------------------------------------------------- */

/* What takes part in how requests are carried. Consumers and their credentials, keys and vaults are
 * only kept: nothing here looks at them, and without a plugin nothing in Kong does either. */
static const char *const kinds[] = {
    "services", "routes", "upstreams", "targets", "certificates", "snis", "ca_certificates",
};

/* One that is switched on and that nothing runs would have traffic pass unguarded: the reader of
 * declarative files refuses it, unless it was said that they may be kept. */
static int add_plugins(const struct config_store *store, const json_t *all, json_t *document)
{
    const json_t *plugins = json_object_get(all, "plugins");
    json_t *on = json_array();

    for (size_t i = 0; on && !store->keeps_plugins && i < json_array_size(plugins); i++) {
        json_t *plugin = json_array_get(plugins, i);

        if (!json_is_false(json_object_get(plugin, "enabled")) && json_array_append(on, plugin) < 0)
            json_decref(TAKE(on));
    }
    if (on && json_array_size(on) == 0) {
        json_decref(on);
        return 0;
    }
    return json_object_set_new(document, "plugins", on) < 0 ? -ENOMEM : 0; /* NULL fails */
}

static json_t *document_of(const struct config_store *store)
{
    json_t *all = dao_export(store->dao);
    json_t *document = all ? json_pack("{s:s}", "_format_version", "3.0") : NULL;
    int r = document ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        json_t *list = json_object_get(all, kinds[i]);

        if (list && json_object_set(document, kinds[i], list) < 0)
            r = -ENOMEM;
    }
    if (r == 0)
        r = add_plugins(store, all, document);
    json_decref(all);
    if (r == 0)
        return document;
    json_decref(document);
    return NULL;
}

int config_store_publication(const struct config_store *store, struct publication *ret)
{
    json_t *document = document_of(store);
    int r;

    ret->source = config_store_name(store);
    config_errors_init(&ret->errors);
    ret->text = document ? json_dumps(document, JSON_COMPACT) : NULL;
    if (ret->text) {
        ret->length = strlen(ret->text);
        r = config_load_entities(document, ret->source, &ret->config, &ret->errors);
    } else {
        r = -ENOMEM;
    }
    if (r == 0)
        config_set_hash(ret->config, (struct slice){ ret->text, ret->length });
    json_decref(document);
    return r;
}

void config_store_publication_done(struct publication *publication)
{
    free(TAKE(publication->text));
    config_free(TAKE(publication->config));
    config_errors_done(&publication->errors);
}
