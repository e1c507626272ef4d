#include "config/store/store.h"

void store_free(struct store *store)
{
    if (store)
        store->ops->close(store);
}
