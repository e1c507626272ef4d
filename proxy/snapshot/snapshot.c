#include "proxy/snapshot/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/entity_times.h"
#include "core/addr.h"
#include "proxy/persona/persona_pages.h"
#include "proxy/persona/persona_settings.h"
#include "proxy/persona/persona_times.h"
#include "proxy/report/metrics.h"
#include "proxy/report/request_debug.h"
#include "proxy/route/router.h"
#include "proxy/route/router_check.h"
#include "proxy/snapshot/admin_tls.h"
#include "proxy/snapshot/memory_limit.h"
#include "proxy/snapshot/name_settings.h"
#include "proxy/snapshot/persona_defaults.h"
#include "proxy/snapshot/server_tls.h"
#include "proxy/snapshot/service_plan.h"
#include "proxy/snapshot/tcp_relay.h"
#include "proxy/worker/hop.h"

/* ---- loading ------------------------------------------------------------------------------- */

/* Listeners that answer themselves are not part of what the hop pretends to be. */
#define LOCAL_PERSONA "kong-admin"

static struct persona *load_local_persona(const struct settings *settings,
                                          struct config_errors *errors)
{
    struct persona *persona = persona_load(LOCAL_PERSONA, errors);

    if (persona)
        persona_apply_settings(persona, settings);
    return persona;
}

/* nginx_admin_… is further in than nginx_http_…. */
static struct persona *load_admin_persona(const struct settings *settings,
                                          struct config_errors *errors)
{
    struct persona *persona = load_local_persona(settings, errors);

    if (!persona)
        return NULL;
    persona->client.content_max_bytes = settings->admin_client_max_body_size_bytes;
    /* who changes the configuration shows his own certificate, whoever else is trusted */
    persona->client.trusted_client_cert = PERSONA_TRUSTED_CERT_NONE;
    return persona;
}

static struct persona *load_persona(const struct settings *settings, struct config_errors *errors)
{
    struct persona *persona = persona_load(settings->hopgate_persona, errors);
    struct persona_strings lab;

    if (!persona)
        return NULL;
    if (settings->hopgate_capture_log && !settings->hopgate_lab)
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "hopgate_capture_log"),
                          "writes down what clients send: only with hopgate_lab = on");
    persona_set_lab(persona, settings->hopgate_lab);
    lab = persona_lab_words(persona);
    for (size_t i = 0; i < lab.count; i++) {
        if (settings->hopgate_lab)
            config_errors_add(errors, CONFIG_WARNING, settings_place(settings, "hopgate_persona"),
                              "persona %s uses the lab leniency %.*s: never in production",
                              persona->name, SLICE_ARG(lab.items[i]));
        else
            config_errors_add(errors, CONFIG_WARNING, settings_place(settings, "hopgate_persona"),
                              "persona %s: the lab leniency %.*s is off: it needs hopgate_lab = on",
                              persona->name, SLICE_ARG(lab.items[i]));
    }
    persona_apply_settings(persona, settings);
    persona_apply_pages(persona, settings, errors);
    return persona;
}

static void warn_of_upstream(const struct config *config, const struct config_upstream *upstream,
                             const char *key, const char *why, struct config_errors *errors)
{
    config_errors_add(errors, CONFIG_WARNING,
                      (struct config_place){ .file = config->source,
                                             .path = upstream->path,
                                             .line = upstream->line,
                                             .column = upstream->column },
                      "%s of upstream %s does nothing: %s", key, upstream->name, why);
}

/* What nobody looks at is better told. */
static void check_f5_words(const struct config *config, const struct persona *persona,
                           struct config_errors *errors)
{
    for (size_t i = 0; i < config->upstreams_count; i++) {
        const struct config_upstream *upstream = &config->upstreams[i];

        if (upstream->balancing.reselect_tries > 0 &&
            persona->retry.policy != PERSONA_RETRY_RESELECT)
            warn_of_upstream(config, upstream, "reselect_tries",
                             "this persona tries again as the service's retries say", errors);
        if (upstream->balancing.service_down_action && persona->upstream.pin != PERSONA_PIN_CLIENT)
            warn_of_upstream(config, upstream, "service_down_action",
                             "this persona binds no client to a target", errors);
    }
}

static bool any_tls(const struct listens *listens)
{
    for (size_t i = 0; i < listens->count; i++)
        if (listens->items[i].ssl)
            return true;
    return false;
}

static void check_admin(const struct settings *settings, struct config_errors *errors)
{
    SCOPED(persona) persona = NULL;
    struct admin_tls_inputs inputs = { .settings = settings };

    if (!any_tls(&settings->admin_listen))
        return;
    persona = load_admin_persona(settings, errors);
    if (!persona)
        return;
    inputs.policy = &persona->client;
    tls_server_config_unref(admin_tls_create(&inputs, errors));
}

void snapshot_check(const struct settings *settings, const struct config *config,
                    struct config_errors *errors)
{
    SCOPED(persona) persona = load_persona(settings, errors);
    struct client_tls client_tls = { 0 };
    struct log_choice formats = { 0 };
    struct resolver_options names;

    (void)name_settings_read(settings, &names, errors); /* for its errors */
    if (config)
        router_check(config, router_flavor_of(settings->router_flavor), errors);
    if (persona) {
        (void)log_choice_make(settings, persona, errors, &formats); /* the same */
        log_choice_done(&formats);
    }
    if (persona && config) {
        tcp_relay_check(settings, config, persona, errors);
        check_f5_words(config, persona, errors);
    }
    if (persona) {
        const struct server_tls_inputs inputs = { .settings = settings,
                                                  .config = config,
                                                  .policy = &persona->client };

        struct field_plans field_plans;

        server_tls_check(&inputs, errors);
        (void)field_plans_compile(settings, config, persona, &field_plans,
                                  errors); /* for its errors */
        if (client_tls_load(settings, persona, errors, &client_tls) == 0)
            client_tls_check(&client_tls, config, errors);
    }
    client_tls_done(&client_tls);
    check_admin(settings, errors);
}

/* Also for certificates in a field: they are judged by what TLS listeners ask for. */
static bool needs_tls(const struct settings *settings, const struct persona *persona)
{
    return persona->client.trusted_client_cert != PERSONA_TRUSTED_CERT_NONE ||
           any_tls(&settings->proxy_listen);
}

static bool has_token_rule(const struct persona *persona, const char *token)
{
    const struct persona_rules *rules = &persona->response.fields;

    for (size_t i = 0; i < rules->count; i++)
        if (rules->items[i].token && strcmp(rules->items[i].token, token) == 0)
            return true;
    return false;
}

/* Kong makes another one whenever it starts or reloads. */
static bool choose_debug_token(struct snapshot *snapshot, const struct snapshot *former,
                               struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;

    if (!settings->request_debug || !has_token_rule(snapshot->persona, "request_debug"))
        return true;
    snapshot->request_debug_token = settings->request_debug_token;
    if (snapshot->request_debug_token)
        return true;
    if (former && former->settings == settings && former->made_token[0]) {
        memcpy(snapshot->made_token, former->made_token, sizeof(snapshot->made_token));
        snapshot->request_debug_token = snapshot->made_token; /* only entities have changed */
        return true;
    }
    if (!request_debug_make_token(snapshot->made_token)) {
        config_errors_add(errors, CONFIG_ERROR, settings_place(settings, "request_debug"),
                          "the kernel gives no random bytes for a token; set request_debug_token");
        return false;
    }
    snapshot->request_debug_token = snapshot->made_token;
    return true;
}

static bool prepare_tls(struct snapshot *snapshot, struct hop *hop, const struct snapshot *former,
                        struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;
    size_t cache_bytes = settings->ssl_session_cache_size_bytes;
    struct server_tls_inputs inputs = { .settings = settings,
                                        .config = snapshot->config,
                                        .policy = &snapshot->persona->client,
                                        .ticket_keys = hop->ticket_keys,
                                        .self_signed = &hop->self_signed,
                                        .former = former ? former->tls : NULL };

    /* lives on: a reload must not make clients start anew */
    if (cache_bytes > 0 && !hop->tls_sessions) {
        hop->tls_sessions = tls_server_sessions_create(cache_bytes);
        if (!hop->tls_sessions)
            return false;
    }
    inputs.sessions = cache_bytes > 0 ? hop->tls_sessions : NULL;
    snapshot->tls = server_tls_create(&inputs, errors);
    return snapshot->tls != NULL;
}

/* The same certificates for everybody: who looks after the hop comes by its address, with no name and
 * no certificate. */
static bool prepare_local_tls(struct snapshot *snapshot, struct hop *hop,
                              const struct snapshot *former, struct config_errors *errors)
{
    const struct server_tls_inputs inputs = { .settings = snapshot->settings,
                                              .config = snapshot->config,
                                              .policy = &snapshot->local_persona->client,
                                              .asks_no_client = true,
                                              .ticket_keys = hop->ticket_keys,
                                              .self_signed = &hop->self_signed,
                                              .former = former ? former->local_tls : NULL };
    struct config_errors found;

    config_errors_init(&found);
    snapshot->local_tls = server_tls_create(&inputs, &found);
    if (!snapshot->local_tls || !snapshot->tls)
        config_errors_take(errors, &found); /* else they were told already */
    config_errors_done(&found);
    return snapshot->local_tls != NULL;
}

static bool prepare_local(struct snapshot *snapshot, struct hop *hop, const struct snapshot *former,
                          struct config_errors *errors)
{
    const struct listens *listens = &snapshot->settings->status_listen;

    return listens->count == 0 || !any_tls(listens) ||
           prepare_local_tls(snapshot, hop, former, errors);
}

/* Below kong.conf and the persona stand real times from here on. Who looks after the hop does so in real
 * time: the local persona has none of it. */
static bool scale_times(struct snapshot *snapshot)
{
    uint32_t scale = snapshot->settings->hopgate_time_scale;

    settings_scale_times(snapshot->settings);
    return persona_times_scale(snapshot->persona, scale) == 0 &&
           entity_times_scale(snapshot->config, scale) == 0;
}

static bool load_personas(struct snapshot *snapshot, struct config_errors *errors)
{
    snapshot->persona = load_persona(snapshot->settings, errors);
    if (snapshot->settings->status_listen.count > 0)
        snapshot->local_persona = load_local_persona(snapshot->settings, errors);
    return snapshot->persona &&
           (snapshot->local_persona || snapshot->settings->status_listen.count == 0);
}

static bool prepare_admin(struct snapshot *snapshot, struct hop *hop, const struct snapshot *former,
                          struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;
    struct admin_tls_inputs inputs = { .settings = settings,
                                       .self_signed = &hop->self_signed,
                                       .former = former ? former->admin_tls : NULL };

    if (settings->admin_listen.count == 0)
        return true;
    snapshot->admin_persona = load_admin_persona(settings, errors);
    if (!snapshot->admin_persona || !any_tls(&settings->admin_listen))
        return snapshot->admin_persona != NULL;
    inputs.policy = &snapshot->admin_persona->client;
    snapshot->admin_tls = admin_tls_create(&inputs, errors);
    return snapshot->admin_tls != NULL;
}

/* Of certificates that admin_listen shows; more than any other can have. */
#define INDEX_OF_ADMIN SIZE_MAX

static bool list_certificates(struct snapshot *snapshot)
{
    struct tls_server_config *tls = snapshot->tls ? snapshot->tls : snapshot->local_tls;
    size_t count;

    if (tls && served_certificates_add(&snapshot->certificates, tls) < 0)
        return false;
    count = snapshot->certificates.count;
    if (!snapshot->admin_tls || snapshot->settings->admin_ssl_cert.count == 0)
        return true; /* one that was made here lasts */
    if (served_certificates_add(&snapshot->certificates, snapshot->admin_tls) < 0)
        return false;
    for (size_t i = count; i < snapshot->certificates.count; i++)
        snapshot->certificates.items[i].index = INDEX_OF_ADMIN;
    return true;
}

static bool prepare(struct snapshot *snapshot, struct hop *hop, const struct snapshot *former,
                    struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;
    struct resolver_options names;

    if (name_settings_read(settings, &names, errors) < 0)
        return false;
    router_check(snapshot->config, router_flavor_of(settings->router_flavor), errors);
    snapshot->real_ip = (struct real_ip_settings){ .field_name = slice_of(settings->real_ip_header),
                                                   .recursive = settings->real_ip_recursive,
                                                   .trusted = &settings->trusted_ips };
    if (!load_personas(snapshot, errors) ||
        !log_choice_make(settings, snapshot->persona, errors, &snapshot->log_formats) ||
        !choose_debug_token(snapshot, former, errors))
        return false;
    tcp_relay_check(settings, snapshot->config, snapshot->persona, errors);
    persona_defaults_fill_in(snapshot->persona, snapshot->config);
    if (!scale_times(snapshot))
        return false;
    if (field_plans_compile(settings, snapshot->config, snapshot->persona, &snapshot->field_plans,
                            errors) < 0)
        return false;
    snapshot->name =
        slice_of(settings->hopgate_name ? settings->hopgate_name : snapshot->persona->name);
    if (needs_tls(settings, snapshot->persona) && !prepare_tls(snapshot, hop, former, errors))
        return false;
    if (!prepare_local(snapshot, hop, former, errors) ||
        !prepare_admin(snapshot, hop, former, errors) || !list_certificates(snapshot))
        return false;
    if (client_tls_load(settings, snapshot->persona, errors, &snapshot->client_tls) < 0)
        return false;
    return errors->errors_count == 0;
}

struct snapshot *snapshot_load(const struct config_source *source, struct hop *hop,
                               const struct snapshot *former, struct config_errors *errors)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot &&
        config_source_load(source, &snapshot->settings, &snapshot->config, errors) == 0 &&
        prepare(snapshot, hop, former, errors))
        return snapshot;
    snapshot_free(snapshot);
    return NULL;
}

struct snapshot *snapshot_load_entities(struct settings **settings, struct config **config,
                                        struct hop *hop, const struct snapshot *former,
                                        struct config_errors *errors)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    if (snapshot) {
        snapshot->settings = TAKE(*settings);
        snapshot->config = TAKE(*config);
        if (prepare(snapshot, hop, former, errors))
            return snapshot;
    }
    snapshot_free(snapshot);
    settings_free(TAKE(*settings));
    config_free(TAKE(*config));
    return NULL;
}

/* ---- compiling ----------------------------------------------------------------------------- */

int snapshot_compile(struct snapshot *snapshot, const struct hop *hop, uint64_t names_wait_ms,
                     struct config_errors *errors)
{
    const struct config_place nowhere = { .file = snapshot->config->source };
    const struct service_plan_options options = {
        .config = snapshot->config,
        .targets = hop->targets,
        .loads = hop->service_loads,
        .resolver = hop->resolver,
        .names_wait_ms = names_wait_ms,
        .stop_fd = hop->ending_fd,
        .client_tls = &snapshot->client_tls,
    };
    char error[640] = "out of memory";

    snapshot->resolver = hop->resolver;
    snapshot->router =
        router_create(snapshot->config, router_flavor_of(snapshot->settings->router_flavor));
    if (snapshot->router)
        snapshot->services = service_plans_create(&options, error, sizeof(error));
    client_tls_done(&snapshot->client_tls);
    snapshot->metrics = hop->metrics;
    if (snapshot->services)
        snapshot->routes = metrics_take_routes(hop->metrics, snapshot->config);
    if (!snapshot->routes && errors->errors_count == 0)
        config_errors_add(errors, CONFIG_ERROR, nowhere, "%s",
                          snapshot->services ? "out of memory" : error);
    if (memory_limit_choose(snapshot->settings, hop->workers_count, &snapshot->memory_limit_bytes,
                            errors) < 0)
        return -EINVAL;
    return snapshot->routes && errors->errors_count == 0 ? 0 : -EINVAL;
}

/* ---- what others ask for ---------------------------------------------------------------------- */

const char *snapshot_certificate_label(const struct snapshot *snapshot, size_t index)
{
    if (index == INDEX_OF_ADMIN)
        return "admin_ssl_cert";
    if (index > 0 && index <= snapshot->config->certificates_count)
        return snapshot->config->certificates[index - 1].path;
    return snapshot->settings->ssl_cert.count > 0 ? "ssl_cert"
                                                  : "the self-signed default certificate";
}

const struct sockaddr_storage *snapshot_upstream_bind(const struct snapshot *snapshot)
{
    const struct sockaddr_storage *address = &snapshot->settings->hopgate_upstream_bind;

    return address->ss_family == AF_UNSPEC ? NULL : address;
}

/* ---- the end ------------------------------------------------------------------------------- */

static void close_virtual_servers(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->virtual_servers_count; i++) {
        struct virtual_server *virtual_server = &snapshot->virtual_servers[i];

        for (unsigned k = 0; virtual_server->fds && k < virtual_server->fds_count; k++)
            if (virtual_server->fds[k] >= 0)
                (void)close(virtual_server->fds[k]);
        free(virtual_server->fds);
        tls_server_config_unref(virtual_server->tls);
    }
    free(snapshot->virtual_servers);
}

void snapshot_free(struct snapshot *snapshot)
{
    if (!snapshot)
        return;
    assert(atomic_load(&snapshot->workers_count) == 0);
    close_virtual_servers(snapshot);
    if (snapshot->config)
        service_plans_free(snapshot->services, snapshot->config->services_count,
                           snapshot->resolver);
    router_free(snapshot->router);
    tls_server_config_unref(snapshot->tls);
    tls_server_config_unref(snapshot->local_tls);
    tls_server_config_unref(snapshot->admin_tls);
    if (snapshot->routes)
        metrics_release_routes(snapshot->metrics, snapshot->routes, snapshot->config->routes_count);
    served_certificates_done(&snapshot->certificates);
    client_tls_done(&snapshot->client_tls);
    log_choice_done(&snapshot->log_formats);
    persona_free(snapshot->persona);
    persona_free(snapshot->local_persona);
    persona_free(snapshot->admin_persona);
    config_free(snapshot->config);
    settings_free(snapshot->settings);
    free(snapshot);
}
