/* amazon_trace: what becomes of X-Amzn-Trace-Id, whatever a client sends in it. */
#include "proxy/rewrite/amazon_trace.h"

#include <string.h>

#include "tests/unit/proxy/fixture.h"

#define OURS "1-5da1e8bb-0123456789abcdef01234567"

static const char *trace_of(const char *lines)
{
    static char copy[512];
    struct exchange_fixture x;
    struct text text;

    exchange_fixture_init(&x, "alb", lines);
    x.record.started_at_unix_ms = UINT64_C(0x5da1e8bb) * 1000 + 999;
    memcpy(x.record.request_id, "0123456789abcdef0123456789abcdef", 33);
    text_init(&text, &x.arena);
    amazon_trace_put(&x.record, &text);
    snprintf(copy, sizeof(copy), "%s", text_take(&text).ptr);
    exchange_fixture_done(&x);
    return copy;
}

TEST(a_root_is_made_or_a_self_is_put_in_front)
{
    static const char *const rows[][2] = {
        { "Host: a", "Root=" OURS },
        { "x-amzn-trace-id: Root=1-2-3", "Self=" OURS ";Root=1-2-3" },
        { "X-Amzn-Trace-Id: Root=1-2-3;CalledFrom=app", "Self=" OURS ";Root=1-2-3;CalledFrom=app" },
        { "X-Amzn-Trace-Id: Self=1-9-9;Root=1-2-3", "Self=" OURS ";Root=1-2-3" },
        { "X-Amzn-Trace-Id: Root=1-2-3; Self=1-9-9", "Self=" OURS ";Root=1-2-3" },
        { "X-Amzn-Trace-Id: Self=1-9-9", "Self=" OURS },
        { "X-Amzn-Trace-Id: CalledFrom=app", "Root=" OURS ";CalledFrom=app" },
        { "X-Amzn-Trace-Id: XRoot=1;root=2", "Root=" OURS ";XRoot=1;root=2" },
        { "X-Amzn-Trace-Id: ;;;Root=1;;", "Self=" OURS ";Root=1" },
        { "X-Amzn-Trace-Id:", "Root=" OURS },
        { "X-Amzn-Trace-Id: ;", "Root=" OURS },
        { "X-Amzn-Trace-Id: Root=1-2-3|X-Amzn-Trace-Id: Root=4", "Self=" OURS ";Root=1-2-3" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CHECK_STR(trace_of(rows[i][0]), rows[i][1]);
}

TEST(a_large_head_gets_a_new_root)
{
    char lines[7400];

    snprintf(lines, sizeof(lines), "X-Amzn-Trace-Id: Root=1-2-3|X: %0*d", 7000, 0);
    CHECK_STR(trace_of(lines), "Self=" OURS ";Root=1-2-3");
    snprintf(lines, sizeof(lines), "X-Amzn-Trace-Id: Root=1-2-3|X: %0*d", 7168, 0);
    CHECK_STR(trace_of(lines), "Root=" OURS);
}

TESTS(TEST_CASE(a_root_is_made_or_a_self_is_put_in_front), TEST_CASE(a_large_head_gets_a_new_root))
