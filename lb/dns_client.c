#include "lb/dns_client.h"

#include <ares.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/addr.h"
#include "core/cleanup.h"
#include "lb/dns_answer.h"

enum { CLASS_IN = 1, EVENTS_PER_TURN_MAX = 1024 };

struct server {
    struct dns_client *client;
    ares_channel channel;
    struct sockaddr_storage address;
};

struct dns_client {
    struct dns_client_options options;
    int epoll_fd;
    bool is_ending;
    struct server servers[DNS_SERVERS_MAX];
    size_t servers_count;
};

struct lookup {
    struct dns_client *client;
    dns_client_on_answer *on_answer;
    void *owner;
    struct dns_types types;
    size_t type;       /* index of the one that is asked for */
    size_t server;     /* index of the one that is asked */
    uint32_t attempts; /* at the present question */
    struct name_answer answer;
    struct srv_records srv; /* count 0: the name itself is asked for */
    size_t srv_index;
    enum name_outcome gap; /* why a host of them is a gap; NAME_UNKNOWN: none is */
    char name[];
};

/* ---- the lookup ---------------------------------------------------------------------------- */

static void on_reply(void *arg, int status, int timeouts, unsigned char *bytes, int length);

/* May come back through on_reply, and free the lookup, before it returns. */
static void ask(struct lookup *lookup)
{
    ares_channel channel = lookup->client->servers[lookup->server].channel;

    if (lookup->srv.count > 0)
        ares_query(channel, lookup->srv.items[lookup->srv_index].host, CLASS_IN, DNS_A, on_reply,
                   lookup);
    else
        ares_search(channel, lookup->name, CLASS_IN, (int)lookup->types.items[lookup->type],
                    on_reply, lookup);
}

static void end(struct lookup *lookup, enum name_outcome outcome)
{
    lookup->answer.outcome = outcome;
    lookup->answer.server = lookup->client->servers[lookup->server].address;
    lookup->on_answer(lookup->owner, &lookup->answer);
    name_answer_done(&lookup->answer);
    srv_records_done(&lookup->srv);
    free(lookup);
}

static enum name_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return NAME_FOUND;
    case ARES_ENOTFOUND:
        return NAME_MISSING;
    case ARES_ENODATA:
        return NAME_EMPTY;
    case ARES_ESERVFAIL:
        return NAME_SERVER_FAILURE;
    case ARES_EREFUSED:
        return NAME_REFUSED;
    case ARES_ETIMEOUT:
        return NAME_TIMEOUT;
    case ARES_ECONNREFUSED:
        return NAME_UNREACHABLE;
    case ARES_EBADNAME:
        return NAME_INVALID;
    case ARES_ENOMEM:
        return NAME_NO_MEMORY;
    default:
        return NAME_BAD_ANSWER;
    }
}

/* Another server may do better, or the same one the next time if it was only silent. */
static bool may_ask_again(const struct lookup *lookup, enum name_outcome outcome)
{
    const struct dns_client *client = lookup->client;
    size_t attempts_max = client->servers_count;

    switch (outcome) {
    case NAME_TIMEOUT:
    case NAME_UNREACHABLE:
        attempts_max *= client->options.tries;
        break;
    case NAME_SERVER_FAILURE:
    case NAME_REFUSED:
    case NAME_BAD_ANSWER:
        break;
    case NAME_UNKNOWN:
    case NAME_FOUND:
    case NAME_MISSING:
    case NAME_EMPTY:
    case NAME_INVALID:
    case NAME_NO_MEMORY:
        return false;
    }
    return lookup->attempts < attempts_max;
}

/* As Kong: who hears nothing for one type is not asked for the next. */
static bool may_ask_next_type(const struct lookup *lookup, enum name_outcome outcome)
{
    return lookup->type + 1 < lookup->types.count && outcome != NAME_TIMEOUT &&
           outcome != NAME_UNREACHABLE && outcome != NAME_INVALID && outcome != NAME_NO_MEMORY;
}

/* An error says nothing about the host. */
static enum name_outcome note_gap(struct lookup *lookup, enum name_outcome outcome)
{
    const struct srv_record *record = &lookup->srv.items[lookup->srv_index];
    const struct name_gap gap = { .host_id = name_host_id(record->host),
                                  .weight = srv_record_weight(record),
                                  .port = record->port };

    lookup->gap = outcome;
    return name_answer_add_gap(&lookup->answer, &gap) < 0 ? NAME_NO_MEMORY : outcome;
}

/* The hosts of an SRV answer, one after the other; one that has no address is left out. */
static void next_srv_host(struct lookup *lookup, enum name_outcome outcome)
{
    if (outcome != NAME_FOUND && outcome != NAME_MISSING && outcome != NAME_EMPTY &&
        outcome != NAME_INVALID && outcome != NAME_NO_MEMORY)
        outcome = note_gap(lookup, outcome);
    lookup->attempts = 0;
    if (outcome == NAME_NO_MEMORY)
        end(lookup, outcome);
    else if (++lookup->srv_index < lookup->srv.count)
        ask(lookup);
    else if (lookup->answer.count > 0)
        end(lookup, NAME_FOUND);
    else
        end(lookup, lookup->gap != NAME_UNKNOWN ? lookup->gap : outcome);
}

static void on_srv_host(struct lookup *lookup, enum name_outcome outcome,
                        const unsigned char *bytes, size_t length)
{
    if (outcome == NAME_FOUND)
        outcome = dns_answer_addresses(bytes, length, DNS_A, &lookup->srv.items[lookup->srv_index],
                                       &lookup->answer);
    next_srv_host(lookup, outcome);
}

static enum name_outcome take_answer(struct lookup *lookup, const unsigned char *bytes,
                                     size_t length)
{
    enum dns_type type = lookup->types.items[lookup->type];
    enum name_outcome outcome;

    lookup->answer.type = type;
    if (type != DNS_SRV)
        return dns_answer_addresses(bytes, length, type, NULL, &lookup->answer);
    outcome = dns_answer_srv(bytes, length, &lookup->srv);
    if (outcome == NAME_FOUND)
        lookup->answer.ttl_s = lookup->srv.ttl_s;
    else
        srv_records_done(&lookup->srv);
    return outcome;
}

static void on_name(struct lookup *lookup, enum name_outcome outcome, const unsigned char *bytes,
                    size_t length)
{
    if (outcome == NAME_FOUND)
        outcome = take_answer(lookup, bytes, length);
    lookup->attempts = 0;
    if (outcome == NAME_FOUND && lookup->srv.count == 0) {
        end(lookup, NAME_FOUND);
    } else if (outcome == NAME_FOUND) {
        lookup->srv_index = 0;
        ask(lookup);
    } else if (may_ask_next_type(lookup, outcome)) {
        lookup->type++;
        ask(lookup);
    } else {
        end(lookup, outcome);
    }
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *bytes, int length)
{
    struct lookup *lookup = arg;
    struct dns_client *client = lookup->client;
    enum name_outcome outcome = outcome_of(status);

    (void)timeouts;
    if (client->is_ending) {
        name_answer_done(&lookup->answer);
        srv_records_done(&lookup->srv);
        free(lookup);
        return;
    }
    lookup->attempts++;
    if (may_ask_again(lookup, outcome)) {
        lookup->server = (lookup->server + 1) % client->servers_count;
        ask(lookup);
    } else if (lookup->srv.count > 0) {
        on_srv_host(lookup, outcome, bytes, (size_t)length);
    } else {
        on_name(lookup, outcome, bytes, (size_t)length);
    }
}

static void order_types(const struct dns_types *types, enum dns_type first, struct dns_types *ret)
{
    *ret = (struct dns_types){ 0 };
    for (size_t i = 0; i < types->count; i++)
        if (types->items[i] == first && first != DNS_NONE)
            ret->items[ret->count++] = first;
    for (size_t i = 0; i < types->count; i++)
        if (types->items[i] != first && types->items[i] != DNS_CNAME)
            ret->items[ret->count++] = types->items[i];
    if (ret->count == 0)
        ret->items[ret->count++] = DNS_A;
}

void dns_client_ask(struct dns_client *client, const char *name, enum dns_type first,
                    dns_client_on_answer *on_answer, void *owner)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup) + strlen(name) + 1);
    struct name_answer failure = { .outcome = NAME_NO_MEMORY };

    if (!lookup) {
        on_answer(owner, &failure);
        return;
    }
    lookup->client = client;
    lookup->on_answer = on_answer;
    lookup->owner = owner;
    lookup->answer.ttl_s = INT32_MAX;
    order_types(&client->options.types, first, &lookup->types);
    memcpy(lookup->name, name, strlen(name) + 1);
    ask(lookup);
}

/* ---- sockets ------------------------------------------------------------------------------- */

/* c-ares closes a socket right after it was told with neither: it leaves the epoll set before. */
static void on_socket(void *data, ares_socket_t fd, int reads, int writes)
{
    struct server *server = data;
    struct dns_client *client = server->client;
    struct epoll_event event = {
        .events = (reads ? EPOLLIN : 0u) | (writes ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)(server - client->servers) << 32 | (uint32_t)fd,
    };

    /* without room in the kernel the question ends by its timeout */
    if (!reads && !writes)
        (void)epoll_ctl(client->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    else if (epoll_ctl(client->epoll_fd, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
        (void)epoll_ctl(client->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/*
 * One event at a time: a descriptor that is closed while an event is handled may be another socket
 * a moment later, and an event of the former one that was taken in the same batch would be taken
 * for the new one's.
 */
void dns_client_process(struct dns_client *client)
{
    struct epoll_event event;

    for (unsigned i = 0; i < EVENTS_PER_TURN_MAX; i++) {
        ares_socket_t fd;

        if (epoll_wait(client->epoll_fd, &event, 1, 0) <= 0)
            break;
        fd = (ares_socket_t)(uint32_t)event.data.u64;
        ares_process_fd(client->servers[event.data.u64 >> 32].channel,
                        event.events & ~(uint32_t)EPOLLOUT ? fd : ARES_SOCKET_BAD,
                        event.events & EPOLLOUT ? fd : ARES_SOCKET_BAD);
    }
    for (size_t i = 0; i < client->servers_count; i++)
        ares_process_fd(client->servers[i].channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

int dns_client_timeout_ms(const struct dns_client *client)
{
    int least = -1;

    for (size_t i = 0; i < client->servers_count; i++) {
        struct timeval room, *wait = ares_timeout(client->servers[i].channel, NULL, &room);
        int wait_ms;

        if (!wait)
            continue;
        wait_ms = (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000);
        if (least < 0 || wait_ms < least)
            least = wait_ms;
    }
    return least;
}

/* ---- servers ------------------------------------------------------------------------------- */

static void read_system_servers(struct dns_client_options *options)
{
    struct ares_addr_port_node *nodes = NULL;
    ares_channel channel;

    if (ares_init(&channel) != ARES_SUCCESS)
        return;
    if (ares_get_servers_ports(channel, &nodes) == ARES_SUCCESS) {
        for (struct ares_addr_port_node *node = nodes;
             node && options->servers_count < DNS_SERVERS_MAX; node = node->next) {
            struct sockaddr_storage *server = &options->servers[options->servers_count++];

            *server = (struct sockaddr_storage){ .ss_family = (sa_family_t)node->family };
            if (node->family == AF_INET)
                ((struct sockaddr_in *)server)->sin_addr = node->addr.addr4;
            else
                memcpy(&((struct sockaddr_in6 *)server)->sin6_addr, &node->addr.addr6,
                       sizeof(struct in6_addr));
            addr_set_port(server, node->udp_port ? (uint16_t)node->udp_port : 53);
        }
        ares_free_data(nodes);
    }
    ares_destroy(channel);
}

static bool open_server(struct server *server, const struct dns_client_options *options)
{
    struct ares_options settings = {
        .flags = ARES_FLAG_NOCHECKRESP, /* SERVFAIL and its like are answers: we choose what next */
        .lookups = (char *)"b",         /* the hosts file is the resolver's */
        .timeout = (int)options->timeout_ms,
        .tries = 1,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = server,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_LOOKUPS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
               ARES_OPT_SOCK_STATE_CB;
    char text[ADDR_TEXT_MAX];

    if (ares_init_options(&server->channel, &settings, mask) != ARES_SUCCESS)
        return false;
    addr_format(&server->address, text, sizeof(text));
    if (ares_set_servers_ports_csv(server->channel, text) == ARES_SUCCESS)
        return true;
    ares_destroy(TAKE(server->channel));
    return false;
}

struct dns_client *dns_client_create(const struct dns_client_options *options, int epoll_fd)
{
    struct dns_client *client = calloc(1, sizeof(*client));

    if (!client)
        return NULL;
    client->options = *options;
    client->epoll_fd = epoll_fd;
    if (options->servers_count == 0)
        read_system_servers(&client->options);
    for (size_t i = 0; i < client->options.servers_count; i++) {
        struct server *server = &client->servers[i];

        server->client = client;
        server->address = client->options.servers[i];
        if (!open_server(server, &client->options))
            goto fail;
        client->servers_count++;
    }
    if (client->servers_count > 0)
        return client;
fail:
    dns_client_free(client);
    return NULL;
}

void dns_client_free(struct dns_client *client)
{
    if (!client)
        return;
    client->is_ending = true;
    for (size_t i = 0; i < client->servers_count; i++)
        ares_destroy(client->servers[i].channel);
    free(client);
}
