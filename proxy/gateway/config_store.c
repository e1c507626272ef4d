#include "proxy/gateway/config_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/log.h"
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
        .extras = config_extras_ref(settings->extras),
    };
    (void)pthread_mutex_init(&store->lock, NULL); /* cannot fail with default attributes */
    store->book = entity_book_create();
    r = store->book && model_get() ? 0 : -ENOMEM;
    if (r == 0)
        r = is_off ? open_memory(store) : open_sqlite(store, prefix, settings, errors);
    if (r < 0 && errors->errors_count == 0)
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_sqlite_path"),
                          "%s: %s", config_store_name(store), strerror(-r));
    return r == 0;
}

void config_store_close(struct config_store *store)
{
    entity_book_free(TAKE(store->book));
    dao_free(TAKE(store->dao));
    store_free(TAKE(store->store));
    free(TAKE(store->path));
    config_extras_unref(TAKE(store->extras)); /* the lock has nothing to free on Linux */
}

const char *config_store_name(const struct config_store *store)
{
    return store->path ? store->path : "the Admin API";
}

/* ---- what is published --------------------------------------------------------------------- */

/* One that is switched on and that nothing runs lets traffic pass unguarded. */
static int refuse_plugins(const json_t *entities, struct config_errors *errors)
{
    const json_t *plugins = json_object_get(entities, "plugins");
    char path[128];
    int r = 0;

    for (size_t i = 0; i < json_array_size(plugins); i++) {
        const json_t *plugin = json_array_get(plugins, i);
        const char *name = json_string_value(json_object_get(plugin, "name"));

        if (json_is_false(json_object_get(plugin, "enabled")))
            continue;
        (void)snprintf(path, sizeof(path), "plugins[%s]", name ? name : "");
        config_errors_add(errors, CONFIG_ERROR, (struct config_place){ .path = path },
                          "this version of hopgate runs no plugins, and traffic would pass without "
                          "it: set its enabled to false, or hopgate_stored_plugins = allow");
        r = -EINVAL;
    }
    return r;
}

void config_store_set_extras(struct config_store *store, struct config_extras *extras)
{
    struct config_extras *former;

    pthread_mutex_lock(&store->lock);
    former = store->extras;
    store->extras = config_extras_ref(extras);
    pthread_mutex_unlock(&store->lock);
    config_extras_unref(former);
}

void config_store_note_problem(struct config_store *store, const char *problem)
{
    bool is_new;

    pthread_mutex_lock(&store->lock);
    is_new = strcmp(store->problem, problem) != 0;
    (void)snprintf(store->problem, sizeof(store->problem), "%s", problem);
    pthread_mutex_unlock(&store->lock);
    if (is_new && *problem)
        log_error(LOG_LEVEL_CRIT, "the store is of no use at present: %s", problem);
    else if (is_new)
        log_error(LOG_LEVEL_NOTICE, "%s: the store is of use again", config_store_name(store));
}

void config_store_note_lag(struct config_store *store, bool lags)
{
    pthread_mutex_lock(&store->lock);
    if (!lags)
        store->lags_since_unix_s = 0;
    else if (store->lags_since_unix_s == 0)
        store->lags_since_unix_s = (uint64_t)time(NULL);
    pthread_mutex_unlock(&store->lock);
}

struct config_store_state config_store_state(struct config_store *store)
{
    struct config_store_state state = { .lags_since_unix_s = 0 };

    pthread_mutex_lock(&store->lock);
    (void)snprintf(state.problem, sizeof(state.problem), "%s", store->problem);
    state.lags_since_unix_s = store->lags_since_unix_s;
    pthread_mutex_unlock(&store->lock);
    return state;
}

static struct config_extras *extras_in_force(struct config_store *store)
{
    struct config_extras *extras;

    pthread_mutex_lock(&store->lock);
    extras = config_extras_ref(store->extras);
    pthread_mutex_unlock(&store->lock);
    return extras;
}

int config_store_publication(struct config_store *store, uint64_t in_force, struct publication *ret)
{
    int r;

    ret->extras = extras_in_force(store);
    ret->source = config_store_name(store);
    config_errors_init(&ret->errors);
    ret->entities = dao_export(store->dao);
    if (!ret->entities)
        return -ENOMEM;
    r = store->keeps_plugins ? 0 : refuse_plugins(ret->entities, &ret->errors);
    if (r == 0)
        r = config_publish_read_again(ret->entities, ret->source, store->book, in_force,
                                      &ret->config, &ret->errors);
    ret->version = entity_book_version(store->book);
    if (r == 0 && ret->config)
        r = config_apply_extras(ret->config, ret->extras, true, &ret->errors);
    if (r == 0 && ret->config)
        (void)snprintf(ret->config->hash, sizeof(ret->config->hash), "%s", dao_hash(store->dao));
    return r;
}

bool config_store_replace(struct config_store *store, const json_t *entities)
{
    struct kong_error error = { 0 };
    int r = dao_begin(store->dao, &error);

    if (r == 0) {
        r = dao_replace_all(store->dao, entities);
        if (r == 0)
            r = dao_commit(store->dao, &error);
        else
            dao_rollback(store->dao);
    }
    kong_error_done(&error);
    return r == 0;
}

void config_store_publication_done(struct publication *publication)
{
    json_decref(TAKE(publication->entities));
    config_free(TAKE(publication->config));
    config_extras_unref(TAKE(publication->extras));
    config_errors_done(&publication->errors);
}
