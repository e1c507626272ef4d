/* service_plan: a service that has not changed keeps what was made for it. */
#include "proxy/snapshot/service_plan.h"

#include <stdlib.h>
#include <string.h>

#include "lb/target_registry.h"
#include "tests/unit/proxy/fixture.h"

/* ---- plans of two services, one with an upstream --------------------------------------------- */

struct scene {
    struct settings *settings;
    struct persona *persona;
    struct resolver *resolver;
    struct target_registry *targets;
    struct service_load_registry *loads;
    struct client_tls client_tls;
};

static void scene_init(struct scene *scene)
{
    struct resolver_options options = { 0 };
    struct config_errors errors;

    config_errors_init(&errors);
    *scene = (struct scene){ .persona = fixture_persona("kong"),
                             .resolver = resolver_create(),
                             .targets = target_registry_create(),
                             .loads = service_load_registry_create() };
    CHECK_INT(settings_load_text(SLICE(""), "k.conf", NULL, &scene->settings, &errors), 0);
    CHECK_INT(resolver_configure(scene->resolver, &options), 0);
    CHECK_INT(client_tls_load(scene->settings, scene->persona, &errors, &scene->client_tls), 0);
    config_errors_done(&errors);
}

static void scene_done(struct scene *scene)
{
    client_tls_done(&scene->client_tls);
    service_load_registry_free(scene->loads);
    target_registry_free(scene->targets);
    resolver_free(scene->resolver);
    persona_free(scene->persona);
    settings_free(scene->settings);
}

struct entities {
    struct config_service services[2];
    struct config_upstream upstream;
    struct config_target targets[2];
    struct config config;
};

/* As read once: a copy has the same texts. */
static void entities_init(struct entities *entities)
{
    static const struct entities written = {
        .services = { { .id = "1",
                        .path = "services[a]",
                        .protocol = CONFIG_PROTOCOL_HTTP,
                        .host = "u",
                        .port = 80 },
                      { .id = "2",
                        .path = "services[b]",
                        .protocol = CONFIG_PROTOCOL_HTTPS,
                        .host = "127.0.0.9",
                        .port = 443,
                        .tls_verify = 0 } },
        .upstream = { .id = "3",
                      .name = "u",
                      .slots = 100,
                      .algorithm = "round-robin",
                      .healthchecks = { .active = { .type = "http" } },
                      .targets_count = 2 },
        .targets = { { .target = "127.0.0.1:80", .host = "127.0.0.1", .port = 80, .weight = 1 },
                     { .target = "127.0.0.2:80", .host = "127.0.0.2", .port = 80, .weight = 1 } },
    };

    *entities = written;
}

/* Its own place: entities point to each other. */
static const struct config *linked(struct entities *entities)
{
    entities->upstream.targets = entities->targets;
    entities->services[0].upstream = &entities->upstream;
    entities->config = (struct config){ .services = entities->services,
                                        .services_count = 2,
                                        .upstreams = &entities->upstream,
                                        .upstreams_count = 1 };
    return &entities->config;
}

static struct service_plan *plans_of(struct scene *scene, const struct config *config,
                                     const struct config *former_config,
                                     const struct service_plan *former)
{
    struct service_plan_options options = { .config = config,
                                            .targets = scene->targets,
                                            .loads = scene->loads,
                                            .resolver = scene->resolver,
                                            .stop_fd = -1,
                                            .client_tls = &scene->client_tls,
                                            .former = { .config = former_config,
                                                        .plans = former } };
    char error[640] = "";
    struct service_plan *plans = service_plans_create(&options, error, sizeof(error));

    if (!plans)
        fail_msg("%s", error);
    return plans;
}

static void free_plans(struct scene *scene, struct service_plan *plans)
{
    service_plans_free(plans, 2, scene->resolver);
}

/* ---- tests ----------------------------------------------------------------------------------- */

TEST(what_has_not_changed_is_taken_over)
{
    struct scene scene;
    struct entities first, second;
    struct service_plan *former, *plans;

    scene_init(&scene);
    entities_init(&first);
    entities_init(&second);
    former = plans_of(&scene, linked(&first), NULL, NULL);
    plans = plans_of(&scene, linked(&second), &first.config, former);
    for (size_t i = 0; i < 2; i++) {
        CHECK(plans[i].set == former[i].set);
        CHECK(plans[i].tls == former[i].tls);
        CHECK(plans[i].load == former[i].load);
        CHECK(plans[i].service == &second.services[i]);
        CHECK(!service_plan_is_outdated(&plans[i]));
    }
    CHECK(plans[0].health.upstream == &second.upstream);
    CHECK(plans[0].health.is_first && plans[1].tls);
    free_plans(&scene, former); /* the newer one goes on */
    CHECK_INT(plans[0].set->targets->count, 2);
    CHECK_STR(plans[0].set->targets->items[0].target->name, "127.0.0.1:80");
    free_plans(&scene, plans);
    scene_done(&scene);
}

TEST(the_newer_one_may_be_given_up)
{
    struct scene scene;
    struct entities first, second;
    struct service_plan *former;

    scene_init(&scene);
    entities_init(&first);
    entities_init(&second);
    former = plans_of(&scene, linked(&first), NULL, NULL);
    free_plans(&scene, plans_of(&scene, linked(&second), &first.config, former));
    CHECK_INT(former[0].set->targets->count, 2);
    free_plans(&scene, former);
    scene_done(&scene);
}

/* What differs, and which of the two services with it. */
static void check_changed(void (*change)(struct entities *entities), bool changes_first,
                          bool changes_second)
{
    struct scene scene;
    struct entities first, second;
    struct service_plan *former, *plans;

    scene_init(&scene);
    entities_init(&first);
    entities_init(&second);
    former = plans_of(&scene, linked(&first), NULL, NULL);
    (void)linked(&second);
    change(&second);
    plans = plans_of(&scene, &second.config, &first.config, former);
    CHECK((plans[0].set != former[0].set) == changes_first);
    CHECK((plans[1].set != former[1].set) == changes_second);
    free_plans(&scene, former);
    free_plans(&scene, plans);
    scene_done(&scene);
}

static char *read_again(const char *text)
{
    static char copies[4][32];
    static size_t next;
    char *copy = copies[next++ % 4];

    (void)snprintf(copy, sizeof(copies[0]), "%s", text);
    return copy;
}

static void nothing(struct entities *entities)
{
    (void)entities;
}

static void second_service(struct entities *entities)
{
    entities->services[1].id = read_again("2");
}

static void its_upstream(struct entities *entities)
{
    entities->upstream.id = read_again("3");
}

static void no_upstream(struct entities *entities)
{
    entities->services[0].upstream = NULL;
    entities->services[0].host = "127.0.0.3";
    entities->config.upstreams_count = 0;
}

static void one_target(struct entities *entities)
{
    entities->targets[1].target = read_again("127.0.0.2:80");
}

static void fewer_targets(struct entities *entities)
{
    entities->upstream.targets_count = 1;
}

static void another_slow_start(struct entities *entities)
{
    entities->upstream.slow_start_ms = 1000;
}

static void another_group(struct entities *entities)
{
    entities->targets[1].priority_group = 1;
}

static void its_certificate(struct entities *entities)
{
    static const struct config_certificate certificate = { .id = "4" };

    entities->services[0].client_certificate = &certificate; /* of http: it is not read */
}

static void its_authorities(struct entities *entities)
{
    static const struct config_ca_certificate authority = { .id = "5" };
    static const struct config_ca_certificate *authorities[] = { &authority };

    entities->services[0].ca_certificates = authorities;
    entities->services[0].ca_certificates_count = 1;
}

/* The first is gone: the second is in another place. */
static void removed(struct entities *entities)
{
    entities->services[0] = entities->services[1];
    entities->services[1].id = "9";
}

TEST(only_what_has_changed_is_made_anew)
{
    check_changed(nothing, false, false);
    check_changed(second_service, false, true);
    check_changed(its_upstream, true, false);
    check_changed(no_upstream, true, false);
    check_changed(one_target, true, false);
    check_changed(fewer_targets, true, false);
    check_changed(another_slow_start, true, false);
    check_changed(another_group, true, false);
    check_changed(its_certificate, true, false);
    check_changed(its_authorities, true, false);
}

TEST(a_service_is_found_where_it_stands_now)
{
    struct scene scene;
    struct entities first, second;
    struct service_plan *former, *plans;

    scene_init(&scene);
    entities_init(&first);
    entities_init(&second);
    former = plans_of(&scene, linked(&first), NULL, NULL);
    (void)linked(&second);
    removed(&second);
    plans = plans_of(&scene, &second.config, &first.config, former);
    CHECK(plans[0].set == former[1].set);
    CHECK(plans[1].set != former[1].set);
    CHECK(plans[1].tls == former[1].tls); /* they speak alike */
    free_plans(&scene, plans);
    free_plans(&scene, former);
    scene_done(&scene);
}

/* Newer targets of the former configuration, while the next one is prepared. */
TEST(a_set_that_was_replaced_meanwhile_is_freed_with_its_last_plan)
{
    struct scene scene;
    struct entities first, second, third;
    struct service_plan *former, *plans, *last;
    struct target_set *set;

    scene_init(&scene);
    entities_init(&first);
    entities_init(&second);
    entities_init(&third);
    former = plans_of(&scene, linked(&first), NULL, NULL);
    plans = plans_of(&scene, linked(&second), &first.config, former);
    set = service_plan_make_set(&former[0], scene.targets);
    service_plan_take_set(&former[0], &set);
    CHECK(former[0].set != plans[0].set && former[0].set->older == plans[0].set);
    /* one with older sets to look after is not shared */
    last = plans_of(&scene, linked(&third), &first.config, former);
    CHECK(last[0].set != former[0].set && last[1].set == former[1].set);
    target_set_free_older(former[0].set);
    CHECK(!former[0].set->older);
    CHECK_INT(plans[0].set->targets->count, 2);
    free_plans(&scene, plans);
    free_plans(&scene, former);
    free_plans(&scene, last);
    scene_done(&scene);
}

TESTS(TEST_CASE(what_has_not_changed_is_taken_over), TEST_CASE(the_newer_one_may_be_given_up),
      TEST_CASE(only_what_has_changed_is_made_anew),
      TEST_CASE(a_service_is_found_where_it_stands_now),
      TEST_CASE(a_set_that_was_replaced_meanwhile_is_freed_with_its_last_plan))
