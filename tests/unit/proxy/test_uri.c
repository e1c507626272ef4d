#include "proxy/route/uri.h"

#include "core/chunk.h"
#include "tests/check.h"

struct memory {
    struct chunk_pool *pool;
    struct arena arena;
};

static void memory_init(struct memory *memory)
{
    memory->pool = chunk_pool_create(0);
    CHECK(memory->pool);
    arena_init(&memory->arena, memory->pool, 0);
}

static void memory_done(struct memory *memory)
{
    arena_done(&memory->arena);
    chunk_pool_free(memory->pool);
}

static void check_normal_form(const char *raw, const char *want)
{
    struct memory memory;

    memory_init(&memory);
    CHECK_SLICE(uri_normalise(&memory.arena, slice_of(raw)), want);
    memory_done(&memory);
}

TEST(plain_path_is_its_own_normal_form_and_is_not_copied)
{
    struct memory memory;
    struct slice raw = SLICE("/plain/path;v=1+2");

    memory_init(&memory);
    CHECK(uri_normalise(&memory.arena, raw).ptr == raw.ptr);
    memory_done(&memory);
}

TEST(escapes_are_decoded_unless_the_byte_is_reserved)
{
    check_normal_form("/a%7Eb", "/a~b");
    check_normal_form("/a%20b", "/a b");
    check_normal_form("/a%2fb", "/a%2Fb");
    check_normal_form("/a%2Fb", "/a%2Fb");
    check_normal_form("/%21%2a%27%28%29%3b%3a%40%26%3d%2b%24%2c%3f%25%23%5b%5d",
                      "/%21%2A%27%28%29%3B%3A%40%26%3D%2B%24%2C%3F%25%23%5B%5D");
    check_normal_form("/%c3%a9", "/\xc3\xa9");
    check_normal_form("/%22%3c%3e%5c%5e%60%7b%7c%7d", "/\"<>\\^`{|}");
    check_normal_form("/a+b%41", "/a+bA");
}

TEST(malformed_escapes_stay)
{
    check_normal_form("/%", "/%");
    check_normal_form("/%4", "/%4");
    check_normal_form("/%zz%4g", "/%zz%4g");
    check_normal_form("/%%41", "/%A");
}

TEST(escape_is_decoded_once)
{
    check_normal_form("/%2541", "/%2541");
    check_normal_form("/%252e%252e/x", "/%252e%252e/x");
}

TEST(decoded_nul_is_a_byte_like_any_other)
{
    struct memory memory;
    struct slice got;

    memory_init(&memory);
    got = uri_normalise(&memory.arena, SLICE("/a%00b"));
    CHECK_INT(got.len, 4);
    CHECK(memcmp(got.ptr, "/a\0b", 4) == 0);
    got = uri_upstream_target(&memory.arena, &(struct uri_upstream){ .path = got });
    CHECK_SLICE(got, "/a%00b");
    memory_done(&memory);
}

TEST(sound_escapes_are_two_hex_digits_and_not_nul)
{
    CHECK(uri_escapes_are_sound(SLICE("")));
    CHECK(uri_escapes_are_sound(SLICE("/a%20b%2F%0a%f0%C3%a9%25")));
    CHECK(!uri_escapes_are_sound(SLICE("/%")));
    CHECK(!uri_escapes_are_sound(SLICE("/%2")));
    CHECK(!uri_escapes_are_sound(SLICE("/%2g")));
    CHECK(!uri_escapes_are_sound(SLICE("/%g2")));
    CHECK(!uri_escapes_are_sound(SLICE("/%u002e")));
    CHECK(!uri_escapes_are_sound(SLICE("/a%00b")));
    /* decoded here to "/%2e%2e/x", and by the target to "/../x" */
    CHECK(!uri_escapes_are_sound(SLICE("/%%32e%%32e/x")));
}

TEST(climbing_above_the_root_is_noticed_however_it_is_written)
{
    static const char *const climbing[] = { "/..",       "/../x",  "/a/../../b",
                                            "/%2e%2e/x", "/.%2E/", "/a/..%2f..",
                                            "//..",      "/./..",  "/a//../../b" };
    static const char *const staying[] = { "",     "/",         "/a/..",  "/a/../b",
                                           "/...", "/..a/.",    "/a%2e.", "/a/%2e%2e/b",
                                           "/.",   "/a/b/../.." };

    for (size_t i = 0; i < sizeof(climbing) / sizeof(climbing[0]); i++)
        CHECK(uri_climbs_above_root(slice_of(climbing[i])));
    for (size_t i = 0; i < sizeof(staying) / sizeof(staying[0]); i++)
        CHECK(!uri_climbs_above_root(slice_of(staying[i])));
}

TEST(dot_segments_are_resolved_after_decoding)
{
    check_normal_form("/x/../y", "/y");
    check_normal_form("/x/%2e%2E/y", "/y");
    check_normal_form("/%2e./y", "/y");
    check_normal_form("/a/./b", "/a/b");
    check_normal_form("/a/b/..", "/a/");
    check_normal_form("/a/b/.", "/a/b/");
    check_normal_form("/..", "/");
    check_normal_form("/../../a", "/a");
    check_normal_form("/a/../../b", "/b");
    check_normal_form("/.", "/");
    check_normal_form("/a/../", "/");
    check_normal_form("/a..b/.c/d./...", "/a..b/.c/d./...");
    check_normal_form("../a", "a");
    check_normal_form("./../a/../b", "/b");
    check_normal_form("..", "");
}

TEST(repeated_slashes_are_merged)
{
    check_normal_form("//a", "/a");
    check_normal_form("//", "/");
    check_normal_form("/a///b//", "/a/b/");
    check_normal_form("/a//../b", "/b");
    check_normal_form("/a%2F/b", "/a%2F/b");
    check_normal_form("", "");
}

struct joined_case {
    const char *base, *prefix; /* prefix "": route without paths */
    int strip;                 /* -1: the same either way */
    const char *request, *want;
};

static void check_joined(const struct joined_case *c, bool strip)
{
    struct memory memory;
    struct slice path;

    memory_init(&memory);
    path = uri_normalise(&memory.arena, slice_of(c->request));
    CHECK_SLICE(uri_upstream_target(&memory.arena,
                                    &(struct uri_upstream){ .base = slice_of(c->base),
                                                            .path = path,
                                                            .matched_prefix = slice_of(c->prefix),
                                                            .strip_path = strip }),
                c->want);
    memory_done(&memory);
}

/* Column v0 of the table that Kong's own specification is built on (router_path_handling_tests). */
TEST(upstream_path_follows_kongs_table)
{
    static const struct joined_case cases[] = {
        { "/", "/", -1, "/route/", "/route/" },
        { "/", "/route", 0, "/routereq", "/routereq" },
        { "/", "/route", 1, "/route", "/" },
        { "/", "/route", 1, "/route/", "/" },
        { "/", "/route", 1, "/routereq", "/req" },
        { "/", "/route/", 1, "/route/req", "/req" },
        { "/srv", "/rou", 0, "/roureq", "/srv/roureq" },
        { "/srv", "/rou", 1, "/roureq", "/srv/req" },
        { "/srv/", "/rou", 0, "/rou", "/srv/rou" },
        { "/srv/", "/rou", 1, "/rou", "/srv" },
        { "/service", "/", -1, "/", "/service" },
        { "/service", "/", -1, "/route", "/service/route" },
        { "/service", "/", -1, "/route/", "/service/route/" },
        { "/service", "/route", 0, "/route", "/service/route" },
        { "/service", "/route", 0, "/route/", "/service/route/" },
        { "/service", "/route", 1, "/route", "/service" },
        { "/service", "/route", 1, "/route/", "/service/" },
        { "/service", "/route", 1, "/routereq", "/service/req" },
        { "/service", "/route/", 1, "/route/", "/service/" },
        { "/service", "/route/", 1, "/route/req", "/service/req" },
        { "/service/", "/", -1, "/", "/service/" },
        { "/service/", "/", -1, "/route", "/service/route" },
        { "/service/", "/route", 0, "/route", "/service/route" },
        { "/service/", "/route", 1, "/route", "/service" },
        { "/service/", "/route", 1, "/route/", "/service/" },
        { "/service/", "/route", 1, "/routereq", "/service/req" },
        { "/service/", "/route/", 1, "/route/req", "/service/req" },
        { "/service", "", -1, "/", "/service" },
        { "/service", "", -1, "/route", "/service/route" },
        { "/service/", "", -1, "/route", "/service/route" },
        { "/service", "/route", 1, "/route./req", "/service/req" },
        { "/service", "/route", 1, "/route%2E/req", "/service/req" },
        { "/service", "/route", 1, "/route../req", "/service/req" },
        { "/service", "/route", 1, "/route%2E%2E/req", "/service/req" },
        { "/service", "/route", 0, "/route%2e/req", "/service/route./req" },
        { "/service", "/route", 0, "/route%2e%2E/req", "/service/route../req" },
        { "/service", "/route", 1, "/route..", "/service" },
        { "", "/route", 1, "/route/x", "/x" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (cases[i].strip != 0)
            check_joined(&cases[i], true);
        if (cases[i].strip != 1)
            check_joined(&cases[i], false);
    }
}

TEST(sent_path_is_escaped_again)
{
    check_joined(&(struct joined_case){ "/", "/", 0, "/a%20b", "/a%20b" }, false);
    check_joined(&(struct joined_case){ "/", "/", 0, "/a%2fb", "/a%2Fb" }, false);
    check_joined(&(struct joined_case){ "/", "/", 0, "/a%7Eb", "/a~b" }, false);
    check_joined(&(struct joined_case){ "/", "/", 0, "/caf\xc3\xa9", "/caf%C3%A9" }, false);
    check_joined(
        &(struct joined_case){ "/", "/", 0, "/\"<>\\^`{|}", "/%22%3C%3E%5C%5E%60%7B%7C%7D" },
        false);
    check_joined(&(struct joined_case){ "/", "/", 0, "/!#$&'()*+,:;=@[]_-", "/!#$&'()*+,:;=@[]_-" },
                 false);
    check_joined(&(struct joined_case){ "/s p", "/", 0, "/x", "/s%20p/x" }, false);
}

static void check_query(struct slice query, const char *want)
{
    struct memory memory;

    memory_init(&memory);
    CHECK_SLICE(uri_upstream_target(&memory.arena,
                                    &(struct uri_upstream){ .path = SLICE("/a"), .query = query }),
                want);
    memory_done(&memory);
}

TEST(query_is_passed_byte_for_byte)
{
    check_query((struct slice){ 0 }, "/a");
    check_query(SLICE(""), "/a?");
    check_query(SLICE("b=%2f&c=\"x\"?/../"), "/a?b=%2f&c=\"x\"?/../");
}

TEST(no_control_byte_of_a_path_gets_into_a_field)
{
    static const char bytes[] = "/a\r\nX: y\0\t\x1f\x7f \xc3\xa9%2F\"";
    struct slice plain = SLICE("/a b/\xc3\xa9%0D\"\\");
    struct memory memory;

    memory_init(&memory);
    CHECK_SLICE(uri_field_value(&memory.arena, (struct slice){ bytes, sizeof(bytes) - 1 }),
                "/a%0D%0AX: y%00%09%1F%7F \xc3\xa9%2F\"");
    CHECK(uri_field_value(&memory.arena, plain).ptr == plain.ptr);
    CHECK_INT(uri_field_value(&memory.arena, SLICE("")).len, 0);
    memory_done(&memory);
}

TEST(no_memory_is_reported)
{
    struct memory memory;
    struct arena small;

    memory_init(&memory);
    arena_init(&small, memory.pool, 4);
    CHECK(uri_normalise(&small, SLICE("/a%20bcd")).ptr == NULL);
    CHECK(uri_upstream_target(&small, &(struct uri_upstream){ .path = SLICE("/abc") }).ptr == NULL);
    CHECK(uri_field_value(&small, SLICE("/ab\n")).ptr == NULL);
    arena_done(&small);
    memory_done(&memory);
}

TESTS(TEST_CASE(climbing_above_the_root_is_noticed_however_it_is_written),
      TEST_CASE(plain_path_is_its_own_normal_form_and_is_not_copied),
      TEST_CASE(escapes_are_decoded_unless_the_byte_is_reserved), TEST_CASE(malformed_escapes_stay),
      TEST_CASE(escape_is_decoded_once), TEST_CASE(decoded_nul_is_a_byte_like_any_other),
      TEST_CASE(sound_escapes_are_two_hex_digits_and_not_nul),
      TEST_CASE(dot_segments_are_resolved_after_decoding), TEST_CASE(repeated_slashes_are_merged),
      TEST_CASE(upstream_path_follows_kongs_table), TEST_CASE(sent_path_is_escaped_again),
      TEST_CASE(query_is_passed_byte_for_byte),
      TEST_CASE(no_control_byte_of_a_path_gets_into_a_field), TEST_CASE(no_memory_is_reported))
