#include "tls/client_hello.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum { RECORD_HEADER = 5, RECORD_HANDSHAKE = 22, RECORD_MAX = 16384, MESSAGE_HEADER = 4 };
enum { MESSAGE_CLIENT_HELLO = 1, EXTENSION_SERVER_NAME = 0, EXTENSION_ALPN = 16, NAME_HOST = 0 };

/* What is left of a structure; taking more than there is leaves it broken. */
struct cursor {
    struct slice rest;
    bool broken;
};

static struct slice take(struct cursor *from, size_t length)
{
    struct slice taken = { from->rest.ptr, length };

    if (from->broken || length > from->rest.len) {
        from->broken = true;
        return (struct slice){ NULL, 0 };
    }
    from->rest = slice_from(from->rest, length);
    return taken;
}

static size_t take_number(struct cursor *from, size_t bytes)
{
    struct slice taken = take(from, bytes);
    size_t number = 0;

    for (size_t i = 0; i < taken.len; i++)
        number = number << 8 | (unsigned char)taken.ptr[i];
    return number;
}

/* A vector: its length in `bytes` bytes, then so many. */
static struct cursor take_vector(struct cursor *from, size_t bytes)
{
    size_t length = take_number(from, bytes);
    struct slice content = take(from, length);

    return (struct cursor){ content, from->broken };
}

/* ---- records --------------------------------------------------------------------------------- */

/* What one record adds to the message. Positive: bytes of the record used. */
static long next_record(struct slice bytes, char *message, size_t *length)
{
    struct cursor record = { bytes, false };
    size_t type, version, size;
    struct slice content;

    if (bytes.len == 0)
        return -EAGAIN;
    if ((unsigned char)bytes.ptr[0] != RECORD_HANDSHAKE || (bytes.len > 1 && bytes.ptr[1] != 3))
        return -EINVAL;
    if (bytes.len < RECORD_HEADER)
        return -EAGAIN;
    type = take_number(&record, 1);
    version = take_number(&record, 2);
    size = take_number(&record, 2);
    (void)type; /* looked at above, as is the major version; the minor one is a formality */
    (void)version;
    if (size == 0 || size > RECORD_MAX)
        return -EINVAL;
    content = record.rest.len < size ? record.rest : take(&record, size);
    if (content.len > CLIENT_HELLO_MESSAGE_MAX - *length)
        return -EINVAL;
    if (content.len > 0)
        memcpy(message + *length, content.ptr, content.len);
    *length += content.len;
    return content.len < size ? -EAGAIN : (long)(RECORD_HEADER + size);
}

/* Joins records until the message is whole. 0, -EAGAIN, -EINVAL. */
static int join_records(struct slice bytes, char *message, size_t *ret_length)
{
    size_t length = 0, whole = 0;

    for (;;) {
        long used = next_record(bytes, message, &length);
        struct cursor start = { { message, length }, false };

        if (used == -EINVAL)
            return -EINVAL;
        if (length > 0 && message[0] != MESSAGE_CLIENT_HELLO)
            return -EINVAL;
        if (length >= MESSAGE_HEADER) {
            (void)take_number(&start, 1);
            whole = MESSAGE_HEADER + take_number(&start, 3);
            if (whole > CLIENT_HELLO_MESSAGE_MAX)
                return -EINVAL;
            if (length >= whole) {
                *ret_length = whole;
                return 0;
            }
        }
        if (used < 0)
            return -EAGAIN;
        bytes = slice_from(bytes, (size_t)used);
    }
}

/* ---- the message ----------------------------------------------------------------------------- */

static bool copy_name(struct slice name, struct client_hello *ret)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > CLIENT_HELLO_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (!isascii(c) || (!isalnum(c) && c != '-' && c != '.' && c != '_'))
            return false;
        ret->server_name[i] = (char)tolower(c);
    }
    ret->server_name[name.len] = '\0';
    return true;
}

static bool read_server_name(struct cursor extension, struct client_hello *ret)
{
    struct cursor list = take_vector(&extension, 2);

    while (!list.broken && list.rest.len > 0) {
        size_t type = take_number(&list, 1);
        struct cursor name = take_vector(&list, 2);

        if (!list.broken && type == NAME_HOST)
            return copy_name(name.rest, ret);
    }
    return !list.broken;
}

static bool read_alpn(struct cursor extension, struct client_hello *ret)
{
    struct cursor list = take_vector(&extension, 2);
    size_t length = 0;

    while (!list.broken && list.rest.len > 0) {
        struct slice name = take_vector(&list, 1).rest;

        if (list.broken || name.len == 0)
            return false;
        if (length + 1 + name.len > CLIENT_HELLO_ALPN_MAX)
            continue;
        if (length > 0)
            ret->alpn[length++] = ',';
        memcpy(ret->alpn + length, name.ptr, name.len);
        length += name.len;
    }
    ret->alpn[length] = '\0';
    return !list.broken;
}

static int read_extensions(struct cursor extensions, struct client_hello *ret)
{
    while (!extensions.broken && extensions.rest.len > 0) {
        size_t type = take_number(&extensions, 2);
        struct cursor content = take_vector(&extensions, 2);

        if (extensions.broken ||
            (type == EXTENSION_SERVER_NAME && !read_server_name(content, ret)) ||
            (type == EXTENSION_ALPN && !read_alpn(content, ret)))
            return -EINVAL;
    }
    return extensions.broken ? -EINVAL : 0;
}

int client_hello_parse(struct slice bytes, struct client_hello *ret)
{
    char message[CLIENT_HELLO_MESSAGE_MAX];
    struct client_hello hello = { 0 };
    struct cursor body;
    size_t length;
    int r = join_records(bytes, message, &length);

    if (r < 0)
        return r == -EAGAIN && bytes.len >= CLIENT_HELLO_WIRE_MAX ? -EINVAL : r;
    body = (struct cursor){ { message + MESSAGE_HEADER, length - MESSAGE_HEADER }, false };
    (void)take(&body, 2 + 32);   /* version, random */
    (void)take_vector(&body, 1); /* session id */
    (void)take_vector(&body, 2); /* cipher suites */
    (void)take_vector(&body, 1); /* compression methods */
    if (body.broken)
        return -EINVAL;
    if (body.rest.len > 0) /* TLS 1.2 and before: extensions may be absent */
        r = read_extensions(take_vector(&body, 2), &hello);
    if (r == 0)
        *ret = hello;
    return r;
}
