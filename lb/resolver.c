#include "lb/resolver.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "core/log.h"
#include "lb/hosts_file.h"

/* Questions at a time: a burst for every name of a large file would overrun the socket's buffer. */
enum { LOOKUPS_MAX = 64, BUCKETS_COUNT = 1024 };

/* Of the time that may be waited, where other names have been awaited in vain: DNS is slow or away. */
enum { HASTY_WAIT_DIVISOR = 10 };

struct watched_name {
    struct resolver *resolver;
    struct name_record record;
    uint32_t holders; /* 0: freed when its lookup has ended */
    bool is_asked;
    bool is_awaited; /* by resolver_wait: nobody has waited for its first answer in vain yet */
    struct watched_name *next; /* in its bucket */
    char text[];
};

struct resolver {
    int epoll_fd;
    struct dns_client *client; /* NULL: no server is known */
    struct resolver_options options;
    struct hosts_file hosts;
    struct watched_name *buckets[BUCKETS_COUNT];
    size_t unknown_count; /* names that are still to be answered for the first time */
    size_t awaited_count; /* those of them that are awaited */
    uint32_t lookups_count;
    uint64_t version;
    uint64_t next_at_ms; /* no name is due before; 0: look */
};

static uint32_t random_number(void)
{
    uint32_t number = 0;

    (void)getrandom(&number, sizeof(number), GRND_NONBLOCK); /* 0 is as good, only not spread */
    return number;
}

static struct watched_name **bucket_of(struct resolver *resolver, const char *text)
{
    uint32_t hash = 2166136261u;

    for (; *text; text++) /* FNV-1a of the name in lower case */
        hash = (hash ^ (unsigned char)(*text | 0x20)) * 16777619u;
    return &resolver->buckets[(hash ^ hash >> 16) % BUCKETS_COUNT];
}

const struct watched_name *resolver_next_name(const struct resolver *resolver,
                                              const struct watched_name *name)
{
    const struct watched_name *const *bucket =
        (const struct watched_name *const *)resolver->buckets;
    const struct watched_name *const *end = bucket + BUCKETS_COUNT;

    if (name && name->next)
        return name->next;
    if (name)
        bucket =
            (const struct watched_name *const *)bucket_of((struct resolver *)resolver, name->text) +
            1;
    while (bucket < end && !*bucket)
        bucket++;
    return bucket < end ? *bucket : NULL;
}

/* ---- what is logged ------------------------------------------------------------------------ */

static char *list_addresses(const struct name_record *record, char *into, size_t size)
{
    size_t length = 0;

    into[0] = '\0';
    for (size_t i = 0; i < record->count && length + ADDR_TEXT_MAX + 3 < size; i++) {
        char text[ADDR_TEXT_MAX];
        const struct sockaddr_storage *address = &record->items[i].address;

        if (addr_port(address) > 0)
            addr_format(address, text, sizeof(text));
        else
            addr_format_ip(address, text, sizeof(text));
        length += (size_t)snprintf(into + length, size - length, "%s%s", i > 0 ? ", " : "", text);
    }
    return into;
}

static void log_failure(const struct watched_name *name, uint64_t now_ms)
{
    const struct name_record *record = &name->record;
    char server[ADDR_TEXT_MAX];

    log_error(LOG_LEVEL_WARN,
              "host \"%s\" could not be resolved (%s), server: %s, asked again in %llu ms%s",
              name->text, name_outcome_text(record->last),
              addr_format(&record->server, server, sizeof(server)),
              (unsigned long long)(record->next_at_ms - now_ms),
              record->count > 0 ? "; the addresses known so far stay in use" : "");
}

/* Hosts of an SRV answer that could not be looked up, when the answer before had none such. */
static void log_gaps(const struct watched_name *name, size_t before)
{
    size_t gaps = name->record.gaps_count;

    if (name->record.last == NAME_FOUND && gaps > 0 && before == 0)
        log_error(
            LOG_LEVEL_WARN,
            "host \"%s\": %zu of the hosts in its SRV records could not be resolved; what was "
            "known of them stays in use",
            name->text, gaps);
}

/* Each turn of events once: the same failure again is no news. */
static void log_change(const struct watched_name *name, enum name_outcome before, bool is_changed,
                       uint64_t now_ms)
{
    const struct name_record *record = &name->record;
    char addresses[512];

    if (record->last != NAME_FOUND && record->last != before)
        log_failure(name, now_ms);
    else if (record->last == NAME_FOUND && before != NAME_FOUND && before != NAME_UNKNOWN)
        log_error(LOG_LEVEL_NOTICE, "host \"%s\" is resolved again: %s", name->text,
                  list_addresses(record, addresses, sizeof(addresses)));
    else if (record->last == NAME_FOUND && before == NAME_FOUND && is_changed)
        log_error(LOG_LEVEL_NOTICE, "host \"%s\" has other addresses now: %s", name->text,
                  list_addresses(record, addresses, sizeof(addresses)));
}

/* ---- answers ------------------------------------------------------------------------------- */

static void set_awaited(struct watched_name *name, bool is_awaited)
{
    name->resolver->awaited_count += is_awaited;
    name->resolver->awaited_count -= name->is_awaited;
    name->is_awaited = is_awaited;
}

static void name_free(struct watched_name *name)
{
    struct watched_name **link = bucket_of(name->resolver, name->text);

    while (*link != name)
        link = &(*link)->next;
    *link = name->next;
    set_awaited(name, false);
    name_record_done(&name->record);
    free(name);
}

static void take_answer(struct watched_name *name, struct name_answer *answer)
{
    struct resolver *resolver = name->resolver;
    enum name_outcome before = name->record.last;
    size_t gaps_before = name->record.gaps_count;
    uint64_t now_ms = clock_now_ms();
    bool is_changed =
        name_record_take(&name->record, answer, &resolver->options.rules, now_ms, random_number());

    resolver->unknown_count -= before == NAME_UNKNOWN;
    set_awaited(name, false);
    resolver->version += is_changed;
    resolver->next_at_ms = 0;
    log_change(name, before, is_changed, now_ms);
    log_gaps(name, gaps_before);
}

static void on_answer(void *owner, struct name_answer *answer)
{
    struct watched_name *name = owner;

    name->is_asked = false;
    name->resolver->lookups_count--;
    take_answer(name, answer);
    if (name->holders == 0)
        name_free(name);
}

/* ---- names that need no question ----------------------------------------------------------- */

static bool wants(const struct resolver *resolver, sa_family_t family)
{
    const struct dns_types *types = &resolver->options.dns.types;

    for (size_t i = 0; i < types->count; i++)
        if (types->items[i] == (family == AF_INET ? DNS_A : DNS_AAAA))
            return true;
    return false;
}

static int add_literal(struct name_answer *answer, const char *literal)
{
    struct name_address item = { 0 };

    if (addr_parse_ip(slice_of(literal), 0, &item.address) < 0)
        return 0;
    return name_answer_add(answer, &item);
}

/*
 * "localhost" is the loopback address whatever a server would say (RFC 6761 section 6.3), and also
 * where there is no hosts file, as in some containers.
 */
static int add_localhost(const struct resolver *resolver, struct name_answer *answer)
{
    bool is_only_v6 = wants(resolver, AF_INET6) && !wants(resolver, AF_INET);

    return add_literal(answer, is_only_v6 ? "::1" : "127.0.0.1");
}

static int add_from_hosts(const struct resolver *resolver, const char *text,
                          struct name_answer *answer)
{
    size_t count;
    const struct hosts_entry *entry = hosts_file_find(&resolver->hosts, text, &count);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct name_address item = { .address = entry[i].address };

        if (wants(resolver, entry[i].address.ss_family))
            r = name_answer_add(answer, &item);
    }
    return r;
}

/* True: it has its answer. */
static bool settle_at_home(struct watched_name *name)
{
    struct name_answer answer = { .outcome = NAME_FOUND };
    int r = add_literal(&answer, name->text);

    if (r == 0 && answer.count == 0 && strcasecmp(name->text, "localhost") == 0)
        r = add_localhost(name->resolver, &answer);
    if (r == 0 && answer.count == 0)
        r = add_from_hosts(name->resolver, name->text, &answer);
    if (r == 0 && answer.count == 0)
        return false;
    if (r < 0) {
        name_answer_done(&answer);
        answer.outcome = NAME_NO_MEMORY;
    }
    take_answer(name, &answer);
    return true;
}

/* ---- questions ----------------------------------------------------------------------------- */

static void ask(struct watched_name *name)
{
    struct resolver *resolver = name->resolver;
    struct name_answer nobody = { .outcome = NAME_UNREACHABLE };

    if (settle_at_home(name))
        return;
    if (!resolver->client) {
        take_answer(name, &nobody);
        return;
    }
    name->is_asked = true;
    resolver->lookups_count++;
    dns_client_ask(resolver->client, name->text, name->record.type, on_answer, name);
}

static void expire(struct watched_name *name, uint64_t now_ms)
{
    struct resolver *resolver = name->resolver;

    if (!name_record_expire(&name->record, &resolver->options.rules, now_ms))
        return;
    resolver->version++;
    log_error(LOG_LEVEL_WARN,
              "host \"%s\" could not be resolved for so long (%s) that its addresses are given up",
              name->text, name_outcome_text(name->record.last));
}

/* Answers may come at once, but only a name that nobody watches is freed by one. */
static void ask_for_due_names(struct resolver *resolver, uint64_t now_ms)
{
    uint64_t next_at_ms = NAME_NEVER;

    for (size_t i = 0; i < BUCKETS_COUNT; i++) {
        for (struct watched_name *name = resolver->buckets[i]; name; name = name->next) {
            uint64_t end_ms;

            expire(name, now_ms);
            if (!name->is_asked && name->holders > 0 && name->record.next_at_ms <= now_ms &&
                resolver->lookups_count < LOOKUPS_MAX)
                ask(name);
            if (!name->is_asked && name->record.next_at_ms < next_at_ms)
                next_at_ms = name->record.next_at_ms;
            end_ms = name->record.last == NAME_FOUND
                         ? NAME_NEVER
                         : name_record_end_ms(&name->record, &resolver->options.rules);
            if (end_ms < next_at_ms)
                next_at_ms = end_ms;
        }
    }
    resolver->next_at_ms = next_at_ms;
}

void resolver_process(struct resolver *resolver)
{
    uint64_t now_ms = clock_now_ms();

    if (resolver->client)
        dns_client_process(resolver->client);
    if (now_ms >= resolver->next_at_ms)
        ask_for_due_names(resolver, now_ms);
}

int resolver_timeout_ms(const struct resolver *resolver)
{
    int dns_ms = resolver->client ? dns_client_timeout_ms(resolver->client) : -1;
    uint64_t now_ms = clock_now_ms(), wait_ms;

    /* with every lookup taken, a due name waits for an answer, not for the clock */
    if (resolver->next_at_ms == NAME_NEVER || resolver->lookups_count == LOOKUPS_MAX)
        return dns_ms;
    wait_ms = resolver->next_at_ms > now_ms ? resolver->next_at_ms - now_ms : 0;
    if (dns_ms >= 0 && (uint64_t)dns_ms < wait_ms)
        return dns_ms;
    return wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX;
}

static void await_no_more(struct resolver *resolver)
{
    for (size_t i = 0; resolver->awaited_count > 0 && i < BUCKETS_COUNT; i++)
        for (struct watched_name *name = resolver->buckets[i]; name; name = name->next)
            set_awaited(name, false);
}

bool resolver_wait(struct resolver *resolver, uint64_t limit_ms, int stop_fd)
{
    bool is_slow = resolver->unknown_count > resolver->awaited_count;
    uint64_t deadline_ms = clock_now_ms() + (is_slow ? limit_ms / HASTY_WAIT_DIVISOR : limit_ms);

    for (;;) {
        struct pollfd fds[] = { { .fd = resolver->epoll_fd, .events = POLLIN },
                                { .fd = stop_fd, .events = POLLIN } };
        uint64_t now_ms;
        int wait_ms;

        resolver_process(resolver);
        now_ms = clock_now_ms();
        if (resolver->awaited_count == 0)
            return true;
        if (now_ms >= deadline_ms) {
            await_no_more(resolver);
            return false;
        }
        wait_ms = resolver_timeout_ms(resolver);
        if (wait_ms < 0 || (uint64_t)wait_ms > deadline_ms - now_ms)
            wait_ms = (int)(deadline_ms - now_ms);
        /* interrupted or failed: the deadline decides */
        if (poll(fds, 2, wait_ms) > 0 && fds[1].revents)
            return false;
    }
}

/* ---- names --------------------------------------------------------------------------------- */

struct watched_name *resolver_watch(struct resolver *resolver, const char *text)
{
    struct watched_name **bucket = bucket_of(resolver, text), *name = *bucket;

    while (name && strcasecmp(name->text, text) != 0)
        name = name->next;
    if (!name) {
        name = calloc(1, sizeof(*name) + strlen(text) + 1);
        if (!name)
            return NULL;
        name->resolver = resolver;
        memcpy(name->text, text, strlen(text) + 1);
        name->next = *bucket;
        *bucket = name;
        resolver->unknown_count++;
        set_awaited(name, true);
        resolver->next_at_ms = 0;
    }
    name->holders++;
    return name;
}

void resolver_unwatch(struct resolver *resolver, struct watched_name *name)
{
    assert(name->holders > 0 && name->resolver == resolver);
    if (--name->holders > 0)
        return;
    set_awaited(name, false);
    if (name->record.last == NAME_UNKNOWN && !name->is_asked)
        resolver->unknown_count--;
    if (!name->is_asked)
        name_free(name);
}

const struct name_record *watched_name_record(const struct watched_name *name)
{
    return &name->record;
}

const char *watched_name_text(const struct watched_name *name)
{
    return name->text;
}

uint64_t resolver_version(const struct resolver *resolver)
{
    return resolver->version;
}

int resolver_fd(const struct resolver *resolver)
{
    return resolver->epoll_fd;
}

/* ---- the resolver -------------------------------------------------------------------------- */

struct resolver *resolver_create(void)
{
    struct resolver *resolver = calloc(1, sizeof(*resolver));

    if (!resolver)
        return NULL;
    resolver->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (resolver->epoll_fd >= 0)
        return resolver;
    free(resolver);
    return NULL;
}

/* Lookups of the former client are gone with it, and their names due again. */
static void forget_lookups(struct resolver *resolver)
{
    for (size_t i = 0; i < BUCKETS_COUNT; i++) {
        struct watched_name *next;

        for (struct watched_name *name = resolver->buckets[i]; name; name = next) {
            next = name->next;
            name->is_asked = false;
            set_awaited(name, name->record.last == NAME_UNKNOWN); /* others may answer sooner */
            name->record.next_at_ms = 0;
            if (name->record.expires_at_ms == NAME_NEVER) /* the hosts file may not have it now */
                name->record.expires_at_ms = clock_now_ms();
            if (name->holders > 0)
                continue;
            resolver->unknown_count -= name->record.last == NAME_UNKNOWN;
            name_free(name);
        }
    }
    resolver->lookups_count = 0;
    resolver->next_at_ms = 0;
}

int resolver_configure(struct resolver *resolver, const struct resolver_options *options)
{
    struct hosts_file hosts = { 0 };
    int r = options->hosts_file ? hosts_file_load(options->hosts_file, &hosts) : 0;

    if (r == -ENOMEM)
        return r;
    if (r < 0 && r != -ENOENT)
        log_error(LOG_LEVEL_WARN, "dns_hostsfile %s cannot be read: %s", options->hosts_file,
                  strerror(-r));
    dns_client_free(resolver->client);
    resolver->client = dns_client_create(&options->dns, resolver->epoll_fd);
    resolver->options = *options;
    resolver->options.hosts_file = NULL; /* borrowed, and read */
    hosts_file_done(&resolver->hosts);
    resolver->hosts = hosts;
    forget_lookups(resolver);
    if (!resolver->client)
        log_error(LOG_LEVEL_ERROR, "no DNS server is known: names that no hosts file has cannot be "
                                   "resolved; see dns_resolver");
    return 0;
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    dns_client_free(resolver->client);
    forget_lookups(resolver);
    assert(!resolver_next_name(resolver, NULL) && "somebody still watches a name");
    hosts_file_done(&resolver->hosts);
    (void)close(resolver->epoll_fd);
    free(resolver);
}
