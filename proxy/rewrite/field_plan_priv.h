/*
 * field_plan_priv: what the compiler of field plans and its checks share.
 *
 * Role    one compilation: where it reads, where errors go
 * Owns    nothing
 * Thread  one
 */
#ifndef PROXY_FIELD_PLAN_PRIV_H
#define PROXY_FIELD_PLAN_PRIV_H

#include "proxy/rewrite/field_plan.h"

struct field_compiler {
    const struct settings *settings;
    const struct config *config;
    struct persona *persona; /* whose memory holds the plans */
    struct config_errors *errors;
    bool out_of_memory;
};

/* ---- field_policy.c ---- */

/* By enum config_forwarded_field; NULL: nobody names that field. */
struct field_policies {
    const struct config_forwarded *items[CONFIG_FORWARDED_COUNT];
};

/* The policies of kong.conf, checked. */
void field_policies_from_settings(struct field_compiler *compiler, struct field_policies *into);

/* Those of an entry go before what is there. */
void field_policies_take(struct field_policies *into, const struct config_field_rules *rules);

/* The persona's rules with the policies in them, and what is no rule. */
void field_policies_compile(struct field_compiler *compiler, const struct field_policies *policies,
                            struct field_plan *plan);

/* ---- field_operations_compile.c ---- */

/* of_response: which list of the entry. */
struct field_operations field_operations_compile(struct field_compiler *compiler,
                                                 const struct config_field_rules *rules,
                                                 bool of_response);

/* NULL: no memory, or an error that was told at place. */
bool field_template_compile(struct field_compiler *compiler, const char *text,
                            struct config_place place, struct template *ret);

/* ---- field_plan_checks.c: what is allowed and hardly meant ---- */

void field_plan_check_forwarded(struct field_compiler *compiler,
                                const struct config_forwarded *forwarded,
                                struct config_place place);
void field_plan_check_operation(struct field_compiler *compiler,
                                const struct config_field_operation *source,
                                const struct field_operation *operation);

static inline struct config_place field_place(const struct field_compiler *compiler,
                                              const char *path, unsigned line, unsigned column)
{
    return (struct config_place){ compiler->config->hopgate_source, line, column, path };
}

#endif
