/* conn: one accepted connection: what is chosen for it, and how it goes on and ends. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/conn.h"
#include "tls/tls_stream.h"
#include "tools/origin/origin_priv.h"

static const struct step answer_steps[] = { { .kind = STEP_READ_REQUEST },
                                            { .kind = STEP_ANSWER } };

/* ---- end of life --------------------------------------------------------------------------- */

static void free_conn(struct deferred *deferred)
{
    free((char *)deferred - offsetof(struct origin_conn, deferred));
}

static void unlist(struct origin_conn *conn)
{
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        conn->origin->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    conn->origin->conns_count--;
}

static struct logbook_place place_of(const struct origin_conn *conn)
{
    const struct fault *fault = conn->fault;

    return (struct logbook_place){ .listener = conn->listener->name,
                                   .endpoint = conn->stream->endpoint,
                                   .tls = stream_tls_info(conn->stream),
                                   .number = conn->requests_count,
                                   .fault = !fault        ? NULL
                                            : fault->name ? fault->name
                                                          : "(steps)" };
}

void origin_conn_end(struct origin_conn *conn, enum stream_close how, const char *end)
{
    const struct logbook_place place = place_of(conn);
    struct loop *loop = conn->origin->loop;

    origin_conn_finish_request(conn, end);
    if (conn->requests_count == 0)
        logbook_add_silent(conn->origin->logbook, &place, end);
    unlist(conn);
    timer_cancel(&conn->timer);
    loop_forget(loop, &conn->task);
    if (conn->content_is_unread)
        request_content_done(&conn->content);
    request_head_done(&conn->head);
    answer_done(&conn->problem);
    buf_done(&conn->in);
    script_unref(conn->script);
    stream_close(conn->stream, how);
    loop_free_later(loop, &conn->deferred);
}

/* ---- the request in the logbook ------------------------------------------------------------ */

void origin_conn_note_request(struct origin_conn *conn)
{
    struct logbook_place place;

    conn->requests_count++;
    place = place_of(conn);
    conn->record = logbook_add_request(conn->origin->logbook, &place, &conn->head);
    conn->head_is_noted = true;
    conn->status = 0;
    conn->sent_before = conn->sent_bytes;
    conn->request_at_ms = conn->origin->loop->now_ms;
}

void origin_conn_finish_request(struct origin_conn *conn, const char *end)
{
    struct logbook_outcome outcome = {
        .content_bytes = conn->content.bytes,
        .content_hash = conn->content.hash,
        .content_broken = conn->content.is_broken,
        .content_complete = !conn->content_is_unread && !conn->content.is_broken,
        .status = conn->status,
        .bytes_sent = conn->sent_bytes - conn->sent_before,
        .duration_ms = conn->origin->loop->now_ms - conn->request_at_ms,
        .end = end,
    };

    if (!conn->record)
        return;
    logbook_finish_request(conn->origin->logbook, conn->record, &outcome);
    json_decref(conn->record);
    conn->record = NULL;
}

/* ---- choosing ------------------------------------------------------------------------------ */

static void play(struct origin_conn *conn, const struct step *steps, size_t count)
{
    conn->steps = steps;
    conn->steps_count = count;
    conn->step = 0;
    conn->phase = 0;
    conn->progress = 0;
    conn->loops_count = 0;
}

static void play_fault(struct origin_conn *conn, const struct fault *fault)
{
    uint64_t hits = logbook_count_played(conn->origin->logbook, conn->listener->name,
                                         fault->name ? fault->name : "(steps)");
    size_t last = fault->connections_count - 1;
    const struct step_list *list = &fault->connections[hits < last ? hits : last];

    conn->fault = fault;
    conn->answer = &conn->script->answer;
    conn->form = conn->answer->form;
    play(conn, list->steps, list->count);
}

static void play_answer(struct origin_conn *conn, const struct answer *answer)
{
    conn->fault = NULL;
    conn->answer = answer;
    conn->form = answer->form;
    play(conn, answer_steps, sizeof(answer_steps) / sizeof(answer_steps[0]));
}

__attribute__((format(printf, 3, 4))) static void play_problem(struct origin_conn *conn,
                                                               unsigned status, const char *format,
                                                               ...)
{
    va_list args;
    int length;

    answer_done(&conn->problem);
    answer_init(&conn->problem);
    conn->problem.status = status;
    va_start(args, format);
    length = vasprintf(&conn->problem.content, format, args);
    va_end(args);
    conn->problem.content_length = length > 0 ? (size_t)length : 0;
    if (length < 0)
        conn->problem.content = NULL;
    play_answer(conn, &conn->problem);
}

/* By name, for one request. */
static void choose_named(struct origin_conn *conn, struct slice name)
{
    const struct fault *fault = fault_find(&conn->script->own, name);
    const char *refusal, *nearest;
    char text[128];

    if (!fault)
        fault = fault_find(conn->origin->library, name);
    refusal = fault ? fault_refuses_request(fault, conn->is_tls) : NULL;
    if (fault && !refusal) {
        play_fault(conn, fault);
        return;
    }
    snprintf(text, sizeof(text), "%.*s", SLICE_ARG(name));
    nearest = fault ? NULL : fault_suggest(conn->origin->library, text);
    if (refusal)
        play_problem(
            conn, 501,
            "fault \"%s\" cannot be chosen by a request: %s; let it hold for a listener or "
            "a connection\n",
            fault->name, refusal);
    else if (nearest)
        play_problem(conn, 404, "there is no such fault; did you mean \"%s\"?\n", nearest);
    else
        play_problem(conn, 404, "there is no such fault; `hopgate origin --faults` lists them\n");
}

/* The request's own wish; ptr NULL: it has none. */
static struct slice wished_fault(const struct request_head *head)
{
    const struct slice prefix = SLICE("/fault/");
    struct slice name = request_field(head, "X-Origin-Fault");
    const char *end;

    if (!name.ptr && slice_starts_with(head->path, prefix)) {
        name = slice_from(head->path, prefix.len);
        end = name.len > 0 ? memchr(name.ptr, '/', name.len) : NULL;
        name.len = end ? (size_t)(end - name.ptr) : name.len;
    }
    return name.ptr ? name : request_parameter(head, "fault");
}

static enum answer_form wished_form(const struct request_head *head, enum answer_form stated)
{
    struct slice wish = request_field(head, "X-Origin-Echo");

    if (slice_equal(wish, SLICE("head")) || slice_equal(head->path, SLICE("/echo")))
        return ANSWER_ECHO;
    if (slice_equal(wish, SLICE("json")) || slice_equal(head->path, SLICE("/ledger")))
        return ANSWER_LEDGER;
    return stated;
}

static uint64_t elapsed_ms(const struct origin *origin)
{
    return (origin->loop->now_ms - origin->begin_at_ms) * origin->time_scale;
}

/* The listener's script may have been replaced since the last request. */
static void use_present_script(struct origin_conn *conn)
{
    if (conn->script == conn->listener->script)
        return;
    script_unref(conn->script);
    conn->script = script_ref(conn->listener->script);
}

static void choose_for_request(struct origin_conn *conn)
{
    const struct script_moment moment = { .request = &conn->head,
                                          .elapsed_ms = elapsed_ms(conn->origin) };
    const struct script_rule *rule = NULL;
    struct slice wish = wished_fault(&conn->head);

    use_present_script(conn);
    if (!wish.ptr)
        rule = script_choose(conn->script, &moment);
    if (wish.ptr)
        choose_named(conn, wish);
    else if (rule && rule->fault)
        play_fault(conn, rule->fault);
    else
        play_answer(conn, rule ? &rule->answer : &conn->script->answer);
    if (!conn->fault && conn->answer != &conn->problem)
        conn->form = wished_form(&conn->head, conn->form);
}

/* NULL: nothing holds for the connection as such. */
static const struct fault *choose_for_connection(struct origin_conn *conn)
{
    const struct script_moment moment = { .elapsed_ms = elapsed_ms(conn->origin) };
    const struct script_rule *rule;

    if (conn->script->fault)
        return conn->script->fault->listen == FAULT_LISTEN_TCP ? conn->script->fault : NULL;
    rule = script_choose(conn->script, &moment);
    return rule ? rule->fault : NULL;
}

/* ---- going on ------------------------------------------------------------------------------ */

static void tell_to_continue(struct origin_conn *conn)
{
    const struct slice text = SLICE("HTTP/1.1 100 Continue\r\n\r\n");

    if (!conn->fault && conn->head.expects_continue && conn->in.length == 0)
        origin_send(conn, text.ptr, text.len);
}

/* Between requests: reads the next head and chooses. */
static enum play choose_next(struct origin_conn *conn)
{
    enum play result;

    if (conn->content_is_unread && conn->head.is_complete) {
        result = origin_play_read_content(conn); /* steps have left it */
        if (result != PLAY_NEXT)
            return result;
    }
    if (conn->is_held) {
        result = origin_play_await_input(conn);
        if (result != PLAY_NEXT)
            return result;
    }
    if (conn->content.is_broken) { /* where the next request begins cannot be told */
        origin_conn_end(conn, STREAM_CLOSE_LINGER, "content_broken");
        return PLAY_GONE;
    }
    if (conn->head.is_complete) { /* noted, or what steps read was no request */
        origin_conn_finish_request(conn, "kept");
        request_head_done(&conn->head);
        conn->head_is_noted = conn->is_held = false;
        conn->fault = NULL;
        stream_set_read_size(conn->stream, STREAM_READ_SMALL);
    }
    result = origin_play_read_head(conn);
    if (result != PLAY_NEXT)
        return result;
    choose_for_request(conn);
    origin_conn_note_request(conn);
    conn->head_is_unread = true;
    tell_to_continue(conn);
    return PLAY_NEXT;
}

void origin_conn_advance(struct origin_conn *conn)
{
    enum play result = PLAY_NEXT;

    while (result == PLAY_NEXT) {
        if (!conn->steps) {
            result = choose_next(conn);
            continue;
        }
        if (conn->step >= conn->steps_count && conn->by_connection) {
            origin_conn_end(conn, STREAM_CLOSE_FLUSH, "fin");
            return;
        }
        if (conn->step >= conn->steps_count) {
            conn->steps = NULL;
            conn->head_is_unread = false;
            continue;
        }
        result = origin_play_step(conn, &conn->steps[conn->step]);
        if (result == PLAY_NEXT) {
            conn->step++;
            conn->phase = 0;
            conn->progress = 0;
        }
    }
}

static void on_event(void *owner, unsigned events)
{
    struct origin_conn *conn = owner;

    if (events & STREAM_OPEN_FAILED) {
        const char *detail = stream_failure(conn->stream).detail;
        bool is_plain = detail && strstr(detail, "http request"); /* OpenSSL's words */

        origin_conn_end(conn, STREAM_CLOSE_FLUSH, is_plain ? "plain_http" : "handshake");
        return;
    }
    if (events & STREAM_WRITE_FAILED) {
        origin_conn_end(conn, STREAM_CLOSE_ABORT, "peer_rst");
        return;
    }
    if (events & STREAM_OPEN)
        conn->is_open = true;
    if (conn->is_open)
        origin_conn_advance(conn);
}

static void on_timer(struct timer *timer)
{
    origin_conn_advance(
        (struct origin_conn *)((char *)timer - offsetof(struct origin_conn, timer)));
}

static void on_task(struct task *task)
{
    origin_conn_advance((struct origin_conn *)((char *)task - offsetof(struct origin_conn, task)));
}

/* ---- the beginning ------------------------------------------------------------------------- */

bool origin_conn_start_tls(struct origin_conn *conn, struct tls_server_config *config)
{
    struct stream *tls = tls_stream_accept(&conn->stream, conn->origin->loop->pool, config);

    if (!tls)
        return false;
    conn->stream = tls;
    conn->is_tls = true;
    conn->is_open = false;
    stream_set_owner(tls, conn, on_event);
    /* nothing was read below yet: whatever it says comes as an event */
    return tls_stream_begin(tls) == 0;
}

static struct tls_server_config *transport_of(struct origin_conn *conn, const struct fault *fault)
{
    struct tls_server_config *config = conn->listener->tls;

    if (!fault || fault->transport == FAULT_TRANSPORT_ANY)
        return config;
    if (fault->transport == FAULT_TRANSPORT_RAW)
        return NULL;
    return fault->certificate ? identity_of_fault(conn->origin->identity, fault) : config;
}

static void set_receive_buffer(struct origin_conn *conn, const struct fault *fault)
{
    int bytes = fault ? (int)fault->receive_buffer_bytes : 0;

    if (bytes > 0) /* else the other side just gets rid of more */
        (void)setsockopt(conn_descriptor(conn->bottom), SOL_SOCKET, SO_RCVBUF, &bytes,
                         sizeof(bytes));
}

static struct origin_conn *create(struct origin_listener *listener, struct stream *stream)
{
    struct origin *origin = listener->origin;
    struct origin_conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        return NULL;
    conn->origin = origin;
    conn->listener = listener;
    conn->stream = conn->bottom = stream;
    conn->script = script_ref(listener->script);
    conn->in_end = 1;
    buf_init(&conn->in, origin->loop->pool);
    task_init(&conn->task, on_task);
    timer_init(&conn->timer, on_timer);
    conn->deferred.free = free_conn;
    conn->next = origin->conns;
    if (conn->next)
        conn->next->prev = conn;
    origin->conns = conn;
    origin->conns_count++;
    stream_set_owner(stream, conn, on_event);
    return conn;
}

void origin_conn_begin(struct origin_listener *listener, struct stream *stream)
{
    struct origin_conn *conn = create(listener, stream);
    const struct fault *fault;
    struct tls_server_config *config;

    if (!conn) {
        stream_close(stream, STREAM_CLOSE_ABORT);
        return;
    }
    logbook_count_connection(listener->origin->logbook, listener->name);
    fault = choose_for_connection(conn);
    if (fault) {
        play_fault(conn, fault);
        conn->by_connection = true;
        set_receive_buffer(conn, fault);
    }
    config = transport_of(conn, fault);
    if (config && !origin_conn_start_tls(conn, config)) {
        origin_conn_end(conn, STREAM_CLOSE_ABORT, "no_tls");
        return;
    }
    conn->is_open = !config;
    if (!config && fault && fault->transport == FAULT_TRANSPORT_TLS) {
        origin_conn_end(conn, STREAM_CLOSE_ABORT, "no_tls"); /* and that was told */
        return;
    }
    if (conn->is_open)
        origin_conn_advance(conn);
}
