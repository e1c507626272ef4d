#include "proxy/gateway/handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* A control message with room for the descriptors of one packet. */
union control_room {
    struct cmsghdr header; /* aligns it */
    char bytes[CMSG_SPACE(sizeof(int) * HANDOVER_FDS_MAX)];
};

int handover_pair(int ret_ends[2])
{
    const struct timeval timeout = { .tv_sec = HANDOVER_TIMEOUT_MS / 1000 };

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_ends) < 0)
        return -errno;
    for (int i = 0; i < 2; i++)
        if (setsockopt(ret_ends[i], SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
            setsockopt(ret_ends[i], SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0) {
            int r = -errno;

            (void)close(ret_ends[0]);
            (void)close(ret_ends[1]);
            ret_ends[0] = ret_ends[1] = -1;
            return r;
        }
    return 0;
}

static int send_packet(int socket, struct iovec bytes, const struct handover_fds *fds)
{
    union control_room room = { 0 };
    struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
    ssize_t n;

    if (fds && fds->count > 0) {
        size_t fds_bytes = fds->count * sizeof(fds->items[0]);

        header.msg_control = room.bytes;
        header.msg_controllen = CMSG_SPACE(fds_bytes);
        room.header.cmsg_level = SOL_SOCKET;
        room.header.cmsg_type = SCM_RIGHTS;
        room.header.cmsg_len = CMSG_LEN(fds_bytes);
        memcpy(CMSG_DATA(&room.header), fds->items, fds_bytes);
    }
    do
        n = sendmsg(socket, &header, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

int handover_send(int socket, json_t *message, const struct handover_fds *fds)
{
    char *text = json_dumps(message, JSON_COMPACT);
    int r = text ? send_packet(socket, (struct iovec){ text, strlen(text) }, fds) : -ENOMEM;

    free(text);
    json_decref(message);
    return r;
}

int handover_send_bytes(int socket, const void *bytes, size_t count)
{
    return send_packet(socket, (struct iovec){ (void *)bytes, count }, NULL);
}

static void take_fds(struct msghdr *header, struct handover_fds *ret)
{
    ret->count = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        size_t bytes = at->cmsg_len - CMSG_LEN(0);

        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        ret->count = bytes / sizeof(ret->items[0]);
        memcpy(ret->items, CMSG_DATA(at), ret->count * sizeof(ret->items[0]));
    }
}

static ssize_t receive_packet(int socket, struct iovec into, struct handover_fds *ret_fds)
{
    union control_room room;
    struct msghdr header = { .msg_iov = &into,
                             .msg_iovlen = 1,
                             .msg_control = room.bytes,
                             .msg_controllen = sizeof(room.bytes) };
    struct handover_fds unwanted;
    ssize_t n;

    do
        n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    take_fds(&header, ret_fds ? ret_fds : &unwanted);
    for (size_t i = 0; !ret_fds && i < unwanted.count; i++)
        (void)close(unwanted.items[i]);
    return n;
}

json_t *handover_receive(int socket, struct handover_fds *ret_fds)
{
    char *text = malloc(HANDOVER_PACKET_MAX);
    json_t *message = NULL;
    ssize_t n;

    if (ret_fds)
        ret_fds->count = 0;
    if (!text)
        return NULL;
    n = receive_packet(socket, (struct iovec){ text, HANDOVER_PACKET_MAX }, ret_fds);
    if (n > 0)
        message = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    free(text);
    return message;
}

long handover_receive_bytes(int socket, void *into, size_t max)
{
    return receive_packet(socket, (struct iovec){ into, max }, NULL);
}

bool handover_says(const json_t *message, const char *what)
{
    const char *said = json_string_value(json_object_get(message, "say"));

    return said && strcmp(said, what) == 0;
}

static const char *const kind_names[] = {
    [VIRTUAL_SERVER_PROXY] = "proxy", [VIRTUAL_SERVER_PASSTHROUGH] = "passthrough",
    [VIRTUAL_SERVER_TCP] = "tcp",     [VIRTUAL_SERVER_STATUS] = "status",
    [VIRTUAL_SERVER_ADMIN] = "admin",
};

const char *handover_kind_name(enum virtual_server_kind kind)
{
    return kind_names[kind];
}

int handover_kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof(kind_names) / sizeof(kind_names[0]); i++)
        if (strcmp(name, kind_names[i]) == 0)
            return (int)i;
    return -1;
}
