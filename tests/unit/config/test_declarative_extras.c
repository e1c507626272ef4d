/* The hopgate: object of hopgate_extras_file over entities that come from somewhere else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "tests/check.h"

#define ID "0c61b1c1-1111-4000-8000-000000000001"

static const char entities[] = "_format_version: '3.0'\n"
                               "services:\n"
                               "- {id: " ID ", name: s, host: up}\n"
                               "- {name: plain, host: 127.0.0.1}\n"
                               "upstreams:\n"
                               "- {name: up, targets: [{target: '127.0.0.1:80'}]}\n";

struct scene {
    char path[64];
    struct config *config;
    struct config_extras *extras;
    struct config_errors errors;
};

/* text: of the file. The result of reading it. */
static int scene_init(struct scene *scene, const char *text)
{
    FILE *file;
    int fd;

    *scene = (struct scene){ .path = "/tmp/hopgate-extras-XXXXXX" };
    config_errors_init(&scene->errors);
    fd = mkstemp(scene->path);
    CHECK(fd >= 0);
    file = fdopen(fd, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
    CHECK_INT(config_load_text(SLICE(entities), NULL, &scene->config, &scene->errors), 0);
    return config_extras_load(scene->path, &scene->extras, &scene->errors);
}

static void scene_done(struct scene *scene)
{
    CHECK_INT(unlink(scene->path), 0);
    config_extras_unref(scene->extras);
    config_free(scene->config);
    config_errors_done(&scene->errors);
}

static const char *first(const struct scene *scene)
{
    return scene->errors.count > 0 ? scene->errors.items[0].message : "";
}

TEST(entries_find_their_entities_by_name_and_by_id)
{
    struct scene scene;
    const struct config_service *service;

    CHECK_INT(scene_init(&scene, "hopgate:\n"
                                 "  limits: [{service: s, max_requests: 7}]\n"
                                 "  proxy_protocol: [{service: " ID ", version: v1}]\n"
                                 "  slow_start: [{upstream: up, seconds: 3}]\n"
                                 "  fields: [{service: plain, request: [{remove: X-A}]}]\n"),
              0);
    CHECK_INT(config_apply_extras(scene.config, scene.extras, true, &scene.errors), 0);
    CHECK_STR(first(&scene), "");
    service = &scene.config->services[0];
    CHECK_INT(service->limits.requests_max, 7);
    CHECK_INT(service->proxy_protocol.version, 1);
    CHECK_INT(scene.config->upstreams[0].slow_start_ms, 3000);
    CHECK_INT(scene.config->field_rules_count, 1);
    CHECK(scene.config->field_rules[0].service == &scene.config->services[1]);
    CHECK(!scene.config->field_rules[0].of_nobody);
    CHECK_STR(scene.config->hopgate_source, scene.path);
    scene_done(&scene);
}

TEST(what_is_not_there_is_a_warning_and_changes_nothing)
{
    struct scene scene;

    CHECK_INT(scene_init(&scene, "hopgate:\n"
                                 "  limits: [{service: gone, max_requests: 7}]\n"
                                 "  fields: [{route: gone, request: [{remove: X-A}]}]\n"
                                 "  mtls: [{snis: [a.test], verify_client: required,\n"
                                 "          ca_certificates: [" ID "]}]\n"),
              0);
    CHECK_INT(config_apply_extras(scene.config, scene.extras, true, &scene.errors), 0);
    CHECK_INT(scene.errors.errors_count, 0);
    CHECK_INT(scene.errors.count, 3);
    CHECK_INT(scene.errors.items[0].place.line, 2);
    CHECK(!scene.config->services[0].limits.is_set && !scene.config->services[1].limits.is_set);
    CHECK(scene.config->field_rules[0].of_nobody);
    CHECK_INT(scene.config->mtls_count, 1);
    CHECK(scene.config->mtls[0].lacks_authority);
    CHECK_INT(scene.config->mtls[0].ca_certificates_count, 0);
    scene_done(&scene);
}

TEST(before_the_store_was_looked_into_only_mistakes_are_told)
{
    struct scene scene;

    CHECK_INT(scene_init(&scene, "hopgate: {limits: [{service: gone, max_requests: 7}]}\n"), 0);
    CHECK_INT(config_apply_extras(scene.config, scene.extras, false, &scene.errors), 0);
    CHECK_STR(first(&scene), "");
    scene_done(&scene);
    CHECK_INT(scene_init(&scene, "hopgate: {limits: [{service: x}, {service: x}]}\n"), 0);
    CHECK_INT(config_apply_extras(scene.config, scene.extras, false, &scene.errors), -EINVAL);
    CHECK_STR(first(&scene), "the service 'x' has an entry already; put both into one");
    scene_done(&scene);
}

TEST(nothing_but_the_object_is_in_the_file)
{
    struct scene scene;

    CHECK_INT(scene_init(&scene, "services: []\n"), -EINVAL);
    CHECK(strstr(first(&scene), "entities are in the store") != NULL);
    scene_done(&scene);
    CHECK_INT(scene_init(&scene, "hopgate: {limit: []}\n"), -EINVAL);
    CHECK(strstr(first(&scene), "did you mean 'limits'?") != NULL);
    scene_done(&scene);
    CHECK_INT(scene_init(&scene, ""), -EINVAL);
    scene_done(&scene);
}

TESTS(TEST_CASE(entries_find_their_entities_by_name_and_by_id),
      TEST_CASE(what_is_not_there_is_a_warning_and_changes_nothing),
      TEST_CASE(before_the_store_was_looked_into_only_mistakes_are_told),
      TEST_CASE(nothing_but_the_object_is_in_the_file))
