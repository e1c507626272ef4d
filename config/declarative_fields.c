/*
 * declarative_fields: hopgate.fields, what the hop does to fields beyond its persona, for all traffic
 * or for one service or route.
 */
#include "config/declarative_fields.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config/declarative_priv.h"

static const char *const operation_names[] = {
    [CONFIG_SET] = "set",       [CONFIG_ADD] = "add",       [CONFIG_APPEND] = "append",
    [CONFIG_RENAME] = "rename", [CONFIG_REMOVE] = "remove", [CONFIG_CASE] = "case",
};
enum { OPERATIONS_COUNT = sizeof(operation_names) / sizeof(operation_names[0]) };

#define ALL_OPERATIONS "set, add, append, rename, remove, case"

/* One operation on its way. */
struct operation_reading {
    struct loader *loader;
    const struct document_node *node;
    bool of_response;
    struct config_field_operation *into;
};

/* Null is as good as nothing, as everywhere in a declarative file. */
static bool is_there(const struct document_node *node, const char *member,
                     struct document_node *ret)
{
    return document_member(node, member, ret) && !json_is_null(ret->value);
}

/* The member's node, or that of the whole operation. */
static const struct document_node *node_of(const struct operation_reading *reading,
                                           const char *member, struct document_node *room)
{
    return document_member(reading->node, member, room) ? room : reading->node;
}

#define FAIL_AT(reading, member, ...)                                               \
    do {                                                                            \
        struct document_node room_;                                                 \
        FAIL((reading)->loader, node_of((reading), (member), &room_), __VA_ARGS__); \
    } while (0)

/* ---- names ---- */

/* Connection and framing are the hop's own business on each side: a rule that changes them would make
 * two readers of one message disagree about where it ends. */
static const char *why_never(const char *name)
{
    static const struct {
        const char *name, *why;
    } refused[] = {
        { "Connection", "it belongs to one connection (RFC 9110 7.6.1) and is made anew here" },
        { "Keep-Alive", "it belongs to one connection (RFC 9110 7.6.1)" },
        { "Proxy-Connection", "it belongs to one connection (RFC 9110 7.6.1)" },
        { "TE", "it belongs to one connection (RFC 9110 7.6.1)" },
        { "Upgrade", "it belongs to one connection (RFC 9110 7.6.1)" },
        { "HTTP2-Settings", "it belongs to one connection (RFC 9110 7.6.1)" },
        { "Trailer", "it says how the content is framed, which is made anew here" },
        { "Transfer-Encoding", "it says how the content is framed, which is made anew here" },
        { "Content-Length", "it says how the content is framed, which is made anew here" },
        { "Expect", "it says when the content is sent, which is this hop's to decide" },
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
        if (strcasecmp(refused[i].name, name) == 0)
            return refused[i].why;
    return NULL;
}

static void check_field_name(const struct operation_reading *reading, const char *member,
                             const char *name)
{
    char message[CHECK_MESSAGE_MAX];
    const char *why = why_never(name);

    if (name[0] == ':')
        FAIL_AT(reading, member,
                "'%s' is a pseudo-field, no field (RFC 9113 8.3); use paths, hosts or the "
                "forwarded policy of Host",
                name);
    else if (check_token(name, message) < 0)
        FAIL_AT(reading, member, "%s", message);
    else if (why)
        FAIL_AT(reading, member, "'%s' cannot be changed: %s; remove this operation", name, why);
}

/* A request has exactly one Host, whatever happens. */
static void check_one_host(const struct operation_reading *reading)
{
    const struct config_field_operation *op = reading->into;
    bool touched = strcasecmp(op->name, "Host") == 0 && op->operation != CONFIG_CASE;

    if (reading->of_response)
        return;
    if ((touched && op->operation != CONFIG_SET) || (op->to && strcasecmp(op->to, "Host") == 0))
        FAIL_AT(
            reading, operation_names[op->operation],
            "a request has exactly one Host (RFC 9112 3.2); use set, or the forwarded policy of "
            "Host");
}

/* RFC 6265 3, RFC 9110 5.3: what a comma would break. */
static void check_append(const struct operation_reading *reading)
{
    static const char *const single[] = {
        "Set-Cookie",   "Authorization", "Date",       "Location",
        "Content-Type", "Server",        "User-Agent", "X-Real-IP"
    };
    const struct config_field_operation *op = reading->into;

    for (size_t i = 0; op->operation == CONFIG_APPEND && i < sizeof(single) / sizeof(single[0]);
         i++)
        if (strcasecmp(single[i], op->name) == 0)
            FAIL_AT(reading, "append",
                    "'%s' is no list, so nothing can be appended to a value (RFC 9110 5.3); use "
                    "%s",
                    op->name, i == 0 ? "add" : "set");
}

static void check_spelling(const struct operation_reading *reading)
{
    const struct config_field_operation *op = reading->into;
    char message[CHECK_MESSAGE_MAX];

    if (check_token(op->name, message) < 0 || strchr(op->name, '*'))
        FAIL_AT(reading, "case",
                "expected lower, canonical, or a name as it is to be written, such as "
                "X-Request-ID");
}

static void check_names(const struct operation_reading *reading)
{
    const struct config_field_operation *op = reading->into;
    size_t length = strlen(op->name);
    char stem[256];

    if (op->operation == CONFIG_CASE) {
        check_spelling(reading);
        return;
    }
    if (op->operation == CONFIG_REMOVE && length > 1 && length < sizeof(stem) &&
        op->name[length - 1] == '*') { /* what may not be removed is left alone by a pattern */
        memcpy(stem, op->name, length - 1);
        stem[length - 1] = '\0';
        if (strchr(stem, '*'))
            FAIL_AT(reading, "remove", "'*' may only stand at the end");
        else
            check_field_name(reading, "remove", stem);
        return;
    }
    if (strchr(op->name, '*')) {
        FAIL_AT(reading, operation_names[op->operation],
                op->operation != CONFIG_REMOVE
                    ? "'*' is understood by 'remove' only; write the name"
                : length == 1 ? "'*' alone would be every field; put letters before it"
                              : "'*' may only stand at the end");
        return;
    }
    check_field_name(reading, operation_names[op->operation], op->name);
    if (op->to)
        check_field_name(reading, "to", op->to);
    check_one_host(reading);
    check_append(reading);
}

/* ---- keys ---- */

static bool writes_value(enum config_operation operation)
{
    return operation == CONFIG_SET || operation == CONFIG_ADD || operation == CONFIG_APPEND;
}

static void check_keys(const struct operation_reading *reading)
{
    const struct config_field_operation *op = reading->into;
    const char *word = operation_names[op->operation];
    struct document_node at;

    if (writes_value(op->operation) && !is_there(reading->node, "value", &at))
        FAIL(reading->loader, reading->node, "'%s' needs a value; add 'value'", word);
    if (!writes_value(op->operation) && op->value)
        FAIL_AT(reading, "value", "'%s' has no value; remove it", word);
    if (op->operation == CONFIG_RENAME && !is_there(reading->node, "to", &at))
        FAIL(reading->loader, reading->node, "'rename' needs the new name; add 'to'");
    if (op->operation != CONFIG_RENAME && op->to)
        FAIL_AT(reading, "to", "only 'rename' has 'to'; remove it");
    if (op->if_absent && op->operation != CONFIG_SET && op->operation != CONFIG_ADD)
        FAIL_AT(reading, "if_absent", "only 'set' and 'add' have if_absent; remove it");
    if (!reading->of_response && op->always)
        FAIL_AT(reading, "always", "a request has no status; remove it");
    if (!reading->of_response && op->has_statuses)
        FAIL_AT(reading, "when_status", "a request has no status; remove it");
    if (op->always && op->has_statuses)
        FAIL_AT(reading, "when_status", "'always' means every status; remove one of the two");
}

/* Which of the words stands there; -1: none or several, which is told. */
static int find_operation(struct loader *loader, const struct document_node *node,
                          const struct written_operation *written)
{
    int found = -1;

    for (int i = 0; i < OPERATIONS_COUNT; i++) {
        struct document_node at;

        if (!is_there(node, operation_names[i], &at))
            continue;
        if (found >= 0) {
            FAIL(loader, &at,
                 "'%s' stands here already, and an operation does one thing; make two items of the "
                 "list",
                 operation_names[found]);
            return -1;
        }
        found = i;
    }
    if (found < 0 && json_is_object(node->value))
        FAIL(loader, node, "no operation; add one of: " ALL_OPERATIONS);
    return found >= 0 && written->names[found] ? found : -1;
}

static int read_operation(const struct operation_reading *reading)
{
    struct loader *loader = reading->loader;
    struct config_field_operation *into = reading->into;
    struct written_operation written = { 0 };
    struct document_node at;
    int found;

    schema_read(&loader->reader, &schema_field_operation, reading->node, &written);
    found = find_operation(loader, reading->node, &written);
    if (found < 0)
        return 0;
    *into = (struct config_field_operation){
        .operation = (enum config_operation)found,
        .name = written.names[found],
        .value = written.value,
        .to = written.to,
        .if_absent = written.if_absent,
        .always = written.always,
        .has_statuses = is_there(reading->node, "when_status", &at),
        .statuses = written.statuses,
    };
    check_keys(reading);
    check_names(reading);
    if (into->value && document_member(reading->node, "value", &at) &&
        loader_set_place(loader, &at, &into->value_path, &into->value_line, &into->value_column) <
            0)
        return -ENOMEM;
    return loader_set_place(loader, reading->node, &into->path, &into->line, &into->column);
}

static int read_operations(struct loader *loader, const struct document_node *node,
                           bool of_response, struct config_field_rules *rules)
{
    struct config_field_operation **items = of_response ? &rules->response : &rules->request;
    size_t *count = of_response ? &rules->response_count : &rules->request_count;
    struct document_node list, item = { 0 };
    int r = 0;

    if (!document_member(node, of_response ? "response" : "request", &list) ||
        !json_is_array(list.value))
        return 0; /* other shapes were refused by the schema */
    *items = config_alloc(loader->config, json_array_size(list.value) * sizeof(**items));
    if (!*items)
        return -ENOMEM;
    while (r == 0 && document_next(&list, &item)) {
        const struct operation_reading reading = { .loader = loader,
                                                   .node = &item,
                                                   .of_response = of_response,
                                                   .into = &(*items)[(*count)++] };

        r = read_operation(&reading);
    }
    return r;
}

/* ---- entries ---- */

/* Whose entry it is. False: unknown, which is told. */
static bool read_scope(struct loader *loader, const struct document_node *node,
                       const struct written_field_rules *written, struct config_field_rules *rules)
{
    struct document_node at;
    size_t index;

    if (written->service && written->route) {
        FAIL(loader, node, "an entry is for a service or for a route; make two");
        return false;
    }
    if (written->service) {
        index = declarative_find_entity(loader, document_member(node, "service", &at) ? &at : node,
                                        ENTITY_SERVICE, written->service);
        if (index == NO_ENTITY)
            return false;
        rules->service = &loader->config->services[index];
    }
    if (written->route) {
        index = declarative_find_entity(loader, document_member(node, "route", &at) ? &at : node,
                                        ENTITY_ROUTE, written->route);
        if (index == NO_ENTITY)
            return false;
        rules->route = &loader->config->routes[index];
    }
    return true;
}

/* What is led on unopened has no fields that anyone here could see. */
static bool check_is_http(struct loader *loader, const struct document_node *node,
                          const struct config_field_rules *rules)
{
    if ((!rules->service || rules->service->protocol != CONFIG_PROTOCOL_TCP) &&
        (!rules->route || !(rules->route->protocols & CONFIG_PROTOCOL_TLS_PASSTHROUGH)))
        return true;
    MISFIT(loader, node,
           "its TLS is led on unopened (tls_passthrough), so there are no fields; "
           "remove the entry");
    return false;
}

static bool check_only_one(struct loader *loader, const struct document_node *node,
                           const struct config_field_rules *rules)
{
    for (size_t i = 0; i < loader->config->field_rules_count; i++) {
        const struct config_field_rules *other = &loader->config->field_rules[i];

        if (other->of_nobody || other->service != rules->service || other->route != rules->route)
            continue;
        if (rules->route || rules->service)
            MISFIT(loader, node, "%s has an entry already; put both into one",
                   rules->route ? "the route" : "the service");
        else
            FAIL(loader, node,
                 "the hop (without 'service' or 'route') has an entry already; put both into one");
        return false;
    }
    return true;
}

static int read_rules(struct loader *loader, const struct document_node *node)
{
    struct config_field_rules rules = { 0 };
    struct written_field_rules written = { 0 };
    struct document_node forwarded;
    bool known;
    int r = 0;

    schema_read(&loader->reader, &schema_field_rules, node, &written);
    if (!json_is_object(node->value))
        return 0;
    known = read_scope(loader, node, &written, &rules);
    if (document_member(node, "forwarded", &forwarded))
        r = declarative_read_forwarded(loader, &forwarded, &rules);
    if (r == 0)
        r = read_operations(loader, node, false, &rules);
    if (r == 0)
        r = read_operations(loader, node, true, &rules);
    if (r < 0 || (!known && !loader->reads_extras))
        return r;
    rules.of_nobody =
        !known || !check_only_one(loader, node, &rules) || !check_is_http(loader, node, &rules);
    loader->config->field_rules[loader->config->field_rules_count++] = rules;
    return 0;
}

int declarative_read_fields(struct loader *loader, const struct document_node *hopgate)
{
    struct document_node list, item = { 0 };
    int r = 0;

    if (!document_member(hopgate, "fields", &list) || !json_is_array(list.value))
        return 0; /* other shapes were refused by the schema */
    loader->config->field_rules = config_alloc(
        loader->config, json_array_size(list.value) * sizeof(*loader->config->field_rules));
    if (!loader->config->field_rules)
        return -ENOMEM;
    while (r == 0 && document_next(&list, &item))
        r = read_rules(loader, &item);
    return r;
}
