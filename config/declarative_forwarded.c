/*
 * declarative_forwarded: the forwarded policies of an entry of hopgate.fields.
 *
 * Each is "X-Forwarded-For: append", or a mapping that also says whom to trust and what becomes of the
 * field when another peer sends it.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config/declarative_fields.h"
#include "config/declarative_priv.h"
#include "config/forwarded_fields.h"
#include "config/suggest.h"

static int find_field(struct loader *loader, const struct document_node *node)
{
    struct suggest suggest = { .wanted = node->key };

    for (int i = 0; i < CONFIG_FORWARDED_COUNT; i++) {
        if (strcasecmp(forwarded_field_infos[i].name, node->key) == 0)
            return i;
        suggest_offer(&suggest, forwarded_field_infos[i].name);
    }
    if (suggest.nearest)
        document_add_error(node, DOCUMENT_AT_KEY, loader->errors, CONFIG_ERROR,
                           "no field with a forwarded policy; did you mean '%s'?", suggest.nearest);
    else
        document_add_error(node, DOCUMENT_AT_KEY, loader->errors, CONFIG_ERROR,
                           "no field with a forwarded policy; set or remove it in 'request' or "
                           "'response', where any field can stand");
    return -1;
}

/* RFC 7239 6.3: "_" and letters, digits, ".", "_", "-". */
static bool is_obfuscated(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    return text[0] == '_' && text[1] != '\0' && text[strspn(text, allowed)] == '\0';
}

static void check_node(struct loader *loader, const struct document_node *node, const char *member,
                       const char *text)
{
    static const char *const words[] = { "ip", "ip_port", "unknown", "none" };
    struct document_node at;

    if (!text)
        return;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0)
            return;
    if (!is_obfuscated(text))
        FAIL(loader, document_member(node, member, &at) ? &at : node,
             "expected ip, ip_port, unknown, none, or a name of your own such as '_edge1': '_' and "
             "letters, digits, '.', '_', '-' (RFC 7239 section 6.3)");
}

/* Keys that only make sense for Forwarded. */
static void check_parts(struct loader *loader, const struct document_node *node,
                        const struct config_forwarded *forwarded)
{
    static const char *const parts[] = { "for", "by", "host", "proto" };
    bool told = false;
    struct document_node at;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (document_member(node, parts[i], &at)) {
            told = true;
            if (forwarded->field != CONFIG_FORWARDED)
                document_add_error(&at, DOCUMENT_AT_KEY, loader->errors, CONFIG_ERROR,
                                   "only the field Forwarded has parts (RFC 7239); remove it");
        }
    if (told && !forwarded->host && !forwarded->proto && forwarded->for_node &&
        strcmp(forwarded->for_node, "none") == 0 &&
        (!forwarded->by_node || strcmp(forwarded->by_node, "none") == 0))
        FAIL(loader, node, "nothing would be told; leave one of for, by, host and proto");
}

static enum config_field_policy checked_policy(struct loader *loader,
                                               const struct document_node *node, int field,
                                               const char *word)
{
    enum config_field_policy policy = forwarded_policy_of(word);
    const struct forwarded_field_info *info = &forwarded_field_infos[field];

    if (policy != CONFIG_POLICY_UNSET && (info->refused & 1u << policy))
        FAIL(loader, node, "'%s' is not possible for %s: %s", word, info->name, info->fix);
    return policy;
}

static void read_record(struct loader *loader, const struct document_node *node,
                        struct config_forwarded *ret)
{
    struct written_forwarded written = { 0 };
    struct document_node at;

    schema_read(&loader->reader, &schema_forwarded, node, &written);
    if (document_member(node, "policy", &at))
        ret->policy = checked_policy(loader, &at, (int)ret->field, written.policy);
    if (document_member(node, "untrusted", &at))
        ret->untrusted = checked_policy(loader, &at, (int)ret->field, written.untrusted);
    ret->has_trusted = document_member(node, "trusted", &at) && json_is_array(at.value);
    ret->trusted = written.trusted;
    ret->for_node = written.for_node;
    ret->by_node = written.by_node;
    ret->host = written.host;
    ret->proto = written.proto;
    check_node(loader, node, "for", ret->for_node);
    check_node(loader, node, "by", ret->by_node);
    check_parts(loader, node, ret);
}

static int read_one(struct loader *loader, const struct document_node *node,
                    struct config_field_rules *rules)
{
    int field = find_field(loader, node);
    struct config_forwarded *forwarded = &rules->forwarded[rules->forwarded_count];
    const char *word = json_string_value(node->value);

    if (field < 0)
        return 0;
    for (size_t i = 0; i < rules->forwarded_count; i++)
        if (rules->forwarded[i].field == (enum config_forwarded_field)field)
            document_add_error(node, DOCUMENT_AT_KEY, loader->errors, CONFIG_ERROR,
                               "the field stands here already in another spelling; remove one");
    *forwarded = (struct config_forwarded){ .field = (enum config_forwarded_field)field,
                                            .host = true,
                                            .proto = true };
    if (word) {
        forwarded->policy = checked_policy(loader, node, field, word);
        if (forwarded->policy == CONFIG_POLICY_UNSET)
            FAIL(loader, node, "expected one of: preserve, append, replace, remove");
    } else if (json_is_object(node->value)) {
        read_record(loader, node, forwarded);
    } else {
        FAIL(loader, node,
             "expected a policy (preserve, append, replace, remove) or a mapping with 'policy'");
    }
    if (forwarded->untrusted == CONFIG_POLICY_UNSET)
        forwarded->untrusted = forwarded_untrusted_default(forwarded->field, forwarded->policy);
    rules->forwarded_count++;
    return loader_set_place(loader, node, &forwarded->path, &forwarded->line, &forwarded->column);
}

int declarative_read_forwarded(struct loader *loader, const struct document_node *node,
                               struct config_field_rules *rules)
{
    struct document_node child = { 0 };
    int r = 0;

    if (json_is_null(node->value))
        return 0;
    if (!json_is_object(node->value)) {
        FAIL(loader, node, "expected a mapping of fields and policies: {X-Forwarded-For: append}");
        return 0;
    }
    rules->forwarded =
        config_alloc(loader->config, json_object_size(node->value) * sizeof(*rules->forwarded));
    if (!rules->forwarded)
        return -ENOMEM;
    while (r == 0 && document_next(node, &child))
        r = read_one(loader, &child, rules);
    return r;
}
