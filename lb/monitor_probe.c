#include "lb/monitor_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/conn.h"
#include "core/stream.h"
#include "tls/tls_stream.h"

/* An F5 looks at no more of an answer. */
enum { RECEIVE_MAX = 5120 };

enum probe_state { PROBE_CONNECT, PROBE_HANDSHAKE, PROBE_ANSWER };

struct monitor_probe {
    struct loop *loop;
    struct monitor_question question;
    void (*on_done)(void *owner, const struct monitor_outcome *outcome);
    void *owner;
    enum probe_state state;
    struct stream *stream;
    struct timer timer;
    uint64_t started_at_ms, timeout_ms;
    bool is_deadline;
    struct buf in;
    size_t length;
    char received[RECEIVE_MAX];
};

static void on_event(void *owner, unsigned events);

/* ---- the end ------------------------------------------------------------------------------- */

static void destroy(struct monitor_probe *probe, enum stream_close how)
{
    timer_cancel(&probe->timer);
    if (probe->stream)
        stream_close(probe->stream, how);
    buf_done(&probe->in);
    free(probe);
}

/* The probe is gone after it. */
static void finish(struct monitor_probe *probe, const struct monitor_outcome *outcome)
{
    void (*on_done)(void *owner, const struct monitor_outcome *outcome) = probe->on_done;
    void *owner = probe->owner;

    destroy(probe, outcome->result == MONITOR_TIMEOUT || outcome->result == MONITOR_TCP_FAILURE
                       ? STREAM_CLOSE_ABORT
                       : STREAM_CLOSE_FLUSH);
    on_done(owner, outcome);
}

void monitor_probe_abort(struct monitor_probe *probe)
{
    if (probe)
        destroy(probe, STREAM_CLOSE_ABORT);
}

static void fail(struct monitor_probe *probe, enum end_reason reason, bool is_refused)
{
    finish(probe, &(struct monitor_outcome){
                      .result = MONITOR_TCP_FAILURE, .reason = reason, .is_refused = is_refused });
}

/* Something came, but no pattern; that is what a reversed monitor hopes for. */
static void no_match(struct monitor_probe *probe, enum end_reason reason)
{
    bool is_good = probe->question.settings->options.reverse && probe->length > 0;

    finish(probe, &(struct monitor_outcome){ .result = is_good ? MONITOR_SUCCESS : MONITOR_NO_MATCH,
                                             .reason = is_good ? END_OK : reason });
}

static void on_timer(struct timer *timer)
{
    struct monitor_probe *probe =
        (struct monitor_probe *)((char *)timer - offsetof(struct monitor_probe, timer));
    const struct monitor_options *options = &probe->question.settings->options;
    static const enum end_reason reasons[] = { [PROBE_CONNECT] = END_CONNECT_TIMEOUT,
                                               [PROBE_HANDSHAKE] = END_UPSTREAM_TLS_TIMEOUT,
                                               [PROBE_ANSWER] = END_UPSTREAM_HEAD_TIMEOUT };

    if (options->judge == MONITOR_BY_RECEIVE && probe->length > 0) {
        no_match(probe, reasons[probe->state]);
        return;
    }
    finish(probe,
           &(struct monitor_outcome){ .result = MONITOR_TIMEOUT, .reason = reasons[probe->state] });
}

static void enter(struct monitor_probe *probe, enum probe_state state)
{
    probe->state = state;
    if (!probe->is_deadline)
        loop_timer_set(probe->loop, &probe->timer, probe->timeout_ms);
}

/* ---- the answer ---------------------------------------------------------------------------- */

static void judge_status(struct monitor_probe *probe, int status)
{
    struct monitor_outcome outcome = { .status = (uint16_t)status, .result = MONITOR_NO_MATCH };
    enum health_counter counter;

    if (health_rules_judge(&probe->question.settings->options.rules, (unsigned)status, &counter))
        outcome.result = counter == HEALTH_SUCCESS ? MONITOR_SUCCESS : MONITOR_HTTP_FAILURE;
    finish(probe, &outcome);
}

/* True: it was decided, and the probe is gone. */
static bool judge_patterns(struct monitor_probe *probe)
{
    const struct monitor_settings *settings = probe->question.settings;
    struct monitor_outcome outcome = { .result = MONITOR_SUCCESS };

    if (settings->has_receive &&
        monitor_settings_match(&settings->receive, probe->received, probe->length)) {
        outcome.is_reversed = settings->options.reverse;
        if (outcome.is_reversed)
            outcome.result = MONITOR_NO_MATCH;
    } else if (settings->has_receive_disable &&
               monitor_settings_match(&settings->receive_disable, probe->received, probe->length)) {
        outcome.is_disabled = true;
    } else if (settings->has_receive) {
        return false;
    }
    finish(probe, &outcome);
    return true;
}

/* With what there is; `is_all`: nothing more will come. True: it was decided. */
static bool judge(struct monitor_probe *probe, bool is_all)
{
    const struct monitor_options *options = &probe->question.settings->options;
    int status;

    is_all |= probe->length == RECEIVE_MAX;
    if (options->judge == MONITOR_BY_STATUS) {
        status = monitor_status_of(probe->received, probe->length);
        if (status < 0 && !is_all)
            return false;
        if (status < 0 && probe->length == 0)
            fail(probe, END_UPSTREAM_HEAD_CLOSED, false);
        else
            judge_status(probe, status < 0 ? 0 : status);
        return true;
    }
    if (probe->length > 0 && judge_patterns(probe))
        return true;
    if (!is_all)
        return false;
    no_match(probe, END_UPSTREAM_HEAD_CLOSED);
    return true;
}

/* A server that keeps its connection open has no end to be waited for: its answer is all there when
 * the next probe is due. */
static void expect_no_more(struct monitor_probe *probe)
{
    uint64_t until_ms =
        probe->started_at_ms + probe->question.settings->options.unhealthy_interval_ms;

    if (probe->question.settings->options.judge == MONITOR_BY_RECEIVE &&
        until_ms < probe->timer.deadline_ms)
        timer_set(&probe->loop->timers, &probe->timer, until_ms);
}

static void read_answer(struct monitor_probe *probe)
{
    for (;;) {
        long n = stream_read(probe->stream, &probe->in, RECEIVE_MAX - probe->length);

        if (n == -EAGAIN)
            return;
        if (n < 0 && n != STREAM_TRUNCATED) {
            fail(probe, END_UPSTREAM_HEAD_RESET, n == -ECONNRESET);
            return;
        }
        if (n > 0) {
            probe->length += buf_peek(&probe->in, probe->received + probe->length, (size_t)n);
            buf_consume(&probe->in, (size_t)n);
        }
        if (judge(probe, n <= 0))
            return;
        expect_no_more(probe);
    }
}

/* ---- opening ------------------------------------------------------------------------------- */

static void on_ready(struct monitor_probe *probe)
{
    const struct monitor_options *options = &probe->question.settings->options;
    const char *request = probe->question.request;
    struct buf out;
    int r = 0;

    if (options->is_silent) {
        finish(probe, &(struct monitor_outcome){ .result = MONITOR_SUCCESS });
        return;
    }
    if (request) {
        buf_init(&out, probe->loop->pool);
        r = buf_append_bytes(&out, request, strlen(request));
        if (r == 0)
            r = stream_write(probe->stream, &out);
        buf_done(&out);
    }
    if (r < 0) {
        fail(probe, END_UPSTREAM_SEND_FAILED, false);
        return;
    }
    enter(probe, PROBE_ANSWER);
    read_answer(probe);
}

static void on_open_failed(struct monitor_probe *probe)
{
    struct stream_failure failure = stream_failure(probe->stream);

    if (failure.step != STREAM_STEP_CONNECT) {
        fail(probe,
             failure.step == STREAM_STEP_TLS_VERIFY ? END_UPSTREAM_TLS_VERIFY
             : failure.step == STREAM_STEP_TLS_NAME ? END_UPSTREAM_TLS_NAME
                                                    : END_UPSTREAM_TLS_FAILED,
             failure.error == -ECONNRESET);
        return;
    }
    if (failure.error == -ETIMEDOUT) {
        finish(probe, &(struct monitor_outcome){ .result = MONITOR_TIMEOUT,
                                                 .reason = END_CONNECT_TIMEOUT });
        return;
    }
    fail(probe, failure.error == -ECONNREFUSED ? END_CONNECT_REFUSED : END_CONNECT_FAILED,
         failure.error == -ECONNREFUSED || failure.error == -ECONNRESET);
}

static void start_handshake(struct monitor_probe *probe)
{
    const struct tls_connect_options options = { .server_name = probe->question.server_name };
    struct stream *secured = tls_stream_connect(&probe->stream, probe->loop->pool,
                                                probe->question.settings->options.tls, &options);

    if (!secured) {
        finish(probe, &(struct monitor_outcome){ .result = MONITOR_TCP_FAILURE,
                                                 .reason = END_OUT_OF_MEMORY,
                                                 .is_ours = true });
        return;
    }
    probe->stream = secured;
    stream_set_owner(secured, probe, on_event);
    enter(probe, PROBE_HANDSHAKE);
    if (tls_stream_begin(secured) & STREAM_OPEN_FAILED)
        on_open_failed(probe);
}

static void on_event(void *owner, unsigned events)
{
    struct monitor_probe *probe = owner;

    if (events & STREAM_OPEN_FAILED)
        on_open_failed(probe);
    else if (events & STREAM_OPEN && probe->state == PROBE_CONNECT &&
             probe->question.settings->options.tls)
        start_handshake(probe);
    else if (events & STREAM_OPEN)
        on_ready(probe);
    else if (events & STREAM_READABLE && probe->state == PROBE_ANSWER)
        read_answer(probe);
    else if (events & STREAM_WRITE_FAILED)
        fail(probe, END_UPSTREAM_SEND_FAILED, false);
}

const char *monitor_result_text(enum monitor_result result)
{
    static const char *const texts[MONITOR_RESULTS] = {
        [MONITOR_SUCCESS] = "success",         [MONITOR_HTTP_FAILURE] = "http_failure",
        [MONITOR_TCP_FAILURE] = "tcp_failure", [MONITOR_TIMEOUT] = "timeout",
        [MONITOR_NO_MATCH] = "no_match",
    };

    return texts[result];
}

struct monitor_probe *monitor_probe_start(struct loop *loop,
                                          const struct monitor_question *question,
                                          uint64_t timeout_ms, bool is_deadline)
{
    struct monitor_probe *probe = malloc(sizeof(*probe));
    int error = 0;

    if (!probe)
        return NULL;
    memset(probe, 0, offsetof(struct monitor_probe, received));
    probe->loop = loop;
    probe->question = *question;
    probe->started_at_ms = loop->now_ms;
    probe->timeout_ms = timeout_ms;
    probe->is_deadline = is_deadline;
    probe->stream = conn_connect(loop, question->address, question->bind, &error);
    if (!probe->stream) {
        free(probe);
        return NULL;
    }
    buf_init(&probe->in, loop->pool);
    timer_init(&probe->timer, on_timer);
    loop_timer_set(loop, &probe->timer, timeout_ms);
    stream_set_owner(probe->stream, probe, on_event);
    return probe;
}

void monitor_probe_set_owner(struct monitor_probe *probe, const struct monitor_question *question,
                             void (*on_done)(void *owner, const struct monitor_outcome *outcome),
                             void *owner)
{
    probe->question = *question;
    probe->on_done = on_done;
    probe->owner = owner;
}
