/*
 * Any bytes as one connection, read message by message through proxy/http1_endpoint:
 *   - messages, fields, content, trailers, how it ends and what is left over do not depend on how
 *     the bytes arrive;
 *   - the endpoint sees the same number of messages as parser and body decoder do by themselves;
 *   - the messages that were complete can be sent on, and what was sent reads as the same messages.
 *
 * options: bit 0 receives responses, bits 1-2 the method of their request, bit 3 the peer resets the
 * connection at its end.
 */
#include "proxy/exchange/http1_endpoint.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/http1_session.h"
#include "tests/unit/memory_stream.h"

enum {
    READ_MAX = 64 * 1024,
    /* so that "name: value" for "name:value" never makes a message too large to be read again */
    RELAYED_BYTES_MAX = 4096,
};

/* session_limits and session_body_limits, in the endpoint's words */
static const struct persona_limits endpoint_limits = {
    .start_line_max_bytes = 8192,
    .field_line_max_bytes = 16384,
    .head_max_bytes = 32768,
    .fields_max_count = 128,
    .chunk_extension_max_bytes = 256,
    .chunk_extensions_max_bytes = 16384,
    .trailers_max_bytes = 8192,
    .trailers_max_count = 128,
};

/* What connects the peer with the endpoint, and the endpoint with the next hop. */
struct rig {
    enum http1_role role;
    enum http_method request_method;
    bool ends_with_reset;
    struct chunk_pool *pool;
    struct memory_pair from, to; /* the endpoints are ends[1] of the one and ends[0] of the other */
    struct http1_endpoint receiver, sender;
    struct arena arena;
    struct wire wire; /* gives the cuts and how much is asked for; its bytes are in `from` */
    struct account {
        FILE *out;
        char *text; /* heap */
        size_t bytes;
    } messages, course;      /* what was received completely; how that went */
    unsigned complete_count; /* without interim responses */
};

/* Lets the next piece arrive. */
static void rig_step(struct rig *rig)
{
    struct memory_end *peer = &rig->from.ends[0], *near = &rig->from.ends[1];

    rig->wire.bytes.len = peer->queue.length;
    rig->from.cut = wire_cut(&rig->wire);
    memory_pair_step(&rig->from);
    if (rig->ends_with_reset && buf_is_empty(&peer->queue) && buf_is_empty(&near->inbox))
        near->reset_arrived = true;
}

static void account_init(struct account *account)
{
    account->out = open_memstream(&account->text, &account->bytes);
    require(account->out != NULL, "memory");
}

static struct slice account_end(struct account *account)
{
    fclose(account->out);
    return (struct slice){ account->text, account->bytes };
}

/* Role, method, end and wire are the caller's. */
static void rig_init(struct rig *rig, struct slice bytes)
{
    rig->pool = chunk_pool_create(0);
    require(rig->pool != NULL, "memory");
    arena_init(&rig->arena, rig->pool, 0);
    memory_pair_init(&rig->from, rig->pool);
    memory_pair_init(&rig->to, rig->pool);
    http1_endpoint_init(&rig->receiver, rig->role, rig->pool);
    http1_endpoint_init(&rig->sender, rig->role == HTTP1_REQUEST ? HTTP1_RESPONSE : HTTP1_REQUEST,
                        rig->pool);
    http1_endpoint_attach(&rig->receiver, &rig->from.ends[1].base);
    http1_endpoint_attach(&rig->sender, &rig->to.ends[0].base);
    require(buf_append_slice(&rig->from.ends[0].queue, bytes) == 0, "memory");
    rig->from.ends[0].fin_queued = !rig->ends_with_reset;
    account_init(&rig->messages);
    account_init(&rig->course);
}

static void rig_done(struct rig *rig)
{
    free(rig->messages.text);
    free(rig->course.text);
    http1_endpoint_done(&rig->receiver);
    http1_endpoint_done(&rig->sender);
    memory_pair_done(&rig->from);
    memory_pair_done(&rig->to);
    arena_done(&rig->arena);
    require(chunk_pool_bytes_in_use(rig->pool) == 0, "chunks leak");
    chunk_pool_free(rig->pool);
}

static enum endpoint_head_result rig_read_head(struct rig *rig)
{
    enum endpoint_head_result result;

    rig->receiver.parser.request_method = rig->request_method;
    while ((result = http1_endpoint_read_head(&rig->receiver)) == ENDPOINT_HEAD_MORE)
        rig_step(rig);
    return result;
}

/* True when the content is complete. */
static bool rig_read_content(struct rig *rig, struct buf *content)
{
    struct http_stream *http = &rig->receiver.http;
    long n;

    do {
        size_t max = rig->wire.cut == CUT_WHOLE ? READ_MAX : 1 + wire_random(&rig->wire) % 7;

        n = http->ops->read_content(http, content, max);
        require(n <= (long)max, "more content than asked for");
        if (n == -EAGAIN)
            rig_step(rig);
    } while (n > 0 || n == -EAGAIN);
    require(n == 0 || rig->receiver.http.failure.reason != END_OK, "a failure has no reason");
    return n == 0;
}

static void print_bytes(FILE *out, const char *what, const struct buf *bytes)
{
    char *text = malloc(bytes->length + 1);

    require(text != NULL, "memory");
    buf_peek(bytes, text, bytes->length);
    fprintf(out, "%s [", what);
    fwrite(text, 1, bytes->length, out);
    fprintf(out, "]\n");
    free(text);
}

static void print_message(struct rig *rig, const struct http_head *head, const struct buf *content)
{
    const struct fields *trailers = &rig->receiver.http.trailers;
    FILE *out = rig->messages.out;

    session_print_head(out, head);
    print_bytes(out, "content", content);
    for (uint32_t i = 0; i < trailers->count; i++)
        fprintf(out, "trailer [%.*s]=[%.*s]\n", SLICE_ARG(trailers->items[i].name),
                SLICE_ARG(trailers->items[i].value));
    fprintf(rig->course.out, "received %llu\n",
            (unsigned long long)rig->receiver.http.received_bytes);
}

static void check_head_sent(const struct rig *rig, size_t lines)
{
    size_t length = rig->sender.out.length;
    char *text = malloc(length);

    require(text != NULL, "memory");
    buf_peek(&rig->sender.out, text, length);
    require_clean_lines((struct slice){ text, length }, lines);
    free(text);
}

static void send_on(struct rig *rig, const struct http_head *head, struct buf *content)
{
    struct http_stream *http = &rig->sender.http;
    const struct http_outgoing outgoing = {
        .method = head->method_name,
        .target = head->request_target,
        .status = head->status,
        .reason = head->reason,
        .version_minor = head->version_minor,
        .fields = &head->fields,
        .chunked = head->framing == HTTP_FRAMING_CHUNKED,
    };

    require(http->ops->send_head(http, &outgoing) == 0, "a message cannot be sent on");
    check_head_sent(rig, head->fields.count + 2);
    require(http->ops->send_content(http, content) == 0, "content cannot be sent on");
    require(http->ops->send_end(http, &rig->receiver.http.trailers) == 0, "a message has no end");
    require(http->ops->flush(http) == 0, "memory");
}

/* What follows a CONNECT or a 101: anything, until the end. */
static void read_tunnel(struct rig *rig)
{
    struct http_stream *from = &rig->receiver.http;
    struct buf content;

    buf_init(&content, rig->pool);
    from->ops->become_tunnel(from);
    (void)rig_read_content(rig, &content); /* the account tells how it ended */
    print_bytes(rig->course.out, "tunnel", &content);
    buf_done(&content);
}

enum what_follows { ANOTHER_MESSAGE, ANOTHER_HEAD, NOTHING };

static enum what_follows read_message(struct rig *rig, const struct http_head *head)
{
    bool is_interim, ended;
    struct buf content;

    if (rig_read_head(rig) != ENDPOINT_HEAD_DONE)
        return NOTHING;
    is_interim = rig->role == HTTP1_RESPONSE && head->status < 200;
    buf_init(&content, rig->pool);
    ended = rig_read_content(rig, &content);
    if (ended) {
        rig->complete_count += !is_interim;
        print_message(rig, head, &content);
        send_on(rig, head, &content);
    }
    buf_done(&content);
    if (ended && (head->status == 101 || head->method == HTTP_METHOD_CONNECT))
        read_tunnel(rig);
    else if (ended && is_interim)
        return ANOTHER_HEAD;
    else if (ended && rig->role == HTTP1_REQUEST && head->keep_alive)
        return ANOTHER_MESSAGE;
    return NOTHING;
}

static void rig_read_all(struct rig *rig)
{
    enum what_follows next = ANOTHER_MESSAGE;
    const struct http1_endpoint *receiver = &rig->receiver;
    struct http_head head;

    while (next != NOTHING) {
        if (next == ANOTHER_HEAD) {
            http1_endpoint_begin_next_head(&rig->receiver, &endpoint_limits, &rig->arena, &head);
        } else {
            http1_endpoint_end(&rig->receiver);
            arena_done(&rig->arena);
            http1_endpoint_begin(&rig->receiver, &endpoint_limits, &rig->arena, &head);
        }
        next = read_message(rig, &head);
    }
    fprintf(rig->course.out, "end state=%d reason=%d error=%d at=%u body=%d\n", receiver->state,
            receiver->http.failure.reason, receiver->parser.error, receiver->parser.error_at,
            receiver->state == ENDPOINT_HEAD ? 0 : receiver->body.error);
    if (receiver->http.failure.reason == END_OK)
        fprintf(rig->course.out, "rest %zu\n",
                receiver->in.length + rig->from.ends[1].inbox.length +
                    rig->from.ends[0].queue.length);
}

/* The messages sent on must read as those that came. */
static void check_relayed(struct rig *came, struct slice messages)
{
    struct rig again = { .role = came->role,
                         .request_method = came->request_method,
                         .wire = came->wire };
    struct buf *written = &came->to.ends[0].written;
    size_t length = written->length;
    char *bytes = malloc(length + 1);

    require(bytes != NULL, "memory");
    buf_peek(written, bytes, length);
    rig_init(&again, (struct slice){ bytes, length });
    rig_read_all(&again);
    require_same(messages, account_end(&again.messages),
                 "what was sent on reads as something else");
    (void)account_end(&again.course); /* other bytes on the wire: extensions are dropped */
    rig_done(&again);
    free(bytes);
}

static void check_by_parts(const struct rig *rig, struct slice bytes)
{
    struct session_setup setup = { .role = rig->role, .request_method = rig->request_method };
    struct session_result result = session_run(&setup, bytes);

    require(rig->ends_with_reset || result.complete_count == rig->complete_count,
            "parser and body decoder by themselves see another number of messages");
    free(result.account);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum http_method methods[] = { HTTP_METHOD_GET, HTTP_METHOD_HEAD,
                                                HTTP_METHOD_CONNECT, HTTP_METHOD_POST };
    static const enum cut cuts[] = { CUT_WHOLE, CUT_BYTES, CUT_SCHEDULE };
    enum { RUNS = sizeof(cuts) / sizeof(cuts[0]) };
    struct slice messages[RUNS], courses[RUNS];
    struct rig rigs[RUNS];
    struct fuzz_input input;

    if (!fuzz_input_read(data, size, &input))
        return 0;
    for (size_t i = 0; i < RUNS; i++) {
        rigs[i] = (struct rig){
            .role = input.options & 1 ? HTTP1_RESPONSE : HTTP1_REQUEST,
            .request_method = methods[input.options >> 1 & 3],
            .ends_with_reset = input.options & 8,
            .wire = { .cut = cuts[i], .random = input.options, .schedule = input.schedule },
        };
        rig_init(&rigs[i], input.bytes);
        rig_read_all(&rigs[i]);
        messages[i] = account_end(&rigs[i].messages);
        courses[i] = account_end(&rigs[i].course);
        require_same(messages[0], messages[i], "the cut changes the messages");
        require_same(courses[0], courses[i], "the cut changes the course");
    }
    check_by_parts(&rigs[0], input.bytes);
    if (input.bytes.len <= RELAYED_BYTES_MAX)
        check_relayed(&rigs[RUNS - 1], messages[0]);
    for (size_t i = 0; i < RUNS; i++)
        rig_done(&rigs[i]);
    return 0;
}
