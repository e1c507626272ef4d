/*
 * test_admin_guard: who may speak to the Admin API, by the head of the request alone.
 */
#include "proxy/exchange/admin_guard.h"

#include "tests/check.h"

enum { FIELDS_MAX = 4 };

/* A request as a client sends it. Host NULL: none. */
struct row {
    const char *host, *origin, *site, *token;
    enum http_method method;
    unsigned status; /* 0: it may */
};

static unsigned judge(const struct admin_guard *guard, const struct row *row)
{
    const struct {
        struct slice name;
        const char *value;
    } wanted[FIELDS_MAX] = { { SLICE("Host"), row->host },
                             { SLICE("origin"), row->origin },
                             { SLICE("Sec-Fetch-Site"), row->site },
                             { SLICE("Kong-Admin-Token"), row->token } };
    struct field items[FIELDS_MAX] = { 0 };
    struct http_head head = { .method = row->method, .fields.items = items };

    for (size_t i = 0; i < FIELDS_MAX; i++)
        if (wanted[i].value)
            items[head.fields.count++] = (struct field){ .id = field_id_of(wanted[i].name),
                                                         .name = wanted[i].name,
                                                         .value = slice_of(wanted[i].value) };
    head.authority = slice_of(row->host);
    return admin_guard_judge(guard, &head).status;
}

static void check_rows(const struct admin_guard *guard, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (judge(guard, &rows[i]) != rows[i].status)
            fail_msg("row %zu: %u, expected %u", i, judge(guard, &rows[i]), rows[i].status);
}

TEST(names_that_lead_to_the_loopback_by_themselves_are_good)
{
    static char *const listed[] = { (char *)"kong.example" };
    const struct config_strings hosts = { (char **)listed, 1 };
    const struct admin_guard guard = { .hosts = &hosts, .host_name = "box7", .is_loopback = true };
    static const struct row rows[] = {
        { .host = NULL },
        { .host = "127.0.0.1:8001" },
        { .host = "[::1]:8001" },
        { .host = "10.1.2.3" },
        { .host = "LocalHost" },
        { .host = "localhost.:8001" },
        { .host = "kong.localhost" },
        { .host = "box7:8001" },
        { .host = "Kong.Example:8001" },
        { .host = "box7.example", .status = 403 },
        { .host = "xlocalhost", .status = 403 },
        { .host = "localhost.evil.example", .status = 403 },
        { .host = "127.0.0.1.nip.example", .status = 403 },
        { .host = "evil.example:8001", .method = HTTP_METHOD_OPTIONS, .status = 403 },
        { .host = "a b", .status = 403 },
    };

    check_rows(&guard, rows, sizeof(rows) / sizeof(rows[0]));
}

TEST(a_page_elsewhere_is_known_by_its_origin)
{
    static char *const listed[] = { (char *)"manager.example" };
    const struct config_strings hosts = { (char **)listed, 1 };
    const struct admin_guard guard = { .hosts = &hosts, .is_loopback = false };
    static const struct row rows[] = {
        { .host = "api.example", .origin = "https://api.example:8002" },
        { .host = "api.example", .origin = "http://localhost:8002" },
        { .host = "api.example", .origin = "http://127.0.0.1:8002" },
        { .host = "api.example", .origin = "http://[::1]:8002" },
        { .host = "api.example", .origin = "https://manager.example" },
        { .host = "api.example", .site = "same-origin" },
        { .host = "api.example", .site = "none" },
        { .host = "api.example", .origin = "null", .status = 403 },
        { .host = "api.example", .origin = "", .status = 403 },
        { .host = "api.example", .origin = "https://", .status = 403 },
        { .host = "", .origin = "https://", .status = 403 },
        { .host = "api.example", .origin = "https://api.example.evil", .status = 403 },
        { .host = "api.example", .origin = "http://127.0.0.1.evil", .status = 403 },
        { .host = "api.example", .origin = "https://manager.example.evil", .status = 403 },
        { .host = "api.example", .site = "cross-site", .status = 403 },
    };

    check_rows(&guard, rows, sizeof(rows) / sizeof(rows[0]));
}

TEST(any_name_is_good_where_that_was_said)
{
    static char *const listed[] = { (char *)"*" };
    const struct config_strings hosts = { (char **)listed, 1 };
    const struct admin_guard guard = { .hosts = &hosts, .is_loopback = true };
    static const struct row rows[] = { { .host = "api.example",
                                         .origin = "https://page.example" } };

    check_rows(&guard, rows, 1);
}

TEST(who_shows_the_token_needs_nothing_else)
{
    const struct config_strings none = { NULL, 0 };
    const struct admin_guard guard = { .token = "0123456789abcdef",
                                       .hosts = &none,
                                       .is_loopback = true };
    static const struct row rows[] = {
        { .host = "evil.example", .origin = "https://evil.example", .token = "0123456789abcdef" },
        { .host = "localhost", .status = 401 },
        { .host = "localhost", .token = "", .status = 401 },
        { .host = "localhost", .token = "0123456789abcdeF", .status = 401 },
        { .host = "localhost", .token = "0123456789abcde", .status = 401 },
        { .host = "localhost", .token = "0123456789abcdef0", .status = 401 },
        { .host = "localhost", .method = HTTP_METHOD_OPTIONS }, /* a preflight has none */
        { .host = "localhost",
          .origin = "https://evil.example",
          .method = HTTP_METHOD_OPTIONS,
          .status = 403 },
    };

    check_rows(&guard, rows, sizeof(rows) / sizeof(rows[0]));
}

TESTS(TEST_CASE(names_that_lead_to_the_loopback_by_themselves_are_good),
      TEST_CASE(a_page_elsewhere_is_known_by_its_origin),
      TEST_CASE(any_name_is_good_where_that_was_said),
      TEST_CASE(who_shows_the_token_needs_nothing_else))
