#include "proxy/snapshot/snapshot.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "config/entity_times.h"
#include "core/addr.h"
#include "core/listener.h"
#include "proxy/persona/persona_pages.h"
#include "proxy/persona/persona_settings.h"
#include "proxy/persona/persona_times.h"
#include "proxy/report/metrics.h"
#include "proxy/report/request_debug.h"
#include "proxy/route/router.h"
#include "proxy/route/router_check.h"
#include "proxy/snapshot/inherited_sockets.h"
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
}

static bool any_tls(const struct listens *listens)
{
    for (size_t i = 0; i < listens->count; i++)
        if (listens->items[i].ssl)
            return true;
    return false;
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
static bool choose_debug_token(struct snapshot *snapshot, struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;

    if (!settings->request_debug || !has_token_rule(snapshot->persona, "request_debug"))
        return true;
    snapshot->request_debug_token = settings->request_debug_token;
    if (snapshot->request_debug_token)
        return true;
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

static bool list_certificates(struct snapshot *snapshot)
{
    struct tls_server_config *tls = snapshot->tls ? snapshot->tls : snapshot->local_tls;

    return !tls || served_certificates_add(&snapshot->certificates, tls) == 0;
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
        !choose_debug_token(snapshot, errors))
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
    if (!prepare_local(snapshot, hop, former, errors) || !list_certificates(snapshot))
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

/* ---- listening ----------------------------------------------------------------------------- */

enum { BACKLOG_DEFAULT = 511 };

static uint16_t advertised_port(const struct settings *settings, uint16_t port)
{
    for (size_t i = 0; i < settings->port_maps.count; i++)
        if (settings->port_maps.items[i].internal == port)
            return settings->port_maps.items[i].external;
    return port;
}

static int bind_address(struct virtual_server *virtual_server, const struct listen *listen,
                        const struct snapshot_heritage *heritage)
{
    const struct listener_options options = { .backlog = virtual_server->backlog,
                                              .ipv6_only = listen->ipv6only != 0 };
    unsigned workers_count = heritage->workers_count;
    int r = heritage->handed_over ? inherited_sockets_take(heritage->handed_over, virtual_server,
                                                           options.ipv6_only, workers_count)
                                  : -ENOENT;

    if (r != -ENOENT)
        return r;
    virtual_server->fds = malloc(workers_count * sizeof(*virtual_server->fds));
    if (!virtual_server->fds)
        return -ENOMEM;
    virtual_server->fds_count = workers_count;
    for (unsigned i = 0; i < workers_count; i++)
        virtual_server->fds[i] = -1;
    return listener_bind(&virtual_server->address, &options, virtual_server->fds, workers_count);
}

static bool is_same_place(const struct virtual_server *virtual_server,
                          const struct virtual_server *wanted)
{
    return addr_equal(&virtual_server->configured, &wanted->configured) &&
           (addr_port(&wanted->configured) != 0 || virtual_server->kind == wanted->kind);
}

/* The former snapshot's virtual server on this address that nobody has inherited yet, or NULL:
 * several may be configured with port 0, and are told apart by their kind and order. */
static const struct virtual_server *find_heritage(const struct snapshot *snapshot,
                                                  const struct snapshot *former,
                                                  const struct virtual_server *wanted)
{
    for (size_t i = 0; former && i < former->virtual_servers_count; i++) {
        bool is_taken = false;

        for (size_t k = 0; k < snapshot->virtual_servers_count; k++)
            is_taken |=
                !snapshot->virtual_servers[k].fds && snapshot->virtual_servers[k].heir_of == i;
        if (!is_taken && is_same_place(&former->virtual_servers[i], wanted))
            return &former->virtual_servers[i];
    }
    return NULL;
}

static struct virtual_server describe_virtual_server(const struct snapshot *snapshot,
                                                     const struct listen *listen,
                                                     enum virtual_server_kind kind)
{
    bool is_for_traffic = kind != VIRTUAL_SERVER_STATUS;

    return (struct virtual_server){
        .kind = kind,
        .configured = listen->address,
        .address = listen->address,
        .backlog = listen->backlog < 0 ? BACKLOG_DEFAULT : listen->backlog,
        .proxy_protocol = listen->proxy_protocol,
        .persona = is_for_traffic ? snapshot->persona : snapshot->local_persona,
        .draws_on_reserve = !is_for_traffic, /* the operator gets in when clients fill the hop */
    };
}

static int open_virtual_server(struct snapshot *snapshot, const struct snapshot_heritage *from,
                               const struct listen *listen, enum virtual_server_kind kind)
{
    const struct virtual_server wanted = describe_virtual_server(snapshot, listen, kind);
    const struct virtual_server *heritage = find_heritage(snapshot, from->former, &wanted);
    struct virtual_server *virtual_server =
        &snapshot->virtual_servers[snapshot->virtual_servers_count++];
    int r = 0;

    *virtual_server = wanted;
    /* of a passthrough the flag says only that TLS comes: it is not ended here */
    if (listen->ssl && kind != VIRTUAL_SERVER_PASSTHROUGH)
        virtual_server->tls = tls_server_config_ref(
            kind == VIRTUAL_SERVER_STATUS ? snapshot->local_tls : snapshot->tls);
    if (heritage) {
        virtual_server->address = heritage->address;
        virtual_server->heir_of = (size_t)(heritage - from->former->virtual_servers);
    } else {
        r = bind_address(virtual_server, listen, from);
    }
    virtual_server->port = advertised_port(snapshot->settings, addr_port(&virtual_server->address));
    return r;
}

/* Descriptors of a worker: its ring and its doorbell; and those of the process: logs, control socket,
 * questions to DNS, what libraries open for a moment. */
enum { FILES_PER_WORKER = 2, FILES_OF_PROCESS = 256 };

static void choose_connection_rules(struct snapshot *snapshot, unsigned workers_count,
                                    struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;
    struct connection_rules *rules = &snapshot->connection_rules;
    struct rlimit files = { .rlim_cur = 1024 };
    struct connection_files needs = {
        .own = FILES_OF_PROCESS +
               (uint64_t)workers_count * (FILES_PER_WORKER + snapshot->virtual_servers_count),
        /* the client's, the target's, and the file that stored content may go to */
        .each = snapshot->persona->content.request == PERSONA_STORE ? 3 : 2,
        .reserved_count = settings->reserved_connections,
    };
    uint32_t allowed;

    (void)getrlimit(RLIMIT_NOFILE, &files); /* cannot fail with these arguments */
    allowed = connection_limits_for_files(&needs, files.rlim_cur);
    *rules = (struct connection_rules){
        .count_max = settings->max_connections ? settings->max_connections : allowed,
        .reserved_count = settings->reserved_connections,
        .address_max = settings->max_connections_per_address,
        .exempt = &settings->trusted_ips,
    };
    if (rules->count_max > allowed)
        config_errors_add(errors, CONFIG_WARNING,
                          settings_place(settings, "hopgate_max_connections"),
                          "may need %llu open files and the limit is %llu: raise it (ulimit -n, "
                          "LimitNOFILE=)",
                          (unsigned long long)connection_limits_files(&needs, rules->count_max),
                          (unsigned long long)files.rlim_cur);
}

/* The addresses of one setting. */
struct listen_setting {
    const char *key;
    const struct listens *listens;
    enum virtual_server_kind kind;
};

static bool is_listened_on(const struct snapshot *snapshot, const struct sockaddr_storage *address)
{
    for (size_t i = 0; addr_port(address) != 0 && i < snapshot->virtual_servers_count; i++)
        if (addr_equal(&snapshot->virtual_servers[i].configured, address))
            return true;
    return false;
}

static const char *advice_for(int error)
{
    return error == -EADDRINUSE ? "; another process has this address: stop it or choose another"
           : error == -EACCES   ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
                                : "";
}

static int open_setting(struct snapshot *snapshot, const struct snapshot_heritage *heritage,
                        const struct listen_setting *setting, struct config_errors *errors)
{
    struct config_place place = settings_place(snapshot->settings, setting->key);
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < setting->listens->count; i++) {
        const struct listen *listen = &setting->listens->items[i];
        bool is_twice = is_listened_on(snapshot, &listen->address);
        int r =
            is_twice ? -EADDRINUSE : open_virtual_server(snapshot, heritage, listen, setting->kind);

        if (r < 0 && r != -ENOMEM)
            config_errors_add(errors, CONFIG_ERROR, place, "cannot listen on %s: %s%s",
                              addr_format(&listen->address, text, sizeof(text)), strerror(-r),
                              is_twice ? "; another setting has this address too" : advice_for(r));
        if (r < 0)
            return r;
    }
    return 0;
}

int snapshot_listen(struct snapshot *snapshot, const struct snapshot_heritage *heritage,
                    struct config_errors *errors)
{
    const struct settings *settings = snapshot->settings;
    const struct listen_setting wanted[] = {
        { "proxy_listen", &settings->proxy_listen,
          snapshot->persona->client.layer == PERSONA_LAYER_TCP ? VIRTUAL_SERVER_TCP
                                                               : VIRTUAL_SERVER_PROXY },
        { "stream_listen", &settings->stream_listen, VIRTUAL_SERVER_PASSTHROUGH },
        { "status_listen", &settings->status_listen, VIRTUAL_SERVER_STATUS },
    };
    size_t count = settings->proxy_listen.count + settings->stream_listen.count +
                   settings->status_listen.count;
    int r = 0;

    snapshot->virtual_servers = calloc(count + 1, sizeof(*snapshot->virtual_servers));
    if (!snapshot->virtual_servers)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < sizeof(wanted) / sizeof(wanted[0]); i++)
        r = open_setting(snapshot, heritage, &wanted[i], errors);
    if (r < 0)
        return r;
    choose_connection_rules(snapshot, heritage->workers_count, errors);
    return 0;
}

const char *snapshot_certificate_label(const struct snapshot *snapshot, size_t index)
{
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
    if (snapshot->routes)
        metrics_release_routes(snapshot->metrics, snapshot->routes, snapshot->config->routes_count);
    served_certificates_done(&snapshot->certificates);
    client_tls_done(&snapshot->client_tls);
    log_choice_done(&snapshot->log_formats);
    persona_free(snapshot->persona);
    persona_free(snapshot->local_persona);
    config_free(snapshot->config);
    settings_free(snapshot->settings);
    free(snapshot);
}
