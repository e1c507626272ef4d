#include "config/checks.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/entity_id.h"
#include "core/addr.h"
#include "core/regex.h"
#include "core/slice.h"

enum { HOST_NAME_MAX_BYTES = 253, HOST_LABEL_MAX_BYTES = 63 };

__attribute__((format(printf, 2, 3))) static int refuse(char *message, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(message, CHECK_MESSAGE_MAX, format, args);
    va_end(args);
    return -EINVAL;
}

int check_uuid(const char *text, char *message)
{
    return entity_id_is_valid(text) ? 0 : refuse(message, "expected a valid UUID");
}

int check_name(const char *text, char *message)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x80 && !isalnum((unsigned char)*c) && !strchr(".-_~", *c))
            return refuse(message,
                          "invalid value '%s': the only accepted ascii characters are "
                          "alphanumerics or ., -, _, and ~",
                          text);
    return 0;
}

int check_tag(const char *text, char *message)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == ',' || *c == '/')
            return refuse(message,
                          "invalid tag '%s': expected printable ascii (except `,` and `/`) or "
                          "valid utf-8 sequences",
                          text);
    return 0;
}

/* --- hosts --------------------------------------------------------------------------------- */

static bool is_ip(struct slice text)
{
    struct sockaddr_storage addr;

    return addr_parse_ip(text, 0, &addr) == 0;
}

/* Labels of letters, digits, '-' and '_' (Kong takes it: container names have it). */
static bool is_host_name(struct slice text)
{
    size_t label = 0;

    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > HOST_NAME_MAX_BYTES)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
        } else if ((!isalnum((unsigned char)c) && c != '-' && c != '_') ||
                   ++label > HOST_LABEL_MAX_BYTES) {
            return false;
        }
    }
    return label > 0;
}

/* Only digits and dots is a mistyped address, not a name. */
static bool looks_like_ip(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isdigit((unsigned char)text.ptr[i]) && text.ptr[i] != '.')
            return false;
    return true;
}

static bool is_host(struct slice text)
{
    return is_ip(text) || (is_host_name(text) && !looks_like_ip(text));
}

/* host or host:port, whether or not the port is welcome. */
static bool split_host(const char *text, struct slice *ret_host, struct slice *ret_port)
{
    uint16_t number;

    return addr_split_host_port(slice_of(text), ret_host, ret_port) == 0 && is_host(*ret_host) &&
           (!ret_port->ptr || addr_parse_port(*ret_port, &number) == 0);
}

int check_host(const char *text, char *message)
{
    struct slice host, port;

    if (!split_host(text, &host, &port))
        return refuse(message, "invalid value: %s", text);
    if (port.ptr)
        return refuse(message, "must not have a port");
    return 0;
}

int check_host_with_port(const char *text, char *message)
{
    struct slice host, port;

    return split_host(text, &host, &port) ? 0 : refuse(message, "invalid value: %s", text);
}

int check_upstream_name(const char *text, char *message)
{
    struct slice host, port;

    if (addr_split_host_port(slice_of(text), &host, &port) < 0)
        return refuse(message, "Invalid name ('%s'); must be a valid hostname", text);
    if (is_ip(host))
        return refuse(message, "Invalid name ('%s'); no ip addresses allowed", text);
    if (!is_host(host))
        return refuse(message, "Invalid name ('%s'); must be a valid hostname", text);
    if (port.ptr)
        return refuse(message, "Invalid name ('%s'); no port allowed", text);
    return 0;
}

int check_target(const char *text, char *message)
{
    struct slice host, port;
    uint16_t number;

    if (addr_split_host_port(slice_of(text), &host, &port) < 0 || !is_host(host) ||
        (port.ptr && (addr_parse_port(port, &number) < 0 || number == 0)))
        return refuse(message, "Invalid target ('%s'); not a valid hostname or ip address", text);
    return 0;
}

int check_route_host(const char *text, char *message)
{
    const char *star = strchr(text, '*');
    struct slice host, port;
    char plain[HOST_NAME_MAX_BYTES + 16];

    if (star && strchr(star + 1, '*'))
        return refuse(message, "invalid wildcard: must have at most one wildcard");
    if (star && strncmp(text, "*.", 2) != 0 &&
        !(star > text && star[-1] == '.' && (star[1] == '\0' || star[1] == ':')))
        return refuse(message, "invalid wildcard: must be placed at leftmost or rightmost label");
    if (strlen(text) >= sizeof(plain))
        return refuse(message, "invalid value: %s", text);
    memcpy(plain, text, strlen(text) + 1);
    if (star)
        plain[star - text] = 'x'; /* any label: what is left must be a host name */
    return split_host(plain, &host, &port) ? 0 : refuse(message, "invalid value: %s", text);
}

int check_sni(const char *text, char *message)
{
    const char *star = strchr(text, '*');
    struct slice host, port;
    char plain[HOST_NAME_MAX_BYTES + 16];

    if (star && star != text && star[1] != '\0')
        return refuse(message, "wildcard must be leftmost or rightmost character");
    if (star && strchr(star + 1, '*'))
        return refuse(message, "only one wildcard must be specified");
    if (strlen(text) >= sizeof(plain))
        return refuse(message, "invalid value: %s", text);
    memcpy(plain, text, strlen(text) + 1);
    if (star)
        plain[star - text] = 'x';
    if (addr_split_host_port(slice_of(plain), &host, &port) < 0)
        return refuse(message, "invalid value: %s", text);
    if (is_ip(host))
        return refuse(message, "must not be an IP");
    if (port.ptr)
        return refuse(message, "must not have a port");
    return is_host(host) ? 0 : refuse(message, "invalid value: %s", text);
}

int check_server_name(const char *text, char *message)
{
    if (strchr(text, '*'))
        return refuse(message, "invalid value: %s", text);
    return check_sni(text, message);
}

int check_token(const char *text, char *message)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr(others, *c))
            return refuse(message, "invalid name '%s', allowed are letters, digits and %s", text,
                          others);
    return *text ? 0 : refuse(message, "length must be at least 1");
}

/* kong/tools/http.lua: validate_header_name */
int check_header_name(const char *text, char *message)
{
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_')
            return refuse(message,
                          "bad header name '%s', allowed characters are A-Z, a-z, 0-9, '_', and "
                          "'-'",
                          text);
    return *text ? 0 : refuse(message, "no header name provided");
}

/* kong/db/schema/typedefs.lua: validate_url */
int check_url(const char *text, char *message)
{
    size_t scheme = isalnum((unsigned char)*text) ? 1 : 0, host;

    while (scheme > 0 &&
           (isalnum((unsigned char)text[scheme]) || (text[scheme] && strchr("+-.", text[scheme]))))
        scheme++;
    const char *rest = scheme > 0 && text[scheme] == ':' ? text + scheme + 1 : text;
    host = strncmp(rest, "//", 2) == 0 ? strcspn(rest + 2, "/?#") : 0;
    if (host == 0)
        return refuse(message, "missing host in url");
    return rest == text ? refuse(message, "missing scheme in url") : 0;
}

int check_field_value(const char *text, char *message)
{
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
            return refuse(message,
                          "a field's value may have no control character such as CR, LF or NUL "
                          "(byte 0x%02x at offset %zu); remove it",
                          (unsigned char)*c, (size_t)(c - text));
    return 0;
}

int check_cidr(const char *text, char *message)
{
    struct addr_cidr cidr;

    return addr_cidr_parse(slice_of(text), &cidr) == 0
               ? 0
               : refuse(message, "invalid ip or cidr range: '%s'", text);
}

/* --- paths --------------------------------------------------------------------------------- */

static int check_percent(const char *text, char *message)
{
    for (const char *c = strchr(text, '%'); c; c = strchr(c + 1, '%'))
        if (!isxdigit((unsigned char)c[1]) || !isxdigit((unsigned char)c[2]))
            return refuse(message, "invalid url-encoded value: '%.3s'", c);
    return 0;
}

static int check_path_segments(const char *text, char *message)
{
    if (text[0] != '/')
        return refuse(message, "should start with: /");
    return strstr(text, "//") ? refuse(message, "must not have empty segments") : 0;
}

static int check_path_shape(const char *text, char *message)
{
    int r = check_path_segments(text, message);

    return r < 0 ? r : check_percent(text, message);
}

int check_base_path(const char *text, char *message)
{
    int r = check_path_segments(text, message);

    for (const char *c = text; r == 0 && *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("!$&'()*+,/:;=@-._~%", *c))
            r = refuse(message,
                       "invalid path: '%s' (characters outside of the reserved list of RFC 3986 "
                       "found)",
                       text);
    return r < 0 ? r : check_percent(text, message);
}

/* Such a path is written into Set-Cookie, where ';' begins the next attribute. */
int check_cookie_path(const char *text, char *message)
{
    int r = check_base_path(text, message);

    if (r == 0 && strchr(text, ';'))
        r = refuse(message, "invalid path '%s'; it may have no ';'", text);
    return r;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : toupper((unsigned char)c) - 'A' + 10;
}

static bool is_encoded_byte(const char *text)
{
    return text[0] == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]);
}

/* kong/tools/uri.lua: %XX becomes its byte unless that is a reserved character, which stays encoded
 * with capital hex digits. `into` may be `text`. */
static void decode_unreserved(const char *text, char *into)
{
    while (*text) {
        if (!is_encoded_byte(text)) {
            *into++ = *text++;
            continue;
        }
        int byte = hex_digit(text[1]) << 4 | hex_digit(text[2]);
        if (byte == 0 || strchr("!*'();:@&=+$,/?%#[]", byte)) {
            *into++ = '%';
            *into++ = (char)toupper((unsigned char)text[1]);
            *into++ = (char)toupper((unsigned char)text[2]);
        } else {
            *into++ = (char)byte;
        }
        text += 3;
    }
    *into = '\0';
}

/* RFC 3986 5.2.4, and repeated slashes as one. In place; the text starts with '/'. */
static void remove_dot_segments(char *text)
{
    char *out = text;
    const char *in = text;

    while (*in) {
        size_t length = strcspn(in + 1, "/"); /* of the segment after the slash at `in` */
        bool last = in[1 + length] == '\0';
        bool dot = length == 1 && in[1] == '.';
        bool dots = length == 2 && in[1] == '.' && in[2] == '.';
        if (dots)
            while (out > text && *--out != '/')
                ;
        if (dot || dots || (length == 0 && !last)) {
            if (last && (dot || dots))
                *out++ = '/';
        } else {
            memmove(out, in, length + 1);
            out += length + 1;
        }
        in += length + 1;
    }
    *out = '\0';
}

char *check_normalise_path(const char *text)
{
    char *normal = strdup(text);

    if (!normal)
        return NULL;
    decode_unreserved(normal, normal);
    if (normal[0] == '/')
        remove_dot_segments(normal);
    return normal;
}

/* typedefs.router_path: what holds for every path, and that it compiles. */
static int check_regex_path(const char *text, char *message)
{
    char reason[REGEX_MESSAGE_MAX];
    int r = check_path_shape(text + 1, message);

    if (r == 0 && regex_check(slice_of(text + 1), REGEX_ANCHORED, reason) < 0)
        r = refuse(message, "invalid regex: '%s' (PCRE returned: %s)", text + 1, reason);
    return r;
}

/* Compiled as any router would: what only one of them refuses comes later. */
int check_route_header(const char *text, char *message)
{
    char reason[REGEX_MESSAGE_MAX];

    return strncmp(text, "~*", 2) != 0 || regex_check(slice_of(text + 2), 0, reason) == 0
               ? 0
               : refuse(message, "invalid regex: '%s' (PCRE returned: %s)", text + 2, reason);
}

int check_route_path(const char *text, char *message)
{
    char *normal;
    int r;

    if (strncmp(text, "~/", 2) == 0)
        return check_regex_path(text, message);
    if (text[0] != '/')
        return refuse(message, "should start with: / (fixed path) or ~/ (regex path)");
    r = check_path_shape(text, message);
    if (r < 0)
        return r;
    normal = check_normalise_path(text);
    if (!normal)
        return refuse(message, "no memory to check this path");
    if (strcmp(normal, text) != 0)
        r = refuse(message, "non-normalized path, consider use '%s' instead", normal);
    free(normal);
    return r;
}

/* --- PEM ----------------------------------------------------------------------------------- */

static size_t count_text(const char *text, const char *part)
{
    size_t count = 0;

    for (text = strstr(text, part); text; text = strstr(text + 1, part))
        count++;
    return count;
}

static int check_pem(const char *text, const char *what, char *message)
{
    if (strncmp(text, "{vault://", 9) == 0)
        return refuse(message, "a vault reference is not supported by this version of hopgate; "
                               "write the PEM text");
    if (!strstr(text, "-----BEGIN ") || !strstr(text, "-----END "))
        return refuse(message,
                      "invalid %s: no PEM text; paste the content of the file, from -----BEGIN to "
                      "-----END (a file name is not taken here)",
                      what);
    if (count_text(text, "-----BEGIN ") != count_text(text, "-----END "))
        return refuse(message, "invalid %s: the PEM text is cut, a -----BEGIN has no -----END",
                      what);
    return 0;
}

int check_certificate(const char *text, char *message)
{
    int r = check_pem(text, "certificate", message);

    if (r == 0 && !strstr(text, "-----BEGIN CERTIFICATE-----") &&
        !strstr(text, "-----BEGIN TRUSTED CERTIFICATE-----"))
        return refuse(message, "invalid certificate: the PEM text holds no CERTIFICATE block");
    return r;
}

int check_ca_certificate(const char *text, char *message)
{
    int r = check_certificate(text, message);

    if (r == 0 && count_text(text, "-----BEGIN ") > 1)
        return refuse(message, "please submit only one certificate at a time");
    return r;
}

int check_private_key(const char *text, char *message)
{
    int r = check_pem(text, "key", message);

    if (r == 0 && !strstr(text, "PRIVATE KEY-----"))
        return refuse(message, "invalid key: the PEM text holds no PRIVATE KEY block");
    return r;
}

/* --- hints --------------------------------------------------------------------------------- */

const char *check_hint(check_function *check, const char *message)
{
    static const struct {
        check_function *check;
        const char *begins, *hint;
    } hints[] = {
        { check_host, "must not have a port", "write it in the field 'port'" },
        { check_target, "Invalid target",
          "write 'host:port' or '[ipv6]:port', the port from 1 to 65535" },
        { check_cidr, "invalid ip", "write 10.0.0.0/8 or 192.0.2.1" },
    };

    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
        if (hints[i].check == check &&
            strncmp(message, hints[i].begins, strlen(hints[i].begins)) == 0)
            return hints[i].hint;
    return NULL;
}
