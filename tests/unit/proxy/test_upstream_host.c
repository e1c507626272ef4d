/* upstream_host: whose name stands in Host, with which port (Kong reference, table of 1.1). */
#include "core/addr.h"
#include "lb/target.h"
#include "proxy/exchange/upstream_host.h"
#include "proxy/persona/persona.h"
#include "tests/check.h"

struct row {
    enum config_protocol protocol;
    const char *target, *address; /* the name as configured, and what it resolved to */
    const char *host_header;
    bool preserve_host;
    const char *client, *want;
};

static void check_row(struct arena *arena, const struct row *row)
{
    struct config_upstream upstream = { .host_header = (char *)row->host_header };
    struct config_service service = { .protocol = row->protocol,
                                      .host = (char *)"service.test",
                                      .upstream = &upstream };
    struct config_route route = { .preserve_host = row->preserve_host };
    struct persona persona = { .request = { .host = PERSONA_HOST_ROUTE } };
    struct http_head head = { .authority = slice_of(row->client) };
    struct exchange_record record = {
        .persona = &persona, .request = &head, .route = &route, .service = &service
    };
    struct target target = { .name = (char *)row->target };

    CHECK_INT(addr_parse(slice_of(row->address), 0, &target.address), 0);
    CHECK_SLICE(upstream_host(&record, &target, arena), row->want);
}

TEST(host_follows_kongs_rules)
{
    static const struct row rows[] = {
        { CONFIG_PROTOCOL_HTTP, "a.test:80", "10.0.0.1:80", NULL, false, "c.test", "a.test" },
        { CONFIG_PROTOCOL_HTTPS, "a.test:443", "10.0.0.1:443", NULL, false, "c.test", "a.test" },
        { CONFIG_PROTOCOL_HTTP, "a.test:443", "10.0.0.1:443", NULL, false, "c.test", "a.test:443" },
        { CONFIG_PROTOCOL_HTTPS, "a.test:80", "10.0.0.1:80", NULL, false, "c.test", "a.test:80" },
        { CONFIG_PROTOCOL_HTTP, "[::1]:80", "[::1]:80", NULL, false, "c.test", "[::1]" },
        { CONFIG_PROTOCOL_HTTP, "[::1]:8080", "[::1]:8080", NULL, false, "c.test", "[::1]:8080" },
        { CONFIG_PROTOCOL_HTTP, "a.test:80", "10.0.0.1:80", "h.test", false, "c.test", "h.test" },
        { CONFIG_PROTOCOL_HTTP, "a.test:81", "10.0.0.1:81", "h.test", false, "c.test",
          "h.test:81" },
        { CONFIG_PROTOCOL_HTTP, "a.test:80", "10.0.0.1:80", "h.test", true, "C.test:9",
          "C.test:9" },
        { CONFIG_PROTOCOL_HTTP, "a.test:80", "10.0.0.1:80", NULL, true, "", "a.test" },
    };
    struct chunk_pool *pool = chunk_pool_create(0);
    struct arena arena;

    arena_init(&arena, pool, 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_row(&arena, &rows[i]);
    arena_done(&arena);
    chunk_pool_free(pool);
}

TESTS(TEST_CASE(host_follows_kongs_rules))
