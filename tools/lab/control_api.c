#include "tools/lab/control_api.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/addr.h"
#include "core/http/http1_body.h"
#include "core/http/http1_parser.h"
#include "core/http/http1_writer.h"
#include "core/listener.h"
#include "tools/lab/control_socket.h"

#define UNIX_PREFIX "unix:"

struct api_conn {
    struct control_api *api;
    struct stream *stream;
    struct api_conn *next, *prev; /* in api->conns */
    struct buf in, content;
    struct arena arena;
    struct http_head head;
    struct http1_parser parser;
    struct http1_body body;
    struct chunk *head_chunk; /* NULL: the head is not complete */
    struct timer timer;
    struct deferred deferred;
};

struct control_api {
    struct loop *loop;
    struct listener *listener;
    control_api_answer *answer;
    void *owner;
    struct api_conn *conns;
    unsigned conns_count;
    bool is_unix;
    struct control_socket file; /* of a unix socket */
    char address[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(UNIX_PREFIX)];
};

/* ---- for who answers ----------------------------------------------------------------------- */

json_t *control_api_refuse(unsigned *ret_status, unsigned status, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    *ret_status = status;
    return json_pack("{s:s}", "error", text);
}

json_t *control_api_json(const struct control_api_request *request, unsigned *ret_status,
                         json_t **ret_refusal)
{
    json_error_t error;
    json_t *value;

    if (slice_is_empty(request->content)) {
        *ret_refusal = control_api_refuse(ret_status, 400, "the request must have JSON content");
        return NULL;
    }
    value = json_loadb(request->content.ptr, request->content.len, JSON_REJECT_DUPLICATES, &error);
    if (!value)
        *ret_refusal = control_api_refuse(ret_status, 400, "content: line %d, column %d: %s",
                                          error.line, error.column, error.text);
    return value;
}

struct slice control_api_query(const struct control_api_request *request, const char *name)
{
    struct slice rest = request->query, wanted = slice_of(name);

    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '&', rest.len);
        struct slice pair = { rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len };

        if (slice_starts_with(pair, wanted) && pair.len > wanted.len && pair.ptr[wanted.len] == '=')
            return slice_from(pair, wanted.len + 1);
        rest = slice_from(rest, pair.len + 1);
    }
    return (struct slice){ "", 0 };
}

/* ---- a connection -------------------------------------------------------------------------- */

static void free_conn(struct deferred *deferred)
{
    free((char *)deferred - offsetof(struct api_conn, deferred));
}

static void drop(struct api_conn *conn, enum stream_close how)
{
    struct control_api *api = conn->api;

    if (conn->prev)
        conn->prev->next = conn->next;
    else
        api->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    api->conns_count--;
    timer_cancel(&conn->timer);
    http1_parser_done(&conn->parser);
    if (conn->head_chunk)
        http1_body_done(&conn->body);
    chunk_unref(conn->head_chunk);
    buf_done(&conn->in);
    buf_done(&conn->content);
    arena_done(&conn->arena);
    stream_close(conn->stream, how);
    loop_free_later(api->loop, &conn->deferred);
}

/* Takes the answer. */
static void respond(struct api_conn *conn, unsigned status, json_t *answer)
{
    struct buf out;
    struct fields fields;
    char *text = answer ? json_dumps(answer, JSON_INDENT(2) | JSON_ENSURE_ASCII) : NULL;
    size_t length = text ? strlen(text) : 0;
    bool is_head = conn->head_chunk && conn->head.method == HTTP_METHOD_HEAD;

    json_decref(answer);
    buf_init(&out, conn->api->loop->pool);
    fields_init(&fields, &conn->arena);
    if (text && fields_add(&fields, SLICE("Content-Type"), SLICE("application/json")) == 0 &&
        fields_add(&fields, SLICE("Content-Length"),
                   arena_printf(&conn->arena, "%zu", length + 1)) == 0 &&
        fields_add(&fields, SLICE("Connection"), SLICE("close")) == 0 &&
        http1_write_response_head(&out, 1, status, slice_of(http_status_reason(status)), &fields) ==
            0 &&
        (is_head ||
         (buf_append_bytes(&out, text, length) == 0 && buf_append_bytes(&out, "\n", 1) == 0)))
        (void)stream_write(conn->stream, &out); /* who has gone does not miss it */
    buf_done(&out);
    free(text);
    drop(conn, STREAM_CLOSE_LINGER);
}

static void refuse(struct api_conn *conn, unsigned status, const char *why)
{
    unsigned ignored;

    respond(conn, status, control_api_refuse(&ignored, status, "%s", why));
}

/* The content in one piece; ptr NULL: no memory. */
static struct slice whole_content(struct api_conn *conn)
{
    struct slice front = buf_front(&conn->content);
    char *copy;

    if (conn->content.length == 0)
        return SLICE("");
    if (front.len == conn->content.length)
        return front;
    copy = arena_alloc(&conn->arena, conn->content.length);
    if (!copy)
        return (struct slice){ NULL, 0 };
    return (struct slice){ copy, buf_peek(&conn->content, copy, conn->content.length) };
}

/* ---- who may ask --------------------------------------------------------------------------- */

static bool is_loopback(const struct sockaddr_storage *address)
{
    struct addr_cidr v4, v6;

    (void)addr_cidr_parse(SLICE("127.0.0.0/8"), &v4); /* they are right */
    (void)addr_cidr_parse(SLICE("::1"), &v6);
    return addr_cidr_contains(&v4, address) || addr_cidr_contains(&v6, address);
}

/* A page whose own name was made to lead here (DNS rebinding) asks for that name. */
static bool is_asked_for_loopback(const struct http_head *head)
{
    struct sockaddr_storage address;
    struct slice host, port;

    if (!http_authority_split(head->authority, &host, &port))
        return false;
    return slice_equal_nocase(host, SLICE("localhost")) ||
           (addr_parse(host, 0, &address) == 0 && is_loopback(&address));
}

/* Browsers tell who asks: another site's page, or their user. */
static bool is_from_web_page(const struct http_head *head)
{
    const struct field *site = fields_find_name(&head->fields, SLICE("Sec-Fetch-Site"));

    return fields_find_name(&head->fields, SLICE("Origin")) ||
           (site && !slice_equal(site->value, SLICE("none")) &&
            !slice_equal(site->value, SLICE("same-origin")));
}

/* NULL: nothing is against it. */
static const char *find_objection(const struct api_conn *conn)
{
    if (is_from_web_page(&conn->head))
        return "web pages may not use this";
    if (!conn->api->is_unix && !is_asked_for_loopback(&conn->head))
        return "the host that is asked for must be localhost or a loopback address";
    return NULL;
}

static void answer_request(struct api_conn *conn)
{
    struct control_api_request request = { .method = conn->head.method_name,
                                           .path = conn->head.path,
                                           .query = conn->head.query,
                                           .content = whole_content(conn) };
    const char *objection = find_objection(conn);
    unsigned status = 200;
    json_t *answer;

    if (!request.content.ptr) {
        drop(conn, STREAM_CLOSE_ABORT);
        return;
    }
    if (objection) {
        refuse(conn, 403, objection);
        return;
    }
    answer = conn->api->answer(conn->api->owner, &request, &status);
    respond(conn, status, answer);
}

/* True once there is nothing more to wait for; the connection may be gone then. */
static bool take_head(struct api_conn *conn)
{
    static const struct http1_body_limits limits = { 256, 16384, 8192, 128 };

    switch (http1_parser_feed(&conn->parser, &conn->in, &conn->head_chunk)) {
    case HTTP1_NEED_MORE:
        return false;
    case HTTP1_ERROR:
        refuse(conn, http1_error_info(conn->parser.error)->status,
               http1_error_info(conn->parser.error)->phrase);
        return true;
    case HTTP1_DONE:
        break;
    }
    http1_body_init(&conn->body, &conn->head, &limits, NULL, &conn->arena);
    if (conn->head.expects_continue) {
        struct buf out;

        buf_init(&out, conn->api->loop->pool);
        if (buf_append_slice(&out, SLICE("HTTP/1.1 100 Continue\r\n\r\n")) == 0)
            (void)stream_write(conn->stream, &out); /* who has gone does not miss it */
        buf_done(&out);
    }
    return false;
}

static bool take_content(struct api_conn *conn)
{
    enum http1_body_result result;

    if (conn->head.framing == HTTP_FRAMING_NONE) {
        answer_request(conn);
        return true;
    }
    result = http1_body_decode(&conn->body, &conn->in, &conn->content,
                               CONTROL_API_CONTENT_MAX + 1 - conn->content.length);
    if (conn->content.length > CONTROL_API_CONTENT_MAX)
        refuse(conn, 413, "the content is too large");
    else if (result == HTTP1_BODY_ERROR)
        refuse(conn, 400, http1_error_info(conn->body.error)->phrase);
    else if (result == HTTP1_BODY_END)
        answer_request(conn);
    else
        return false;
    return true;
}

static void on_event(void *owner, unsigned events)
{
    struct api_conn *conn = owner;
    long n;

    if (events & STREAM_WRITE_FAILED) {
        drop(conn, STREAM_CLOSE_ABORT);
        return;
    }
    while ((n = stream_read(conn->stream, &conn->in, CHUNK_BULK_BYTES)) > 0) {
        if (!conn->head_chunk && take_head(conn))
            return;
        if (conn->head_chunk && take_content(conn))
            return;
    }
    if (n != -EAGAIN)
        drop(conn, n == 0 ? STREAM_CLOSE_FLUSH : STREAM_CLOSE_ABORT);
}

static void on_timeout(struct timer *timer)
{
    struct api_conn *conn = (struct api_conn *)((char *)timer - offsetof(struct api_conn, timer));

    refuse(conn, 408, "the request did not come in time");
}

static void on_accept(void *owner, struct stream *stream)
{
    static const struct http1_limits limits = { 8192, 16384, 32768, 128 };
    struct control_api *api = owner;
    struct api_conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        stream_close(stream, STREAM_CLOSE_ABORT);
        return;
    }
    conn->api = api;
    conn->stream = stream;
    conn->next = api->conns;
    if (conn->next)
        conn->next->prev = conn;
    api->conns = conn;
    api->conns_count++;
    buf_init(&conn->in, api->loop->pool);
    buf_init(&conn->content, api->loop->pool);
    arena_init(&conn->arena, api->loop->pool, CONTROL_API_CONTENT_MAX * 2);
    http1_parser_init(&conn->parser, HTTP1_REQUEST, &limits, &conn->arena, &conn->head);
    timer_init(&conn->timer, on_timeout);
    loop_timer_set(api->loop, &conn->timer, CONTROL_API_TIMEOUT_MS);
    conn->deferred.free = free_conn;
    stream_set_owner(stream, conn, on_event);
    on_event(conn, STREAM_READABLE);
}

static size_t room(void *owner)
{
    const struct control_api *api = owner;

    return CONTROL_API_CONNECTIONS_MAX - api->conns_count;
}

/* ---- listening ----------------------------------------------------------------------------- */

static int open_tcp(struct control_api *api, const char *text, char *error, size_t error_size)
{
    const struct listener_options options = { .backlog = CONTROL_API_CONNECTIONS_MAX };
    struct sockaddr_storage address;
    int fd, r;

    if (addr_parse(slice_of(text), 0, &address) < 0) {
        snprintf(error, error_size,
                 "\"%s\" is no address for the control API: 127.0.0.1:PORT, [::1]:PORT or "
                 "unix:PATH",
                 text);
        return -1;
    }
    if (!is_loopback(&address)) {
        snprintf(error, error_size,
                 "the control API has no password and listens on loopback addresses only, not on "
                 "%s: use 127.0.0.1:PORT or unix:PATH",
                 text);
        return -1;
    }
    r = listener_bind(&address, &options, &fd, 1);
    if (r < 0) {
        snprintf(error, error_size, "cannot listen on %s: %s", text, strerror(-r));
        return -1;
    }
    addr_format(&address, api->address, sizeof(api->address));
    return fd;
}

struct control_api *control_api_start(struct loop *loop, const char *address,
                                      control_api_answer *answer, void *owner, char *error,
                                      size_t error_size)
{
    struct control_api *api = calloc(1, sizeof(*api));
    size_t prefix = strlen(UNIX_PREFIX);
    int fd;

    snprintf(error, error_size, "out of memory");
    if (!api)
        return NULL;
    api->loop = loop;
    api->answer = answer;
    api->owner = owner;
    api->is_unix = strncmp(address, UNIX_PREFIX, prefix) == 0;
    if (api->is_unix) {
        snprintf(api->address, sizeof(api->address), "%s", address);
        fd = control_socket_open(&api->file, address + prefix, error, error_size);
    } else {
        fd = open_tcp(api, address, error, error_size);
    }
    api->listener = fd < 0 ? NULL : listener_start(loop, fd, api, on_accept);
    if (api->listener) {
        listener_set_room(api->listener, room);
        return api;
    }
    control_socket_remove(&api->file, api->address + prefix);
    free(api);
    return NULL;
}

const char *control_api_address(const struct control_api *api)
{
    return api->address;
}

void control_api_stop(struct control_api *api)
{
    if (!api)
        return;
    listener_stop(api->listener);
    while (api->conns)
        drop(api->conns, STREAM_CLOSE_ABORT);
    control_socket_remove(&api->file, api->address + strlen(UNIX_PREFIX)); /* if there is one */
    free(api);
}
