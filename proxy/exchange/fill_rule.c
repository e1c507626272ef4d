#include "proxy/exchange/fill_rule.h"

void fill_rule_init(struct fill_rule *rule, uint64_t buffer_bytes, uint64_t first_bytes,
                    uint64_t least)
{
    *rule = (struct fill_rule){ .buffer_bytes = buffer_bytes,
                                .room = first_bytes > 0 ? first_bytes : buffer_bytes,
                                .least = least };
}

static void begin_buffer(struct fill_rule *rule, uint64_t filled, uint64_t least)
{
    rule->room = rule->buffer_bytes;
    rule->filled = filled;
    rule->least = least;
}

size_t fill_rule_keeps(struct fill_rule *rule, uint64_t received, uint64_t least, size_t held)
{
    uint64_t behind;

    rule->filled += received;
    if (rule->filled < rule->room) {
        if (rule->filled < rule->least)
            return held;
        begin_buffer(rule, 0, least);
        return 0;
    }
    behind = (rule->filled - rule->room) % rule->buffer_bytes;
    if (least == 0 || behind == 0) {
        begin_buffer(rule, 0, least);
        return 0;
    }
    /* a chunk that ends in this buffer needs bytes beyond its end */
    begin_buffer(rule, behind, least > UINT64_MAX - behind ? UINT64_MAX : behind + least);
    return behind < held ? (size_t)behind : held;
}
