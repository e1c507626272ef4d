#include <errno.h>

#include "config/config.h"
#include "tests/check.h"
#include "tests/config_text.h"

#define DATA HOPGATE_SOURCE_DIR "/tests/data/config/"

/* Loads a file that must be good; *ret_problems is what was said about it nevertheless. */
static char *load_file(const char *file, char **ret_problems)
{
    SCOPED(config) config = NULL;
    struct config_errors errors;
    char *text;
    int r;

    config_errors_init(&errors);
    r = config_load_file(file, &config, &errors);
    *ret_problems = config_errors_text(&errors);
    if (r < 0)
        fail_msg("%s: %d\n%s", file, r, *ret_problems);
    CHECK_STR(config->source, file);
    text = config_text(config);
    config_errors_done(&errors);
    return text;
}

TEST(a_shop_is_read_and_linked)
{
    static const char want[] =
        "services[0] id=add5c1dd-f991-5a1f-978a-8584cfeafca0 name=orders-api protocol=2 "
        "host=orders.internal port=443 path=/v2 retries=2 timeouts=2000/60000/30000 enabled=1 "
        "verify=1/2 client=certificates[0] upstream=upstreams[0] ca=ca_certificates[0],\n";
    char *problems, *text = load_file(DATA "shop.yaml", &problems);

    CHECK_STR(problems, "");
    if (strncmp(text, want, sizeof(want) - 1) != 0)
        fail_msg("%s", text);
    CHECK(strstr(text, "\nservices[1] id=") != NULL);
    CHECK(strstr(text, "name=website protocol=1 host=192.0.2.80 port=8080 path=- retries=5 "
                       "timeouts=60000/60000/60000 enabled=1 verify=-1/-1 client=- upstream=- "
                       "ca=\n"));
    CHECK(strstr(text, "name=orders-read protocols=3 methods=GET|HEAD "
                       "hosts=api.example.com|*.api.example.com paths=/orders|/basket strip=0 "
                       "preserve=0 buffering=1/1 priority=0 redirect=426 -> services[0]\n"));
    CHECK(strstr(text, "name=orders-write protocols=2 methods=POST|PUT|DELETE "
                       "hosts=api.example.com:8443 paths=/orders strip=1 preserve=0 "
                       "buffering=0/1 priority=0 redirect=301 -> services[0]\n"));
    CHECK(strstr(text, "name=health protocols=3 methods= hosts= paths=/healthz strip=1 preserve=0 "
                       "buffering=1/1 priority=0 redirect=426 -> services[1]\n"));
    CHECK(strstr(text, "name=- protocols=1 methods= hosts= paths=/closed strip=1 preserve=0 "
                       "buffering=1/1 priority=-1 redirect=426 -> services[1]\n"));
    CHECK(strstr(text, "upstreams[0] id="));
    CHECK(strstr(text,
                 "name=orders.internal algorithm=round-robin host_header=orders.example.com\n"
                 "upstreams[0].targets[0] 10.0.0.11:8443 host=10.0.0.11 port=8443 weight=200\n"
                 "upstreams[0].targets[1] [2001:0db8:0000:0000:0000:0000:0000:0012]:8443 "
                 "host=2001:0db8:0000:0000:0000:0000:0000:0012 port=8443 weight=100\n"
                 "upstreams[0].targets[2] orders-3.internal:8000 host=orders-3.internal "
                 "port=8000 weight=100\n"
                 "targets[0] 10.0.0.14:8000 host=10.0.0.14 port=8000 weight=0\n"));
    CHECK(strstr(text, "snis=api.example.com|*.api.example.com|www.example.com\n"));
    free(problems);
    free(text);
}

TEST(json_and_yaml_of_the_same_content_give_the_same_configuration)
{
    char *yaml_problems, *json_problems;
    char *yaml = load_file(DATA "shop.yaml", &yaml_problems);
    char *json = load_file(DATA "shop.json", &json_problems);

    CHECK_STR(yaml, json);
    CHECK_STR(yaml_problems, json_problems);
    free(yaml);
    free(json);
    free(yaml_problems);
    free(json_problems);
}

TEST(a_dump_that_repeats_all_of_kongs_defaults_is_accepted)
{
    char *problems, *text = load_file(DATA "deck-dump.yaml", &problems);

    CHECK_STR(problems, "");
    CHECK(strstr(text, "services[0] id=7d3f3c4a-2f6d-4f55-8d2b-6b6f3f0f7a01 name=billing "
                       "protocol=2 host=billing.upstream port=443 path=/api"));
    CHECK(strstr(text, "upstream=upstreams[0]"));
    CHECK(strstr(text, "upstreams[0].targets[1] 10.20.0.6:8443"));
    free(problems);
    free(text);
}

TEST(anchors_and_merges_say_things_once)
{
    char *problems, *text = load_file(DATA "microservices.yaml", &problems);

    CHECK_STR(problems, "");
    CHECK(strstr(text, "name=users protocol=1 host=users.svc port=8080 path=- retries=0 "
                       "timeouts=1000/5000/5000 enabled=1"));
    CHECK(strstr(text, "name=search protocol=1 host=search.svc port=8080 path=- retries=0 "
                       "timeouts=1000/5000/15000 enabled=0"));
    free(problems);
    free(text);
}

TEST(a_file_without_entities_is_an_empty_configuration)
{
    char *problems, *text = load_file(DATA "minimal.yaml", &problems);
    struct config *empty = config_create();
    char *empty_text = config_text(empty);

    CHECK_STR(problems, "");
    CHECK_STR(text, "");
    CHECK_STR(empty_text, "");
    CHECK(empty->source == NULL);
    config_free(empty);
    config_free(NULL);
    free(problems);
    free(text);
    free(empty_text);
}

TEST(a_file_that_cannot_be_read_is_named)
{
    struct config *config = NULL;
    struct config_errors errors;
    char *text;

    config_errors_init(&errors);
    CHECK_INT(config_load_file("/does/not/exist.yaml", &config, &errors), -ENOENT);
    CHECK(config == NULL);
    text = config_errors_text(&errors);
    CHECK_STR(text, "/does/not/exist.yaml: error: cannot be read: No such file or directory\n");
    free(text);
    CHECK_INT(config_load_file("/tmp", &config, &errors), -EISDIR);
    config_errors_done(&errors);
}

TEST(every_entity_knows_its_line)
{
    SCOPED(config) config = NULL;
    struct config_errors errors;
    static const char text[] = "_format_version: \"3.0\"\n"
                               "services:\n"
                               "- host: a.example\n"
                               "  routes:\n"
                               "  - paths: [/]\n"
                               "upstreams:\n"
                               "- name: u\n"
                               "  targets: [{target: 192.0.2.1}]\n";

    config_errors_init(&errors);
    CHECK_INT(config_load_text(slice_of(text), NULL, &config, &errors), 0);
    CHECK_INT(config->services[0].line, 3);
    CHECK_INT(config->services[0].column, 3);
    CHECK_INT(config->routes[0].line, 5);
    CHECK_INT(config->upstreams[0].line, 7);
    CHECK_INT(config->upstreams[0].targets[0].line, 8);
    CHECK_INT(config->upstreams[0].targets[0].column, 13);
    CHECK_STR(config->routes[0].path, "services[0].routes[0]");
    config_errors_done(&errors);
}

/* What is written in a url overrides the fields beside it. */
TEST(a_url_is_taken_apart_as_kong_does)
{
    static const struct {
        const char *url, *want;
    } rows[] = {
        { "http://h", "protocol=1 host=h port=80 path=- " },
        { "https://h", "protocol=2 host=h port=443 path=- " },
        { "http://h/", "protocol=1 host=h port=80 path=/ " },
        { "https://h:80/", "protocol=2 host=h port=80 path=/ " },
        { "http://h:443", "protocol=1 host=h port=443 path=- " },
        { "//h/x", "protocol=1 host=h port=80 path=/x " },
        { "http://[::1]:80/x", "protocol=1 host=::1 port=80 path=/x " },
        { "https://user:pw@h:1/a/b?c=d#e", "protocol=2 host=h port=1 path=/a/b " },
        { "http://h?q=/x", "protocol=1 host=h port=80 path=- " },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SCOPED(config) config = NULL;
        struct config_errors errors;
        char text[256], *got;
        (void)snprintf(text, sizeof(text),
                       "{\"_format_version\":\"3.0\",\"services\":[{\"url\":\"%s\",\"port\":9,"
                       "\"path\":\"/lost\"}]}",
                       rows[i].url);
        config_errors_init(&errors);
        CHECK_INT(config_load_text(slice_of(text), NULL, &config, &errors), 0);
        got = config_text(config);
        if (!strstr(got, rows[i].want))
            fail_msg("%s gives %s", rows[i].url, got);
        free(got);
        config_errors_done(&errors);
    }
}

TESTS(TEST_CASE(a_shop_is_read_and_linked),
      TEST_CASE(json_and_yaml_of_the_same_content_give_the_same_configuration),
      TEST_CASE(a_dump_that_repeats_all_of_kongs_defaults_is_accepted),
      TEST_CASE(anchors_and_merges_say_things_once),
      TEST_CASE(a_file_without_entities_is_an_empty_configuration),
      TEST_CASE(a_file_that_cannot_be_read_is_named), TEST_CASE(every_entity_knows_its_line),
      TEST_CASE(a_url_is_taken_apart_as_kong_does))
