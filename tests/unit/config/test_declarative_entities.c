/* config_load_entities: the Admin API's entities become the same configuration as a file's. */
#include <errno.h>

#include "tests/check.h"
#include "tests/config_text.h"

#include "config/declarative.h"

static const char entities[] =
    "{'_format_version': '3.0', '_transform': false,"
    " 'services': [{'id': '11111111-1111-4111-8111-111111111111', 'name': 'shop', 'host': 'pool',"
    "   'protocol': 'https', 'port': 443, 'path': null, 'retries': 5, 'connect_timeout': 60000,"
    "   'write_timeout': 60000, 'read_timeout': 60000, 'tags': ['a'], 'client_certificate': null,"
    "   'tls_verify': null, 'tls_verify_depth': null, 'ca_certificates': null, 'enabled': true,"
    "   'created_at': 1700000000, 'updated_at': 1700000000}],"
    " 'routes': [{'id': '22222222-2222-4222-8222-222222222222', 'name': 'r', 'paths': ['/a'],"
    "   'service': '11111111-1111-4111-8111-111111111111', 'hosts': null, 'methods': null,"
    "   'headers': {'x-one': ['1']}, 'snis': null, 'sources': null, 'destinations': null,"
    "   'protocols': ['http', 'https'], 'https_redirect_status_code': 426, 'strip_path': true,"
    "   'preserve_host': false, 'request_buffering': true, 'response_buffering': true,"
    "   'regex_priority': 0, 'path_handling': 'v0', 'tags': null, 'created_at': 1700000000,"
    "   'updated_at': 1700000000}],"
    " 'upstreams': [{'id': '33333333-3333-4333-8333-333333333333', 'name': 'pool',"
    "   'algorithm': 'round-robin', 'slots': 10000, 'created_at': 1700000000,"
    "   'updated_at': 1700000000, 'tags': null, 'host_header': null, 'client_certificate': null,"
    "   'use_srv_name': false}],"
    " 'targets': [{'id': '44444444-4444-4444-8444-444444444444', 'target': '10.0.0.1:80',"
    "   'weight': 100, 'upstream': '33333333-3333-4333-8333-333333333333', 'tags': null,"
    "   'created_at': 1700000000.123, 'updated_at': 1700000000.123}]}";

/* The text above with the quotes of JSON. */
static char *json_text(const char *quoted)
{
    char *text = strdup(quoted);

    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    return text;
}

static int load(const char *quoted, struct config **ret, struct config_errors *errors)
{
    char *text = json_text(quoted);
    json_t *given = json_loads(text, 0, NULL);
    int r;

    CHECK(given != NULL);
    free(text);
    r = config_load_entities(given, "store", ret, errors);
    json_decref(given);
    return r;
}

/* Paths differ: "services[0]" is "services[shop]" there. */
static char *without_brackets(char *text)
{
    char *to = text;
    bool is_inside = false;

    for (const char *from = text; *from; from++) {
        is_inside = is_inside ? *from != ']' : *from == '[';
        if (!is_inside)
            *to++ = *from;
    }
    *to = '\0';
    return text;
}

TEST(entities_become_what_a_file_with_them_becomes)
{
    SCOPED(config) of_text = NULL;
    SCOPED(config) of_entities = NULL;
    struct config_errors errors;
    char *text = json_text(entities), *one, *other;

    config_errors_init(&errors);
    CHECK_INT(config_load_text(slice_of(text), NULL, &of_text, &errors), 0);
    CHECK_INT(load(entities, &of_entities, &errors), 0);
    CHECK_INT(errors.count, 0);
    one = without_brackets(config_text(of_text));
    other = without_brackets(config_text(of_entities));
    CHECK_STR(other, one);
    CHECK(strstr(one, "10.0.0.1:80") != NULL);
    CHECK_STR(of_entities->routes[0].service->name, "shop");
    CHECK_INT(of_entities->routes[0].line, 0);
    free(one);
    free(other);
    free(text);
    config_errors_done(&errors);
}

TEST(a_mistake_names_the_entity)
{
    struct config *config = NULL;
    struct config_errors errors;
    char line[512];

    config_errors_init(&errors);
    CHECK_INT(load("{'_format_version': '3.0', 'services': [{'id': "
                   "'11111111-1111-4111-8111-111111111111', 'name': 'shop',"
                   " 'host': 'h', 'port': 70000}, {'id': '21111111-1111-4111-8111-111111111111',"
                   " 'host': 'h', 'retries': 'x'}]}",
                   &config, &errors),
              -EINVAL);
    CHECK_INT(errors.count, 2);
    CHECK_STR(
        config_error_format(&errors.items[0], line, sizeof(line)),
        "store: error: services[shop].port: no value that this version can use; the Admin API "
        "would not have stored it: write the entity anew");
    CHECK_STR(errors.items[1].place.path, "services[21111111-1111-4111-8111-111111111111].retries");
    config_errors_done(&errors);
}

TESTS(TEST_CASE(entities_become_what_a_file_with_them_becomes),
      TEST_CASE(a_mistake_names_the_entity))
