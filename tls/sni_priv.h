/*
 * sni: server name -> certificate.
 *
 * Role    exact name, then "*.rest", then "first.*"; a wildcard stands for exactly one label, as in
 * Kong Owns    copies of the patterns Thread  read-only after sni_map_seal
 */
#ifndef TLS_SNI_PRIV_H
#define TLS_SNI_PRIV_H

#include <stdbool.h>
#include <stddef.h>

#include "core/slice.h"

enum { SNI_NAME_MAX = 255 }; /* bytes */

struct sni_entry {
    char *pattern; /* lower case */
    size_t index;
};

struct sni_map {
    struct sni_entry *entries; /* sorted by pattern once sealed */
    size_t count, capacity;
};

/* 0, -ENOMEM, or -EINVAL: not a host name or wildcard. */
int sni_map_add(struct sni_map *map, const char *pattern, size_t index);

/* Sorts. NULL, or a pattern that was added twice. */
const char *sni_map_seal(struct sni_map *map);
void sni_map_done(struct sni_map *map);

/* name as sni_normalise left it. false: no pattern matches. */
bool sni_map_find(const struct sni_map *map, struct slice name, size_t *ret_index);

/*
 * The same, and a wildcard stands for any number of labels, as in Kong's routes: what guards a name must
 * hold wherever a route for it leads. The nearest wildcard wins.
 */
bool sni_map_find_deep(const struct sni_map *map, struct slice name, size_t *ret_index);

/* The host_name of a server_name extension (RFC 6066 3); empty when there is none or it is
 * malformed. */
struct slice sni_from_extension(const unsigned char *bytes, size_t length);

/*
 * Lower-cases a received name into `into`. false for what can never name a certificate: empty, too
 * long, an IP literal, a trailing dot, a byte that no host name has ('*' and NUL included).
 */
bool sni_normalise(struct slice name, char into[static SNI_NAME_MAX + 1]);

#endif
