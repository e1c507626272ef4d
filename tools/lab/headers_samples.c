#include "tools/lab/headers_samples.h"

#include <stdio.h>
#include <stdlib.h>

enum { LONG_REQUEST_VALUE = 3000, LONG_RESPONSE_VALUE = 600 };

/* In this order, so that what moves shows. */
static const char *const request_fields[] = {
    "User-Agent: hopgate-lab/1",
    "Accept: */*",
    "Accept-Encoding: gzip, br",
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-For: 198.51.100.9",
    "X-Forwarded-Proto: ftp",
    "X-Forwarded-Host: forged.test",
    "X-Forwarded-Port: 99",
    "X-Forwarded-Prefix: /forged",
    "X-Forwarded-Path: /forged",
    "X-Real-IP: 203.0.113.7",
    "Forwarded: for=203.0.113.7;proto=ftp",
    "Via: 1.1 before.test",
    "Max-Forwards: 7",
    "Authorization: Basic bGFiOmxhYg==",
    "Cookie: a=1",
    "Cookie: b=2",
    "X-Double: one",
    "X-Double: two",
    "X-List: a, b",
    "X-List: c",
    "x-oDd-CaSe: kept?",
    "X-Empty:",
    "X-Spaces: a  b   c",
    "X-Tab: a\tb",
    "X_Underscore: 1",
    "X.Dot: 1",
    "123: digits",
    "X-Bytes: caf\xe9 \xc3\xa9",
    "Connection: X-Listed",
    "X-Listed: 1",
    "Keep-Alive: timeout=5",
    "TE: trailers",
    "Trailer: X-Sum",
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic cHJveHk6bGFi",
    "Proxy: http://forged.test",
    "Client-Cert: :Zm9yZ2Vk:",
    "X-SSL-Client-Cert: forged",
    "X-SSL-Client-Verify: SUCCESS",
    "X-Forwarded-Client-Cert: Hash=forged",
    "X-Amzn-Mtls-Clientcert: forged",
    "X-Consumer-Username: forged",
    "X-Credential-Identifier: forged",
    "X-Request-ID: 11112222333344445555666677778888",
    "X-Kong-Request-Id: 99998888777766665555444433332222",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "Range: bytes=0-99",
    "If-None-Match: \"1\"",
    "Early-Data: 1",
    "Priority: u=1",
};

static const char *const response_fields[] = {
    "Server: origin/1",
    "Date: Sun, 06 Nov 1994 08:49:37 GMT",
    "content-type: text/plain",
    "Content-Length: 2",
    "Set-Cookie: a=1; Path=/",
    "Set-Cookie: b=2; Path=/; HttpOnly",
    "Via: 1.1 behind.test",
    "Location: http://elsewhere.test/x",
    "Refresh: 9; url=http://elsewhere.test/x",
    "X-Powered-By: origin",
    "X-Double: one",
    "X-Double: two",
    "Vary: Accept",
    "Vary: Cookie",
    "Cache-Control: no-cache",
    "Cache-Control: private",
    "WWW-Authenticate: Basic realm=\"a\"",
    "WWW-Authenticate: Bearer",
    "Proxy-Authenticate: Basic realm=\"p\"",
    "ETag: \"1\"",
    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
    "Age: 3",
    "x-oDd-CaSe: kept?",
    "X-Empty:",
    "X-Spaces: a  b   c",
    "X-Tab: a\tb",
    "X_Underscore: 1",
    "X-Bytes: caf\xe9 \xc3\xa9",
    "Connection: X-Answer-Listed",
    "X-Answer-Listed: 1",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "X-Accel-Buffering: yes",
    "X-Accel-Expires: 0",
    "X-Accel-Charset: utf-8",
    "X-Accel-Limit-Rate: 0",
    "X-Pad: avoid browser bug",
    "X-Request-ID: 11112222333344445555666677778888",
    "Strict-Transport-Security: max-age=1",
    "X-Kong-Upstream-Latency: 99999999",
    "Alt-Svc: clear",
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static void print_long(FILE *stream, size_t length)
{
    (void)fputs("X-Long: ", stream);
    while (length-- > 0)
        (void)fputc('x', stream);
    (void)fputs("\r\n", stream);
}

/* The stream and its text become the bytes. */
static struct slice finish(FILE *stream, char **text, const size_t *length)
{
    if (fclose(stream) == 0)
        return (struct slice){ *text, *length };
    free(*text);
    return (struct slice){ NULL, 0 };
}

struct slice headers_sample_request(const char *target, const char *authority, const char *case_id)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return (struct slice){ NULL, 0 };
    (void)fprintf(stream, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Hopgate-Case: %s\r\n", target,
                  authority, case_id);
    for (size_t i = 0; i < COUNT(request_fields); i++)
        (void)fprintf(stream, "%s\r\n", request_fields[i]);
    print_long(stream, LONG_REQUEST_VALUE);
    (void)fputs("\r\n", stream);
    return finish(stream, &text, &length);
}

struct slice headers_sample_response(void)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return (struct slice){ NULL, 0 };
    (void)fputs("HTTP/1.1 200 Fine Thanks\r\n", stream);
    for (size_t i = 0; i < COUNT(response_fields); i++)
        (void)fprintf(stream, "%s\r\n", response_fields[i]);
    print_long(stream, LONG_RESPONSE_VALUE);
    (void)fputs("\r\nok", stream);
    return finish(stream, &text, &length);
}
