/* Regexes of routes: how a flavour compiles them, and what can be said of one by looking at it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proxy/route/router_priv.h"

/* ---- compiling ----------------------------------------------------------------------------- */

/* kong/router/traditional.lua appends this group, which is what strip_path leaves over. */
#define POSTFIX_GROUP "(?<uri_postfix>.*)"

static struct regex *take_with(const char *before, const char *text, const char *after,
                               unsigned flags, char *message)
{
    struct regex *regex;
    char *whole;
    int length = asprintf(&whole, "%s%s%s", before, text, after);

    message[0] = '\0';
    if (length < 0)
        return NULL;
    regex = regex_take((struct slice){ whole, (size_t)length }, flags, message);
    free(whole);
    return regex;
}

static struct regex *take_lower(const char *text, char *message)
{
    char *copy = strdup(text);
    struct regex *regex;

    message[0] = '\0';
    if (!copy)
        return NULL;
    for (char *c = copy; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c | 0x20) : *c;
    regex = regex_take(slice_of(copy), REGEX_UTF, message);
    free(copy);
    return regex;
}

struct regex *router_regex_take(enum router_flavor flavor, enum router_regex_use use,
                                const char *text, char message[REGEX_MESSAGE_MAX])
{
    bool compatible = flavor == ROUTER_TRADITIONAL_COMPATIBLE;

    if (use == ROUTER_REGEX_HEADER)
        return compatible ? take_lower(text, message) : regex_take(slice_of(text), 0, message);
    if (compatible) /* as in Kong, only the first of several alternatives is bound to the front */
        return take_with("^", text, "", REGEX_UTF, message);
    return take_with("", text, POSTFIX_GROUP, REGEX_ANCHORED, message);
}

int router_regexes_init(struct router *router, size_t regexes_max)
{
    router->regexes = calloc(regexes_max + 1, sizeof(*router->regexes));
    return router->regexes ? router_map_init(&router->regex_texts, regexes_max) : -ENOMEM;
}

void router_regexes_done(struct router *router)
{
    for (size_t i = 0; i < router->regexes_count; i++)
        regex_release(router->regexes[i].regex);
    free(router->regexes);
    router_map_done(&router->regex_texts);
}

int router_regex_add(struct router *router, enum router_regex_use use, const char *text,
                     uint32_t *ret_number)
{
    uint32_t number = router_map_get(&router->regex_texts, use, slice_of(text));
    char message[REGEX_MESSAGE_MAX];
    struct regex *regex;

    *ret_number = number;
    if (number != ROUTER_MAP_NONE)
        return 0;
    regex = router_regex_take(router->flavor, use, text, message);
    if (!regex) {
        *ret_number = ROUTER_NO_REGEX;
        return message[0] ? 0 : -ENOMEM;
    }
    number = (uint32_t)router->regexes_count++;
    (void)router_map_put(&router->regex_texts, use, slice_of(text), number);
    router->regexes[number] = (struct router_regex){ .regex = regex };
    if (use == ROUTER_REGEX_PATH)
        router->regexes[number].literal =
            (struct slice){ text, router_regex_literal_bytes(slice_of(text)) };
    *ret_number = number;
    return 0;
}

/* ---- matching ------------------------------------------------------------------------------ */

enum router_answer router_regex_matches(const struct router *router, uint32_t number,
                                        struct slice path, struct router_scratch *scratch)
{
    struct router_regex_memo *memo = &scratch->regexes[number];
    const struct router_regex *regex = &router->regexes[number];
    struct slice taken, postfix;

    if (memo->stamp == scratch->stamp)
        return memo->answer;
    *memo = (struct router_regex_memo){ .stamp = scratch->stamp };
    if (!slice_starts_with(path, regex->literal))
        return ROUTER_NO;
    if (!regex_match(scratch->matcher, regex->regex, path)) {
        memo->answer = regex_was_cut(scratch->matcher) ? ROUTER_UNKNOWN : ROUTER_NO;
        return memo->answer;
    }
    memo->answer = ROUTER_YES;
    taken = regex_group(scratch->matcher, 0);
    if (router->flavor == ROUTER_TRADITIONAL) {
        /* an alternative that does not end with our group takes nothing off the path, as in Kong */
        postfix = regex_group(scratch->matcher, regex_groups_count(regex->regex));
        taken = (struct slice){ path.ptr, postfix.ptr ? path.len - postfix.len : 0 };
    }
    memo->prefix_start = taken.ptr ? (uint32_t)(taken.ptr - path.ptr) : 0;
    memo->prefix_bytes = (uint32_t)taken.len;
    return ROUTER_YES;
}

int router_captures(const struct router *router, const struct router_match *match,
                    struct slice path, struct router_scratch *scratch, struct arena *arena,
                    struct uri_captures *ret)
{
    unsigned count = match->regex ? regex_groups_count(match->regex) : 0;
    struct slice *values;

    *ret = (struct uri_captures){ 0 };
    if (router->flavor == ROUTER_TRADITIONAL && count > 0)
        count--; /* our own group */
    if (count == 0)
        return 0;
    values = arena_alloc(arena, (count + 1) * sizeof(*values));
    if (!values)
        return -ENOMEM;
    regex_matcher_begin(scratch->matcher); /* it has matched, so that it does so again */
    if (!regex_match(scratch->matcher, match->regex, path))
        return 0;
    for (unsigned i = 0; i <= count; i++)
        values[i] = regex_group(scratch->matcher, i);
    /* kong/router/atc.lua: without the first group there are no captures at all */
    if (router->flavor == ROUTER_TRADITIONAL_COMPATIBLE && !values[1].ptr)
        return 0;
    *ret = (struct uri_captures){ match->regex, values, count + 1 };
    return 0;
}

struct slice uri_captures_find(const struct uri_captures *captures, struct slice name)
{
    unsigned number = 0;
    bool is_number = name.len > 0 && name.len < 4;

    for (size_t i = 0; is_number && i < name.len; i++) {
        is_number = name.ptr[i] >= '0' && name.ptr[i] <= '9';
        number = number * 10 + (unsigned)(name.ptr[i] - '0');
    }
    if (captures->count == 0)
        return (struct slice){ NULL, 0 };
    if (!is_number)
        number = regex_group_named(captures->regex, name);
    if ((number == 0 && !is_number) || number >= captures->count)
        return (struct slice){ NULL, 0 };
    return captures->values[number];
}
