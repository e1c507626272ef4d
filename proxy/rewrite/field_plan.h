/*
 * field_plan: what hopgate.fields and hopgate_forwarded_* make of the persona's rules, compiled.
 *
 * Role    per hop, service and route: the persona's rules for requests with the forwarded policies in
 *         them, policies that are no rules (Host, identities), operations in the order written
 * Owns    nothing: it lives in the persona's memory and points to the configuration's texts
 * Thread  compiled on the main thread, then read by all
 *
 * For each field the most specific entry that names it decides: route, service, hop, kong.conf,
 * persona. Operations do not replace each other: the hop's run first, then the service's, then the
 * route's, each list from its top, so that the most specific has the last word.
 */
#ifndef PROXY_FIELD_PLAN_H
#define PROXY_FIELD_PLAN_H

#include "config/config.h"
#include "proxy/exchange/exchange_record.h"
#include "proxy/persona/persona.h"

/* A policy for peers of some networks, and for all others. */
struct field_choice {
    enum config_field_policy policy, untrusted; /* UNSET: nothing is said */
    const struct addr_cidrs *trusted;           /* NULL: trusted_ips */
};

enum field_spelling { FIELD_SPELLING_GIVEN, FIELD_SPELLING_LOWER, FIELD_SPELLING_CANONICAL };

struct field_operation {
    enum config_operation operation;
    struct slice name;            /* without the "*" of a prefix */
    bool is_prefix;               /* of remove */
    enum field_spelling spelling; /* of case */
    struct slice to;              /* of rename */
    enum field_id written_id;     /* of the name that it writes */
    struct template value;
    bool if_absent;
    bool on_any_status; /* else on `statuses` */
    bool on_own;        /* also on answers made here */
    struct config_statuses statuses;
};

struct field_operations {
    const struct field_operation *items;
    size_t count;
};

enum { FIELD_SCOPE_HOP, FIELD_SCOPE_SERVICE, FIELD_SCOPE_ROUTE, FIELD_SCOPES_COUNT };

struct field_plan {
    struct persona_rules request_rules;
    struct field_choice host;
    struct field_choice identity[PERSONA_CLIENT_CERT_ALB + 1]; /* by enum persona_client_cert */
    struct field_operations request[FIELD_SCOPES_COUNT], response[FIELD_SCOPES_COUNT];
};

struct field_plans {
    const struct field_plan *of_hop;     /* of what has no route; NULL: nothing is said */
    const struct field_plan **of_routes; /* parallel to config->routes; NULL: of_hop for each */
};

/*
 * persona: after persona_apply_settings; the plans die with it, and it must not change after. 0, or a
 * negative errno with the reason in errors; warnings may be there on success.
 */
int field_plans_compile(const struct settings *settings, const struct config *config,
                        struct persona *persona, struct field_plans *ret,
                        struct config_errors *errors);

static inline const struct field_plan *field_plan_of_route(const struct field_plans *plans,
                                                           size_t route)
{
    return plans->of_routes ? plans->of_routes[route] : plans->of_hop;
}

static inline enum config_field_policy field_choice_for(const struct field_choice *choice,
                                                        const struct exchange_record *record)
{
    bool is_trusted = choice->trusted ? addr_cidrs_contain(choice->trusted, &record->client_peer)
                                      : record->client_is_trusted;

    return is_trusted ? choice->policy : choice->untrusted;
}

#endif
