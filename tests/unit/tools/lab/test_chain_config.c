/* chain_config: what a hop is started with, from a chain file's text. */
#include "tools/lab/chain_config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"
#include "tools/lab/chain_priv.h"

static struct chain *chain;
static json_t *notes;

static void given(const char *text)
{
    struct config_errors errors;
    char line[1200];

    chain_free(chain);
    chain = NULL;
    config_errors_init(&errors);
    if (chain_parse(slice_of(text), "test.yaml", &chain, &errors) < 0)
        fail_msg("%s", config_error_format(&errors.items[0], line, sizeof(line)));
    config_errors_done(&errors);
}

static const struct chain_place behind[] = { { "127.0.9.20", 8080, false },
                                             { "127.0.9.30", 8081, false } };

static struct chain_config_context context_of(size_t next_count)
{
    return (struct chain_config_context){ .chain = chain,
                                          .element = &chain->elements[0],
                                          .prefix = "/lab/hop/prefix",
                                          .here = { "127.0.9.10", 8000, false },
                                          .next = { behind, next_count } };
}

/* The declarative file of the first hop; the caller owns it. */
static json_t *declarative(size_t next_count)
{
    struct chain_config_context context = context_of(next_count);
    struct config_errors errors;
    json_t *root;

    json_decref(notes);
    notes = json_array();
    config_errors_init(&errors);
    root = chain_config_declarative(&context, notes, &errors);
    CHECK_INT(errors.errors_count, 0);
    config_errors_done(&errors);
    CHECK(root);
    return root;
}

static json_t *first(const json_t *root, const char *list)
{
    return json_array_get(json_object_get(root, list), 0);
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static void done(void)
{
    chain_free(chain);
    chain = NULL;
    json_decref(notes);
    notes = NULL;
}

TEST(chain_config_kong_conf_has_place_persona_and_settings)
{
    struct chain_config_context context;
    char *conf;

    given("{name: t, time_scale: 10, path: [{hop: edge, persona: f5, settings: {"
          "nginx_http_keepalive_timeout: 30s, log_level: debug, nginx_worker_processes: 2}},"
          " {origin: o}]}");
    context = context_of(1);
    conf = chain_config_kong_conf(&context);
    CHECK(strstr(conf, "prefix = /lab/hop/prefix\nproxy_listen = 127.0.9.10:8000\n"));
    CHECK(strstr(conf, "hopgate_persona = f5\nhopgate_name = edge\n"
                       "hopgate_upstream_bind = 127.0.9.10\n"));
    CHECK(strstr(conf, "nginx_http_keepalive_timeout = 30s\n")); /* the hop divides */
    CHECK(strstr(conf, "hopgate_lab = on\nhopgate_time_scale = 10\n"));
    CHECK(strstr(conf, "nginx_worker_processes = 2\n"));
    CHECK(!strstr(conf, "nginx_worker_processes = 1\n"));
    CHECK(!strstr(conf, "ssl_cert"));
    free(conf);
    done();
}

TEST(chain_config_without_entities_leads_everything_on)
{
    json_t *root, *service;

    given("{name: t, path: [{hop: edge}, {origin: o}]}");
    root = declarative(1);
    service = first(root, "services");
    CHECK_STR(text_of(service, "host"), "127.0.9.20");
    CHECK_INT(json_integer_value(json_object_get(service, "port")), 8080);
    CHECK_STR(text_of(service, "protocol"), "http");
    CHECK(!json_object_get(service, "read_timeout"));
    json_decref(root);
    root = declarative(2);
    CHECK_STR(text_of(first(root, "services"), "host"), "next");
    CHECK_INT(json_array_size(json_object_get(first(root, "upstreams"), "targets")), 2);
    CHECK_STR(text_of(first(first(root, "upstreams"), "targets"), "target"), "127.0.9.20:8080");
    json_decref(root);
    done();
}

TEST(chain_config_in_real_time_says_nothing_of_it)
{
    struct chain_config_context context;
    char *conf;

    given("{name: t, path: [{hop: edge, settings: {hopgate_lab: false}}, {origin: o}]}");
    context = context_of(1);
    conf = chain_config_kong_conf(&context);
    CHECK(!strstr(conf, "hopgate_time_scale"));
    CHECK(strstr(conf, "hopgate_lab = off\n"));
    CHECK(!strstr(conf, "hopgate_lab = on\n"));
    free(conf);
    done();
}

TEST(chain_config_leaves_times_of_entities_to_the_hop)
{
    json_t *root, *service, *active;

    given("{name: t, time_scale: 100, path: [{hop: edge, entities: {services: [{name: s, host: u, "
          "read_timeout: 5000}], upstreams: [{name: u, healthchecks: {active: {timeout: 2}}, "
          "targets: [{target: 'x:1'}]}]}}, {origin: o}]}");
    root = declarative(1);
    service = first(root, "services");
    CHECK_INT(json_integer_value(json_object_get(service, "read_timeout")), 5000);
    CHECK(!json_object_get(service, "connect_timeout"));
    active = json_object_get(json_object_get(first(root, "upstreams"), "healthchecks"), "active");
    CHECK_INT(json_integer_value(json_object_get(active, "timeout")), 2);
    json_decref(root);
    done();
}

TEST(chain_config_leaves_out_what_is_not_simulated_and_says_so)
{
    json_t *root;

    given("{name: t, path: [{hop: edge, entities: {services: [{name: s, host: h, plugins: [{name: "
          "p}], routes: [{paths: [/], plugins: [{name: p}, {name: q}]}]}], consumers: [], plugins: "
          "[{name: r}]}}, {origin: o}]}");
    root = declarative(1);
    CHECK(!json_object_get(root, "plugins"));
    CHECK(!json_object_get(root, "consumers"));
    CHECK(!json_object_get(first(root, "services"), "plugins"));
    CHECK(!json_object_get(first(first(root, "services"), "routes"), "plugins"));
    CHECK_INT(json_array_size(notes), 3); /* an empty list is nothing to tell of */
    json_decref(root);
    done();
}

TEST(chain_config_leaves_addresses_alone_when_told_so)
{
    json_t *root;

    given("{name: t, path: [{hop: edge, redirect: false, entities: {services: [{name: s, url: "
          "'http://10.0.0.1:80'}]}}, {origin: o}]}");
    root = declarative(1);
    CHECK_STR(text_of(first(root, "services"), "url"), "http://10.0.0.1:80");
    CHECK(!json_object_get(first(root, "services"), "host"));
    json_decref(root);
    done();
}

TEST(chain_config_speaks_the_protocol_that_is_stated_whatever_the_next_takes)
{
    json_t *root;

    given("{name: t, path: [{hop: edge, protocol: https}, {origin: o}]}");
    root = declarative(1);
    CHECK_STR(text_of(first(root, "services"), "protocol"), "https");
    CHECK_INT(json_integer_value(json_object_get(first(root, "services"), "port")), 8080);
    json_decref(root);
    done();
}

TEST(chain_schema_says_what_each_field_means)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    chain_print_schema(out);
    CHECK_INT(fclose(out), 0);
    for (int i = 0; i < CHAIN_TABLES; i++)
        for (size_t n = 0; n < chain_tables[i].schema->fields_count; n++) {
            CHECK(chain_tables[i].meanings[n] && *chain_tables[i].meanings[n]);
            CHECK(strstr(text, chain_tables[i].schema->fields[n].name));
        }
    free(text);
}

TESTS(TEST_CASE(chain_config_kong_conf_has_place_persona_and_settings),
      TEST_CASE(chain_config_without_entities_leads_everything_on),
      TEST_CASE(chain_config_in_real_time_says_nothing_of_it),
      TEST_CASE(chain_config_leaves_times_of_entities_to_the_hop),
      TEST_CASE(chain_config_leaves_out_what_is_not_simulated_and_says_so),
      TEST_CASE(chain_config_leaves_addresses_alone_when_told_so),
      TEST_CASE(chain_config_speaks_the_protocol_that_is_stated_whatever_the_next_takes),
      TEST_CASE(chain_schema_says_what_each_field_means))
