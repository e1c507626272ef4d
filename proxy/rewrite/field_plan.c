#include "proxy/rewrite/field_plan.h"

#include <errno.h>

#include "proxy/persona/persona_priv.h"
#include "proxy/rewrite/field_plan_priv.h"

/* What concerns one plan; NULL: no entry. */
struct scopes {
    const struct config_field_rules *rules[FIELD_SCOPES_COUNT];
};

/* Each entry's operations are compiled once, whoever uses them. */
struct compiled_entry {
    struct field_operations request, response;
};

struct plan_builder {
    struct field_compiler *compiler;
    struct compiled_entry *entries;     /* parallel to config->field_rules */
    struct field_policies of_kong_conf; /* below all entries */
};

/* The entries by whom they are for. */
struct entry_index {
    const struct config_field_rules *of_hop;
    const struct config_field_rules **of_services,
        **of_routes; /* parallel to the configuration's */
};

/* False: no memory. */
static bool index_entries(struct field_compiler *compiler, struct entry_index *ret)
{
    const struct config *config = compiler->config;

    ret->of_hop = NULL;
    ret->of_services = persona_allocate(compiler->persona,
                                        (config->services_count + 1) * sizeof(*ret->of_services));
    ret->of_routes =
        persona_allocate(compiler->persona, (config->routes_count + 1) * sizeof(*ret->of_routes));
    if (!ret->of_services || !ret->of_routes)
        return false;
    for (size_t i = 0; i < config->field_rules_count; i++) {
        const struct config_field_rules *rules = &config->field_rules[i];

        if (rules->of_nobody)
            continue;
        if (rules->route)
            ret->of_routes[rules->route - config->routes] = rules;
        else if (rules->service)
            ret->of_services[rules->service - config->services] = rules;
        else
            ret->of_hop = rules;
    }
    return true;
}

static void compile_entries(struct plan_builder *builder)
{
    struct field_compiler *compiler = builder->compiler;
    const struct config *config = compiler->config;

    for (size_t i = 0; i < config->field_rules_count; i++) {
        const struct config_field_rules *rules = &config->field_rules[i];

        for (size_t k = 0; k < rules->forwarded_count; k++)
            field_plan_check_forwarded(compiler, &rules->forwarded[k],
                                       field_place(compiler, rules->forwarded[k].path,
                                                   rules->forwarded[k].line,
                                                   rules->forwarded[k].column));
        builder->entries[i].request = field_operations_compile(compiler, rules, false);
        builder->entries[i].response = field_operations_compile(compiler, rules, true);
    }
}

static const struct field_plan *build_plan(struct plan_builder *builder,
                                           const struct scopes *scopes)
{
    struct field_compiler *compiler = builder->compiler;
    struct field_plan *plan = persona_allocate(compiler->persona, sizeof(*plan));
    struct field_policies policies = builder->of_kong_conf;

    if (!plan) {
        compiler->out_of_memory = true;
        return NULL;
    }
    for (size_t i = 0; i < FIELD_SCOPES_COUNT; i++) {
        const struct config_field_rules *rules = scopes->rules[i];

        if (!rules)
            continue;
        field_policies_take(&policies, rules);
        plan->request[i] = builder->entries[rules - compiler->config->field_rules].request;
        plan->response[i] = builder->entries[rules - compiler->config->field_rules].response;
    }
    field_policies_compile(compiler, &policies, plan);
    return plan;
}

static bool says_something(const struct field_policies *policies)
{
    for (size_t i = 0; i < CONFIG_FORWARDED_COUNT; i++)
        if (policies->items[i])
            return true;
    return false;
}

/* A field named Host whose policy the route's own preserve_host contradicts. */
static void check_preserve_host(struct field_compiler *compiler, const struct config_route *route,
                                const struct field_plan *plan)
{
    if (route->preserve_host && plan->host.policy == CONFIG_POLICY_REPLACE &&
        plan->host.untrusted == CONFIG_POLICY_REPLACE)
        config_errors_add(compiler->errors, CONFIG_WARNING,
                          (struct config_place){ compiler->config->source, route->line,
                                                 route->column, route->path },
                          "preserve_host has no effect: the forwarded policy of Host is replace, "
                          "and it goes first; remove one of the two");
}

/* A service's plan is made once for all its routes that say nothing themselves. */
static void build_route_plans(struct plan_builder *builder, const struct entry_index *index,
                              struct field_plans *plans)
{
    struct field_compiler *compiler = builder->compiler;
    const struct config *config = compiler->config;
    const struct field_plan **of_services = persona_allocate(
        compiler->persona, (config->services_count + 1) * sizeof(struct field_plan *));

    plans->of_routes = persona_allocate(compiler->persona,
                                        (config->routes_count + 1) * sizeof(struct field_plan *));
    if (!of_services || !plans->of_routes) {
        compiler->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < config->routes_count && !compiler->out_of_memory; i++) {
        const struct config_route *route = &config->routes[i];
        size_t service = route->service ? (size_t)(route->service - config->services) : 0;
        const struct scopes scopes = {
            { index->of_hop, route->service ? index->of_services[service] : NULL,
              index->of_routes[i] },
        };

        if (scopes.rules[FIELD_SCOPE_ROUTE])
            plans->of_routes[i] = build_plan(builder, &scopes);
        else if (!scopes.rules[FIELD_SCOPE_SERVICE])
            plans->of_routes[i] = plans->of_hop;
        else if (!of_services[service])
            plans->of_routes[i] = of_services[service] = build_plan(builder, &scopes);
        else
            plans->of_routes[i] = of_services[service];
        if (plans->of_routes[i])
            check_preserve_host(compiler, route, plans->of_routes[i]);
    }
}

int field_plans_compile(const struct settings *settings, const struct config *config,
                        struct persona *persona, struct field_plans *ret,
                        struct config_errors *errors)
{
    struct field_compiler compiler = {
        .settings = settings, .config = config, .persona = persona, .errors = errors
    };
    struct plan_builder builder = { .compiler = &compiler };
    struct entry_index index;
    size_t errors_before = errors->errors_count;

    *ret = (struct field_plans){ NULL, NULL };
    field_policies_from_settings(&compiler, &builder.of_kong_conf);
    if (config->field_rules_count == 0 && !says_something(&builder.of_kong_conf))
        return compiler.out_of_memory ? -ENOMEM : 0;
    builder.entries =
        persona_allocate(persona, (config->field_rules_count + 1) * sizeof(*builder.entries));
    if (!builder.entries || !index_entries(&compiler, &index))
        return -ENOMEM;
    compile_entries(&builder);
    if (index.of_hop || says_something(&builder.of_kong_conf))
        ret->of_hop = build_plan(&builder, &(struct scopes){ { index.of_hop } });
    build_route_plans(&builder, &index, ret);
    if (compiler.out_of_memory) {
        *ret = (struct field_plans){ NULL, NULL };
        return -ENOMEM;
    }
    return errors->errors_count > errors_before ? -EINVAL : 0;
}
