#include <stdlib.h>

#include "config/config_error.h"
#include "tests/check.h"

static const char *line(const struct config_errors *errors, size_t index)
{
    static char into[CONFIG_MESSAGE_MAX];

    return config_error_format(&errors->items[index], into, sizeof(into));
}

TEST(an_error_prints_place_path_and_message)
{
    struct config_errors errors;

    config_errors_init(&errors);
    config_errors_add(&errors, CONFIG_ERROR, (struct config_place){ "a.yaml", 3, 7, "services[0]" },
                      "bad %d", 1);
    config_errors_add(&errors, CONFIG_WARNING, (struct config_place){ "a.yaml", 0, 0, NULL }, "w");
    config_errors_add(&errors, CONFIG_NOTICE, (struct config_place){ 0 }, "n");
    CHECK_STR(line(&errors, 0), "a.yaml:3:7: error: services[0]: bad 1");
    CHECK_STR(line(&errors, 1), "a.yaml: warning: w");
    CHECK_STR(line(&errors, 2), "notice: n");
    CHECK_INT(errors.errors_count, 1);
    config_errors_done(&errors);
}

TEST(control_bytes_from_a_file_are_escaped)
{
    struct config_errors errors;

    config_errors_init(&errors);
    config_errors_add(&errors, CONFIG_ERROR, (struct config_place){ .path = "a\x1b[2J" },
                      "new\nline \xc2\x9b csi, caf\xc3\xa9");
    CHECK_STR(line(&errors, 0), "error: a\\x1b[2J: new\\x0aline \\xc2\x9b csi, caf\xc3\xa9");
    config_errors_done(&errors);
}

TEST(entries_are_sorted_by_file_then_position)
{
    struct config_errors errors;
    const struct config_place places[] = {
        { "k.conf", 9, 1, NULL }, { "a.yaml", 5, 2, NULL }, { "k.conf", 2, 1, NULL },
        { "a.yaml", 5, 1, NULL }, { "k.conf", 9, 1, "x" },
    };

    config_errors_init(&errors);
    for (size_t i = 0; i < 5; i++)
        config_errors_add(&errors, CONFIG_ERROR, places[i], "m");
    config_errors_sort(&errors);
    CHECK_STR(line(&errors, 0), "k.conf:2:1: error: m");
    CHECK_STR(line(&errors, 1), "k.conf:9:1: error: m");
    CHECK_STR(line(&errors, 2), "k.conf:9:1: error: x: m");
    CHECK_STR(line(&errors, 3), "a.yaml:5:1: error: m");
    CHECK_STR(line(&errors, 4), "a.yaml:5:2: error: m");
    config_errors_done(&errors);
}

TEST(more_errors_than_the_list_holds_are_counted_and_told)
{
    struct config_errors errors, all;
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    config_errors_init(&errors);
    config_errors_init(&all);
    for (size_t i = 0; i < CONFIG_ERRORS_MAX + 5; i++)
        config_errors_add(&errors, CONFIG_ERROR, (struct config_place){ 0 }, "e");
    CHECK_INT(errors.count, CONFIG_ERRORS_MAX);
    CHECK_INT(errors.errors_count, CONFIG_ERRORS_MAX + 5);
    config_errors_add(&all, CONFIG_WARNING, (struct config_place){ 0 }, "w");
    config_errors_take(&all, &errors);
    CHECK_INT(errors.count, 0);
    CHECK_INT(all.count, CONFIG_ERRORS_MAX);
    CHECK(stream != NULL);
    config_errors_print(&all, stream);
    CHECK_INT(fclose(stream), 0);
    CHECK(strstr(text, "warning: w\nerror: e\n") == text);
    CHECK(strstr(text, "6 more problems are not listed\n") != NULL);
    free(text);
    config_errors_done(&all);
}

TESTS(TEST_CASE(an_error_prints_place_path_and_message),
      TEST_CASE(control_bytes_from_a_file_are_escaped),
      TEST_CASE(entries_are_sorted_by_file_then_position),
      TEST_CASE(more_errors_than_the_list_holds_are_counted_and_told))
