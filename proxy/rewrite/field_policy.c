/* field_policy: forwarded policies become rules of the persona, or choices of the plan. */
#include <stdio.h>

#include "config/forwarded_fields.h"
#include "proxy/persona/persona_priv.h"
#include "proxy/rewrite/field_plan_priv.h"

/* ---- kong.conf ---- */

static const char *const setting_keys[CONFIG_VIA + 1] = {
    [CONFIG_X_FORWARDED_FOR] = "hopgate_forwarded_for",
    [CONFIG_X_FORWARDED_PROTO] = "hopgate_forwarded_proto",
    [CONFIG_X_FORWARDED_HOST] = "hopgate_forwarded_host",
    [CONFIG_X_FORWARDED_PORT] = "hopgate_forwarded_port",
    [CONFIG_X_FORWARDED_PREFIX] = "hopgate_forwarded_prefix",
    [CONFIG_X_FORWARDED_PATH] = "hopgate_forwarded_path",
    [CONFIG_X_REAL_IP] = "hopgate_forwarded_real_ip",
    [CONFIG_FORWARDED] = "hopgate_forwarded_rfc7239",
    [CONFIG_VIA] = "hopgate_forwarded_via",
};

/* hopgate_forwarded_untrusted for a field; `append` of what holds one value is said by replace. */
static enum config_field_policy untrusted_of(const struct settings *settings,
                                             enum config_forwarded_field field,
                                             enum config_field_policy policy)
{
    enum config_field_policy said = forwarded_policy_of(settings->hopgate_forwarded_untrusted);

    if (said == CONFIG_POLICY_UNSET)
        return forwarded_untrusted_default(field, policy);
    return forwarded_field_infos[field].refused & 1u << said ? CONFIG_POLICY_REPLACE : said;
}

void field_policies_from_settings(struct field_compiler *compiler, struct field_policies *into)
{
    const struct settings *settings = compiler->settings;

    for (int i = 0; i <= CONFIG_VIA; i++) {
        enum config_forwarded_field field = (enum config_forwarded_field)i;
        enum config_field_policy policy = forwarded_policy_of(settings->hopgate_forwarded[i]);
        struct config_forwarded *forwarded;

        if (policy == CONFIG_POLICY_UNSET)
            continue;
        forwarded = persona_allocate(compiler->persona, sizeof(*forwarded));
        if (!forwarded) {
            compiler->out_of_memory = true;
            return;
        }
        *forwarded = (struct config_forwarded){ .field = field,
                                                .policy = policy,
                                                .untrusted = untrusted_of(settings, field, policy),
                                                .host = true,
                                                .proto = true };
        into->items[i] = forwarded;
        field_plan_check_forwarded(compiler, forwarded, settings_place(settings, setting_keys[i]));
    }
}

void field_policies_take(struct field_policies *into, const struct config_field_rules *rules)
{
    for (size_t i = 0; rules && i < rules->forwarded_count; i++)
        into->items[rules->forwarded[i].field] = &rules->forwarded[i];
}

/* ---- what is written ---- */

static void put_pair(char *into, size_t size, const char *name, const char *value)
{
    size_t used = strlen(into);

    (void)snprintf(into + used, size - used, "%s%s=%s", used > 0 ? ";" : "", name, value);
}

/* "ip" and the like as a variable; a name of one's own as it is. */
static const char *node_text(const char *word, const char *ip, const char *ip_port)
{
    return strcmp(word, "ip") == 0 ? ip : strcmp(word, "ip_port") == 0 ? ip_port : word;
}

/* Forwarded as this hop writes it: for and proto and host, `by` when it is asked for. */
static void forwarded_text(const struct config_forwarded *forwarded, char *into, size_t size)
{
    const char *for_node = forwarded->for_node ? forwarded->for_node : "ip";
    const char *by_node = forwarded->by_node ? forwarded->by_node : "none";

    into[0] = '\0';
    if (strcmp(for_node, "none") != 0)
        put_pair(into, size, "for", node_text(for_node, "$forwarded_for", "$forwarded_for_port"));
    if (strcmp(by_node, "none") != 0)
        put_pair(into, size, "by", node_text(by_node, "$forwarded_by", "$forwarded_by_port"));
    if (forwarded->host)
        put_pair(into, size, "host", "$forwarded_host");
    if (forwarded->proto)
        put_pair(into, size, "proto", "$scheme");
}

/* Where the persona says nothing: what edge would say, RFC 9110 7.6.3 for Via. */
static const char *const own_values[CONFIG_VIA + 1] = {
    [CONFIG_X_FORWARDED_FOR] = "$peer_ip",
    [CONFIG_X_FORWARDED_PROTO] = "$scheme",
    [CONFIG_X_FORWARDED_HOST] = "$authority",
    [CONFIG_X_FORWARDED_PORT] = "$listener_port",
    [CONFIG_X_FORWARDED_PREFIX] = "$matched_prefix",
    [CONFIG_X_FORWARDED_PATH] = "$request_path",
    [CONFIG_X_REAL_IP] = "$client_ip",
    [CONFIG_VIA] = "$request_version $hop",
};

static struct template own_value(struct field_compiler *compiler,
                                 const struct config_forwarded *forwarded)
{
    enum { TEXT_BYTES = 640 };
    const struct config_place place =
        field_place(compiler, forwarded->path, forwarded->line, forwarded->column);
    const char *value = forwarded->field <= CONFIG_VIA ? own_values[forwarded->field] : NULL;
    struct template ret = { NULL, 0 };
    char *text;

    if (forwarded->field == CONFIG_FORWARDED) {
        text = persona_allocate(compiler->persona, TEXT_BYTES);
        if (!text) {
            compiler->out_of_memory = true;
            return ret;
        }
        forwarded_text(forwarded, text, TEXT_BYTES);
        value = text;
    }
    if (value)
        (void)field_template_compile(compiler, value, place, &ret);
    return ret;
}

/* ---- rules and choices ---- */

static const struct addr_cidrs *compile_trusted(struct field_compiler *compiler,
                                                const struct config_forwarded *forwarded)
{
    struct addr_cidrs *cidrs;

    if (!forwarded->has_trusted)
        return NULL;
    cidrs = persona_allocate(compiler->persona,
                             sizeof(*cidrs) + forwarded->trusted.count * sizeof(*cidrs->items));
    if (!cidrs) {
        compiler->out_of_memory = true;
        return NULL;
    }
    cidrs->items = (struct addr_cidr *)(cidrs + 1);
    for (size_t i = 0; i < forwarded->trusted.count; i++)
        if (addr_cidr_parse(slice_of(forwarded->trusted.items[i]), &cidrs->items[cidrs->count]) ==
            0)
            cidrs->count++; /* what is no address was refused when it was read */
    return cidrs;
}

static enum persona_policy policy_of(enum config_field_policy policy)
{
    switch (policy) {
    case CONFIG_POLICY_PRESERVE:
        return PERSONA_PRESERVE;
    case CONFIG_POLICY_APPEND:
        return PERSONA_APPEND;
    case CONFIG_POLICY_REPLACE:
        return PERSONA_REPLACE;
    case CONFIG_POLICY_REMOVE:
        return PERSONA_REMOVE;
    case CONFIG_POLICY_UNSET:
        break;
    }
    return PERSONA_POLICY_UNSET;
}

/* What the persona writes stays what is written, but for Forwarded, whose parts are chosen here. */
static void change_rule(struct field_compiler *compiler, const struct config_forwarded *forwarded,
                        struct persona_rule *rule)
{
    bool appends =
        forwarded->policy == CONFIG_POLICY_APPEND || forwarded->untrusted == CONFIG_POLICY_APPEND;

    rule->policy = policy_of(forwarded->untrusted);
    rule->trusted = policy_of(forwarded->policy);
    rule->trusted_peers = compile_trusted(compiler, forwarded);
    rule->adds_none = true;
    rule->as_cgi = true;
    if (rule->value.count == 0 || forwarded->field == CONFIG_FORWARDED)
        rule->value = own_value(compiler, forwarded);
    if (!appends) /* Kong's other value is for a list that begins here */
        rule->absent_value = (struct template){ NULL, 0 };
}

static void compile_rule(struct field_compiler *compiler, const struct config_forwarded *forwarded,
                         struct persona_rule *rules, size_t *count)
{
    struct slice name = slice_of(forwarded_field_infos[forwarded->field].name);
    bool found = false;

    for (size_t i = 0; i < *count; i++)
        if (slice_equal_nocase(rules[i].name, name)) {
            change_rule(compiler, forwarded, &rules[i]);
            found = true;
        }
    if (found)
        return;
    rules[*count] = (struct persona_rule){ .name = name, .when = PERSONA_ALWAYS };
    change_rule(compiler, forwarded, &rules[(*count)++]);
}

static void compile_choice(struct field_compiler *compiler,
                           const struct config_forwarded *forwarded, struct field_choice *into)
{
    if (forwarded)
        *into = (struct field_choice){ .policy = forwarded->policy,
                                       .untrusted = forwarded->untrusted,
                                       .trusted = compile_trusted(compiler, forwarded) };
}

void field_policies_compile(struct field_compiler *compiler, const struct field_policies *policies,
                            struct field_plan *plan)
{
    static const struct {
        enum config_forwarded_field field;
        enum persona_client_cert family;
    } identities[] = {
        { CONFIG_CLIENT_CERT, PERSONA_CLIENT_CERT_RFC9440 },
        { CONFIG_X_SSL_CLIENT, PERSONA_CLIENT_CERT_X_SSL_CLIENT },
        { CONFIG_XFCC, PERSONA_CLIENT_CERT_XFCC },
        { CONFIG_X_AMZN_MTLS, PERSONA_CLIENT_CERT_ALB },
    };
    const struct persona_rules *base = &compiler->persona->request.fields;
    size_t count = base->count;
    struct persona_rule *rules =
        persona_allocate(compiler->persona, (count + CONFIG_FORWARDED_COUNT) * sizeof(*rules));

    if (!rules) {
        compiler->out_of_memory = true;
        return;
    }
    if (count > 0)
        memcpy(rules, base->items, count * sizeof(*rules));
    for (int i = 0; i <= CONFIG_AUTHORIZATION; i++)
        if (policies->items[i])
            compile_rule(compiler, policies->items[i], rules, &count);
    plan->request_rules = (struct persona_rules){ rules, count };
    compile_choice(compiler, policies->items[CONFIG_HOST], &plan->host);
    for (size_t i = 0; i < sizeof(identities) / sizeof(identities[0]); i++)
        compile_choice(compiler, policies->items[identities[i].field],
                       &plan->identity[identities[i].family]);
}
