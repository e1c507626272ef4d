/*
 * checks: what a single string of an entity may look like.
 *
 * Role    host names, paths, names, methods … with the words that Kong uses when it refuses one
 * Owns    nothing
 * Thread  any
 *
 * Each check returns 0, or -EINVAL with the reason in `message` (CHECK_MESSAGE_MAX bytes).
 */
#ifndef CONFIG_CHECKS_H
#define CONFIG_CHECKS_H

#include <stddef.h>

enum { CHECK_MESSAGE_MAX = 512 };

typedef int check_function(const char *text, char *message);

check_function check_uuid;
check_function check_name; /* of a service or route */
check_function check_tag;
check_function check_host;           /* of a service: name or address, no port */
check_function check_host_with_port; /* host_header of an upstream */
check_function check_upstream_name;
check_function check_target;
check_function check_base_path;    /* of a service */
check_function check_route_path;   /* a prefix in normal form, or a regex behind '~' */
check_function check_route_header; /* a value, or a regex behind "~*" */
check_function check_route_host;   /* one leading or trailing wildcard label, optional port */
check_function check_cidr;
check_function check_url;         /* scheme and host */
check_function check_header_name; /* Kong's idea of one, narrower than a token */
check_function check_field_value; /* what may stand in a field line (RFC 9110 5.5) */
check_function check_token;       /* RFC 9110 5.6.2: names of fields and cookies */
check_function check_cookie_path; /* of Set-Cookie (RFC 6265 4.1.1) */
check_function check_sni;         /* may have a wildcard at one end */
check_function check_server_name;
check_function check_certificate; /* PEM shape only: tls/ reads what is inside */
check_function check_ca_certificate;
check_function check_private_key;

/* What a person may do about a message of that check, besides Kong's own words; NULL: nothing more. */
const char *check_hint(check_function *check, const char *message);

/* A path as Kong's router compares it (kong/tools/uri.lua, normalize): %XX decoded where that changes
 * nothing, no dot segments, no empty ones. Malloc'ed; NULL: no memory. */
char *check_normalise_path(const char *text);

#endif
