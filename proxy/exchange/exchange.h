/*
 * exchange: one request and its response, between a client's stream and a target's.
 *
 * Role    the state machine: route, pick, try (and try again), relay both ways, answer, log
 * Owns    its memory (arena, heads), the back connection while a try lasts, a hold on a target
 * Thread  one worker
 *
 * Four states advance independently, so that an early answer, a slow upload, or an HTTP/2 stream need
 * no special case:
 *
 *   front_request    HEAD --> BODY --> DONE                    what we read from the client
 *                               (stored content: DONE comes before the first try)
 *   back_request     NONE --> CONNECT --> HANDSHAKE --> SENDING --> SENT
 *                      ^_________\____________\____________\__ next try, nothing relayed yet
 *                                                   \--> STOPPED   the target takes no more
 *   back_response    WAIT --> BODY --> DONE                    what we read from the target
 *   front_response   NONE --> BODY --> ENDED --> (finished)    what we send to the client
 *                      \-> LOCAL --------^   answers made here
 *
 * After a 101 the states stand still and tunnel.c moves bytes both ways.
 *
 * The exchange is over when front_response is ENDED and the kernel has taken its last byte, or when
 * the client is gone. The record's reason is set once: the first cause wins.
 *
 * Files: exchange.c (life, the client's events, timers), exchange_request.c (head to destination),
 * exchange_identity.c (the client's certificate),
 * exchange_wait.c (places at targets), exchange_try.c (tries and the target's events), exchange_retry.c (what follows a failed one), relay.c (content of
 * requests), relay_response.c (content of responses), exchange_notes.c (notes in the error log),
 * local_responder.c (answers made here), admin_request.c (those of the Admin API), tunnel.c (what follows a 101).
 */
#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <assert.h>

#include "core/loop.h"
#include "lb/service_load.h"
#include "lb/target.h"
#include "lb/waiting_line.h"
#include "proxy/client/pace.h"
#include "proxy/exchange/exchange_record.h"
#include "proxy/exchange/fill_rule.h"
#include "proxy/exchange/upstream_conn.h"
#include "proxy/report/status_api.h"
#include "proxy/snapshot/virtual_server.h"

struct admin_answer;
struct destination;
struct gathered_content;
struct hop_question;
struct worker_upstream;
struct tls_judgement;
struct pinned_snapshot;
struct response_store;
struct rewrite_framing;
struct stored_content;
struct worker;

/* Bytes of request content that are kept until the target answers, for methods that may be repeated. */
enum { EXCHANGE_REPLAY_MAX = 64 * 1024 };

enum front_request { FRONT_REQUEST_HEAD, FRONT_REQUEST_BODY, FRONT_REQUEST_DONE };

enum back_request {
    BACK_REQUEST_NONE,
    BACK_REQUEST_CONNECT,
    BACK_REQUEST_HANDSHAKE,
    BACK_REQUEST_SENDING,
    BACK_REQUEST_SENT,
    BACK_REQUEST_STOPPED,
};

enum back_response { BACK_RESPONSE_WAIT, BACK_RESPONSE_BODY, BACK_RESPONSE_DONE };

enum front_response {
    FRONT_RESPONSE_NONE,
    FRONT_RESPONSE_BODY,
    FRONT_RESPONSE_LOCAL,
    FRONT_RESPONSE_ENDED,
};

struct exchange {
    enum virtual_server_kind kind; /* of the listener */
    struct worker *worker;
    struct pinned_snapshot *pinned; /* the configuration it started with */
    struct http_stream *front;      /* the client's stream; NULL: the exchange is over */
    const struct http_client_ops *client_ops;
    struct upstream_conn back;

    enum front_request front_request;
    enum back_request back_request;
    enum back_response back_response;
    enum front_response front_response;

    struct arena arena;
    struct http_head request, response;
    struct fields sent_request, sent_response;
    struct http_outgoing request_out, response_out; /* the heads last sent; fields NULL: none */
    /* Keeps the response head's bytes for the log: the connection to the target may serve somebody
     * else by then. */
    struct chunk *response_chunk;
    struct buf pass; /* content on its way from one side to the other; empty between turns */

    struct tls_judgement *judgement; /* of a certificate in a field; NULL: none */

    const struct destination *destination;
    struct worker_upstream *upstream; /* held from the destination on; NULL: not there yet */
    struct target_use target_use;
    struct target *unjudged; /* of the running try, till its end is reported; NULL: it was */
    const struct target *tried[EXCHANGE_TRIES_KEPT];
    size_t tried_count;
    uint32_t tries_left; /* after the present one */
    struct service_load_use load_use;
    struct upstream_pin *pin;   /* NULL: each request is balanced */
    struct target *next_target; /* the next try's, whatever the balancer says; NULL: it picks */
    const struct target *refused_by;  /* asked again only after a pause */
    uint64_t pause_until_ms;          /* the next try begins then; 0: no pause */
    bool is_pinned, persisted;        /* how the target at hand was chosen */
    struct waiter waiter;             /* for a place at a target */
    uint64_t queued_at_us, queued_us; /* since then; and how long before */
    uint64_t queue_until_ms;          /* it waits no longer; 0: it does not wait */
    uint32_t interim_count;
    uint64_t request_content_bytes; /* read so far, framing removed */
    struct buf replay;              /* request content consumed so far, for a further try */
    bool content_lost; /* it is not at hand any more, or an answer came: no further try */
    struct stored_content *stored; /* all request content; NULL: it is streamed */
    bool is_storing;               /* it is still coming in: no target is asked yet */
    uint64_t hold_until_ms;        /* the target has the word on Expect until then; 0: not asked */
    bool continue_sent;            /* 100 Continue went to the client */
    bool client_has_ended;         /* it sent FIN, and is served on */
    bool ends_by_closing;          /* the response: its content has neither length nor chunks */
    bool client_keep_alive;        /* the client connection may persist after this exchange */
    bool reason_is_told;           /* the record's reason stands in the error log already */
    bool is_logged;                /* an access log line is due */
    enum end_reason last_try_reason;
    struct http_failure send_failure; /* it took no more bytes: told if no answer comes */

    struct hop_question *question;     /* asked of another thread, not answered yet; NULL: none */
    struct gathered_content *gathered; /* of a request to the Admin API; NULL: of none */
    bool reads_head;                   /* counted in worker->reading_count */

    struct tunnel {
        bool is_open; /* after a 101: tunnel.c has the exchange */
        bool client_ended, target_ended;
        uint64_t active_at_ms; /* last byte received from either side */
    } tunnel;

    struct response_flow {
        bool is_stored;  /* a client that is slow does not hold the target up */
        bool head_waits; /* for content, to leave with it */
        bool is_cut;     /* the target failed: what there is goes out, then the cut */
        bool refusal_is_told;
        uint64_t held_up_since_ms, held_up_ms; /* the target waited for the client; 0: does not */
        struct fill_rule fill;                 /* buffer_bytes 0: content goes on as it comes */
        struct buf held;                       /* content that does not go on yet, by that */
        struct response_store *store;          /* NULL: the client keeps up */
        struct fields trailers;                /* of ours, once the target's are known */
    } flow;

    struct timer front_timer, back_timer;
    bool front_waits, back_waits; /* content was asked for and has not come */
    struct pace front_pace;       /* of the client's content */
    uint64_t back_wait_at_ms;
    uint64_t back_step_at_ms; /* when back_request was entered, or the request was fully sent */

    struct deferred deferred;
    struct exchange *next_spare;
    struct exchange_record record; /* last: exchange_create clears everything up to its tries */
};

/* Who asks. Copied, but for stream and ops, which must outlive the exchange. */
struct exchange_client {
    struct http_stream *stream;
    const struct http_client_ops *ops;
    struct chunk_pool *memory;                   /* for all that the exchange needs */
    struct pinned_snapshot *pinned;              /* the exchange adds a pin of its own */
    const struct virtual_server *virtual_server; /* of that snapshot */
    const struct sockaddr_storage *peer, *local;
    bool over_tls;
    const struct tls_session_info *tls;        /* NULL: plain */
    const struct proxy_protocol *proxy_header; /* NULL: none came */
    struct upstream_pin *pin;                  /* the connection's */
    uint64_t connection_id;
    uint32_t request_number; /* on its connection, from 1 */
    bool pipelined;          /* bytes of it came with the request before */
};

/*
 * NULL: no memory. The caller reads the request head into exchange->request, with exchange->arena,
 * and then passes HTTP_STREAM_HEAD or HTTP_STREAM_FAILED. The exchange ends by calling ops->done or
 * ops->hang_up, once; its memory survives the task in which it ended.
 */
struct exchange *exchange_create(struct worker *worker, const struct exchange_client *client);

/* For an exchange whose request never came: no log, no answer, no call of ops. */
void exchange_discard(struct exchange *exchange);

/* Events of the client's stream (mask of enum http_stream_event). */
void exchange_on_front(struct exchange *exchange, unsigned events);

/* Only in the task in which it may have ended. */
static inline bool exchange_is_over(const struct exchange *exchange)
{
    return exchange->front == NULL;
}

/* HTTP, the persona and the hop allow another request on the client connection. */
bool exchange_may_keep_client(const struct exchange *exchange);

/* The hop stops: ends the exchange and its client connection at once. */
void exchange_abort(struct exchange *exchange, enum end_reason reason);

/* Memory kept for later exchanges. */
void exchange_free_spares(struct worker *worker);

/* ---- between the files of the exchange ---- */

/* The only places where a state changes: forward, or for the target's side back to the next try. */
static inline void exchange_set_front_request(struct exchange *exchange, enum front_request state)
{
    assert(state > exchange->front_request);
    exchange->front_request = state;
}

static inline void exchange_set_back_request(struct exchange *exchange, enum back_request state)
{
    assert(state > exchange->back_request || state == BACK_REQUEST_NONE);
    exchange->back_request = state;
}

static inline void exchange_set_back_response(struct exchange *exchange, enum back_response state)
{
    assert(state > exchange->back_response || state == BACK_RESPONSE_WAIT);
    exchange->back_response = state;
}

static inline void exchange_set_front_response(struct exchange *exchange, enum front_response state)
{
    assert(state > exchange->front_response);
    exchange->front_response = state;
}

/* First cause wins; detail is copied. */
void exchange_set_reason(struct exchange *exchange, enum end_reason reason, struct slice detail);

/* It is over: when, and what its connection carried. */
void exchange_end_try(struct exchange *exchange, struct try_record *attempt);

/* The latest try has failed: its line in the error log. */
void exchange_log_try(struct exchange *exchange);

/* The target sent bytes behind its response. */
void exchange_log_surplus(struct exchange *exchange);

/* exchange_identity.c: the client's certificate, by whatever way, and what is against it. */
enum end_reason exchange_learn_identity(struct exchange *exchange, struct slice *ret_detail);

/* exchange_request.c: the request head is complete. */
void exchange_start(struct exchange *exchange);

/* exchange_try.c */
void exchange_try(struct exchange *exchange);
void exchange_drop_back(struct exchange *exchange);
void exchange_on_back_timeout(struct exchange *exchange);

/* Chooses a target and takes a place there: as upstream_pick. */
int exchange_pick(struct exchange *exchange);

/* exchange_pick has said `picked`: goes on with the target, or answers that there is none. */
void exchange_begin_try(struct exchange *exchange, int picked);

/* exchange_wait.c: true: *ret is what exchange_pick said. False: there is no place; it waits for one, or
 * was answered. */
bool exchange_take_place(struct exchange *exchange, int *ret);
void exchange_on_queue_timeout(struct exchange *exchange);
void exchange_stop_waiting(struct exchange *exchange);

/* exchange_retry.c: the latest try has ended: tells passive health, once. */
void exchange_report_health(struct exchange *exchange, bool another_follows);

/* Tries after the first, by the persona and what tries_max_count leaves. */
uint32_t exchange_retries_max(const struct exchange *exchange);

/* Counts the exchange in with its service. False: there are too many, and it was answered. */
bool exchange_enter_service(struct exchange *exchange);

/* True: it may wait for a connection. */
bool exchange_enter_pending(struct exchange *exchange);
void exchange_refuse_pending(struct exchange *exchange);

/* The running try is over: the next one begins, or the client gets the answer to `reason`. */
void exchange_try_failed(struct exchange *exchange, enum end_reason reason, struct slice detail);

/* hopgate_request_timeout is over. */
void exchange_give_up(struct exchange *exchange);

/* True: the response head is of a kind that another target is asked instead, and that happened. */
bool exchange_retry_on_status(struct exchange *exchange);

/* exchange_response.c: a head is awaited of the connection to the target, the first or the next; and it is
 * there: it goes on, or it is an interim one, or the try has failed. */
typedef void (*exchange_begin_head)(struct http1_endpoint *endpoint,
                                    const struct persona_limits *limits, struct arena *arena,
                                    struct http_head *head);
void exchange_begin_response_head(struct exchange *exchange, exchange_begin_head begin);
void exchange_on_response_head(struct exchange *exchange);

/* True: this target has just refused, so the try begins after a while. */
bool exchange_pause_before(struct exchange *exchange, struct target *target);
void exchange_end_pause(struct exchange *exchange);

/* exchange_notes.c: nginx's warnings that content goes to a file; and that a file takes no more. */
void exchange_log_spooled(struct exchange *exchange, uint64_t number);
void exchange_log_response_spooled(struct exchange *exchange, uint64_t number);
void exchange_log_store_refused(struct exchange *exchange);

/* At its end, once: logs, metrics, the flight recorder. */
void exchange_note_end(struct exchange *exchange);

/* A line of the error log, about that try or (NULL) the end. False: the persona has none for it. */
bool exchange_log_line(struct exchange *exchange, const struct try_record *attempt);

/* relay.c: move what can be moved. Each may end the exchange: check with exchange_is_over. */
void relay_request(struct exchange *exchange);

/* Takes in all content before the first try, which then begins by itself. */
void relay_store_request(struct exchange *exchange);

/* How the request goes to the target. */
struct rewrite_framing relay_request_framing(const struct exchange *exchange);

/* The head of a request is handed over: its content waits if the target has the word on that. */
void relay_hold_request(struct exchange *exchange);

/* The target, or its silence, lets the content go. */
void relay_release_request(struct exchange *exchange);

/* There will be no further try. */
void relay_forget_content(struct exchange *exchange);

/*
 * Nobody wants the content of the request, or it has none: what has arrived is dropped, so that a
 * client that has sent all of it is not cut off.
 */
void relay_finish_request(struct exchange *exchange);

/* The next content of the client, into exchange->pass: > 0; 0: that was all; -EAGAIN: an event will
 * tell; -ECANCELED: the exchange was answered or has ended. */
long relay_read_request(struct exchange *exchange, size_t max);

/* Begins a try: what an earlier one had sent already goes first. 0 or a negative errno. */
int relay_replay(struct exchange *exchange);

/* Of a persona that looks at what came with the head: false when it is malformed, the try has failed then. */
bool relay_check_content(struct exchange *exchange);

/* relay_response.c: the head, of so many bytes, was handed to the front. */
void relay_begin_response(struct exchange *exchange, uint64_t head_bytes);
void relay_response(struct exchange *exchange);

/* When a client that holds its target up is slow; and that it is. */
uint64_t relay_patience_deadline(const struct exchange *exchange);
void relay_client_is_slow(struct exchange *exchange);

/* The response has begun and cannot be completed: what the client is still to get goes out first, and
 * that may take as long as it likes. */
void relay_cut_response(struct exchange *exchange);

/* ---- relay_raw.c: only in the lab ---- */

/* Does the persona pass on what is no HTTP answer at all? */
bool relay_raw_is_wanted(const struct exchange *exchange, enum end_reason reason);

/* What came in the place of a head, and all that follows, is the content of an answer without one. */
void relay_raw_begin(struct exchange *exchange);

/* tunnel.c: the head of a 101 was sent on; and events of either side from then on. */
void tunnel_open(struct exchange *exchange);
void tunnel_on_front(struct exchange *exchange, unsigned events);
void tunnel_on_back(struct exchange *exchange, unsigned events);
void tunnel_on_timeout(struct exchange *exchange);

/* Kong's two idle gaps; who reads slowly is not idle. */
uint64_t tunnel_deadline_ms(const struct exchange *exchange);

/* local_responder.c: answers in place of a target; cuts the response when it has begun. */
void exchange_answer(struct exchange *exchange, enum end_reason reason, struct slice detail);

/* Makes the loss of the rest visible, now. with_unsent: what the front has goes out before. */
void exchange_cut_response(struct exchange *exchange, bool with_unsent);

/* The request is for the hop itself: answers it, perhaps when the main thread has. */
void exchange_answer_locally(struct exchange *exchange);

/* The main thread's answer; NULL: it had no memory. Borrowed for the call. */
void exchange_on_answer(struct exchange *exchange, const struct status_answer *answer);

/* An answer that is no error page of the persona's; NULL: there was no memory for one. */
struct local_answer {
    unsigned status;
    const char *content_type, *allow; /* NULL: no content; the field is not sent */
    struct slice content;
    const struct fields *added; /* in the exchange's arena; NULL: none */
};
void exchange_send_local(struct exchange *exchange, const struct local_answer *answer);

/* admin_request.c: the request is one to the Admin API; more of its content has come; the config
 * thread's answer, as exchange_on_answer. */
void exchange_start_admin(struct exchange *exchange);
void exchange_gather(struct exchange *exchange);
void exchange_on_admin_answer(struct exchange *exchange, const struct admin_answer *answer);

/* exchange.c: the last byte of the response was handed to the front: front_response becomes ENDED. Who
 * calls it flushes, and the exchange finishes when everything has left: by an event or, where nothing
 * was left to send, by exchange_finish_if_drained. */
void exchange_end_response(struct exchange *exchange);
void exchange_finish_if_drained(struct exchange *exchange);

/* The client connection goes without a (further) byte. how: STREAM_CLOSE_*. */
void exchange_hang_up(struct exchange *exchange, enum stream_close how);

void exchange_update_timers(struct exchange *exchange);

#endif
