#include "tls/openssl_error_priv.h"

#include <openssl/err.h>

#include <stdio.h>
#include <string.h>

void openssl_error_drain(char *into, size_t size)
{
    const char *data;
    unsigned long code;
    size_t used = 0;
    int flags;

    into[0] = '\0';
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        if (used > 0 && used + 1 < size)
            into[used++] = ' ';
        if (used + 1 >= size)
            continue;
        ERR_error_string_n(code, into + used, size - used);
        used += strlen(into + used);
        if (data && data[0] && (flags & ERR_TXT_STRING)) {
            snprintf(into + used, size - used, ":%s", data);
            used += strlen(into + used);
        }
    }
}

void openssl_error_reason(char *into, size_t size)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    snprintf(into, size, "%s", reason ? reason : "OpenSSL gives no reason");
    ERR_clear_error();
}
