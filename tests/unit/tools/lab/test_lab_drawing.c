#include "tools/lab/lab_drawing.h"

#include <stdlib.h>
#include <string.h>

#include "tests/check.h"

/* Heap. */
static char *drawn(const struct chain *chain, const struct chain_place *places)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    lab_drawing_print(chain, places, out);
    CHECK_INT(fclose(out), 0);
    return text;
}

TEST(drawing_shows_parts_in_path_order_with_their_addresses)
{
    const struct chain chain = {
        .elements = { { .kind = CHAIN_HOP, .name = "edge", .persona = "f5" },
                      { .kind = CHAIN_WIRE, .name = "line" },
                      { .kind = CHAIN_ORIGIN, .name = "shop" } },
        .count = 3
    };
    const struct chain_place places[] = { { "127.0.9.10", 8443, true },
                                          { "127.0.9.20", 9000, false },
                                          { "127.0.9.30", 8080, false } };
    char *text = drawn(&chain, places);

    CHECK_STR(text, "  client =TLS=>    [ edge ]     --->    ( line )     --->    < shop >\n"
                    "                      f5                  wire                origin\n"
                    "                127.0.9.10:8443      127.0.9.20:9000      127.0.9.30:8080\n");
    free(text);
}

TEST(drawing_of_any_chain_fits_the_columns)
{
    static const char name[] = "a-name-of-thirty-two-letters-xyz";
    struct chain chain = { .count = CHAIN_ELEMENTS_MAX };
    struct chain_place places[CHAIN_ELEMENTS_MAX];
    char *text;
    int names = 0;

    for (size_t i = 0; i < chain.count; i++) {
        chain.elements[i] = (struct chain_element){
            .kind = i + 1 == chain.count ? CHAIN_ORIGIN
                    : i % 2              ? CHAIN_WIRE
                                         : CHAIN_HOP,
            .name = name,
            .persona = "/a/very/long/path/to/a/persona/of/somebody/who/likes/folders.json"
        };
        places[i] = (struct chain_place){ "127.0.250.200", 65535, true };
    }
    text = drawn(&chain, places);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
        CHECK(strcspn(line, "\n") <= LAB_DRAWING_COLUMNS);
    for (const char *at = text; (at = strstr(at, name)) != NULL; at++)
        names++;
    CHECK_INT(names, CHAIN_ELEMENTS_MAX);
    free(text);
}

TESTS(TEST_CASE(drawing_shows_parts_in_path_order_with_their_addresses),
      TEST_CASE(drawing_of_any_chain_fits_the_columns))
