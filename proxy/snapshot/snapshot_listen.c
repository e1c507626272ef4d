/* The last of the three steps: the addresses of a snapshot. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/addr.h"
#include "core/listener.h"
#include "proxy/snapshot/inherited_sockets.h"
#include "proxy/snapshot/snapshot.h"

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
    bool is_for_traffic = !virtual_server_kind_is_local(kind);

    return (struct virtual_server){
        .kind = kind,
        .configured = listen->address,
        .address = listen->address,
        .backlog = listen->backlog < 0 ? BACKLOG_DEFAULT : listen->backlog,
        .proxy_protocol = listen->proxy_protocol,
        .persona = is_for_traffic                 ? snapshot->persona
                   : kind == VIRTUAL_SERVER_ADMIN ? snapshot->admin_persona
                                                  : snapshot->local_persona,
        .draws_on_reserve = !is_for_traffic, /* the operator gets in when clients fill the hop */
    };
}

static struct tls_server_config *tls_of(const struct snapshot *snapshot,
                                        enum virtual_server_kind kind)
{
    return kind == VIRTUAL_SERVER_STATUS  ? snapshot->local_tls
           : kind == VIRTUAL_SERVER_ADMIN ? snapshot->admin_tls
                                          : snapshot->tls;
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
        virtual_server->tls = tls_server_config_ref(tls_of(snapshot, kind));
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

static const char *advice_for(int error, enum virtual_server_kind kind)
{
    return error == -EADDRINUSE && kind == VIRTUAL_SERVER_ADMIN
               ? "; another process has this address: stop it or choose another; a second hop on "
                 "one "
                 "machine needs its own, or admin_listen = off"
           : error == -EADDRINUSE ? "; another process has this address: stop it or choose another"
           : error == -EACCES     ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
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
                              is_twice ? "; another setting has this address too"
                                       : advice_for(r, setting->kind));
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
        { "admin_listen", &settings->admin_listen, VIRTUAL_SERVER_ADMIN },
    };
    size_t count = settings->proxy_listen.count + settings->stream_listen.count +
                   settings->status_listen.count + settings->admin_listen.count;
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
