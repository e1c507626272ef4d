#include "tools/probe/result.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void probe_fail(struct probe_result *result, const char *kind, const char *format, ...)
{
    va_list arguments;

    if (result->kind)
        return;
    result->kind = kind;
    va_start(arguments, format);
    vsnprintf(result->verdict, sizeof(result->verdict), format, arguments);
    va_end(arguments);
    for (char *at = result->verdict; *at; at++)
        if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f)
            *at = '?';
}

bool probe_has_failed(const struct probe_result *result)
{
    return result->kind && !result->is_fine;
}

void probe_result_done(struct probe_result *result)
{
    if (result->has_tls)
        tls_probe_report_done(&result->tls);
    free(result->answer.heads);
    free(result->answer.content);
}

char *probe_escape(const char *bytes, size_t length)
{
    char *text = malloc(4 * length + 1), *at = text;

    if (!text)
        return NULL;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (byte == '\\')
            at += snprintf(at, 3, "\\\\");
        else if (byte >= 0x20 && byte < 0x7f)
            *at++ = (char)byte;
        else
            at += snprintf(at, 5, "\\x%02x", byte);
    }
    *at = '\0';
    return text;
}

bool probe_next_line(struct slice *rest, struct slice *ret_line)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    size_t length = end ? (size_t)(end - rest->ptr) + 1 : rest->len;

    if (length == 0)
        return false;
    *ret_line = (struct slice){ rest->ptr, length };
    if (end && length >= 2 && end[-1] == '\r')
        ret_line->len -= 2;
    *rest = slice_from(*rest, length);
    return true;
}

const char *probe_phase_name(enum probe_phase phase)
{
    static const char *const names[] = {
        [PROBE_DNS] = "dns",         [PROBE_CONNECT] = "connect",       [PROBE_TLS] = "tls",
        [PROBE_REQUEST] = "request", [PROBE_FIRST_BYTE] = "first_byte", [PROBE_TOTAL] = "total",
    };

    return names[phase];
}

const char *probe_resumption_text(enum probe_resumption resumption)
{
    switch (resumption) {
    case PROBE_NOT_TESTED:
        return "not tested";
    case PROBE_NOT_OFFERED:
        return "version not offered";
    case PROBE_NO_SESSION:
        return "no session given";
    case PROBE_NOT_RESUMED:
        return "not resumed";
    case PROBE_RESUMED_BY_TICKET:
        return "resumed by ticket";
    case PROBE_RESUMED_BY_ID:
        return "resumed by session id";
    }
    return "not tested";
}
