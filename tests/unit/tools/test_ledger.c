#include "tests/check.h"

#include <stdio.h>
#include <string.h>

#include "tools/lab/ledger.h"

struct fixture {
    struct chunk_pool *pool;
    struct arena arena;
    struct fields before, after;
    struct ledger ledger;
};

/* "Name: value\n" lines. */
static void read_section(struct fields *fields, const char *text)
{
    while (*text) {
        const char *colon = strchr(text, ':');
        const char *end = strchr(text, '\n');

        CHECK(colon && end && colon < end);
        CHECK_INT(fields_add(fields, (struct slice){ text, (size_t)(colon - text) },
                             (struct slice){ colon + 2, (size_t)(end - colon) - 2 }),
                  0);
        text = end + 1;
    }
}

static void compare(struct fixture *fixture, const char *before, const char *after)
{
    fixture->pool = chunk_pool_create(0);
    CHECK(fixture->pool != NULL);
    arena_init(&fixture->arena, fixture->pool, 0);
    fields_init(&fixture->before, &fixture->arena);
    fields_init(&fixture->after, &fixture->arena);
    read_section(&fixture->before, before);
    read_section(&fixture->after, after);
    CHECK_INT(ledger_compare(&fixture->before, &fixture->after, &fixture->arena, &fixture->ledger),
              0);
}

static void done(struct fixture *fixture)
{
    arena_done(&fixture->arena);
    chunk_pool_free(fixture->pool);
}

/* "Name change[,recased][,moved]; ..." */
static void told(const struct ledger *ledger, char *into, size_t size)
{
    size_t length = 0;

    into[0] = '\0';
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = &ledger->entries[i];

        length +=
            (size_t)snprintf(into + length, size - length, "%s%.*s %s%s%s", length > 0 ? "; " : "",
                             SLICE_ARG(entry->name), ledger_change_name(entry->change),
                             entry->recased ? ",recased" : "", entry->moved ? ",moved" : "");
    }
}

struct row {
    const char *before, *after, *want;
};

static const struct row rows[] = {
    { "", "", "" },
    { "A: 1\nB: 2\n", "A: 1\nB: 2\n", "A kept; B kept" },
    { "A: 1\n", "A: 1\nB: 2\n", "A kept; B added" },
    { "A: 1\nB: 2\n", "B: 2\n", "B kept; A dropped" },
    { "A: 1\n", "A: 2\n", "A changed" },
    { "A: 1\n", "a: 1\n", "a kept,recased" },
    { "A: 1\n", "a: 2\n", "a changed,recased" },
    { "X-Forwarded-For: 1.1.1.1\n", "X-Forwarded-For: 1.1.1.1, 2.2.2.2\n",
      "X-Forwarded-For extended" },
    { "V: 1\n", "V: 12\n", "V changed" },
    { "V: \n", "V: 1\n", "V changed" },
    { "V: \n", "V: \n", "V kept" },
    { "C: a\nC: b\n", "C: a, b\n", "C merged" },
    { "C: a\nC: b\n", "C: a,b\n", "C merged" },
    { "C: a, b\n", "C: a\nC: b\n", "C split" },
    { "C: a\n", "C: a\nC: b\n", "C lines-added" },
    { "C: a\nC: b\n", "C: b\n", "C lines-lost" },
    { "C: a\nC: b\n", "C: b\nC: a\n", "C changed" },
    { "C: a\nC: b\n", "C: a, b, c\n", "C extended" },
    { "A: 1\nB: 2\nC: 3\n", "C: 3\nA: 1\nB: 2\n", "C kept,moved; A kept; B kept" },
    { "A: 1\nB: 2\nC: 3\n", "B: 2\nC: 3\nA: 1\n", "B kept; C kept; A kept,moved" },
    { "A: 1\nB: 2\n", "X: 0\nA: 1\nY: 0\nB: 2\n", "X added; A kept; Y added; B kept" },
    { "A: 1\nB: 2\nC: 3\n", "C: 3\nB: 2\n", "C kept,moved; B kept; A dropped" },
    { "A: 1 \nB: 2\n", "A: 1\nB: 2\n", "A changed; B kept" },
};

TEST(each_way_to_change_has_its_word)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct fixture fixture;
        char text[512];

        compare(&fixture, rows[i].before, rows[i].after);
        told(&fixture.ledger, text, sizeof(text));
        CHECK_STR(text, rows[i].want);
        done(&fixture);
    }
}

TEST(only_what_changed_counts)
{
    struct fixture fixture;

    compare(&fixture, "A: 1\nB: 2\nC: 3\nD: 4\n", "a: 1\nC: 3\nB: 2\nE: 5\n");
    CHECK_INT(fixture.ledger.changes_count,
              4); /* a recased, one of B and C moved, E added, D dropped */
    done(&fixture);
}

TEST(values_of_several_lines_are_told_apart)
{
    struct fixture fixture;

    compare(&fixture, "C: a\nC: b\n", "C: a\n");
    CHECK_SLICE(fixture.ledger.entries[0].before, "a | b");
    CHECK_SLICE(fixture.ledger.entries[0].after, "a");
    done(&fixture);
}

TEST(every_change_is_found_by_its_name)
{
    for (enum ledger_change change = 0; change < LEDGER_CHANGE_COUNT; change++)
        CHECK_INT(ledger_change_of(slice_of(ledger_change_name(change))), change);
    CHECK_INT(ledger_change_of(SLICE("eaten")), LEDGER_CHANGE_COUNT);
}

TESTS(TEST_CASE(each_way_to_change_has_its_word), TEST_CASE(only_what_changed_counts),
      TEST_CASE(values_of_several_lines_are_told_apart),
      TEST_CASE(every_change_is_found_by_its_name))
