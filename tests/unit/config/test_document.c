#include <errno.h>
#include <stdlib.h>

#include "config/document.h"
#include "tests/check.h"

/* Both formats, one text each: the tree as JSON, or the first error. */
static char *read_as(enum document_format format, const char *text)
{
    SCOPED(document) document = NULL;
    struct config_errors errors;
    static char line[CONFIG_MESSAGE_MAX];
    char *dump;

    config_errors_init(&errors);
    if (document_parse(slice_of(text), format, "f", &document, &errors) < 0) {
        CHECK_INT(errors.count, 1);
        dump = strdup(config_error_format(&errors.items[0], line, sizeof(line)));
    } else {
        CHECK_INT(errors.count, 0);
        dump = json_dumps(document->root, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    }
    config_errors_done(&errors);
    return dump;
}

struct row {
    const char *text, *want;
};

static void check_rows(enum document_format format, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *got = read_as(format, rows[i].text);
        if (strcmp(got, rows[i].want) != 0)
            fail_msg("%s\n     gives %s\n     wants %s", rows[i].text, got, rows[i].want);
        free(got);
    }
}

#define CHECK_ROWS(format, rows) check_rows(format, rows, sizeof(rows) / sizeof((rows)[0]))

TEST(plain_yaml_scalars_mean_what_they_mean_to_kong)
{
    static const struct row rows[] = {
        { "[a, 'b', \"c\", '1', \"true\"]", "[\"a\",\"b\",\"c\",\"1\",\"true\"]" },
        { "[~, null, Null, NULL, ]", "[null,null,null,null]" },
        { "a:", "{\"a\":null}" },
        { "[true, True, yes, On, false, NO, off]", "[true,true,true,true,false,false,false]" },
        { "[0, 12, -3, +4, 1_000, 0x1F, 0644, 0b101]", "[0,12,-3,4,1000,31,420,5]" },
        { "[1.5, -2.0, 1e3, .5]", "[1.5,-2.0,1000.0,0.5]" },
        { "[3.0.1, 1.2.3.4, 12:30, 0x, -, 1e999, .inf, 08x]",
          "[\"3.0.1\",\"1.2.3.4\",\"12:30\",\"0x\",\"-\",\"1e999\",\".inf\",\"08x\"]" },
        { "[99999999999999999999]", "[1e20]" },
        { "a: |\n  x\n  y\n", "{\"a\":\"x\\ny\\n\"}" },
        { "[!!str 12, !!int '12', !!bool yes, ! 7]", "[\"12\",12,true,\"7\"]" },
        { "1: x", "{\"1\":\"x\"}" },
    };
    CHECK_ROWS(DOCUMENT_YAML, rows);
}

TEST(anchors_are_shared_and_merges_give_way_to_own_keys)
{
    static const struct row rows[] = {
        { "a: &x [1, 2]\nb: *x", "{\"a\":[1,2],\"b\":[1,2]}" },
        { "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3",
          "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"q\":3,\"p\":1}}" },
        { "- &a {p: 1}\n- &b {p: 2, q: 2}\n- {<<: [*a, *b]}",
          "[{\"p\":1},{\"p\":2,\"q\":2},{\"p\":1,\"q\":2}]" },
        { "- &a 1\n- &a 2\n- *a", "[1,2,2]" },
    };
    CHECK_ROWS(DOCUMENT_YAML, rows);
}

TEST(bad_yaml_is_refused_with_its_place)
{
    static const struct row rows[] = {
        { "", "f:1:1: error: the file is empty" },
        { "a: 1\nb: 2\na: 3", "f:3:1: error: duplicate key 'a'; keep one of the two" },
        { "a: 1\n---\nb: 2", "f:2:1: error: a second document begins here; only one is read, join "
                             "them or remove '---'" },
        { "a: *x", "f:1:4: error: alias '*x' names no anchor '&x' above it" },
        { "a: &x [1, *x]", "f:1:11: error: alias '*x' stands inside its own anchor" },
        { "a: !ruby/object x",
          "f:1:4: error: tag '!ruby/object' is not supported; only !!str, !!int, !!float, !!bool "
          "and !!null are" },
        { "a: !!set {x}", "f:1:4: error: tag 'tag:yaml.org,2002:set' is not supported here" },
        { "a: !!int x", "f:1:4: error: invalid '!!int' value: 'x'" },
        { "[1, 2]: x", "f:1:1: error: a key must be a plain or quoted word" },
        { "\"a\\0b\": x", "f:1:1: error: a key must not contain a NUL byte" },
        { "a: \"b\\0\"", "f:1:4: error: a string must not contain a NUL byte" },
        { "a: {<<: 3}",
          "f:1:9: error: '<<' takes an alias or a list of aliases, as in '<<: *defaults'" },
        { "a: &x 1\nb: {<<: *x}", "f:2:9: error: '<<' takes an alias of a mapping" },
        { "a: [1\nb: 2",
          "f:2:2: error: not valid YAML: while parsing a flow sequence: did not find expected ',' "
          "or ']'" },
        { "a: b: c",
          "f:1:5: error: not valid YAML: mapping values are not allowed in this context" },
    };
    CHECK_ROWS(DOCUMENT_YAML, rows);
}

TEST(bad_json_is_refused_with_its_place)
{
    static const struct row rows[] = {
        { "{\"a\": 1,\n  \"b\" 2}", "f:2:7: error: not valid JSON: ':' expected near '2'" },
        { "{\"a\":1,\n\"a\":2}",
          "f:2:3: error: not valid JSON: duplicate object key near '\"a\"'" },
        { "{\"a\": \"\\u0000\"}",
          "f:1:14: error: not valid JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near "
          "'\"\\u0000\"'" },
        { "[] []", "f:1:4: error: not valid JSON: end of file expected near '['" },
    };
    CHECK_ROWS(DOCUMENT_JSON, rows);
}

/* Ten levels of nine aliases each would be 9^10 values. */
TEST(an_alias_bomb_is_refused)
{
    char text[2048] = "- &l0 [x]\n", *got;
    size_t length = strlen(text);

    for (int level = 1; level <= 10; level++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "- &l%d [", level);
        for (int i = 0; i < 9; i++)
            length += (size_t)snprintf(text + length, sizeof(text) - length, "%s*l%d",
                                       i ? ", " : "", level - 1);
        length += (size_t)snprintf(text + length, sizeof(text) - length, "]\n");
    }
    got = read_as(DOCUMENT_YAML, text);
    CHECK(strstr(got, "more than 1000000 values") != NULL);
    free(got);
}

TEST(nesting_beyond_the_limit_is_refused)
{
    char text[DOCUMENT_DEPTH_MAX * 2 + 8], *got;

    for (size_t depth = DOCUMENT_DEPTH_MAX; depth <= DOCUMENT_DEPTH_MAX + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        text[depth * 2] = '\0';
        for (int format = DOCUMENT_YAML; format <= DOCUMENT_JSON; format++) {
            got = read_as((enum document_format)format, text);
            CHECK_INT(strstr(got, "more than 64 deep") != NULL, depth > DOCUMENT_DEPTH_MAX);
            free(got);
        }
    }
}

/* A text of 1 MiB a hundred times, as an alias and merged in. */
TEST(texts_behind_aliases_count_as_often_as_they_stand_there)
{
    for (int merged = 0; merged < 2; merged++) {
        SCOPED(document) document = NULL;
        struct config_errors errors;
        char *text = NULL;
        size_t size;
        FILE *into = open_memstream(&text, &size);

        (void)fprintf(into, "a: &x {t: '%0*d'}\nb:\n", 1024 * 1024, 0);
        for (int i = 0; i < 100; i++)
            (void)fprintf(into, merged ? "- {<<: *x}\n" : "- *x\n");
        CHECK_INT(fclose(into), 0);
        config_errors_init(&errors);
        CHECK_INT(document_parse(slice_of(text), DOCUMENT_YAML, "f", &document, &errors), -EINVAL);
        CHECK_INT(errors.count, 1);
        CHECK_STR(errors.items[0].message, "aliases repeat more than 67108864 bytes of text");
        config_errors_done(&errors);
        free(text);
    }
}

TEST(nesting_through_aliases_counts_as_nesting)
{
    char text[4096] = "- &l0 [x]\n", *got;
    size_t length = strlen(text);

    for (int level = 1; level <= 64; level++)
        length += (size_t)snprintf(text + length, sizeof(text) - length, "- &l%d [*l%d]\n", level,
                                   level - 1);
    got = read_as(DOCUMENT_YAML, text);
    CHECK(strstr(got, "more than 64 deep") != NULL);
    free(got);
}

/* --- positions ----------------------------------------------------------------------------- */

/* Follows keys and indexes such as "a.1.b" and prints the place of key and value. */
static void place_of(const struct document *document, const char *way, char *into, size_t size)
{
    struct document_node nodes[8] = { document_root(document) };
    const struct document_mark *mark;
    char copy[64], *rest = copy, *step;
    char path[DOCUMENT_PATH_MAX];
    size_t depth = 0;

    (void)snprintf(copy, sizeof(copy), "%s", way);
    while ((step = strsep(&rest, "."))) {
        struct document_node child = { 0 };
        bool found;
        do
            found = document_next(&nodes[depth], &child);
        while (found &&
               (child.key ? strcmp(child.key, step) != 0 : child.index != strtoul(step, NULL, 10)));
        CHECK(found);
        nodes[++depth] = child;
    }
    mark = &document->marks[nodes[depth].mark];
    (void)snprintf(into, size, "%s key %u:%u value %u:%u",
                   document_path(&nodes[depth], path, sizeof(path)), mark->key_line,
                   mark->key_column, mark->line, mark->column);
}

static void check_places(enum document_format format, const char *text, const struct row *rows,
                         size_t count)
{
    SCOPED(document) document = NULL;
    struct config_errors errors;
    char got[256];

    config_errors_init(&errors);
    CHECK_INT(document_parse(slice_of(text), format, NULL, &document, &errors), 0);
    for (size_t i = 0; i < count; i++) {
        place_of(document, rows[i].text, got, sizeof(got));
        CHECK_STR(got, rows[i].want);
    }
    config_errors_done(&errors);
}

TEST(every_value_of_a_yaml_text_has_its_place)
{
    static const struct row rows[] = {
        { "a", "a key 1:1 value 1:4" },
        { "list.0", "list[0] key 3:5 value 3:5" },
        { "list.0.x", "list[0].x key 3:5 value 3:8" },
        { "list.1.y", "list[1].y key 4:5 value 4:8" },
        { "list.1.y.2", "list[1].y[2] key 4:18 value 4:18" },
        { "again", "again key 5:1 value 5:8" },
        { "again.1", "again[1] key 4:15 value 4:15" }, /* inside, an alias is where its anchor is */
        { "last", "last key 6:1 value 6:7" },
    };
    static const struct row merged[] = {
        { "base.x", "base.x key 1:11 value 1:14" },
        { "merged.z", "merged.z key 2:18 value 2:21" },
        { "merged.x", "merged.x key 1:11 value 1:14" },
        { "merged.y.0", "merged.y[0] key 1:21 value 1:21" },
        { "last", "last key 3:1 value 3:7" },
    };
    check_places(DOCUMENT_YAML,
                 "a: 1\n"
                 "list:\n"
                 "  - x: 1\n"
                 "  - y: &y [\xc3\xa9, 2, [3]]\n" /* columns are characters */
                 "again: *y\n"
                 "last: 1\n",
                 rows, sizeof(rows) / sizeof(rows[0]));
    check_places(DOCUMENT_YAML,
                 "base: &b {x: 1, y: [2]}\n"
                 "merged: {<<: *b, z: 1}\n"
                 "last: 1\n",
                 merged, sizeof(merged) / sizeof(merged[0]));
}

TEST(every_value_of_a_json_text_has_its_place)
{
    static const struct row rows[] = {
        { "a", "a key 1:2 value 1:7" },
        { "list.0.x", "list[0].x key 3:6 value 3:11" },
        { "list.1.y.2", "list[1].y[2] key 4:35 value 4:35" },
        { "list.1.y.2.0", "list[1].y[2][0] key 4:36 value 4:36" },
        { "e", "e key 5:2 value 5:6" },
        { "last", "last key 6:1 value 6:9" },
    };
    check_places(DOCUMENT_JSON,
                 "{\"a\": 1,\n"
                 " \"list\": [\n"
                 "    {\"x\": {}},\n"
                 "    {\"y\": [\"\\\\\\\"]}\", \"\xc3\xa9 \xc3\xa9 \xc3\xa9 \xc3\xa9 \" , [3]]}],\n"
                 " \"e\":[],\n"
                 "\"last\": null}\n",
                 rows, 6);
}

TEST(the_format_is_guessed_from_the_name_then_from_the_text)
{
    CHECK_INT(document_guess_format("a.json", SLICE("x: 1")), DOCUMENT_JSON);
    CHECK_INT(document_guess_format("a.YML", SLICE("{}")), DOCUMENT_YAML);
    CHECK_INT(document_guess_format("a", SLICE(" \n{}")), DOCUMENT_JSON);
    CHECK_INT(document_guess_format(NULL, SLICE("a: 1")), DOCUMENT_YAML);
    CHECK_INT(document_guess_format(NULL, SLICE("")), DOCUMENT_YAML);
}

TEST(a_long_path_is_cut)
{
    SCOPED(document) document = NULL;
    struct config_errors errors;
    struct document_node root, child = { 0 };
    char path[8];

    config_errors_init(&errors);
    CHECK_INT(document_parse(SLICE("abcdefghijkl: [1]"), DOCUMENT_YAML, NULL, &document, &errors),
              0);
    root = document_root(document);
    CHECK(document_next(&root, &child));
    struct document_node item = { 0 };
    CHECK(document_next(&child, &item));
    CHECK_STR(document_path(&item, path, sizeof(path)), "abcdefg");
    config_errors_done(&errors);
}

TESTS(TEST_CASE(plain_yaml_scalars_mean_what_they_mean_to_kong),
      TEST_CASE(anchors_are_shared_and_merges_give_way_to_own_keys),
      TEST_CASE(bad_yaml_is_refused_with_its_place), TEST_CASE(bad_json_is_refused_with_its_place),
      TEST_CASE(an_alias_bomb_is_refused), TEST_CASE(nesting_beyond_the_limit_is_refused),
      TEST_CASE(texts_behind_aliases_count_as_often_as_they_stand_there),
      TEST_CASE(nesting_through_aliases_counts_as_nesting),
      TEST_CASE(every_value_of_a_yaml_text_has_its_place),
      TEST_CASE(every_value_of_a_json_text_has_its_place),
      TEST_CASE(the_format_is_guessed_from_the_name_then_from_the_text),
      TEST_CASE(a_long_path_is_cut))
