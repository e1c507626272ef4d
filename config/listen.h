/*
 * listen: the addresses of proxy_listen and its siblings.
 *
 * Role    "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl" as structs
 * Owns    struct listens owns its array
 * Thread  any
 */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct listen {
    struct sockaddr_storage address; /* port 0: the system chooses one */
    bool ssl;
    bool http2;          /* asked for; not served yet */
    bool proxy_protocol; /* a PROXY protocol header comes first, from trusted_ips only */
    bool reuseport, deferred, bind;
    int backlog;   /* -1: the system's */
    int ipv6only;  /* 1, 0, or -1: not said */
    int keepalive; /* so_keepalive: 1, 0, or -1: not said */
    unsigned keepalive_idle_seconds, keepalive_interval_seconds, keepalive_count; /* 0: system's */
};

struct listens {
    struct listen *items;
    size_t count; /* 0: off */
};

enum { LISTEN_MESSAGE_MAX = 256 };

/* 0, -ENOMEM, or -EINVAL with the reason in `message` (LISTEN_MESSAGE_MAX bytes). */
int listens_parse(const char *text, struct listens *ret, char *message);
void listens_done(struct listens *listens);

#endif
