/*
 * declarative_balancing: an upstream's entry in hopgate.balancing; its targets are in place by then.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "config/declarative_priv.h"
#include "core/addr.h"

/* AS3's words for what has another name here. F5's "ratio" is what Kong's round-robin does. */
static const struct spelling {
    const char *written, *means;
} spellings[] = {
    { "ratio", "round-robin" },
    { "ratio-member", "round-robin" },
    { "least-connections-member", "least-connections" },
    { "ratio-least-connections-member", "least-connections" },
    { "fastest-app-response", "fastest" },
    { "observed-member", "observed" },
    { "predictive-member", "predictive" },
};

static int set_algorithm(struct loader *loader, const struct document_node *node,
                         struct config_upstream *upstream)
{
    const char *algorithm = upstream->balancing.algorithm;
    struct document_node member;

    if (!algorithm)
        return 0;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++)
        if (strcmp(algorithm, spellings[i].written) == 0)
            algorithm = spellings[i].means;
    upstream->algorithm = config_copy_text(loader->config, algorithm, strlen(algorithm));
    if (!upstream->algorithm)
        return -ENOMEM;
    if (strcmp(algorithm, "consistent-hashing") == 0 && upstream != &loader->nothing &&
        upstream->hash_inputs[0].source == CONFIG_HASH_NONE)
        document_add_error(
            document_member(node, "algorithm", &member) ? &member : node, DOCUMENT_AT_VALUE,
            loader->errors, CONFIG_WARNING,
            "without 'hash_on' of the upstream '%s' all requests have the same hash, "
            "so that one target gets them all; add hash_on",
            upstream->name);
    return 0;
}

static struct config_target *find_target(const struct config_upstream *upstream, const char *name)
{
    for (size_t i = 0; i < upstream->targets_count; i++)
        if (strcmp(upstream->targets[i].target, name) == 0)
            return &upstream->targets[i];
    return NULL;
}

/* `seen` has the targets that an earlier member names. *ret_is_limited is set when this one has a limit. */
static int read_member(struct loader *loader, const struct document_node *node,
                       const struct config_upstream *upstream, json_t *seen, bool *ret_is_limited)
{
    struct config_target written = { 0 }, *target;
    struct document_node member;
    int r;

    schema_read(&loader->reader, &schema_balancing_member, node, &written);
    r = declarative_normalise_target(loader, &written);
    if (r < 0 || !written.host)
        return r; /* told already */
    *ret_is_limited |= written.max_requests > 0;
    (void)document_member(node, "target", &member);
    if (json_object_get(seen, written.target))
        FAIL(loader, &member, "the target '%s' is a member already; remove one of the two",
             written.target);
    else if (json_object_set_new(seen, written.target, json_true()) < 0)
        return -ENOMEM;
    target = find_target(upstream, written.target);
    if (!target) {
        if (upstream != &loader->nothing)
            MISFIT(loader, &member,
                   "the upstream '%s' has no target '%s'; add it to the upstream's targets or "
                   "correct the name",
                   upstream->name, written.target);
        return 0;
    }
    target->priority_group = written.priority_group;
    target->max_requests = written.max_requests;
    return 0;
}

static int read_members(struct loader *loader, const struct document_node *node,
                        const struct config_upstream *upstream, bool *ret_is_limited)
{
    struct document_node list, item = { 0 };
    json_t *seen;
    int r = 0;

    if (!document_member(node, "members", &list) || !json_is_array(list.value))
        return 0; /* other shapes were refused by the schema */
    seen = json_object();
    if (!seen)
        return -ENOMEM;
    while (r == 0 && document_next(&list, &item))
        r = read_member(loader, &item, upstream, seen, ret_is_limited);
    json_decref(seen);
    return r;
}

/* Nobody would ever wait in it. */
static void check_queue(struct loader *loader, const struct document_node *node,
                        const struct config_upstream *upstream, bool is_limited)
{
    struct document_node member;

    if (is_limited || upstream->balancing.queue_max == 0 ||
        !document_member(node, "queue", &member))
        return;
    FAIL(loader, &member,
         "no target has a limit to wait for; give members a max_requests, or remove the queue");
}

/* "255.255.255.0" is 24; -1: its ones are not all in front. */
static int prefix_of(const unsigned char *bytes, unsigned count)
{
    int prefix = 0;
    bool ended = false;

    for (unsigned bit = 0; bit < count * 8; bit++) {
        bool is_set = bytes[bit / 8] >> (7 - bit % 8) & 1;

        if (is_set && ended)
            return -1;
        ended |= !is_set;
        prefix += is_set;
    }
    return prefix;
}

static void read_mask(struct loader *loader, const struct document_node *node,
                      struct config_persistence *settings)
{
    struct sockaddr_storage mask;
    struct document_node member;
    int prefix = -1;

    settings->prefix_v4 = 32;
    settings->prefix_v6 = 128;
    if (!settings->mask || !document_member(node, "mask", &member))
        return;
    if (addr_parse_ip(slice_of(settings->mask), 0, &mask) == 0) {
        prefix = mask.ss_family == AF_INET
                     ? prefix_of((unsigned char *)&((struct sockaddr_in *)&mask)->sin_addr, 4)
                     : prefix_of(((struct sockaddr_in6 *)&mask)->sin6_addr.s6_addr, 16);
        *(mask.ss_family == AF_INET ? &settings->prefix_v4 : &settings->prefix_v6) =
            (unsigned)prefix;
    }
    if (prefix < 0)
        FAIL(loader, &member, "is no mask; write it as 255.255.255.0 or ffff:ffff:ffff:ffff::");
}

/* False: no memory. */
static bool set_cookie_name(struct loader *loader, const struct config_upstream *upstream,
                            struct config_persistence *settings)
{
    static const char prefix[] = "BIGipServer"; /* F5's, before the pool's name */
    char name[512];
    int length;

    if (settings->cookie_name && settings->cookie_name[0])
        return true;
    length = snprintf(name, sizeof(name), "%s%s", prefix, upstream->name);
    settings->cookie_name = config_copy_text(
        loader->config, name, length < (int)sizeof(name) ? (size_t)length : sizeof(name) - 1);
    return settings->cookie_name != NULL;
}

static int read_persistence(struct loader *loader, const struct document_node *node,
                            struct config_upstream *upstream)
{
    static const char *const words[] = { [CONFIG_PERSISTENCE_INSERT] = "insert",
                                         [CONFIG_PERSISTENCE_REWRITE] = "rewrite",
                                         [CONFIG_PERSISTENCE_PASSIVE] = "passive",
                                         [CONFIG_PERSISTENCE_HASH] = "hash" };
    struct config_persistence *settings = &upstream->balancing.persistence;
    struct document_node member;

    if (!document_member(node, "persistence", &member) || !json_is_object(member.value) ||
        !settings->method_word || !settings->cookie_word || !upstream->name)
        return 0; /* none, or told already */
    read_mask(loader, &member, settings);
    if (strcmp(settings->method_word, "source_address") == 0) {
        settings->method = CONFIG_PERSISTENCE_SOURCE_ADDRESS;
        return 0;
    }
    for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(settings->cookie_word, words[i]) == 0)
            settings->method = (enum config_persistence_method)i;
    return set_cookie_name(loader, upstream, settings) ? 0 : -ENOMEM;
}

/* It would have nothing to count. */
static void check_least_sessions(struct loader *loader, const struct document_node *node,
                                 const struct config_upstream *upstream)
{
    enum config_persistence_method method = upstream->balancing.persistence.method;
    struct document_node member;

    if (!upstream->balancing.algorithm ||
        strcmp(upstream->balancing.algorithm, "least-sessions") != 0 ||
        method == CONFIG_PERSISTENCE_HASH || method == CONFIG_PERSISTENCE_SOURCE_ADDRESS)
        return;
    FAIL(loader, document_member(node, "algorithm", &member) ? &member : node,
         "least-sessions counts who is remembered; add persistence: {method: source_address}, or a "
         "cookie of cookie_method hash");
}

int declarative_read_balancing(struct loader *loader, const struct document_node *node,
                               struct config_upstream *upstream)
{
    bool is_limited = false;
    int r;

    if (upstream->balancing.is_set) {
        MISFIT(loader, node, "the upstream '%s' has an entry already; put both into one",
               upstream->name);
        return 0;
    }
    schema_read(&loader->reader, &schema_balancing, node, upstream);
    upstream->balancing.is_set = true;
    r = set_algorithm(loader, node, upstream);
    if (r == 0)
        r = read_members(loader, node, upstream, &is_limited);
    if (r == 0)
        r = read_persistence(loader, node, upstream);
    check_least_sessions(loader, node, upstream);
    check_queue(loader, node, upstream, is_limited);
    return r;
}
