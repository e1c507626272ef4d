/* document_write: what is written is read back as the same value. */
#include "config/document_write.h"

#include <stdlib.h>

#include "config/document.h"
#include "tests/check.h"

static void check_same(const char *json)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    char *text = document_write_yaml(value);
    SCOPED(document) document = NULL;
    struct config_errors errors;

    CHECK(value && text);
    config_errors_init(&errors);
    if (document_parse(slice_of(text), DOCUMENT_YAML, NULL, &document, &errors) < 0)
        fail_msg("%s\n%s", text, errors.items[0].message);
    if (!json_equal(document->root, value))
        fail_msg("%s\nis not\n%s", text, json);
    config_errors_done(&errors);
    free(text);
    json_decref(value);
}

TEST(what_is_written_is_read_back)
{
    static const char *const rows[] = {
        "{}",
        "{\"a\": []}",
        "{\"a\": {}, \"b\": [[], {}]}",
        "{\"a\": null, \"b\": true, \"c\": false, \"d\": 0, \"e\": -5, \"f\": 1.5, \"g\": 1e300}",
        "{\"a\": 1795286281.193, \"b\": 0.1, \"c\": 0.30000000000000004, \"d\": 9007199254740993}",
        "{\"a\": \"\", \"b\": \"null\", \"c\": \"~\", \"d\": \"yes\", \"e\": \"No\", \"f\": "
        "\"1.5\"}",
        "{\"a\": \"0x10\", \"b\": \"1e5\", \"c\": \".5\", \"d\": \"-\", \"e\": \"- a\", \"f\": "
        "\"a: b\"}",
        "{\"a\": \" a\", \"b\": \"a \", \"c\": \"a #b\", \"d\": \"'\", \"e\": \"\\\"\", \"f\": "
        "\"\\\\\"}",
        "{\"a\": \"two\\nlines\\n\", \"b\": \"two\\nlines\", \"c\": \"\\n\", \"d\": \" a\\nb\", "
        "\"e\": \"a\\n\\n\"}",
        "{\"a\": \"a \\nb\", \"b\": \"tab\\there\", \"c\": \"\\r\\n\", \"d\": \"\\u0001\", \"e\": "
        "\"\\u00e4\\u4e2d\"}",
        "{\"yes\": 1, \"1\": 2, \"\": 3, \"a b\": 4, \"*a\": 5, \"&b\": 6, \"!c\": 7, \"%d\": 8, "
        "\"?\": 9}",
        "{\"a\": \"2026-01-01\", \"b\": \"12:30:45\", \"c\": \"<<\", \"d\": \"=\", \"e\": "
        "\"1_000\", \"f\": \"---\"}",
        "[\"@a\", \"`b\", \"[c\", \"{d\", \"|\", \">\", \"...\", \"a,b\", \"x\\u0085y\", "
        "\"\\ufeff\"]",
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_same(rows[i]);
}

TEST(it_looks_as_a_person_would_write_it)
{
    json_t *value = json_loads(
        "{\"b\": [\"x\", {\"k\": \"l1\\nl2\\n\"}], \"a\": \"3.0\", \"c\": null}", 0, NULL);
    char *text = document_write_yaml(value);

    CHECK_STR(text, "a: '3.0'\nb:\n- x\n- k: |\n    l1\n    l2\nc: null\n");
    free(text);
    json_decref(value);
}

TESTS(TEST_CASE(what_is_written_is_read_back), TEST_CASE(it_looks_as_a_person_would_write_it))
