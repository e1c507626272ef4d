#include "tools/origin/step.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

/* A list of steps from a text, and the mistakes in it. */
struct trial {
    struct document *document;
    struct config_errors errors;
    struct step_list list;
};

static void try_text(struct trial *trial, const char *text)
{
    struct reader reader = { .errors = &trial->errors };
    struct document_node root;

    *trial = (struct trial){ 0 };
    config_errors_init(&trial->errors);
    CHECK_INT(document_parse(slice_of(text), document_guess_format(NULL, slice_of(text)), NULL,
                             &trial->document, &trial->errors),
              0);
    root = document_root(trial->document);
    CHECK(step_list_read(&reader, &root, &trial->list));
}

static void end(struct trial *trial)
{
    step_list_done(&trial->list);
    config_errors_done(&trial->errors);
    document_free(trial->document);
}

static void check_mistake(const char *text, unsigned column, const char *message)
{
    struct trial trial;

    try_text(&trial, text);
    CHECK_INT(trial.errors.count, 1);
    CHECK_INT(trial.errors.items[0].place.column, column);
    if (!strstr(trial.errors.items[0].message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, trial.errors.items[0].message);
    end(&trial);
}

static void check_bytes(const struct step *step, const char *bytes, size_t length)
{
    CHECK_INT(step->length, length);
    CHECK(memcmp(step->bytes, bytes, length) == 0);
}

TEST(steps_have_their_arguments)
{
    struct trial trial;

    try_text(&trial,
             "[[read_some, 65536], [sleep, 0.25], [delay, 1500], [trickle, abc, 0.4, 2],"
             " [repeat, x, 3], [fields, X-, 70, 1000], [alert, 40], [loop, 2], [serve], hold]");
    CHECK_INT(trial.errors.count, 0);
    CHECK_INT(trial.list.count, 10);
    CHECK_INT(trial.list.steps[0].count, 65536);
    CHECK_INT(trial.list.steps[1].duration_ms, 250);
    CHECK_INT(trial.list.steps[2].kind, STEP_SLEEP);
    CHECK_INT(trial.list.steps[2].duration_ms, 1500);
    CHECK_INT(trial.list.steps[3].duration_ms, 400);
    CHECK_INT(trial.list.steps[3].size, 2);
    CHECK_INT(trial.list.steps[4].count, 3);
    CHECK_INT(trial.list.steps[5].count, 70);
    CHECK_INT(trial.list.steps[5].size, 1000);
    CHECK_INT(trial.list.steps[6].count, 40);
    CHECK_INT(trial.list.steps[7].count, 2);
    CHECK(!trial.list.steps[8].bytes);
    CHECK_INT(trial.list.steps[9].kind, STEP_HOLD);
    end(&trial);
}

TEST(a_character_is_a_byte)
{
    struct trial trial;

    try_text(&trial, "[[\"send\", \"a\\u00ff\\u0080\\u0001\\r\\n\"]]");
    CHECK_INT(trial.errors.count, 0);
    check_bytes(&trial.list.steps[0], "a\xff\x80\x01\r\n", 6);
    end(&trial);
}

TEST(bytes_come_in_parts_as_text_hex_and_base64)
{
    struct trial trial;

    try_text(&trial, "[[\"send\", \"a\", {\"hex\": \"00 fF\"}, {\"base64\": \"AAE=\"}, \"z\"]]");
    CHECK_INT(trial.errors.count, 0);
    check_bytes(&trial.list.steps[0], "a\0\xff\0\x01z", 6);
    end(&trial);
}

TEST(other_names_mean_the_same)
{
    struct trial trial;

    try_text(&trial, "[half_close, reset]");
    CHECK_INT(trial.errors.count, 0);
    CHECK_INT(trial.list.steps[0].kind, STEP_FIN);
    CHECK_INT(trial.list.steps[1].kind, STEP_RST);
    end(&trial);
}

TEST(mistakes_have_a_place_and_a_fix)
{
    check_mistake("[[sned, x]]", 2, "did you mean 'send'?");
    check_mistake("[[send]]", 2, "step 'send' needs: send BYTES...");
    check_mistake("[send]", 2, "step 'send' needs: [send, BYTES...]");
    check_mistake("[[hold, 3]]", 9, "takes no such argument");
    check_mistake("[[sleep, x]]", 10, "must be a number from 0");
    check_mistake("[[read_some, -1]]", 14, "must be a whole number from 0");
    check_mistake("[[alert, 256]]", 10, "from 0 to 255");
    check_mistake("[[send, 3]]", 9, "must be a text, {hex: ...} or {base64: ...}");
    check_mistake("[[send, {hex: 0x}]]", 15, "must be pairs of hex digits");
    check_mistake("[[send, \"\xe2\x82\xac\"]]", 9, "none above U+00FF");
    check_mistake("[[loop]]", 1, "before 'loop' there must be a step that");
    check_mistake("[[sleep, 0], [loop]]", 1, "before 'loop' there must be a step that");
    check_mistake("[]", 1, "a list of steps has 1 to");
    check_mistake("{}", 1, "a list of steps must be a list, not a mapping");
    check_mistake("[3]", 2, "a step is a list that begins with its name");
}

TESTS(TEST_CASE(steps_have_their_arguments), TEST_CASE(a_character_is_a_byte),
      TEST_CASE(bytes_come_in_parts_as_text_hex_and_base64), TEST_CASE(other_names_mean_the_same),
      TEST_CASE(mistakes_have_a_place_and_a_fix))
