/* send: the steps that send, and the good answer. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/origin/origin_priv.h"

enum { BLOCK_BYTES = 16 * 1024, PATTERN_LINE_BYTES = 16 };

void origin_send(struct origin_conn *conn, const void *bytes, size_t length)
{
    struct buf out;

    if (conn->write_shut || length == 0)
        return;
    buf_init(&out, conn->origin->loop->pool);
    if (buf_append_bytes(&out, bytes, length) < 0)
        stream_break_writing(conn->stream, -ENOMEM); /* nothing may follow what is missing */
    else if (stream_write(conn->stream, &out) == 0)
        conn->sent_bytes += length; /* else STREAM_WRITE_FAILED ends it */
    buf_done(&out);
}

bool origin_send_is_full(const struct origin_conn *conn)
{
    return !conn->write_shut && stream_queued(conn->stream) >= STREAM_QUEUE_HIGH;
}

/* ---- bytes, many times --------------------------------------------------------------------- */

/* Short texts go out many at a time: a block is what the step's progress counts. */
enum play origin_play_repeat(struct origin_conn *conn, const struct step *step)
{
    size_t per_block =
        step->length > 0 && step->length < BLOCK_BYTES ? BLOCK_BYTES / step->length : 1;
    char block[BLOCK_BYTES];

    if (step->length == 0)
        return PLAY_NEXT;
    for (size_t i = 0; step->length < BLOCK_BYTES && i < per_block; i++)
        memcpy(block + i * step->length, step->bytes, step->length);
    while (conn->progress < step->count && !conn->write_shut) {
        uint64_t left = step->count - conn->progress;
        size_t times = left < per_block ? (size_t)left : per_block;

        if (origin_send_is_full(conn))
            return PLAY_WAIT;
        origin_send(conn, step->length < BLOCK_BYTES ? block : step->bytes, times * step->length);
        conn->progress += times;
    }
    return PLAY_NEXT;
}

enum play origin_play_fields(struct origin_conn *conn, const struct step *step)
{
    char *value = malloc(step->size + 2), number[32];

    if (!value) {
        origin_conn_end(conn, STREAM_CLOSE_ABORT, "no_memory");
        return PLAY_GONE;
    }
    memset(value, 'a', step->size);
    memcpy(value + step->size, "\r\n", 2);
    while (conn->progress < step->count && !origin_send_is_full(conn)) {
        int length = snprintf(number, sizeof(number), "%llu: ", (unsigned long long)conn->progress);

        origin_send(conn, step->bytes, step->length);
        origin_send(conn, number, (size_t)length);
        origin_send(conn, value, step->size + 2);
        conn->progress++;
        if (conn->write_shut)
            break;
    }
    free(value);
    return conn->progress < step->count && !conn->write_shut ? PLAY_WAIT : PLAY_NEXT;
}

/* Each line of 16 bytes tells its offset, so that a cut or a mix-up shows. */
enum play origin_play_pattern(struct origin_conn *conn, uint64_t bytes)
{
    char block[BLOCK_BYTES], line[PATTERN_LINE_BYTES + 1];

    while (conn->progress < bytes && !conn->write_shut) {
        uint64_t left = bytes - conn->progress;
        size_t length = left < sizeof(block) ? (size_t)left : sizeof(block);

        if (origin_send_is_full(conn))
            return PLAY_WAIT;
        for (size_t i = 0; i < sizeof(block); i += PATTERN_LINE_BYTES) {
            snprintf(line, sizeof(line), "%015llx\n", (unsigned long long)(conn->progress + i));
            memcpy(block + i, line, PATTERN_LINE_BYTES);
        }
        origin_send(conn, block, length);
        conn->progress += length;
    }
    return PLAY_NEXT;
}

enum play origin_play_trickle(struct origin_conn *conn, const struct step *step)
{
    while (!timer_is_armed(&conn->timer) && conn->progress < step->length) {
        size_t left = step->length - (size_t)conn->progress;
        size_t length = left < step->size ? left : step->size;

        origin_send(conn, step->bytes + conn->progress, length);
        conn->progress += length;
        if (step->duration_ms > 0)
            loop_timer_set(conn->origin->loop, &conn->timer,
                           origin_scaled_ms(conn->origin, step->duration_ms));
    }
    return timer_is_armed(&conn->timer) ? PLAY_WAIT : PLAY_NEXT;
}

/* ---- answers ------------------------------------------------------------------------------- */

static bool is_head_request(const struct origin_conn *conn)
{
    return slice_equal(conn->head.method, SLICE("HEAD"));
}

void origin_serve(struct origin_conn *conn, struct slice content)
{
    char head[128];
    int length =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", content.len);

    conn->status = 200;
    origin_send(conn, head, (size_t)length);
    if (!is_head_request(conn))
        origin_send(conn, content.ptr, content.len);
}

static bool write_answer(struct origin_conn *conn, const struct answer_moment *moment)
{
    struct buf out;
    bool ok;

    buf_init(&out, conn->origin->loop->pool);
    ok = answer_write(conn->answer, moment, &out);
    if (ok) {
        uint64_t length = out.length;

        if (!conn->write_shut && stream_write(conn->stream, &out) == 0)
            conn->sent_bytes += length; /* else STREAM_WRITE_FAILED ends it */
    }
    buf_done(&out);
    return ok;
}

static struct answer_moment moment_of(const struct origin_conn *conn)
{
    const struct answer *answer = conn->answer;
    struct answer_moment moment = { .is_head = is_head_request(conn),
                                    .is_http10 = conn->head.is_http10,
                                    .must_close = conn->head.wants_close || conn->content.is_broken,
                                    .content_type = "text/plain" };

    moment.content = answer->content ? (struct slice){ answer->content, answer->content_length }
                                     : slice_of(conn->listener->name);
    return moment;
}

static bool answer_in_form(struct origin_conn *conn)
{
    struct answer_moment moment = moment_of(conn);
    struct answer plain = *conn->answer;
    const struct answer *stated = conn->answer;
    char *text = NULL;
    bool ok;

    plain.form = conn->form;
    conn->answer = &plain;
    if (conn->form == ANSWER_ECHO) {
        moment.content = (struct slice){ conn->head.bytes, conn->head.length };
        moment.content_type = "message/http";
    } else if (conn->form == ANSWER_LEDGER) {
        text = conn->record ? json_dumps(conn->record, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
        moment.content = slice_of(text ? text : "{}");
        moment.content_type = "application/json";
    }
    conn->status = stated->status;
    ok = write_answer(conn, &moment);
    conn->answer = stated;
    free(text);
    return ok;
}

/* Phases: ... 3 to begin with, 4 waits, 5 sends the pattern. */
enum play origin_play_answer(struct origin_conn *conn)
{
    struct answer_moment moment;
    enum play play = PLAY_NEXT;

    if (conn->phase < 4) {
        conn->phase = 4;
        if (conn->answer->delay_ms > 0)
            loop_timer_set(conn->origin->loop, &conn->timer,
                           origin_scaled_ms(conn->origin, conn->answer->delay_ms));
    }
    if (timer_is_armed(&conn->timer))
        return PLAY_WAIT;
    if (conn->phase == 4) {
        conn->phase = 5;
        conn->progress = 0;
        if (!answer_in_form(conn)) {
            origin_conn_end(conn, STREAM_CLOSE_ABORT, "no_memory");
            return PLAY_GONE;
        }
    }
    moment = moment_of(conn);
    if (conn->form == ANSWER_CONTENT)
        play = origin_play_pattern(conn, answer_pattern_bytes(conn->answer, &moment));
    if (play == PLAY_NEXT && (moment.must_close || conn->answer->close)) {
        origin_conn_end(conn, STREAM_CLOSE_LINGER, "fin");
        return PLAY_GONE;
    }
    return play;
}
