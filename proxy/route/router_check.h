/*
 * router_check: what is wrong, or surprising, with routes in the router's flavour.
 *
 * Role    errors for what that flavour of Kong would refuse, warnings for what it does unexpectedly
 * Owns    nothing
 * Thread  any; the cost is bounded however many routes there are
 */
#ifndef PROXY_ROUTER_CHECK_H
#define PROXY_ROUTER_CHECK_H

#include "config/config_error.h"
#include "proxy/route/router.h"

void router_check(const struct config *config, enum router_flavor flavor,
                  struct config_errors *errors);

#endif
