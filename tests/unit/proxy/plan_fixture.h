/*
 * plan_fixture: a hop's field plans from the text of hopgate.fields and of kong.conf.
 *
 * Role    for tests of field_plan, field_operations and rewrite
 * Owns    what plan_fixture_done frees
 * Thread  one
 *
 * There are two services: shop with the routes r1 and r2, other with r3, in this order.
 */
#ifndef TESTS_UNIT_PROXY_PLAN_FIXTURE_H
#define TESTS_UNIT_PROXY_PLAN_FIXTURE_H

#include "proxy/persona/persona_settings.h"
#include "proxy/rewrite/field_plan.h"
#include "tests/config_text.h"
#include "tests/unit/proxy/fixture.h"

struct plan_fixture {
    struct exchange_fixture x; /* its record is of route r1 */
    struct settings *settings;
    struct config *config;
    struct field_plans plans;
    int result; /* of field_plans_compile */
    char *said;
};

/* The whole of hopgate.fields, as YAML in one line. */
static inline void plan_fixture_init(struct plan_fixture *p, const char *persona, const char *conf,
                                     const char *fields)
{
    static const char head[] =
        "_format_version: '3.0'\n"
        "services:\n"
        "- {name: shop, host: a.test, routes: [{name: r1, paths: [/1]}, {name: r2, paths: [/2]}]}\n"
        "- {name: other, host: b.test, routes: [{name: r3, paths: [/3]}]}\n"
        "hopgate: {fields: ";
    struct config_errors errors;
    struct slice text;

    memset(p, 0, sizeof(*p));
    exchange_fixture_init(&p->x, persona, "Host: a.example:81");
    config_errors_init(&errors);
    text = arena_printf(&p->x.arena, "%s%s}\n", head, fields);
    if (settings_load_text(slice_of(conf), "kong.conf", NULL, &p->settings, &errors) < 0 ||
        config_load_text(text, "k.yaml", &p->config, &errors) < 0)
        config_errors_print(&errors, stderr);
    assert_non_null(p->settings);
    assert_non_null(p->config);
    persona_apply_settings(p->x.persona, p->settings);
    config_errors_done(&errors);
    p->result = field_plans_compile(p->settings, p->config, p->x.persona, &p->plans, &errors);
    p->said = config_errors_text(&errors);
    config_errors_done(&errors);
    p->x.record.route = &p->config->routes[0];
    p->x.record.service = p->x.record.route->service;
    p->x.record.field_plan = field_plan_of_route(&p->plans, 0);
}

/* The request that it is about. */
static inline void plan_fixture_request(struct plan_fixture *p, const char *lines)
{
    fixture_fields(&p->x.request.fields, &p->x.arena, lines);
}

static inline void plan_fixture_done(struct plan_fixture *p)
{
    free(p->said);
    exchange_fixture_done(&p->x);
    config_free(p->config);
    settings_free(p->settings);
}

#endif
