/*
 * test_rewrite_bytes: properties of rewriting over random field sections and scarce memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "proxy/rewrite/rewrite.h"
#include "tests/unit/proxy/fixture.h"

static const struct rewrite_framing no_content = { .framing = HTTP_FRAMING_NONE,
                                                   .keep_alive = true };

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static struct slice random_text(struct arena *arena, uint32_t *seed, const char *alphabet,
                                size_t min)
{
    size_t letters = strlen(alphabet), length = min + next_random(seed) % 12;
    char *text = arena_alloc(arena, length + 1);

    for (size_t i = 0; i < length; i++)
        text[i] = alphabet[next_random(seed) % letters];
    return (struct slice){ text, length };
}

/* Fields that no rule of any built-in persona knows: "Z" and random letters in both cases. */
static void random_fields(struct fields *fields, struct arena *arena, uint32_t *seed)
{
    uint32_t count = next_random(seed) % 40;

    fields_init(fields, arena);
    for (uint32_t i = 0; i < count; i++) {
        struct slice rest = random_text(arena, seed, "aBcD-9", 0);
        struct slice name = arena_printf(arena, "Z%.*s", SLICE_ARG(rest));

        CHECK_INT(fields_add(fields, name, random_text(arena, seed, "a, \t;\"\\=\x80\xff!:", 0)),
                  0);
        if (next_random(seed) % 4 == 0)
            CHECK_INT(fields_add(fields, name, SLICE("again")), 0);
    }
}

static bool is_untouched(struct slice name)
{
    return name.len > 0 && name.ptr[0] == 'Z';
}

static void check_untouched(const struct fields *in, const struct fields *out)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < in->count; i++, at++) {
        while (at < out->count && !is_untouched(out->items[at].name))
            at++;
        CHECK(at < out->count);
        CHECK(slice_equal(in->items[i].name, out->items[at].name));
        CHECK(slice_equal(in->items[i].value, out->items[at].value));
    }
    for (; at < out->count; at++)
        CHECK(!is_untouched(out->items[at].name));
}

TEST(what_no_rule_touches_keeps_order_case_duplicates_and_bytes)
{
    uint32_t seed = 20261120;

    for (int round = 0; round < 300; round++) {
        struct exchange_fixture x;
        struct http_head head = { .status = 200, .version_major = 1, .version_minor = 1 };
        struct fields out;

        exchange_fixture_init(&x, persona_builtin_name(round % 3), "");
        random_fields(&x.request.fields, &x.arena, &seed);
        fields_init(&out, &x.arena);
        CHECK_INT(rewrite_request(&x.record, &no_content, &out), 0);
        check_untouched(&x.request.fields, &out);
        x.record.from_upstream = true;
        x.record.response_head_at_us = 1030000;
        random_fields(&head.fields, &x.arena, &seed);
        fields_init(&out, &x.arena);
        CHECK_INT(rewrite_response(&x.record, &head, &no_content, &out), 0);
        check_untouched(&head.fields, &out);
        exchange_fixture_done(&x);
    }
}

TEST(no_memory_is_an_answer_and_not_a_crash)
{
    struct exchange_fixture x;
    struct arena tight;
    size_t budget = 0;
    int r;

    exchange_fixture_init(&x, "kong", "Host: h|X-Forwarded-For: 1.1.1.1|Via: 1.0 a|X-A: 1");
    do {
        struct fields out;

        arena_init(&tight, x.pool, ++budget);
        fields_init(&out, &tight);
        r = rewrite_request(&x.record, &no_content, &out);
        CHECK(r == 0 || r == -ENOMEM);
        arena_done(&tight);
    } while (r < 0);
    CHECK(budget > 1000);
    exchange_fixture_done(&x);
}

TESTS(TEST_CASE(what_no_rule_touches_keeps_order_case_duplicates_and_bytes),
      TEST_CASE(no_memory_is_an_answer_and_not_a_crash))
