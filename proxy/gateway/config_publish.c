#include "proxy/gateway/config_publish.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/declarative.h"
#include "core/log.h"
#include "proxy/gateway/gateway_priv.h"
#include "proxy/worker/worker.h"

/* How long names that are new are waited for; the main thread has other things to do. */
enum { PUBLISH_NAMES_WAIT_MS = 1000 };

/* What takes part in how requests are carried. Consumers, their credentials and the like are only kept. */
static json_t *document_of(const json_t *entities)
{
    const char *const *kinds = entity_book_kinds;
    json_t *hopgate = json_object_get(entities, "hopgate"); /* of POST /config */
    json_t *document = json_pack("{s:s}", "_format_version", "3.0");

    for (; document && *kinds; kinds++) {
        json_t *list = json_object_get(entities, *kinds);

        if (list && json_object_set(document, *kinds, list) < 0)
            json_decref(TAKE(document));
    }
    if (document && hopgate && json_object_set(document, "hopgate", hopgate) < 0)
        json_decref(TAKE(document));
    return document;
}

int config_publish_read(json_t *entities, const char *source, const struct config_extras *extras,
                        struct config **ret, struct config_errors *errors)
{
    json_t *document = document_of(entities);
    SCOPED(config) config = NULL;
    int r = document ? config_load_entities(document, source, &config, errors) : -ENOMEM;

    if (r == 0)
        r = config_apply_extras(config, extras, true, errors);
    if (r == 0)
        *ret = TAKE(config);
    json_decref(document);
    return r;
}

int config_publish_read_again(json_t *entities, const char *source, struct entity_book *book,
                              uint64_t in_force, struct config **ret, struct config_errors *errors)
{
    json_t *document = document_of(entities);
    int r = document ? entity_book_read(book, document, source, in_force, ret, errors) : -ENOMEM;

    json_decref(document);
    return r;
}

struct snapshot *config_publish_load(struct gateway *gateway, struct config **config)
{
    struct snapshot *newest = gateway_newest(gateway), *snapshot;
    struct settings *settings = settings_share(newest->settings);

    snapshot = snapshot_load_entities(&settings, config, &gateway->hop, newest, &gateway->errors);
    if (snapshot)
        snapshot->generation = ++gateway->generation;
    return snapshot;
}

/* ---- prepare ------------------------------------------------------------------------------- */

void config_publish_forget(struct gateway *gateway)
{
    struct prepared_snapshot *prepared = &gateway->prepared;

    for (unsigned i = 0; prepared->pinned && i < gateway->hop.workers_count; i++)
        pinned_snapshot_unpin(prepared->pinned[i]);
    free(prepared->pinned);
    snapshot_free(prepared->snapshot);
    *prepared = (struct prepared_snapshot){ 0 };
}

static bool prepare(struct gateway *gateway, struct config **config)
{
    SCOPED(snapshot) snapshot = NULL;
    struct pinned_snapshot **pinned = NULL;

    config_publish_forget(gateway);
    snapshot = config_publish_load(gateway, config);
    if (snapshot && gateway_compile(gateway, snapshot, PUBLISH_NAMES_WAIT_MS) &&
        gateway_prepare_monitors(gateway, snapshot) && gateway_listen(gateway, snapshot))
        pinned = gateway_pin_for_all(gateway, snapshot);
    if (!pinned)
        return false;
    gateway->prepared =
        (struct prepared_snapshot){ TAKE(snapshot), gateway_newest(gateway)->generation, pinned };
    return true;
}

static void begin(struct gateway *gateway)
{
    config_errors_done(&gateway->errors);
    config_errors_init(&gateway->errors);
}

/* With the extras that are in force now. */
static bool read_again(struct publication *publication)
{
    struct config_extras *extras = gateway_newest(publication->gateway)->settings->extras;

    config_free(TAKE(publication->config));
    config_extras_unref(publication->extras);
    publication->extras = config_extras_ref(extras);
    return config_publish_read(publication->entities, publication->source, extras,
                               &publication->config, &publication->errors) == 0;
}

static void prepare_for(struct publication *publication)
{
    struct gateway *gateway = publication->gateway;

    if (publication->extras != gateway_newest(gateway)->settings->extras &&
        !read_again(publication))
        return; /* a reload came between; its errors are there */
    begin(gateway);
    publication->done = prepare(gateway, &publication->config);
    if (!publication->done && gateway->errors.errors_count == 0)
        config_errors_add(&gateway->errors, CONFIG_ERROR, (struct config_place){ 0 }, "%s",
                          gateway->error);
    config_errors_take(&publication->errors, &gateway->errors);
}

void config_publish_prepare(void *argument)
{
    struct publication *publication = argument;
    const struct gateway *gateway = publication->gateway;

    publication->is_ending = gateway->draining && !gateway->config.store;
    publication->done = gateway->draining && gateway->config.store;
    if (!gateway->draining)
        prepare_for(publication);
}

void config_publish_discard(void *argument)
{
    struct publication *publication = argument;

    config_publish_forget(publication->gateway);
}

/* ---- install ------------------------------------------------------------------------------- */

/* A reload came between. */
static bool prepare_again(struct publication *publication)
{
    publication->done = false;
    if (read_again(publication))
        prepare_for(publication);
    return publication->done;
}

static void put_in_force(struct gateway *gateway)
{
    struct prepared_snapshot prepared = gateway->prepared;
    const struct tls_server_config *tls = gateway_newest(gateway)->tls;

    gateway->prepared = (struct prepared_snapshot){ 0 };
    if (prepared.snapshot->tls != tls)
        gateway_tend_tls(gateway, prepared.snapshot); /* other certificates */
    gateway_put_in_front(gateway, &prepared.snapshot);
    for (unsigned i = 0; i < gateway->workers_started; i++)
        worker_switch(&gateway->workers[i], &prepared.pinned[i]);
    free(prepared.pinned);
    gateway_switch_monitors(gateway);
    gateway_forget_health(gateway_newest(gateway));
    gateway_watch_certificates(gateway);
    gateway_free_old_snapshots(gateway);
    log_error(LOG_LEVEL_INFO, "entities have changed: configuration %llu serves",
              (unsigned long long)gateway_newest(gateway)->generation);
}

void config_declare(struct gateway *gateway, json_t *entities)
{
    static const uint64_t one = 1;

    if (gateway->config.store) {
        json_decref(entities); /* without a file: there are none in it */
        return;
    }
    json_decref(atomic_exchange(&gateway->declared, entities));
    if (gateway->config_thread)
        (void)!write(gateway->hop.admin_questions.doorbell, &one, sizeof(one)); /* wakes it */
}

void config_publish_install(void *argument)
{
    struct publication *publication = argument;
    struct gateway *gateway = publication->gateway;
    json_t *former = gateway->entities;
    bool is_stale = !gateway->prepared.snapshot ||
                    gateway->prepared.follows != gateway_newest(gateway)->generation;

    publication->done = true;
    if (!gateway->draining) {
        if (is_stale && !prepare_again(publication))
            return;
        put_in_force(gateway);
    }
    if (!gateway->config.store) { /* a reload reads the declarative file */
        json_decref(atomic_exchange(&gateway->declared, NULL));
        return;
    }
    gateway->entities = publication->entities;
    publication->entities = former; /* to free them takes time, and the config thread has it */
}
