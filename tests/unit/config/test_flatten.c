/*
 * tests/data/kong-declarative-flat.json and -errors.json: documents, and the entities or Kong's tree of
 * mistakes that they give. Objects of "flat" may say less than what comes out; "@services[0]" is the id of
 * that entity, "@absent" means that it must not be there, "@sha1:..." the digest of a text, "@starts:..." a
 * text's beginning; "@cert" and "@key" of a document are a good pair.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/document.h"
#include "config/flatten/flatten.h"
#include "config/model/model_id.h"
#include "core/sha1.h"
#include "tests/check.h"

#define NOW_S 1700000000.25

/* ---- data --------------------------------------------------------------------------------- */

static json_t *load(const char *name)
{
    char path[512];
    json_error_t error;
    json_t *rows;

    (void)snprintf(path, sizeof(path), "%s/tests/data/%s", HOPGATE_SOURCE_DIR, name);
    rows = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!rows)
        fail_msg("%s:%d: %s", name, error.line, error.text);
    return rows;
}

/* A copy in which "@cert" and "@key" are PEM. */
static json_t *filled(const json_t *value, const json_t *pem)
{
    const char *key, *text = json_string_value(value);
    json_t *copy, *item;
    size_t i;

    if (text && (strcmp(text, "@cert") == 0 || strcmp(text, "@key") == 0))
        return json_incref(json_object_get(pem, text + 1));
    if (!json_is_object(value) && !json_is_array(value))
        return json_deep_copy(value);
    copy = json_is_object(value) ? json_object() : json_array();
    json_object_foreach((json_t *)value, key, item)
    {
        (void)json_object_set_new(copy, key, filled(item, pem));
    }
    json_array_foreach(value, i, item)
    {
        (void)json_array_append_new(copy, filled(item, pem));
    }
    return copy;
}

/* ---- comparing ---------------------------------------------------------------------------- */

static bool is_sha1(const char *text, const char *got)
{
    unsigned char digest[SHA1_BYTES];
    char hex[2 * SHA1_BYTES + 1];
    struct sha1 sha1;

    sha1_init(&sha1);
    sha1_add(&sha1, text, strlen(text));
    sha1_finish(&sha1, digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return strcmp(hex, got) == 0;
}

/* all: the entities, or NULL. */
static bool is_as_said(const char *want, const json_t *got, const json_t *all)
{
    const char *text = json_string_value(got), *id;
    char kind[64];
    unsigned index;

    if (strcmp(want, "@absent") == 0)
        return got == NULL;
    if (!text)
        return false;
    if (strncmp(want, "@sha1:", 6) == 0)
        return is_sha1(want + 6, text);
    if (strncmp(want, "@starts:", 8) == 0)
        return strncmp(text, want + 8, strlen(want + 8)) == 0;
    if (sscanf(want, "@%63[a-z_][%u]", kind, &index) != 2)
        return strcmp(want, text) == 0;
    id =
        json_string_value(json_object_get(json_array_get(json_object_get(all, kind), index), "id"));
    return id && strcmp(id, text) == 0;
}

static bool agrees(const json_t *want, const json_t *got, const json_t *all)
{
    bool is_exact = all == NULL;
    const char *key;
    json_t *value;
    size_t i;

    if (json_is_string(want))
        return is_as_said(json_string_value(want), got, all);
    if (json_is_array(want) && json_is_array(got)) {
        if (json_array_size(want) != json_array_size(got))
            return false;
        json_array_foreach(want, i, value)
        {
            if (!agrees(value, json_array_get(got, i), all))
                return false;
        }
        return true;
    }
    if (!json_is_object(want) || !json_is_object(got))
        return got && json_equal(want, got);
    json_object_foreach((json_t *)want, key, value)
    {
        if (!agrees(value, json_object_get(got, key), all))
            return false;
    }
    return !is_exact || json_object_size(want) == json_object_size(got);
}

static void check_same(const json_t *row, const json_t *want, const json_t *got, const json_t *all)
{
    if (!got || !agrees(want, got, all))
        fail_msg("%s\n---- gives\n%s\n---- not\n%s",
                 json_string_value(json_object_get(row, "name")),
                 json_dumps(got ? got : json_null(), JSON_INDENT(1) | JSON_ENCODE_ANY),
                 json_dumps(want, JSON_INDENT(1)));
}

/* ---- rows --------------------------------------------------------------------------------- */

static void check_row(const json_t *row, const json_t *pem)
{
    SCOPED(flattened) flattened = NULL;
    const json_t *fields = json_object_get(row, "fields");
    json_t *document = filled(json_object_get(row, "document"), pem), *got;
    int r = flatten_document(model_get(), document, NOW_S, &flattened);

    CHECK(r == 0 || r == -EINVAL);
    if ((r == 0) == (fields != NULL))
        fprintf(stderr, "%s: it is %s\n", json_string_value(json_object_get(row, "name")),
                r == 0 ? "taken" : "refused");
    got = r == 0 ? flattened_entities(flattened) : flattened_errors(flattened, NULL);
    check_same(row, fields ? fields : json_object_get(row, "flat"), got, r == 0 ? got : NULL);
    json_decref(got);
    json_decref(document);
}

static void check_file(const char *name)
{
    json_t *rows = load(name), *pem = load("kong-dao-certificates.json"), *row;
    size_t i;

    CHECK(json_array_size(rows) > 10);
    json_array_foreach(rows, i, row) check_row(row, pem);
    json_decref(pem);
    json_decref(rows);
}

TEST(documents_give_the_entities_or_the_mistakes_of_kong)
{
    check_file("kong-declarative-flat.json");
}

TEST(mistakes_are_told_as_kong_tells_them)
{
    check_file("kong-declarative-errors.json");
}

/* ---- older formats ----------------------------------------------------------------------- */

/* paths: of the first route, as YAML; "p" is what they become, as JSON. */
static void check_migrated(const char *version, const char *paths, const char *want)
{
    SCOPED(document) document = NULL;
    struct config_errors errors;
    char *text;
    json_t *got, *wanted = json_loads(want, 0, NULL);

    CHECK(asprintf(&text,
                   "_format_version: '%s'\nservices: [{host: a, routes: [{paths: &p %s}]}]\n"
                   "routes: [{paths: *p}]\n",
                   version, paths) > 0);
    config_errors_init(&errors);
    CHECK_INT(document_parse(slice_of(text), DOCUMENT_YAML, NULL, &document, &errors), 0);
    CHECK_INT(flatten_migrate(document->root), 0);
    CHECK_INT(flatten_migrate(document->root), 0); /* once is enough */
    CHECK_STR(json_string_value(json_object_get(document->root, "_format_version")),
              strcmp(version, "1.1") == 0 || strcmp(version, "2.1") == 0 ? "3.0" : version);
    for (int i = 0; i < 2; i++) { /* the alias stands for the same list */
        got = json_object_get(document->root, i ? "routes" : "services");
        got = json_array_get(got, 0);
        got = i ? got : json_array_get(json_object_get(got, "routes"), 0);
        if (!json_equal(json_object_get(got, "paths"), wanted))
            fail_msg("%s gives %s", paths, json_dumps(got, 0));
    }
    config_errors_done(&errors);
    json_decref(wanted);
    free(text);
}

TEST(paths_of_older_formats_become_those_of_the_newest)
{
    check_migrated("1.1", "['/a', '/a.b', '/(x)', '/x+']",
                   "[\"/a\", \"/a.b\", \"~/(x)\", \"~/x+\"]");
    check_migrated("2.1", "['/%zz', '/%4', '/%', '/%25', '/%2d']",
                   "[\"/%zz\", \"/%4\", \"/%\", \"/%25\", \"/-\"]");
    check_migrated("2.1", "['/%zz(', '/%4(', '/%(', '/%5e(', '/%00(']",
                   "[\"~/%zz(\", \"~/%4(\", \"~/%(\", \"~/\\\\^(\", \"~/%00(\"]");
    check_migrated("2.1", "['/%ff', '/%ff(']", "[\"/%ff\", \"/%ff(\"]"); /* no text at all */
    check_migrated("2.1", "['', '~/a', '~/a(', 1, ~, [/b(]]",
                   "[\"\", \"~/a\", \"~/a(\", 1, null, [\"/b(\"]]");
    check_migrated("3.0", "['/x+', '/a//b']", "[\"/x+\", \"/a//b\"]");
    check_migrated("2.0", "['/x+']", "[\"/x+\"]");
}

/* ---- ids ---------------------------------------------------------------------------------- */

/* "targets:*:{upstreams}:a": the id of the only upstream in it. */
static void expand_key(const char *key, const json_t *flat, char *into, size_t size)
{
    const char *brace = strchr(key, '{'), *end = brace ? strchr(brace, '}') : NULL, *id;
    char kind[64];

    if (!end) {
        (void)snprintf(into, size, "%s", key);
        return;
    }
    (void)snprintf(kind, sizeof(kind), "%.*s", (int)(end - brace - 1), brace + 1);
    id = json_string_value(json_object_get(json_array_get(json_object_get(flat, kind), 0), "id"));
    CHECK(id != NULL);
    (void)snprintf(into, size, "%.*s%s%s", (int)(brace - key), key, id, end + 1);
}

TEST(ids_are_made_as_kong_makes_them)
{
    json_t *rows = load("kong-declarative-ids.json"), *row;
    char key[256], want[UUID_TEXT_BYTES + 1];
    size_t i;

    json_array_foreach(rows, i, row)
    {
        SCOPED(flattened) flattened = NULL;
        const char *entity = json_string_value(json_object_get(row, "entity"));
        json_t *document = json_copy(json_object_get(row, "document")), *flat;
        const json_t *made;

        (void)json_object_set_new(document, "_format_version", json_string("3.0"));
        CHECK_INT(flatten_document(model_get(), document, NOW_S, &flattened), 0);
        flat = flattened_entities(flattened);
        made = json_array_get(json_object_get(flat, entity), 0);
        if (json_object_get(row, "key")) {
            expand_key(json_string_value(json_object_get(row, "key")), flat, key, sizeof(key));
            entity_id_from_key(entity, key, want);
        }
        CHECK_STR(json_string_value(json_object_get(made, "id")),
                  json_object_get(row, "key") ? want
                                              : json_string_value(json_object_get(row, "id")));
        json_decref(flat);
        json_decref(document);
    }
    json_decref(rows);
}

TESTS(TEST_CASE(documents_give_the_entities_or_the_mistakes_of_kong),
      TEST_CASE(mistakes_are_told_as_kong_tells_them),
      TEST_CASE(paths_of_older_formats_become_those_of_the_newest),
      TEST_CASE(ids_are_made_as_kong_makes_them))
