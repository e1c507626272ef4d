#include "config/uuid.h"

#include <ctype.h>
#include <string.h>

bool uuid_is_valid(const char *text)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(text) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; shape[i]; i++)
        if (shape[i] == '-' ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
            return false;
    return true;
}

void uuid_for_entity(const char *schema_name, const char *key, char *ret)
{
    /* kong/db/schema/others/declarative_config.lua */
    static const char entities_namespace[] = "fd02801f-0957-4a15-a55a-c8d9606f30b5";
    char schema_namespace[UUID_TEXT_SIZE];

    /* neither fails: both namespaces are UUIDs */
    (void)uuid_v5(entities_namespace, slice_of(schema_name), schema_namespace);
    (void)uuid_v5(schema_namespace, slice_of(key), ret);
}
