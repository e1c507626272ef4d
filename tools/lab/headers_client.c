#include "tools/lab/headers_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/addr.h"

enum { READ_BYTES = 16384, ANSWER_BYTES_MAX = 1 << 20, CONTROL_TIMEOUT_S = 20 };

/* ---- the request --------------------------------------------------------------------------- */

/* TLS is not judged here: `hopgate probe` does that. */
static bool begin_tls(struct headers_client *client, const struct probe_options *options)
{
    const struct tls_probe_settings settings = {
        .server_name = options->host,
        .ca_pem = options->ca_pem,
        .certificate = { options->chain_pem, options->key_pem },
        .now_s = (int64_t)time(NULL),
    };
    struct tls_probe_failure failure = { .kind = "" };
    struct tls_error error = { { 0 } };

    client->probe = tls_probe_create(&settings, &error);
    if (client->probe)
        client->wire.tls = tls_probe_open(client->probe, client->wire.fd,
                                          wire_now_ms() + options->timeout_ms, &failure);
    if (!client->wire.tls)
        snprintf(client->error, sizeof(client->error), "%s",
                 client->probe ? failure.text : error.text);
    return client->wire.tls != NULL;
}

static bool begin(struct headers_client *client, const struct probe_options *options)
{
    struct probe_result *result = calloc(1, sizeof(*result));
    socklen_t length = sizeof(client->local);
    bool connected = result && wire_connect(options, &client->wire, result) == 0;

    if (!connected)
        snprintf(client->error, sizeof(client->error), "%s",
                 result ? result->verdict : "out of memory");
    free(result);
    if (!connected)
        return false;
    (void)getsockname(client->wire.fd, (struct sockaddr *)&client->local, &length);
    return !options->tls || begin_tls(client, options);
}

/* The length of the first head with its empty line; 0: it is not complete. */
static size_t head_length(const char *bytes, size_t length)
{
    const char *end = length > 0 ? memmem(bytes, length, "\r\n\r\n", 4) : NULL;

    return end ? (size_t)(end - bytes) + 4 : 0;
}

/* Interim heads are taken off. True: a final one is there. */
static bool has_final_head(struct headers_client *client)
{
    size_t head;

    while ((head = head_length(client->answer, client->length)) > 0) {
        bool is_interim = head > 13 && memcmp(client->answer, "HTTP/1.", 7) == 0 &&
                          client->answer[9] == '1' && memcmp(client->answer + 9, "101", 3) != 0;

        if (!is_interim)
            return true;
        client->length -= head;
        memmove(client->answer, client->answer + head, client->length);
    }
    return false;
}

static bool read_answer(struct headers_client *client, uint64_t deadline_ms)
{
    struct tls_probe_failure failure = { .kind = "" };

    while (!has_final_head(client)) {
        char *grown = realloc(client->answer, client->length + READ_BYTES);
        long n;

        if (!grown || client->length > ANSWER_BYTES_MAX) {
            snprintf(client->error, sizeof(client->error), "the answer has no end of its head");
            return false;
        }
        client->answer = grown;
        n = wire_read(&client->wire, grown + client->length, READ_BYTES, deadline_ms, &failure);
        if (n <= 0) {
            snprintf(client->error, sizeof(client->error), "%s",
                     n < 0 ? failure.text : "the connection was closed without an answer");
            return false;
        }
        client->length += (size_t)n;
    }
    return true;
}

bool headers_client_ask(struct headers_client *client, const struct probe_options *options,
                        struct slice request)
{
    struct tls_probe_failure failure = { .kind = "" };
    uint64_t deadline_ms;

    *client = (struct headers_client){ .wire.fd = -1 };
    if (!begin(client, options))
        return false;
    deadline_ms = wire_now_ms() + options->timeout_ms;
    if (wire_write(&client->wire, request.ptr, request.len, deadline_ms, &failure) < 0) {
        snprintf(client->error, sizeof(client->error), "while sending the request: %s",
                 failure.text);
        return false;
    }
    return read_answer(client, deadline_ms);
}

void headers_client_done(struct headers_client *client)
{
    wire_close(&client->wire);
    tls_probe_free(client->probe);
    free(client->answer);
    *client = (struct headers_client){ .wire.fd = -1 };
}

/* ---- an origin's control API --------------------------------------------------------------- */

static int connect_to(const char *address)
{
    const struct timeval patience = { .tv_sec = CONTROL_TIMEOUT_S };
    struct sockaddr_storage to = { 0 };
    struct sockaddr_un *local = (struct sockaddr_un *)&to;
    socklen_t length = sizeof(*local);
    int fd;

    if (strncmp(address, "unix:", 5) == 0) {
        local->sun_family = AF_UNIX;
        snprintf(local->sun_path, sizeof(local->sun_path), "%s", address + 5);
    } else {
        if (strncmp(address, "http://", 7) != 0 || addr_parse(slice_of(address + 7), 0, &to) < 0)
            return -1;
        length = to.ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    }
    fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&to, length) == 0)
        return fd;
    (void)close(fd); /* nothing was sent on it */
    return -1;
}

/* Up to the end of the connection. Heap; NULL: nothing. */
static char *read_all(int fd, size_t *ret_length)
{
    char *text = NULL, bytes[READ_BYTES];
    FILE *stream = open_memstream(&text, ret_length);
    ssize_t n;

    if (!stream)
        return NULL;
    while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        (void)fwrite(bytes, 1, (size_t)n, stream);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

json_t *headers_control_get(const char *address, const char *path)
{
    char request[512], *text = NULL;
    json_t *json = NULL;
    size_t length = 0, head;
    int fd = connect_to(address);
    int size = snprintf(request, sizeof(request),
                        "GET %s HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n", path);

    if (fd < 0)
        return NULL;
    if (send(fd, request, (size_t)size, MSG_NOSIGNAL) == size)
        text = read_all(fd, &length);
    (void)close(fd); /* all that counts has been read */
    head = text ? head_length(text, length) : 0;
    if (head > 0)
        json = json_loadb(text + head, length - head, 0, NULL);
    free(text);
    return json;
}
