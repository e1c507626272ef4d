/* /config: a declarative configuration as a whole, without a database (kong/api/routes/config.lua). */
#include "config/admin/admin_priv.h"

static int needs_no_database(struct admin_call *call)
{
    return kong_error_plain(&call->error, 400,
                            "this endpoint is only available when Kong is configured to not use a "
                            "database");
}

int admin_config_get(struct admin_call *call)
{
    return call->admin->host->has_database ? needs_no_database(call) : admin_not_found(call);
}

int admin_config_post(struct admin_call *call)
{
    return call->admin->host->has_database ? needs_no_database(call) : admin_not_found(call);
}
