#include "tools/wire/wire.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/clock.h"
#include "tools/wire/flow.h"

enum { BACKLOG = 4096 };

/* ---- log ----------------------------------------------------------------------------------- */

void wire_log(const struct wire *wire, const char *what, json_t *event)
{
    json_t *line;
    char *text;

    if (!wire->context->log || !event) {
        json_decref(event);
        return;
    }
    line = json_pack("{s:I, s:s, s:s}", "time_ms", (json_int_t)clock_unix_ms(), "event", what,
                     "wire", wire->options.name);
    if (line)
        (void)json_object_update_missing(line, event);
    json_decref(event);
    text = line ? json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(line);
    if (text) {
        size_t length = strlen(text);

        text[length] = '\n'; /* instead of the NUL */
        log_write(wire->context->log, (struct slice){ text, length + 1 });
    }
    free(text);
}

/* ---- connections --------------------------------------------------------------------------- */

static void on_accept(void *owner, struct stream *stream)
{
    struct wire *wire = owner;

    if (wire->flows_count < wire->flows_max || wire->waits_for_room) {
        flow_start(wire, stream);
        return;
    }
    char client[ADDR_TEXT_MAX];
    wire_log(wire, "turned-away",
             json_pack("{s:s, s:s}", "client",
                       addr_format(&stream->endpoint->peer, client, sizeof(client)), "fault",
                       wire_fault_kind_name(FAULT_MAX_CONNECTIONS)));
    stream_close(stream, STREAM_CLOSE_ABORT);
}

static size_t room(void *owner)
{
    const struct wire *wire = owner;

    if (!wire->waits_for_room || wire->flows_max == UINT64_MAX)
        return SIZE_MAX;
    return wire->flows_count < wire->flows_max ? (size_t)(wire->flows_max - wire->flows_count) : 0;
}

/* ---- listening or not ---------------------------------------------------------------------- */

static int start_listener(struct wire *wire, int fd)
{
    wire->listener = listener_start(wire->context->loop, fd, wire, on_accept);
    if (!wire->listener)
        return -ENOMEM;
    listener_set_room(wire->listener, room);
    wire->swallows_syns = false;
    return 0;
}

/* The address stays ours: a socket that is bound and does not listen answers with a reset, as an
 * address without a server does. */
static int refuse(struct wire *wire)
{
    const struct listener_options options = { .backlog = BACKLOG };
    int fd = listener_join(&wire->options.listen, &options), listening;

    if (fd < 0)
        return fd;
    listening = listener_copy_fd(wire->listener);
    if (listening >= 0) {
        (void)shutdown(listening, SHUT_RDWR); /* at once; the listener's own end takes a turn */
        (void)close(listening);
    }
    wire->reserved_fd = fd;
    listener_stop(wire->listener);
    wire->listener = NULL;
    return 0;
}

static int listen_again(struct wire *wire)
{
    int fd = wire->reserved_fd;

    if (listen(fd, BACKLOG) < 0)
        return -errno;
    wire->reserved_fd = -1;
    return start_listener(wire, fd);
}

/*
 * No SYN passes, so connects hang and try again, as before a firewall that drops; when the filter goes,
 * their next try succeeds. Accepted connections inherit the filter and carry no SYN any more.
 */
static int swallow_syns(struct wire *wire, bool on)
{
    enum { TCP_FLAGS_OFFSET = 13 }; /* a filter sees the TCP header first */
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS_OFFSET),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    const struct sock_fprog filter = { .len = sizeof(steps) / sizeof(steps[0]), .filter = steps };
    int fd = listener_copy_fd(wire->listener), unused = 0, r = 0;

    if (fd < 0)
        return fd;
    if (on ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0
           : setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof(unused)) < 0)
        r = -errno;
    (void)close(fd);
    if (r == 0)
        wire->swallows_syns = on;
    return r;
}

static void apply_to_listener(struct wire *wire)
{
    const char *name = wire->options.name;
    const struct wire_fault *most = plan_find(wire->faults, name, FAULT_MAX_CONNECTIONS);
    bool refuses = plan_find(wire->faults, name, FAULT_REFUSE) != NULL;
    bool swallows = plan_find(wire->faults, name, FAULT_BLACK_HOLE) != NULL && !refuses;
    int r = 0;

    wire->flows_max = most && most->count >= 0 ? (uint64_t)most->count : UINT64_MAX;
    wire->waits_for_room = most && most->then && strcmp(most->then, "wait") == 0;
    if (refuses && wire->listener)
        r = refuse(wire);
    else if (!refuses && !wire->listener)
        r = listen_again(wire);
    if (r == 0 && wire->listener && swallows != wire->swallows_syns)
        r = swallow_syns(wire, swallows);
    if (r < 0)
        log_error(LOG_LEVEL_ERROR, "wire %s: its listener cannot do what its faults say: %s", name,
                  strerror(-r));
}

/* ---- public -------------------------------------------------------------------------------- */

void wire_set_faults(struct wire *wire, struct wire_fault_set *faults)
{
    struct flow *next;

    wire_fault_set_ref(faults);
    wire_fault_set_free(wire->faults);
    wire->faults = faults;
    wire->faults_since_ms = wire->context->loop->now_ms;
    wire_log(wire, "faults", json_pack("{s:o}", "faults", wire_fault_set_to_json(faults)));
    apply_to_listener(wire);
    for (struct flow *flow = wire->flows; flow; flow = next) {
        next = flow_next(flow);
        flow_take_faults(flow);
    }
}

int wire_start(struct wire *wire, const struct wire_context *context,
               const struct wire_options *options, struct wire_fault_set *faults, char *error,
               size_t error_size)
{
    const struct listener_options listening = { .backlog = BACKLOG };
    char text[ADDR_TEXT_MAX];
    int fd, r;

    *wire = (struct wire){ .context = context,
                           .options = *options,
                           .faults = wire_fault_set_ref(faults),
                           .faults_since_ms = context->loop->now_ms,
                           .reserved_fd = -1,
                           .flows_max = UINT64_MAX };
    r = listener_bind(&wire->options.listen, &listening, &fd, 1);
    if (r == 0)
        r = start_listener(wire, fd);
    if (r < 0) {
        snprintf(error, error_size, "wire %s: cannot listen on %s: %s", options->name,
                 addr_format(&options->listen, text, sizeof(text)), strerror(-r));
        wire_fault_set_free(wire->faults);
        wire->faults = NULL;
        return r;
    }
    apply_to_listener(wire);
    return 0;
}

void wire_stop(struct wire *wire)
{
    struct flow *next;

    if (wire->listener)
        listener_stop(wire->listener);
    if (wire->reserved_fd >= 0)
        (void)close(wire->reserved_fd);
    wire->listener = NULL;
    wire->reserved_fd = -1;
    for (struct flow *flow = wire->flows; flow; flow = next) {
        next = flow_next(flow);
        flow_kill(flow, FLOW_KILL_RESET, 1u << FLOW_CLIENT | 1u << FLOW_SERVER);
    }
    wire_fault_set_free(wire->faults);
    wire->faults = NULL;
}

json_t *wire_to_json(const struct wire *wire)
{
    char listen_text[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];

    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", wire->options.name, "listen",
                     addr_format(&wire->options.listen, listen_text, sizeof(listen_text)), "to",
                     addr_format(&wire->options.to, to, sizeof(to)), "connections",
                     (json_int_t)wire->flows_count, "connections_total",
                     (json_int_t)wire->flows_total);
}
