#include "tools/repro/phrase.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct writer {
    char *into;
    size_t used;
};

static void put(struct writer *out, const char *text, size_t length)
{
    size_t room = PHRASE_MAX - 1 - out->used;

    length = length < room ? length : room;
    memcpy(out->into + out->used, text, length);
    out->used += length;
    out->into[out->used] = '\0';
}

static const char *find(struct slice text, const char *wanted)
{
    return text.len > 0 ? memmem(text.ptr, text.len, wanted, strlen(wanted)) : NULL;
}

static struct slice until(struct slice text, const char *end)
{
    return (struct slice){ text.ptr, end ? (size_t)(end - text.ptr) : text.len };
}

static const char *find_last(struct slice text, const char *wanted)
{
    const char *found = NULL;

    for (const char *at = find(text, wanted); at;
         at = find((struct slice){ at + 1, (size_t)(text.ptr + text.len - at) - 1 }, wanted))
        found = at;
    return found;
}

/* ---- what is in front ---- */

/* "balancer(): failed" */
static struct slice without_function(struct slice text)
{
    size_t length = 0;

    while (length < text.len &&
           (isalnum((unsigned char)text.ptr[length]) || text.ptr[length] == '_'))
        length++;
    return length > 0 && slice_starts_with(slice_from(text, length), SLICE("(): "))
               ? slice_from(text, length + 4)
               : text;
}

/* "[lua] init.lua:1268: balancer(): failed" and "[kong] handler.lua:7 failed": file and line are of one
 * version of Kong. */
static struct slice without_lua(struct slice text)
{
    const char *lua;
    size_t skip;

    if (!slice_starts_with(text, SLICE("[lua] ")) && !slice_starts_with(text, SLICE("[kong] ")))
        return text;
    lua = find(text, ".lua:");
    if (!lua)
        return text;
    skip = (size_t)(lua - text.ptr) + strlen(".lua:");
    while (skip < text.len && (isdigit((unsigned char)text.ptr[skip]) || text.ptr[skip] == ':'))
        skip++;
    while (skip < text.len && text.ptr[skip] == ' ')
        skip++;
    text = slice_from(text, skip);
    return without_function(text);
}

/* ---- the phrase ---- */

/* Names of fields that nginx itself puts between quotes. */
static bool is_fixed(struct slice quoted)
{
    static const char *const names[] = { "Content-Length", "Transfer-Encoding", "Host" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (slice_equal(quoted, slice_of(names[i])))
            return true;
    return false;
}

/* At a quote; returns the bytes that it takes. A line may be cut in the middle of it. */
static size_t put_quoted(struct slice text, struct writer *out)
{
    const char *close = text.len > 1 ? memchr(text.ptr + 1, '"', text.len - 1) : NULL;
    struct slice quoted = { text.ptr + 1, close ? (size_t)(close - text.ptr) - 1 : 0 };

    if (close && is_fixed(quoted))
        put(out, text.ptr, quoted.len + 2);
    else
        put(out, "\"...\"", 5);
    return close ? quoted.len + 2 : text.len;
}

/* "10.0.0.1:80", "8192", "[::1]:80": digits and what joins them. */
static size_t put_number(struct slice text, struct writer *out)
{
    size_t length = 0;

    while (length < text.len &&
           (isxdigit((unsigned char)text.ptr[length]) || strchr(".:[]", text.ptr[length]) != NULL))
        length++;
    while (length > 1 && strchr(".:", text.ptr[length - 1]) != NULL)
        length--;
    put(out, "N", 1);
    return length;
}

/* A word that is no word of the product: a path, or a number at its beginning. */
static size_t put_one(struct slice text, bool begins_word, struct writer *out)
{
    size_t length = 0;

    if (text.ptr[0] == '"')
        return put_quoted(text, out);
    if (begins_word && (isdigit((unsigned char)text.ptr[0]) ||
                        (text.ptr[0] == '[' && find(until(text, find(text, "]")), ":"))))
        return put_number(text, out);
    if (begins_word && text.ptr[0] == '/') {
        while (length < text.len && text.ptr[length] != ' ')
            length++;
        put(out, "PATH", 4);
        return length;
    }
    put(out, text.ptr, 1);
    return 1;
}

static void put_plain(struct slice text, struct writer *out)
{
    bool begins_word = true;

    while (text.len > 0) {
        size_t taken = put_one(text, begins_word, out);

        begins_word = text.ptr[taken - 1] == ' ';
        text = slice_from(text, taken);
    }
}

/* Sentences with a name in the middle, or with a list behind them. */
static void put_phrase(struct slice text, struct writer *out)
{
    static const struct {
        const char *before,
            *after; /* the name stands between them; NULL: from the beginning, or to the end */
    } names[] = {
        { NULL, " could not be resolved" },
        { "resolver for ", "' with: " },
        { "resolve for '", "' with: " },
        { "querying dns for ", " failed: " },
        { ". Tried: ", NULL },
        { ". Tried ", NULL },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *before = names[i].before ? find(text, names[i].before) : text.ptr;
        const char *after = names[i].after ? find(text, names[i].after) : text.ptr + text.len;

        if (!before || !after)
            continue;
        before += names[i].before ? strlen(names[i].before) : 0;
        if (after < before)
            continue;
        put_plain(until(text, before), out);
        put(out, "NAME", 4);
        put_plain(slice_from(text, (size_t)(after - text.ptr)), out);
        return;
    }
    put_plain(text, out);
}

/* ---- the detail ---- */

/* OpenSSL 1.1 has a function between the colons, 3.0 has none; since 3.2 "ssl/tls alert" stands for
 * "sslv3 alert", and "unexpected eof" came with 3.0. */
static void put_openssl(struct slice text, struct writer *out)
{
    static const char *const versions[] = { "sslv3 alert ", "tlsv1 alert ", "tlsv13 alert ",
                                            "ssl/tls alert " };
    const char *routines = find(text, "SSL routines:");
    const char *colon;

    if (routines) {
        text = slice_from(text, (size_t)(routines - text.ptr) + strlen("SSL routines:"));
        colon = text.len > 0 ? memchr(text.ptr, ':', text.len) : NULL;
        text = slice_from(text, colon ? (size_t)(colon - text.ptr) + 1 : 0);
    }
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
        if (slice_starts_with(text, slice_of(versions[i]))) {
            put(out, "alert ", 6);
            text = slice_from(text, strlen(versions[i]));
        }
    put(out, text.ptr ? text.ptr : "", text.len);
}

/* "(104: Connection reset by peer)" -> "(104)"; the text is the C library's or OpenSSL's. */
static void put_detail(struct slice text, struct writer *out)
{
    size_t digits = 1;

    while (digits < text.len && isdigit((unsigned char)text.ptr[digits]))
        digits++;
    if (slice_starts_with(text, SLICE("(SSL:"))) {
        put(out, "(", 1);
        put_openssl(slice_from(text, strlen("(SSL:")), out);
    } else if (digits > 1 && digits < text.len && text.ptr[digits] == ':') {
        put(out, text.ptr, digits);
        put(out, ")", 1);
    } else {
        put_plain(text, out);
    }
}

void phrase_read(struct slice text, struct phrase *ret)
{
    struct writer phrase = { ret->phrase, 0 }, detail = { ret->detail, 0 };
    const char *action, *open;

    *ret = (struct phrase){ .phrase = "" };
    text = without_lua(text);
    action = find_last(text, " while ");
    if (action)
        (void)snprintf(ret->action, sizeof(ret->action), "%.*s",
                       (int)(text.ptr + text.len - action) - 1, action + 1);
    text = until(text, action);
    open = find(text, " (");
    put_phrase(until(text, open), &phrase);
    if (open)
        put_detail(slice_from(text, (size_t)(open - text.ptr) + 1), &detail);
}
