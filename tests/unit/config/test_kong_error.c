#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/model/kong_error.h"
#include "tests/check.h"

#define ID "0855b320-0dd2-547d-891d-601e9b38647f"

static json_t *json_of(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

    if (!value)
        fail_msg("%s: %s", text, error.text);
    return value;
}

/* Checks the status and the whole body, and ends the error. */
static void check(struct kong_error *error, unsigned status, const char *want)
{
    json_t *body = kong_error_json(error), *wanted = json_of(want);
    char *got = json_dumps(body, 0);

    if (!json_equal(body, wanted))
        fail_msg("%s\n---- not\n%s", got, want);
    CHECK_INT(error->status, status);
    free(got);
    json_decref(body);
    json_decref(wanted);
    kong_error_done(error);
}

TEST(refusals_of_entities_have_their_body_and_status)
{
    struct kong_error error = { 0 };

    CHECK_INT(kong_error_plain(&error, 415, "no %s", "good"), -EINVAL);
    check(&error, 415, "{\"message\": \"no good\"}");
    (void)kong_error_primary_key_violation(&error, ID);
    check(&error, 400,
          "{\"code\": 3, \"name\": \"primary key violation\", \"message\": \"primary key violation "
          "on key '{id=\\\"" ID "\\\"}'\", \"fields\": {\"id\": \"" ID "\"}}");
    (void)kong_error_invalid_primary_key(&error, json_of("{\"id\": \"expected a valid UUID\"}"));
    check(&error, 400,
          "{\"code\": 1, \"name\": \"invalid primary key\", \"message\": \"invalid primary key: "
          "'{id=\\\"expected a valid UUID\\\"}'\", \"fields\": {\"id\": \"expected a valid "
          "UUID\"}}");
    (void)kong_error_unique_violation(&error, json_of("{\"name\": \"x\"}"));
    check(&error, 409,
          "{\"code\": 5, \"name\": \"unique constraint violation\", \"message\": \"UNIQUE "
          "violation detected on '{name=\\\"x\\\"}'\", \"fields\": {\"name\": \"x\"}}");
    (void)kong_error_foreign_key_missing(&error, "service", ID, "services");
    check(&error, 400,
          "{\"code\": 4, \"name\": \"foreign key violation\", \"message\": \"the foreign key "
          "'{id=\\\"" ID "\\\"}' does not reference an existing 'services' entity.\", \"fields\": "
          "{\"service\": {\"id\": \"" ID "\"}}}");
    (void)kong_error_still_referenced(&error, "routes", "services");
    check(&error, 400,
          "{\"code\": 4, \"name\": \"foreign key violation\", \"message\": \"an existing 'routes' "
          "entity references this 'services' entity\", \"fields\": {\"@referenced_by\": "
          "\"routes\"}}");
    (void)kong_error_not_found(&error, json_of("{\"id\": \"" ID "\"}"));
    check(&error, 404,
          "{\"code\": 6, \"name\": \"not found\", \"message\": \"could not find the entity with "
          "primary key '{id=\\\"" ID "\\\"}'\", \"fields\": {\"id\": \"" ID "\"}}");
    (void)kong_error_not_found(&error, json_of("{\"name\": \"x\"}"));
    check(&error, 404,
          "{\"code\": 6, \"name\": \"not found\", \"message\": \"could not find the entity with "
          "'{name=\\\"x\\\"}'\", \"fields\": {\"name\": \"x\"}}");
}

TEST(refusals_of_requests_have_theirs)
{
    struct kong_error error = { 0 };

    (void)kong_error_invalid_offset(&error, "x", "bad base64 encoding");
    check(&error, 400,
          "{\"code\": 7, \"name\": \"invalid offset\", \"message\": \"'x' is not a "
          "valid offset: bad base64 encoding\"}");
    (void)kong_error_database(&error, "the disk is %s", "full");
    check(&error, 500,
          "{\"code\": 8, \"name\": \"database error\", \"message\": \"the disk is full\"}");
    (void)kong_error_invalid_size(&error, "size must be a number");
    check(&error, 400,
          "{\"code\": 9, \"name\": \"invalid size\", \"message\": \"size must be a number\"}");
    (void)kong_error_invalid_unique(&error, "name", "bad");
    check(&error, 400, "{\"code\": 10, \"name\": \"invalid unique name\", \"message\": \"bad\"}");
    (void)kong_error_invalid_options(&error, json_of("{\"tags\": \"cannot be null\"}"));
    check(&error, 400,
          "{\"code\": 11, \"name\": \"invalid options\", \"message\": \"invalid option (tags: "
          "cannot be null)\", \"options\": {\"tags\": \"cannot be null\"}}");
    (void)kong_error_invalid_options(&error, json_of("{\"b\": \"y\", \"a\": \"x\"}"));
    check(&error, 400,
          "{\"code\": 11, \"name\": \"invalid options\", \"message\": \"2 option violations (a: x; "
          "b: y)\", \"options\": {\"a\": \"x\", \"b\": \"y\"}}");
    (void)kong_error_unsupported(&error, "cannot %s", "create");
    check(&error, 405,
          "{\"code\": 12, \"name\": \"operation unsupported\", \"message\": \"cannot create\"}");
    (void)kong_error_foreign_keys_unresolved(
        &error, json_of("{\"service\": {\"name\": {\"name\": \"name\", \"value\": \"x\", "
                        "\"parent\": \"services\"}}}"));
    check(&error, 400,
          "{\"code\": 13, \"name\": \"foreign keys unresolved\", \"message\": \"foreign key "
          "unresolved (service.name: the foreign key cannot be resolved with '{name=\\\"x\\\"}' "
          "for an existing 'services' entity)\", \"fields\": {\"service\": {\"name\": \"the "
          "foreign key cannot be resolved with '{name=\\\"x\\\"}' for an existing 'services' "
          "entity\"}}}");
    (void)kong_error_declarative(&error, json_of("{\"services\": [null, {\"host\": \"e\"}]}"));
    check(&error, 400,
          "{\"code\": 14, \"name\": \"invalid declarative configuration\", \"message\": "
          "\"declarative config is invalid: {services={[2]={host=\\\"e\\\"}}}\", \"fields\": "
          "{\"services\": [null, {\"host\": \"e\"}]}}");
    (void)kong_error_referenced_by_others(&error, "ca certificate %s", "x");
    check(&error, 400,
          "{\"code\": 19, \"name\": \"referenced by others\", \"message\": \"ca certificate x\"}");
}

static void check_violation(const char *fields, const char *want)
{
    struct kong_error error = { 0 };

    CHECK_INT(kong_error_schema_violation(&error, json_of(fields)), -EINVAL);
    CHECK_INT(error.code, KONG_SCHEMA_VIOLATION);
    CHECK_STR(error.message, want);
    kong_error_done(&error);
}

TEST(violations_are_counted_and_sorted)
{
    check_violation("{\"path\": \"p\", \"host\": \"h\"}", "2 schema violations (host: h; path: p)");
    check_violation("{\"name\": \"n\"}", "schema violation (name: n)");
    check_violation("{\"b\": \"x\", \"@entity\": [\"one\", \"two\"]}",
                    "3 schema violations (one; two; b: x)");
    check_violation("{\"config\": {\"z\": \"1\", \"a\": \"2\"}}",
                    "2 schema violations (config.a: 2; config.z: 1)");
    check_violation("{\"protocols\": [null, \"e\", \"f\"]}",
                    "2 schema violations (protocols.2: e; protocols.3: f)");
    check_violation("{\"a\": {\"b\": {\"d\": \"y\", \"c\": {\"e\": \"x\"}}}}",
                    "schema violation (a.b: {\n  c = {\n    e = \"x\"\n  },\n  d = \"y\"\n})");
    check_violation("{}", "0 schema violations ()");
}

/* {"tags": ["bad", null, "bad", ...]} with `count` texts. */
static json_t *many_violations(size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++) {
        CHECK_INT(json_array_append_new(list, json_string("bad")), 0);
        CHECK_INT(json_array_append_new(list, json_null()), 0);
    }
    return json_pack("{so,ss}", "tags", list, "zzz", "the last");
}

TEST(a_hundred_violations_are_all_told)
{
    struct kong_error error = { 0 };

    (void)kong_error_schema_violation(&error, many_violations(KONG_VIOLATIONS_MAX - 1));
    CHECK_INT(strncmp(error.message, "100 schema violations (tags.1: bad; ", 36), 0);
    CHECK(json_object_get(error.fields, "zzz") != NULL);
    CHECK(json_object_get(error.fields, "@entity") == NULL);
    kong_error_done(&error);
}

TEST(of_more_violations_the_number_is_told)
{
    struct kong_error error = { 0 };
    const char *end;

    (void)kong_error_schema_violation(&error, many_violations(100 * 1000));
    CHECK_INT(strncmp(error.message, "100 schema violations (tags.1: bad; ", 36), 0);
    end = strstr(error.message, "), and ");
    CHECK_STR(end, "), and 99901 more");
    CHECK(strlen(error.message) < 4096);
    CHECK_INT(json_array_size(json_object_get(error.fields, "tags")), 199); /* no tail of nulls */
    CHECK(json_object_get(error.fields, "zzz") == NULL);
    CHECK_STR(json_string_value(json_array_get(json_object_get(error.fields, "@entity"), 0)),
              "and 99901 more violations");
    kong_error_done(&error);
    (void)kong_error_declarative(&error, many_violations(KONG_DECLARATIVE_VIOLATIONS_MAX + 4));
    CHECK(strstr(error.message, "and 5 more violations") != NULL);
    kong_error_done(&error);
}

TEST(values_are_printed_as_kong_prints_them)
{
    static const struct {
        const char *json, *want;
    } rows[] = {
        { "{\"k2\": \"v\\\"w\", \"k\": 1}", "{k=1,k2=\"v\\\"w\"}" },
        { "{\"a\": {\"b\": true, \"c\": null}}", "{a={b=true,c=null}}" },
        { "[\"a\", \"b\"]", "{\"a\",\"b\"}" },
        { "[null, \"e\"]", "{[2]=\"e\"}" },
        { "[\"a\", null, \"c\"]", "{\"a\",[3]=\"c\"}" },
        { "{\"a-b\": 1, \"end\": 2, \"_x\": 3, \"9\": 4}",
          "{[\"9\"]=4,_x=3,[\"a-b\"]=1,[\"end\"]=2}" },
        { "{}", "{}" },
        { "[]", "{}" },
        { "1.5", "1.5" },
        { "1700000000", "1700000000" },
        { "{\"consumer\": null, \"name\": \"basic-auth\", \"route\": {\"id\": \"U\"}, \"service\": "
          "null}",
          "{consumer=null,name=\"basic-auth\",route={id=\"U\"},service=null}" },
        { "\"a\\nb\"", "[[a\nb]]" },
        { "\"a\\\\b\"", "\"a\\\\b\"" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        json_t *value = json_of(rows[i].json);
        char *got = kong_error_print(value);
        CHECK_STR(got, rows[i].want);
        free(got);
        json_decref(value);
    }
}

TESTS(TEST_CASE(refusals_of_entities_have_their_body_and_status),
      TEST_CASE(refusals_of_requests_have_theirs), TEST_CASE(violations_are_counted_and_sorted),
      TEST_CASE(a_hundred_violations_are_all_told),
      TEST_CASE(of_more_violations_the_number_is_told),
      TEST_CASE(values_are_printed_as_kong_prints_them))
