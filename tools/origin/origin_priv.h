/*
 * origin_priv: the origin as its parts see it: process, listeners, connections.
 *
 * Role    what listener.c, conn.c, player.c, api.c and origin.c share
 * Owns    see the structs
 * Thread  the loop's; there is one
 */
#ifndef TOOLS_ORIGIN_ORIGIN_PRIV_H
#define TOOLS_ORIGIN_ORIGIN_PRIV_H

#include "core/listener.h"
#include "core/loop.h"
#include "tools/lab/control_api.h"
#include "tools/origin/identity.h"
#include "tools/origin/logbook.h"
#include "tools/origin/script.h"

struct origin {
    struct loop *loop;
    struct fault_library *library;
    struct logbook *logbook;
    struct identity *identity; /* certificates */
    struct control_api *api;   /* NULL: none */
    struct origin_listener *listeners;
    size_t listeners_count;
    struct origin_conn *conns;
    size_t conns_count, conns_max;
    uint64_t time_scale; /* every delay of a script is divided by it */
    uint64_t begin_at_ms;
    uint64_t seed;
};

struct origin_listener {
    struct origin *origin;
    const char *name;
    struct sockaddr_storage address;
    int fd; /* bound to the address for as long as we live, so that it stays ours; listens or not */
    struct listener *listener;     /* NULL: nobody can connect */
    bool has_small_buffer;         /* SO_RCVBUF was set by a fault */
    struct tls_server_config *tls; /* NULL: plain */
    struct script *script;         /* what holds now */
    struct script *first_script;   /* what held at the start, for a reset */
};

/* ---- listener.c ---- */

/* 0; -1 after error was filled in. */
int origin_listener_open(struct origin_listener *listener, char *error, size_t error_size);

/* Listens, refuses or drops as the script says. 0 or a negative errno. */
int origin_listener_follow(struct origin_listener *listener);

/* Takes the reference. */
void origin_listener_set_script(struct origin_listener *listener, struct script *script);
void origin_listener_close(struct origin_listener *listener);

/* ---- conn.c ---- */

struct origin_conn {
    struct origin *origin;
    struct origin_listener *listener;
    struct origin_conn *next, *prev;
    struct stream *stream;
    struct stream *bottom; /* the TCP connection below; borrowed from stream */
    struct script *script; /* a reference */
    struct buf in;
    int in_end; /* 1: not ended; else as stream_read said */
    bool is_tls, is_open, write_shut;
    struct task task;   /* goes on in the next turn */
    struct timer timer; /* of the step that is played */
    struct deferred deferred;

    /* what is played; steps NULL: waits for a request */
    const struct step *steps;
    size_t steps_count, step;
    unsigned phase;    /* of the step */
    uint64_t progress; /* of the step: bytes or times */
    uint64_t loops_count;
    bool by_connection;        /* chosen before a request was read: its end ends the connection */
    bool is_held;              /* by a fault that a request has chosen, until the next one */
    const struct fault *fault; /* NULL: the good answer */
    const struct answer *answer;
    enum answer_form form;
    struct answer problem; /* a request asked for what cannot be */

    /* the request that was read last */
    struct request_head head;
    struct request_content content;
    bool head_is_unread;    /* looked at, but no step has read it yet */
    bool content_is_unread; /* its content, likewise */
    bool head_is_noted;
    uint64_t requests_count, sent_bytes, sent_before;
    json_t *record; /* NULL: none is open */
    unsigned status;
    uint64_t request_at_ms;
};

/* Takes the stream. */
void origin_conn_begin(struct origin_listener *listener, struct stream *stream);

/* Goes on with what is played as far as it goes. The connection may be gone afterwards. */
void origin_conn_advance(struct origin_conn *conn);

/* Ends it; `end` is for the log. */
void origin_conn_end(struct origin_conn *conn, enum stream_close how, const char *end);

/* Begins a handshake; false: no memory, or the configuration is not to be had. */
bool origin_conn_start_tls(struct origin_conn *conn, struct tls_server_config *config);

/* Notes the head that was read, as the next request of the connection. */
void origin_conn_note_request(struct origin_conn *conn);
void origin_conn_finish_request(struct origin_conn *conn, const char *end);

/* ---- player.c ---- */

enum play {
    PLAY_NEXT, /* the step is done */
    PLAY_WAIT, /* an event or the timer goes on with it */
    PLAY_GONE, /* the connection is not there any more */
};

enum play origin_play_step(struct origin_conn *conn, const struct step *step);

/* Reads up to the end of a head; phase 0 begins a new one. */
enum play origin_play_read_head(struct origin_conn *conn);

/* Something has come and is in conn->in. */
enum play origin_play_await_input(struct origin_conn *conn);

/* What is left of the request's content. */
enum play origin_play_read_content(struct origin_conn *conn);

uint64_t origin_scaled_ms(const struct origin *origin, uint64_t duration_ms);

/* ---- send.c ---- */

/* Queues them; what can go out no more is forgotten. */
void origin_send(struct origin_conn *conn, const void *bytes, size_t length);
bool origin_send_is_full(const struct origin_conn *conn);

/* Steps that send more than what fits into memory at once. */
enum play origin_play_repeat(struct origin_conn *conn, const struct step *step);
enum play origin_play_fields(struct origin_conn *conn, const struct step *step);
enum play origin_play_pattern(struct origin_conn *conn, uint64_t bytes);
enum play origin_play_trickle(struct origin_conn *conn, const struct step *step);

/* The good answer, in whichever form; and 200 with that content. */
enum play origin_play_answer(struct origin_conn *conn);
void origin_serve(struct origin_conn *conn, struct slice content);

/* ---- api.c ---- */

control_api_answer origin_api_answer;

#endif
