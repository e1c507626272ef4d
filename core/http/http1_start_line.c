#include "core/http/http1_priv.h"

#include "core/http/http_chars.h"

/* "HTTP/" DIGIT "." DIGIT */
enum { VERSION_LENGTH = 8, STATUS_DIGITS = 3, STATUS_MIN = 100 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct http1_verdict response_may_begin(struct slice bytes, unsigned leniencies)
{
    const struct slice prefix =
        leniencies & HTTP1_LENIENT_ODD_STATUS ? SLICE("HTTP/") : SLICE("HTTP/1.");
    size_t n = bytes.len < prefix.len ? bytes.len : prefix.len;

    for (size_t i = 0; i < n; i++)
        if (bytes.ptr[i] != prefix.ptr[i])
            return http1_refuse(HTTP1_ERR_BAD_STATUS_LINE, i);
    return http1_accept();
}

struct http1_verdict http1_start_line_may_begin(enum http1_role role, struct slice bytes,
                                                unsigned leniencies)
{
    if (role == HTTP1_RESPONSE)
        return response_may_begin(bytes, leniencies);
    if (bytes.len == 0 || http_char_is(bytes.ptr[0], HTTP_CHAR_TOKEN))
        return http1_accept();
    switch (bytes.ptr[0]) {
    case '\n':
        return http1_refuse(HTTP1_ERR_BARE_LF, 0);
    case '\r': /* RFC 9112 2.2 lets one empty line pass, that one was skipped already */
    case ' ':
        return http1_refuse(HTTP1_ERR_BAD_REQUEST_LINE, 0);
    }
    return http1_refuse(HTTP1_ERR_BAD_METHOD, 0);
}

static bool version_is_well_formed(struct slice version)
{
    return version.len == VERSION_LENGTH && slice_starts_with(version, SLICE("HTTP/")) &&
           is_digit(version.ptr[5]) && version.ptr[6] == '.' && is_digit(version.ptr[7]);
}

static bool version_is_supported(struct slice version)
{
    return version.ptr[5] == '1' && (version.ptr[7] == '0' || version.ptr[7] == '1');
}

static void set_version(struct http_head *head, struct slice version)
{
    head->version_major = (uint8_t)(version.ptr[5] - '0');
    head->version_minor = (uint8_t)(version.ptr[7] - '0');
}

static void set_path_and_query(struct http_head *head, struct slice text)
{
    const char *mark = text.len > 0 ? memchr(text.ptr, '?', text.len) : NULL;

    head->path = text;
    if (mark) {
        head->path.len = (size_t)(mark - text.ptr);
        head->query = slice_from(text, head->path.len + 1);
    }
}

/* RFC 9112 3.2.2. Which scheme fits the listener is the caller's business. */
static struct http1_verdict read_absolute_form(struct http_head *head, struct slice target)
{
    const char *colon = memchr(target.ptr, ':', target.len);
    size_t scheme_length = colon ? (size_t)(colon - target.ptr) : 0;
    struct slice scheme = { target.ptr, scheme_length };
    struct slice rest = slice_from(target, scheme_length + 3);
    size_t authority_length = 0;
    struct slice host, port;

    if (!colon || !slice_starts_with(slice_from(target, scheme_length), SLICE("://")))
        return http1_refuse(HTTP1_ERR_BAD_TARGET, 0);
    if (!slice_equal_nocase(scheme, SLICE("http")) && !slice_equal_nocase(scheme, SLICE("https")))
        return http1_refuse(HTTP1_ERR_BAD_TARGET_SCHEME, 0);
    while (authority_length < rest.len && rest.ptr[authority_length] != '/' &&
           rest.ptr[authority_length] != '?')
        authority_length++;

    head->target_form = HTTP_TARGET_ABSOLUTE;
    head->scheme = scheme;
    head->authority = (struct slice){ rest.ptr, authority_length };
    if (!http_authority_split(head->authority, &host, &port))
        return http1_refuse(HTTP1_ERR_BAD_TARGET_HOST, (size_t)(rest.ptr - target.ptr));
    set_path_and_query(head, slice_from(rest, authority_length));
    if (slice_is_empty(head->path)) {
        bool asks_server = head->method == HTTP_METHOD_OPTIONS && !head->query.ptr;

        head->path = asks_server ? SLICE("*") : SLICE("/");
    }
    return http1_accept();
}

/* RFC 9112 3.2.3: host and port, nothing else. What asks for a resource is refused for its method, as in
 * nginx (measured). */
static struct http1_verdict read_authority_form(struct http_head *head, struct slice target)
{
    struct slice host, port;

    if (target.ptr[0] == '/')
        return http1_refuse(HTTP1_ERR_CONNECT_TARGET, 0);
    if (!http_authority_split(target, &host, &port) || port.len == 0)
        return http1_refuse(HTTP1_ERR_BAD_TARGET_HOST, 0);
    head->target_form = HTTP_TARGET_AUTHORITY;
    head->authority = target;
    return http1_accept();
}

static struct http1_verdict read_target(struct http_head *head, struct slice target)
{
    head->request_target = target;
    if (head->method == HTTP_METHOD_CONNECT)
        return read_authority_form(head, target);
    if (target.ptr[0] == '/') {
        head->target_form = HTTP_TARGET_ORIGIN;
        set_path_and_query(head, target);
        return http1_accept();
    }
    if (target.ptr[0] != '*')
        return read_absolute_form(head, target);
    if (target.len > 1 || head->method != HTTP_METHOD_OPTIONS)
        return http1_refuse(HTTP1_ERR_BAD_TARGET, 0);
    head->target_form = HTTP_TARGET_ASTERISK;
    head->path = target;
    return http1_accept();
}

/* RFC 9112 3: exactly one SP between the parts; anything more lenient has been used to smuggle. */
struct http1_verdict http1_read_request_line(struct http_head *head, struct slice line)
{
    size_t method_length = http_chars_span(line, HTTP_CHAR_TOKEN);
    size_t target_at = method_length + 1, version_at;
    struct slice target, version;
    struct http1_verdict verdict;

    if (slice_equal(line, SLICE("PRI * HTTP/2.0")))
        return http1_refuse(HTTP1_ERR_HTTP2_PREFACE, 0);
    if (method_length == line.len)
        return http1_refuse(HTTP1_ERR_BAD_REQUEST_LINE, method_length);
    if (method_length == 0 || line.ptr[method_length] != ' ')
        return http1_refuse_byte(line, method_length, HTTP1_ERR_BAD_METHOD);

    target = slice_from(line, target_at);
    target.len = http_chars_span(target, HTTP_CHAR_TARGET);
    version_at = target_at + target.len + 1;
    if (target.len == 0 || version_at > line.len)
        return http1_refuse_byte(line, target_at + target.len, HTTP1_ERR_BAD_REQUEST_LINE);
    if (line.ptr[version_at - 1] != ' ')
        return http1_refuse_byte(line, version_at - 1, HTTP1_ERR_BAD_TARGET);

    version = slice_from(line, version_at);
    if (!version_is_well_formed(version))
        return http1_refuse(HTTP1_ERR_BAD_VERSION, version_at);
    if (!version_is_supported(version))
        return http1_refuse(HTTP1_ERR_VERSION_UNSUPPORTED, version_at);

    head->request_line = line;
    head->method_name = (struct slice){ line.ptr, method_length };
    head->method = http_method_of(head->method_name);
    set_version(head, version);
    verdict = read_target(head, target);
    verdict.at += target_at;
    return verdict;
}

/* RFC 9112 4: "HTTP/1.x" SP 3DIGIT [ SP reason-phrase ]. */
static struct http1_verdict read_plain_status_line(struct http_head *head, struct slice line)
{
    struct slice version = { line.ptr, line.len < VERSION_LENGTH ? line.len : VERSION_LENGTH };
    struct slice digits = slice_from(line, VERSION_LENGTH + 1);
    struct slice reason = slice_from(digits, STATUS_DIGITS);
    unsigned status = 0;
    size_t bad_at;

    if (!version_is_well_formed(version) || !version_is_supported(version))
        return http1_refuse(HTTP1_ERR_BAD_STATUS_LINE, 0);
    if (digits.len < STATUS_DIGITS || line.ptr[VERSION_LENGTH] != ' ')
        return http1_refuse(HTTP1_ERR_BAD_STATUS_LINE, VERSION_LENGTH);
    for (size_t i = 0; i < STATUS_DIGITS; i++) {
        if (!is_digit(digits.ptr[i]))
            return http1_refuse(HTTP1_ERR_BAD_STATUS_LINE, VERSION_LENGTH + 1 + i);
        status = status * 10 + (unsigned)(digits.ptr[i] - '0');
    }
    if (status < STATUS_MIN || (reason.len > 0 && reason.ptr[0] != ' '))
        return http1_refuse(HTTP1_ERR_BAD_STATUS_LINE, VERSION_LENGTH + 1);
    reason = slice_from(reason, 1);
    bad_at = http_text_bad_at(reason);
    if (bad_at < reason.len)
        return http1_refuse_byte(line, (size_t)(reason.ptr - line.ptr) + bad_at,
                                 HTTP1_ERR_BAD_STATUS_LINE);
    set_version(head, version);
    head->status = (uint16_t)status;
    head->reason = reason;
    return http1_accept();
}

/* HTTP1_LENIENT_ODD_STATUS, as ngx_http_parse_status_line: any version (later ones are 1.1 to it), blanks
 * before the status, a '.' after it. */
static struct slice plain_status_line(struct http_head *head, struct slice line)
{
    size_t at = VERSION_LENGTH, more = 0;
    char *plain;

    if (line.len < VERSION_LENGTH || !version_is_well_formed((struct slice){ line.ptr, at }))
        return line;
    while (at + more + 1 < line.len && line.ptr[at + more] == ' ' && line.ptr[at + more + 1] == ' ')
        more++;
    plain = arena_alloc(head->fields.arena, line.len - more);
    if (!plain)
        return line;
    memcpy(plain,
           line.ptr[5] == '0' || slice_starts_with(line, SLICE("HTTP/1.0")) ? "HTTP/1.0"
                                                                            : "HTTP/1.1",
           at);
    memcpy(plain + at, line.ptr + at + more, line.len - more - at);
    line = (struct slice){ plain, line.len - more };
    at += 1 + STATUS_DIGITS;
    if (at < line.len && plain[at] == '.')
        plain[at] = ' ';
    return line;
}

struct http1_verdict http1_read_status_line(struct http_head *head, struct slice line,
                                            unsigned leniencies)
{
    if (leniencies & HTTP1_LENIENT_ODD_STATUS)
        line = plain_status_line(head, line);
    return read_plain_status_line(head, line);
}
