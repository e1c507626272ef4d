/*
 * real_ip: who the client is, when the TCP peer may speak for somebody else.
 *
 * Role    trusted_ips, real_ip_header, real_ip_recursive: nginx's realip rules
 * Owns    nothing
 * Thread  one worker; pure
 *
 * Only a trusted peer is believed. Not recursive: the last address of the header is the client.
 * Recursive: the walk goes from the right as long as the addresses are trusted themselves; the
 * first that is not, or the leftmost, is the client. A token that is no address ends the walk, and
 * what was found so far stands. X-Forwarded-For reads all its lines, any other header only its
 * first.
 */
#ifndef PROXY_REAL_IP_H
#define PROXY_REAL_IP_H

#include "core/addr.h"
#include "core/http/fields.h"

struct real_ip_settings {
    struct slice field_name; /* "X-Real-IP" is Kong's default */
    bool recursive;
    const struct addr_cidrs *trusted; /* borrowed; may be empty */
};

struct real_ip {
    /* the port is the token's, 0 when it had none; the peer's if it is the peer */
    struct sockaddr_storage addr;
    struct slice text; /* in the arena, no port */
    bool peer_is_trusted;
};

/* real_ip_header = proxy_protocol: the address of the header, not of a field. */
bool real_ip_is_in_proxy_header(const struct real_ip_settings *settings);

/* source: of the header; AF_UNSPEC: the peer spoke for itself. 0 or -ENOMEM. */
int real_ip_from_proxy_header(const struct real_ip_settings *settings,
                              const struct sockaddr_storage *peer,
                              const struct sockaddr_storage *source, struct arena *arena,
                              struct real_ip *ret);

/* 0 or -ENOMEM. */
int real_ip_resolve(const struct real_ip_settings *settings, const struct sockaddr_storage *peer,
                    const struct fields *fields, struct arena *arena, struct real_ip *ret);

#endif
