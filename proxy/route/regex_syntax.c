/*
 * What can be told of a regex by its text: what its matches begin with, and whether Rust's regexes
 * (those of traditional_compatible, atc-router) have all that it uses.
 */
#include <ctype.h>

#include "proxy/route/router_priv.h"

static char byte_at(struct slice text, size_t at)
{
    return at < text.len ? text.ptr[at] : '\0';
}

/* Behind the class that begins at `at`, or the length when it does not end. *ret_set: it uses what
 * only Rust reads as operations on sets, or as a class inside a class. */
static size_t skip_class(struct slice text, size_t at, bool *ret_set)
{
    at += 1 + (byte_at(text, at + 1) == '^');
    at += byte_at(text, at) == ']'; /* the first one stands for itself */
    for (; at < text.len && text.ptr[at] != ']'; at++) {
        char c = text.ptr[at], next = byte_at(text, at + 1);
        const char *end;

        if (c == '\\') {
            at++;
        } else if (c == '[' && next == ':') {
            end = memmem(text.ptr + at, text.len - at, ":]", 2);
            if (!end)
                return text.len;
            at = (size_t)(end - text.ptr) + 1;
        } else if (c == '[' || (c == next && (c == '&' || c == '~' || c == '-'))) {
            *ret_set = true;
        }
    }
    return at < text.len ? at + 1 : at;
}

/* "(?" that is followed by options with x among them, or by a comment: what follows reads otherwise. */
static bool changes_reading(struct slice text, size_t at)
{
    if (byte_at(text, at + 1) == '*' || memcmp(text.ptr + at, "(?#", 3) == 0)
        return true;
    if (byte_at(text, at + 1) != '?')
        return false;
    for (at += 2; at < text.len && (isalpha((unsigned char)text.ptr[at]) || text.ptr[at] == '-' ||
                                    text.ptr[at] == '^');
         at++)
        if (text.ptr[at] == 'x')
            return true;
    return false;
}

/* Whether an alternative stands outside all groups, or it cannot be told. */
static bool may_have_alternatives(struct slice text)
{
    size_t depth = 0, at = 0;
    bool set;

    while (at < text.len) {
        switch (text.ptr[at]) {
        case '\\':
            if (byte_at(text, at + 1) == 'Q')
                return true;
            at += 2;
            continue;
        case '[':
            at = skip_class(text, at, &set);
            continue;
        case '(':
            if (text.len - at < 3 || changes_reading(text, at))
                return true;
            depth++;
            break;
        case ')':
            if (depth-- == 0)
                return true;
            break;
        case '|':
            if (depth == 0)
                return true;
            break;
        default:
            break;
        }
        at++;
    }
    return depth != 0;
}

size_t router_regex_literal_bytes(struct slice text)
{
    size_t length = 0;

    while (
        length < text.len &&
        (isalnum((unsigned char)text.ptr[length]) || strchr("/-_~%,:;@!&='\"", text.ptr[length])) &&
        text.ptr[length] != '\0')
        length++;
    if (length > 0 && length < text.len && strchr("*?{", text.ptr[length]))
        length--; /* the last one may be missing */
    return length > 0 && may_have_alternatives(text) ? 0 : length;
}

struct slice router_path_text_in_front(const char *path)
{
    struct slice text = slice_of(path);

    if (!router_path_is_regex(path))
        return text;
    text = slice_from(text, 1);
    text.len = router_regex_literal_bytes(text);
    return text;
}

/* ---- Rust's dialect ------------------------------------------------------------------------ */

#define LOOK_AROUND    "look-around, including look-ahead and look-behind, is not supported"
#define BACK_REFERENCE "backreferences are not supported"
#define ESCAPE         "unrecognized escape sequence"

static const char *group_not_in_rust(struct slice text, size_t at)
{
    struct slice rest = slice_from(text, at);

    if (byte_at(rest, 1) == '*')
        return "verbs such as (*LIMIT_MATCH=…) are not supported";
    if (byte_at(rest, 1) != '?')
        return NULL;
    switch (byte_at(rest, 2)) {
    case '=':
    case '!':
        return LOOK_AROUND;
    case '<':
        return byte_at(rest, 3) == '=' || byte_at(rest, 3) == '!' ? LOOK_AROUND : NULL;
    case 'P':
        if (byte_at(rest, 3) == '<')
            return NULL;
        return byte_at(rest, 3) == '=' ? BACK_REFERENCE : "unrecognized flag";
    case '\'':
    case '>':
    case '|':
    case '(':
    case '&':
    case '#':
    case 'R':
    case '+':
        return "unrecognized flag";
    default:
        return isdigit((unsigned char)byte_at(rest, 2)) ? "unrecognized flag" : NULL;
    }
}

static const char *escape_not_in_rust(char c)
{
    if (c >= '0' && c <= '9')
        return BACK_REFERENCE;
    if (isalpha((unsigned char)c) && !strchr("dDsSwWbBAzpPxuUaftnrv", c))
        return c == 'k' || c == 'g' ? BACK_REFERENCE : ESCAPE;
    return NULL;
}

const char *router_regex_not_in_rust(const char *regex)
{
    struct slice text = slice_of(regex);
    const char *wrong = NULL;
    size_t at = 0;

    while (!wrong && at < text.len) {
        char c = text.ptr[at], next = byte_at(text, at + 1);
        bool set = false;

        if (c == '\\') {
            wrong = escape_not_in_rust(next);
            at += 2;
        } else if (c == '[') {
            at = skip_class(text, at, &set);
            if (set)
                wrong =
                    "a class inside a class, or '&&', '--' or '~~' in one, means something else "
                    "there; escape it";
        } else {
            if (c == '(')
                wrong = group_not_in_rust(text, at);
            else if (next == '+' && strchr("*+?}", c))
                wrong = "possessive quantifiers are not supported";
            at++;
        }
    }
    return wrong;
}
