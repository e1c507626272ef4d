#include "proxy/report/secrets.h"

/* Each field name of an exchange passes here: no call, and mostly no second byte. */
static inline bool begins_with(struct slice text, struct slice lower_case_word)
{
    if (text.len < lower_case_word.len)
        return false;
    for (size_t i = 1; i < lower_case_word.len; i++) /* the caller has seen the first letter */
        if ((text.ptr[i] | 0x20) != lower_case_word.ptr[i])
            return false;
    return true;
}

/* Words by their first letter: one look at each byte of the name, mostly. */
static bool word_begins_at(struct slice rest)
{
    switch (rest.ptr[0] | 0x20) {
    case 'a':
        return begins_with(rest, SLICE("auth"));
    case 'c':
        return begins_with(rest, SLICE("cookie")) || begins_with(rest, SLICE("credential"));
    case 'k':
        return begins_with(rest, SLICE("key"));
    case 'p':
        return begins_with(rest, SLICE("passw")) || begins_with(rest, SLICE("pwd"));
    case 's':
        return begins_with(rest, SLICE("secret")) || begins_with(rest, SLICE("session")) ||
               begins_with(rest, SLICE("signature"));
    case 't':
        return begins_with(rest, SLICE("token"));
    default:
        return false;
    }
}

bool secrets_name_is_secret(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (word_begins_at(slice_from(name, i)))
            return true;
    return false;
}

/* The names that the engine knows are not searched. */
bool secrets_field_is_secret(const struct field *field)
{
    switch ((enum field_id)field->id) {
    case FIELD_OTHER:
        return secrets_name_is_secret(field->name);
    case FIELD_AUTHORIZATION:
    case FIELD_COOKIE:
    case FIELD_PROXY_AUTHORIZATION:
        return true;
    default:
        return false;
    }
}

/* "code" and "sig" are whole names: as parts they would hide too much. */
static bool argument_is_secret(struct slice name)
{
    return secrets_name_is_secret(name) || slice_equal_nocase(name, SLICE("code")) ||
           slice_equal_nocase(name, SLICE("sig")) || slice_equal_nocase(name, SLICE("jwt"));
}

/* Some servers split at ';' as well; a secret is hidden up to where all agree that it ends. */
static bool ends_argument(char c, bool is_secret)
{
    return c == '&' || c == ' ' || c == '#' || (c == ';' && !is_secret);
}

void secrets_mask_query(char *text, size_t length)
{
    char *at = memchr(text, '?', length), *end = text + length;

    while (at && at < end) {
        char *name = ++at;
        bool is_secret;

        while (at < end && *at != '=' && !ends_argument(*at, false))
            at++;
        is_secret = argument_is_secret((struct slice){ name, (size_t)(at - name) });
        if (at < end && *at == '=')
            at++;
        for (; at < end && !ends_argument(*at, is_secret); at++)
            if (is_secret)
                *at = '*';
        if (at < end && *at == ' ')
            return;
    }
}

void secrets_mask_line(char *text, size_t length)
{
    char *colon = memchr(text, ':', length);

    if (!colon || !secrets_name_is_secret((struct slice){ text, (size_t)(colon - text) }))
        return;
    for (char *at = colon + 1; at < text + length; at++)
        if (*at != ' ')
            *at = '*';
}
