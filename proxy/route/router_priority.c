#include "proxy/route/router_priv.h"

/*
 * Kong documents this layout (kong/router/transform.lua):
 *
 *   bits 63-61 attributes in use, 60 plain hosts, 59-52 header names, 51 regex,
 *        50-19 regex_priority, 18-0 prefix length
 *
 * but executes another one, and that one decides here. Its shifts by 61, 52 and 19 are done by
 * LuaJIT on plain numbers: in 32 bits, with the count taken mod 32. Only bits 60 and 51 are true
 * 64-bit constants. So the number of attributes lands at bit 29 and the header names at bit 20,
 * below "plain hosts"; and a result with bit 31 set is a negative number, which becomes 2^63 with
 * all else lost when it meets a 64-bit value (measured on x86-64).
 */
enum {
    ATTRIBUTES_SHIFT = 61 % 32,
    HEADERS_SHIFT = 52 % 32,
    REGEX_PRIORITY_SHIFT = 19,
    HEADERS_MAX = 255,
    PREFIX_BYTES_MASK = 0x7ffff,
};

static const uint64_t PLAIN_HOSTS = 1ull << 60;
static const uint64_t REGEX = 1ull << 51;
static const uint64_t NEGATIVE = 1ull << 63;

static uint64_t widen(uint32_t lua_number)
{
    return lua_number >> 31 ? NEGATIVE : lua_number;
}

uint64_t router_priority(const struct router_priority_inputs *inputs)
{
    unsigned headers = inputs->headers_count < HEADERS_MAX ? inputs->headers_count : HEADERS_MAX;
    uint32_t attributes = (uint32_t)inputs->has_methods + inputs->has_hosts + inputs->has_paths +
                          inputs->has_snis + (headers > 0);
    bool regex = inputs->paths_are_regexes;
    uint32_t regex_priority = regex ? (uint32_t)inputs->regex_priority << REGEX_PRIORITY_SHIFT : 0;
    uint32_t prefix = regex ? 0 : (uint32_t)(inputs->prefix_bytes & PREFIX_BYTES_MASK);

    attributes <<= ATTRIBUTES_SHIFT;
    headers <<= HEADERS_SHIFT;
    if (!inputs->hosts_are_plain && !regex) /* no 64-bit operand: one number, widened at the end */
        return widen(attributes | headers | prefix);
    return (inputs->hosts_are_plain ? PLAIN_HOSTS : 0) | (regex ? REGEX : 0) | widen(attributes) |
           widen(headers) | widen(regex_priority) | prefix;
}

uint64_t router_priority_documented(const struct router_priority_inputs *inputs)
{
    uint64_t headers = inputs->headers_count < HEADERS_MAX ? inputs->headers_count : HEADERS_MAX;
    uint64_t attributes = (uint64_t)inputs->has_methods + inputs->has_hosts + inputs->has_paths +
                          inputs->has_snis + (headers > 0);
    uint64_t priority =
        attributes << 61 | headers << 52 | (inputs->hosts_are_plain ? PLAIN_HOSTS : 0);

    if (inputs->paths_are_regexes)
        return priority | REGEX |
               (uint64_t)(uint32_t)inputs->regex_priority << REGEX_PRIORITY_SHIFT;
    return priority | (inputs->prefix_bytes & PREFIX_BYTES_MASK);
}
