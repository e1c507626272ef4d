/*
 * inherited_sockets: listening sockets that a former process handed over (binary upgrade).
 *
 * Role    gives each address of the first configuration the sockets that are there already
 * Owns    the descriptors that nobody has taken
 * Thread  the main thread, before the workers start
 *
 * The former process still accepts from all of them. A socket of a SO_REUSEPORT group must not be
 * closed while somebody may be in its queue, for the kernel resets whom it finds there: a hop that has
 * fewer workers now gives some of them several sockets, and one that has more binds further sockets,
 * which do not listen before inherited_sockets_listen, when there is no way back any more.
 */
#ifndef PROXY_INHERITED_SOCKETS_H
#define PROXY_INHERITED_SOCKETS_H

#include "proxy/snapshot/virtual_server.h"

struct inherited_address {
    enum virtual_server_kind kind;
    struct sockaddr_storage configured, address; /* as in struct virtual_server */
    int *fds;                                    /* malloc'ed; NULL once taken */
    unsigned fds_count;
    bool is_taken;
};

struct inherited_sockets {
    struct inherited_address *items;
    size_t count;
};

/* Fills address, fds and fds_count (at least workers_count). 0; -ENOENT: nothing was handed over for
 * its place; another negative errno. */
int inherited_sockets_take(struct inherited_sockets *sockets, struct virtual_server *virtual_server,
                           bool ipv6_only, unsigned workers_count);

/* From now on who connects may meet those that were bound anew. 0 or a negative errno. */
int inherited_sockets_listen(const struct virtual_server *virtual_servers, size_t count);

/* Closes what nobody has taken, and forgets all but which were taken. */
void inherited_sockets_close_rest(struct inherited_sockets *sockets);

void inherited_sockets_done(struct inherited_sockets *sockets);

#endif
