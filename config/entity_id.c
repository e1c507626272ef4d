#include "config/entity_id.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

bool entity_id_is_valid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

void entity_id_from_key(const char *schema_name, const char *key, char ret[UUID_TEXT_BYTES + 1])
{
    /* kong/db/schema/others/declarative_config.lua */
    static const char kong_namespace[] = "fd02801f-0957-4a15-a55a-c8d9606f30b5";
    char schema_namespace[UUID_TEXT_BYTES + 1];

    (void)uuid_v5(kong_namespace, slice_of(schema_name), schema_namespace); /* cannot fail: both */
    (void)uuid_v5(schema_namespace, slice_of(key), ret); /* namespaces are well-formed */
}
