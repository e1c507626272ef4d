/* forwarded_field: RFC 7239 section 4 and 6, node by node. */
#include "proxy/rewrite/forwarded_field.h"

#include "tests/unit/proxy/fixture.h"

static void check_node(struct arena *arena, const char *addr, bool with_port, const char *want)
{
    struct sockaddr_storage address = fixture_addr(addr);
    struct text text;

    text_init(&text, arena);
    forwarded_add_node(&text, &address, with_port);
    CHECK_SLICE(text_take(&text), want);
}

static void with_arena(void (*check)(struct arena *arena))
{
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;

    arena_init(&arena, pool, 0);
    check(&arena);
    arena_done(&arena);
    chunk_pool_free(pool);
}

static void check_nodes(struct arena *arena)
{
    static const struct {
        const char *addr, *plain, *with_port;
    } rows[] = {
        { "192.0.2.60:4711", "192.0.2.60", "\"192.0.2.60:4711\"" },
        { "[2001:db8::1]:4711", "\"[2001:db8::1]\"", "\"[2001:db8::1]:4711\"" },
        { "[::1]:80", "\"[::1]\"", "\"[::1]:80\"" },
        { "[::ffff:192.0.2.1]:80", "192.0.2.1", "\"192.0.2.1:80\"" }, /* what it is */
        { "0.0.0.0:1", "0.0.0.0", "\"0.0.0.0:1\"" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_node(arena, rows[i].addr, false, rows[i].plain);
        check_node(arena, rows[i].addr, true, rows[i].with_port);
    }
}

TEST(addresses_are_nodes_with_the_quotes_and_brackets_they_need)
{
    with_arena(check_nodes);
}

static void check_unknown(struct arena *arena)
{
    struct sockaddr_storage address = { .ss_family = AF_UNIX };
    struct text text;

    text_init(&text, arena);
    forwarded_add_node(&text, &address, true);
    CHECK_SLICE(text_take(&text), "unknown");
}

TEST(an_address_of_another_family_is_unknown)
{
    with_arena(check_unknown);
}

static void check_values(struct arena *arena)
{
    static const char *const rows[][2] = {
        { "https", "https" },
        { "example.com", "example.com" },
        { "_hidden-1.a", "_hidden-1.a" },
        { "example.com:8443", "\"example.com:8443\"" },
        { "[::1]:80", "\"[::1]:80\"" },
        { "", "\"\"" },
        { "a\"b\\c", "\"a\\\"b\\\\c\"" },
        { "a b;c,d=e", "\"a b;c,d=e\"" },
        { "\x80\xff", "\"\x80\xff\"" },
        { "!#$%&'*+-.^_`|~09AZ", "!#$%&'*+-.^_`|~09AZ" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text text;

        text_init(&text, arena);
        forwarded_add_value(&text, slice_of(rows[i][0]));
        CHECK_SLICE(text_take(&text), rows[i][1]);
    }
}

TEST(tokens_stand_as_they_are_and_all_else_is_quoted)
{
    with_arena(check_values);
}

static void check_nul(struct arena *arena)
{
    struct text text;
    struct slice got;

    text_init(&text, arena);
    forwarded_add_value(&text, (struct slice){ "a\0b", 3 });
    got = text_take(&text);
    CHECK_INT(got.len, 5); /* no token, though strchr would find the NUL */
}

TEST(nul_is_no_token_character)
{
    with_arena(check_nul);
}

TESTS(TEST_CASE(addresses_are_nodes_with_the_quotes_and_brackets_they_need),
      TEST_CASE(an_address_of_another_family_is_unknown),
      TEST_CASE(tokens_stand_as_they_are_and_all_else_is_quoted),
      TEST_CASE(nul_is_no_token_character))
