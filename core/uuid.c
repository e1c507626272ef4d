#include "core/uuid.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/sha1.h"

enum { UUID_BYTES = 16 };

static bool parse(const char *text, unsigned char bytes[UUID_BYTES])
{
    unsigned char *b = bytes;
    int end = 0;

    if (strlen(text) != UUID_TEXT_BYTES)
        return false;
    return sscanf(text,
                  "%2hhx%2hhx%2hhx%2hhx-%2hhx%2hhx-%2hhx%2hhx-%2hhx%2hhx-"
                  "%2hhx%2hhx%2hhx%2hhx%2hhx%2hhx%n",
                  &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8], &b[9], &b[10],
                  &b[11], &b[12], &b[13], &b[14], &b[15], &end) == UUID_BYTES &&
           end == UUID_TEXT_BYTES;
}

static void print(unsigned char id[UUID_BYTES], unsigned version, char ret[UUID_TEXT_BYTES + 1])
{
    char *to = ret;

    id[6] = (unsigned char)((id[6] & 0x0f) | version << 4);
    id[8] = (id[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
    for (unsigned i = 0; i < UUID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        to += snprintf(to, 3, "%02x", id[i]);
    }
}

bool uuid_v5(const char *namespace_uuid, struct slice name, char ret[UUID_TEXT_BYTES + 1])
{
    unsigned char id[UUID_BYTES], digest[SHA1_BYTES];
    struct sha1 sha1;

    if (!parse(namespace_uuid, id))
        return false;
    sha1_init(&sha1);
    sha1_add(&sha1, id, sizeof(id));
    sha1_add(&sha1, name.ptr, name.len);
    sha1_finish(&sha1, digest);
    print(digest, 5, ret);
    return true;
}

bool uuid_v4(char ret[UUID_TEXT_BYTES + 1])
{
    unsigned char id[UUID_BYTES];

    if (getrandom(id, sizeof(id), 0) != sizeof(id))
        return false;
    print(id, 4, ret);
    return true;
}
