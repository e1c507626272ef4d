/*
 * addr: IP addresses as text, as sockaddr, and as CIDR blocks.
 *
 * Role    the one place that parses and prints "ip", "ip:port" and "ip/bits"
 * Owns    struct addr_cidrs owns its array; everything else is the caller's
 * Thread  any; nothing is shared
 *
 * An IPv4-mapped IPv6 address (::ffff:192.0.2.1, what a dual-stack socket reports for an IPv4 peer)
 * is compared, matched and printed as the IPv4 address that it is.
 */
#ifndef CORE_ADDR_H
#define CORE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "core/slice.h"

enum {
    ADDR_IP_TEXT_MAX = 46,  /* bytes of an address as text with its NUL, as INET6_ADDRSTRLEN */
    ADDR_TEXT_MAX = 46 + 8, /* the same in brackets with ":65535" */
    ADDR_EXPANDED_MAX = 40, /* eight groups of four hex digits with seven colons and NUL */
};

/* A block of addresses. The host bits of `bytes` are zero. */
struct addr_cidr {
    sa_family_t family; /* AF_INET or AF_INET6 */
    uint8_t prefix_bits;
    uint8_t bytes[16]; /* network order; an IPv4 address uses the first four */
};

struct addr_cidrs {
    struct addr_cidr *items;
    size_t count;
};

/*
 * Cuts "host:port", "host", "[v6]:port", "[v6]" or a bare "v6" into its parts; brackets are removed
 * and ret_port has ptr NULL when there is none. Only the shape is checked. 0 or -EINVAL.
 */
int addr_split_host_port(struct slice text, struct slice *ret_host, struct slice *ret_port);

/* 0..65535 in decimal digits only. 0 or -EINVAL. */
int addr_parse_port(struct slice text, uint16_t *ret);

/* "192.0.2.1", "2001:db8::1"; no brackets, no port, no zone. 0 or -EINVAL. */
int addr_parse_ip(struct slice text, uint16_t port, struct sockaddr_storage *ret);

/* As addr_split_host_port, but the host must be an address. 0 or -EINVAL. */
int addr_parse(struct slice text, uint16_t default_port, struct sockaddr_storage *ret);

uint16_t addr_port(const struct sockaddr_storage *addr);
void addr_set_port(struct sockaddr_storage *addr, uint16_t port);

/* What bind and connect want to know; 0 for another family. */
socklen_t addr_length(const struct sockaddr_storage *addr);

/* The same address and port. */
bool addr_equal(const struct sockaddr_storage *a, const struct sockaddr_storage *b);

/* 127.0.0.0/8 or ::1, also as IPv4 within IPv6: no other machine reaches it. */
bool addr_is_loopback(const struct sockaddr_storage *addr);

/* Equal for equal addresses. */
uint64_t addr_hash(const struct sockaddr_storage *addr);

/*
 * All print into `into` (size > 0), NUL-terminated, cut when it does not fit, and return `into`. A
 * family that is neither IPv4 nor IPv6 prints as "-".
 */
char *addr_format_ip(const struct sockaddr_storage *addr, char *into, size_t size);
char *addr_format(const struct sockaddr_storage *addr, char *into, size_t size); /* with port */
/* IPv6 as Kong stores it: every group with four digits. IPv4 as usual. */
char *addr_format_expanded(const struct sockaddr_storage *addr, char *into, size_t size);

/* "192.0.2.0/24", or an address alone (all bits). Host bits are cleared. 0 or -EINVAL. */
int addr_cidr_parse(struct slice text, struct addr_cidr *ret);
bool addr_cidr_contains(const struct addr_cidr *cidr, const struct sockaddr_storage *addr);

/* Appends. 0, -EINVAL (text), -ENOMEM. */
int addr_cidrs_add(struct addr_cidrs *cidrs, struct slice text);
bool addr_cidrs_contain(const struct addr_cidrs *cidrs, const struct sockaddr_storage *addr);
void addr_cidrs_done(struct addr_cidrs *cidrs);

#endif
