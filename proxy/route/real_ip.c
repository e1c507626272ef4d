#include "proxy/route/real_ip.h"

#include <errno.h>

static bool is_separator(char c)
{
    return c == ' ' || c == ',';
}

/* Cuts the last token off *rest; false when there is none. */
static bool last_token(struct slice *rest, struct slice *ret_token)
{
    size_t start;

    while (rest->len > 0 && is_separator(rest->ptr[rest->len - 1]))
        rest->len--;
    if (rest->len == 0)
        return false;
    for (start = rest->len; start > 0 && !is_separator(rest->ptr[start - 1]); start--)
        ;
    *ret_token = (struct slice){ rest->ptr + start, rest->len - start };
    rest->len = start;
    return true;
}

/* Walks one line from the right. True if the walk may go on in the line before it. */
static bool walk_line(const struct real_ip_settings *settings, struct slice line,
                      struct sockaddr_storage *addr)
{
    struct slice token;

    while (last_token(&line, &token)) {
        struct sockaddr_storage next;

        if (addr_parse(token, 0, &next) < 0)
            return false;
        *addr = next;
        if (!settings->recursive || !addr_cidrs_contain(settings->trusted, addr))
            return false;
    }
    return true;
}

static void walk(const struct real_ip_settings *settings, const struct fields *fields,
                 struct sockaddr_storage *addr)
{
    bool all_lines = field_id_of(settings->field_name) == FIELD_X_FORWARDED_FOR;
    const struct field *only;

    if (!all_lines) {
        only = fields_find_name(fields, settings->field_name);
        if (only)
            (void)walk_line(settings, only->value, addr); /* there is no line before it */
        return;
    }
    for (uint32_t i = fields->count; i > 0; i--)
        if (fields->items[i - 1].id == FIELD_X_FORWARDED_FOR &&
            !walk_line(settings, fields->items[i - 1].value, addr))
            return;
}

static int finish(struct real_ip *found, struct arena *arena, struct real_ip *ret)
{
    char text[ADDR_IP_TEXT_MAX];

    found->text = arena_copy(arena, slice_of(addr_format_ip(&found->addr, text, sizeof(text))));
    if (!found->text.ptr)
        return -ENOMEM;
    *ret = *found;
    return 0;
}

bool real_ip_is_in_proxy_header(const struct real_ip_settings *settings)
{
    return slice_equal_nocase(settings->field_name, SLICE("proxy_protocol"));
}

int real_ip_from_proxy_header(const struct real_ip_settings *settings,
                              const struct sockaddr_storage *peer,
                              const struct sockaddr_storage *source, struct arena *arena,
                              struct real_ip *ret)
{
    struct real_ip found = { .addr = *peer,
                             .peer_is_trusted = addr_cidrs_contain(settings->trusted, peer) };

    if (found.peer_is_trusted && source->ss_family != AF_UNSPEC)
        found.addr = *source;
    return finish(&found, arena, ret);
}

int real_ip_resolve(const struct real_ip_settings *settings, const struct sockaddr_storage *peer,
                    const struct fields *fields, struct arena *arena, struct real_ip *ret)
{
    struct real_ip found = { .addr = *peer,
                             .peer_is_trusted = addr_cidrs_contain(settings->trusted, peer) };

    if (found.peer_is_trusted)
        walk(settings, fields, &found.addr);
    return finish(&found, arena, ret);
}
