/*
 * declarative_hopgate: the top-level `hopgate:` object, what hopgate can and Kong's entities cannot say.
 *
 * Each rule names a service or an upstream and sets something of it, so it is read once these are in
 * their place.
 */
#include <errno.h>
#include <string.h>

#include "config/declarative_priv.h"

/* hopgate.proxy_protocol[]: as it is written */
struct written_proxy_protocol {
    char *service, *version;
    struct config_strings tlvs;
};

static const struct schema_field proxy_protocol_fields[] = {
    { .name = "service",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .offset = offsetof(struct written_proxy_protocol, service),
      .size = sizeof(char *) },
    { .name = "version",
      .type = SCHEMA_STRING,
      .one_of = "v1, v2",
      .default_json = "\"v2\"",
      .offset = offsetof(struct written_proxy_protocol, version),
      .size = sizeof(char *) },
    { .name = "tlvs",
      .type = SCHEMA_STRINGS,
      .flags = SCHEMA_SET,
      .one_of = "authority, alpn, ssl",
      .offset = offsetof(struct written_proxy_protocol, tlvs),
      .size = sizeof(struct config_strings) },
};
static const struct schema schema_proxy_protocol = {
    .name = "proxy_protocol",
    .fields = proxy_protocol_fields,
    .fields_count = sizeof(proxy_protocol_fields) / sizeof(proxy_protocol_fields[0]),
};

/* hopgate.slow_start[]: as it is written */
struct written_slow_start {
    char *upstream;
    uint64_t seconds;
};

static const struct schema_field slow_start_fields[] = {
    { .name = "upstream",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .offset = offsetof(struct written_slow_start, upstream),
      .size = sizeof(char *) },
    { .name = "seconds",
      .type = SCHEMA_INTEGER,
      .min = 0,
      .max = 900,
      .default_json = "10",
      .offset = offsetof(struct written_slow_start, seconds),
      .size = sizeof(uint64_t) },
};
static const struct schema schema_slow_start = {
    .name = "slow_start",
    .fields = slow_start_fields,
    .fields_count = sizeof(slow_start_fields) / sizeof(slow_start_fields[0]),
};

/* hopgate.limits[]: as it is written */
struct written_limits {
    char *service;
    uint32_t max_requests, max_pending, max_retries;
};

#define SERVICE_LIMIT(member)                                                                   \
    {                                                                                           \
        .name = #member, .type = SCHEMA_INTEGER, .min = 0, .max = 1000000, .default_json = "0", \
        .offset = offsetof(struct written_limits, member), .size = sizeof(uint32_t)             \
    }

static const struct schema_field limits_fields[] = {
    { .name = "service",
      .type = SCHEMA_STRING,
      .flags = SCHEMA_REQUIRED,
      .offset = offsetof(struct written_limits, service),
      .size = sizeof(char *) },
    SERVICE_LIMIT(max_requests),
    SERVICE_LIMIT(max_pending),
    SERVICE_LIMIT(max_retries),
};
static const struct schema schema_limits = {
    .name = "limits",
    .fields = limits_fields,
    .fields_count = sizeof(limits_fields) / sizeof(limits_fields[0]),
};

size_t declarative_find_entity(struct loader *loader, const struct document_node *node,
                               enum entity_kind kind, const char *key)
{
    const json_t *named = json_object_get(loader->lists[kind].by_name, key);
    size_t found = named ? (size_t)json_integer_value(named) : loader_find_id(loader, kind, key);

    if (found != NO_ENTITY)
        return found;
    if (loader->reads_extras)
        MISFIT(loader, node, "the store has no %.*s '%s' (yet): this is not in force until it has",
               (int)strlen(entity_kind_names[kind]) - 1, entity_kind_names[kind], key);
    else
        FAIL(loader, node,
             "invalid reference '%.*s: %s' (no such entry in '%s'); add it or correct the name",
             (int)strlen(entity_kind_names[kind]) - 1, entity_kind_names[kind], key,
             entity_kind_names[kind]);
    return NO_ENTITY;
}

/* NULL: there is none, and the entry need not be read. */
static struct config_service *find_service(struct loader *loader, const struct document_node *node,
                                           const char *key)
{
    size_t index = declarative_find_entity(loader, node, ENTITY_SERVICE, key);

    if (index != NO_ENTITY)
        return &loader->config->services[index];
    loader->nobody = (struct config_service){ .name = (char *)key };
    return loader->reads_extras ? &loader->nobody : NULL;
}

static struct config_upstream *find_upstream(struct loader *loader,
                                             const struct document_node *node, const char *key)
{
    size_t index = declarative_find_entity(loader, node, ENTITY_UPSTREAM, key);

    if (index != NO_ENTITY)
        return &loader->config->upstreams[index];
    loader->nothing = (struct config_upstream){ .name = (char *)key };
    return loader->reads_extras ? &loader->nothing : NULL;
}

static bool has(const struct config_strings *words, const char *word)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->items[i], word) == 0)
            return true;
    return false;
}

static void read_proxy_protocol(struct loader *loader, const struct document_node *node)
{
    struct written_proxy_protocol written = { 0 };
    struct config_service *service;

    schema_read(&loader->reader, &schema_proxy_protocol, node, &written);
    if (!written.service || !written.version)
        return; /* told already */
    service = find_service(loader, node, written.service);
    if (!service)
        return;
    if (service->proxy_protocol.version != 0) {
        MISFIT(loader, node, "the service '%s' has a rule already; remove one of the two",
               written.service);
        return;
    }
    if (strcmp(written.version, "v1") == 0 && written.tlvs.count > 0)
        document_add_error(node, DOCUMENT_AT_VALUE, loader->errors, CONFIG_ERROR,
                           "version v1 has no room for tlvs; set version to v2 or remove them");
    service->proxy_protocol = (struct config_proxy_protocol){
        .version = strcmp(written.version, "v1") == 0 ? 1 : 2,
        .authority = has(&written.tlvs, "authority"),
        .alpn = has(&written.tlvs, "alpn"),
        .tls = has(&written.tlvs, "ssl"),
    };
}

static void read_slow_start(struct loader *loader, const struct document_node *node)
{
    struct written_slow_start written = { 0 };
    struct config_upstream *upstream;

    schema_read(&loader->reader, &schema_slow_start, node, &written);
    if (!written.upstream)
        return; /* told already */
    upstream = find_upstream(loader, node, written.upstream);
    if (upstream)
        upstream->slow_start_ms = written.seconds * 1000;
}

typedef int read_of_upstream(struct loader *loader, const struct document_node *node,
                             struct config_upstream *upstream);

/* An entry whose `upstream` says which; the rest is what `read` makes of it. */
static void read_entry(struct loader *loader, const struct document_node *node,
                       const struct schema *schema, read_of_upstream *read)
{
    struct config_upstream *upstream;
    struct document_node member;
    const char *name = NULL;

    if (document_member(node, "upstream", &member))
        name = json_string_value(member.value);
    if (!name) {
        schema_read(&loader->reader, schema, node, NULL); /* says what is wrong */
        return;
    }
    upstream = find_upstream(loader, node, name);
    if (upstream && read(loader, node, upstream) < 0)
        loader->reader.out_of_memory = true;
}

static void read_health(struct loader *loader, const struct document_node *node)
{
    read_entry(loader, node, &schema_health, declarative_read_health);
}

static void read_balancing(struct loader *loader, const struct document_node *node)
{
    read_entry(loader, node, &schema_balancing, declarative_read_balancing);
}

static void read_limits(struct loader *loader, const struct document_node *node)
{
    struct written_limits written = { 0 };
    struct config_service *service;

    schema_read(&loader->reader, &schema_limits, node, &written);
    if (!written.service)
        return; /* told already */
    service = find_service(loader, node, written.service);
    if (!service)
        return;
    if (service->limits.is_set) {
        MISFIT(loader, node, "the service '%s' has limits already; remove one of the two",
               written.service);
        return;
    }
    service->limits = (struct config_limits){ .is_set = true,
                                              .requests_max = written.max_requests,
                                              .pending_max = written.max_pending,
                                              .retries_max = written.max_retries };
}

static void read_each(struct loader *loader, const struct document_node *hopgate, const char *name,
                      void (*read)(struct loader *loader, const struct document_node *node))
{
    struct document_node list, item = { 0 };

    if (!document_member(hopgate, name, &list) || !json_is_array(list.value))
        return; /* other shapes were refused by the schema */
    while (document_next(&list, &item))
        read(loader, &item);
}

int declarative_begin_hopgate(struct loader *loader)
{
    struct document_node root = document_root(loader->document), hopgate;

    if (!document_member(&root, "hopgate", &hopgate) || !json_is_object(hopgate.value))
        return 0;
    schema_read(&loader->reader, &schema_hopgate, &hopgate, NULL);
    return declarative_read_mtls(loader, &hopgate);
}

int declarative_read_hopgate(struct loader *loader)
{
    struct document_node root = document_root(loader->document), hopgate;

    if (!document_member(&root, "hopgate", &hopgate))
        return 0;
    read_each(loader, &hopgate, "proxy_protocol", read_proxy_protocol);
    read_each(loader, &hopgate, "slow_start", read_slow_start);
    read_each(loader, &hopgate, "health", read_health);
    read_each(loader, &hopgate, "limits", read_limits);
    read_each(loader, &hopgate, "balancing", read_balancing);
    if (declarative_read_fields(loader, &hopgate) < 0)
        return -ENOMEM;
    return loader->reader.out_of_memory ? -ENOMEM : 0;
}
